"""A broker with keys, and peers of every kind before it."""
import contextlib
import os
import random
import re
import signal
import socket as plain
import subprocess
import time

import msgpack
import zmq

from casebus import BIN, Broker, await_

CTL = os.path.join(BIN, "casebus-ctl")

def keygen(folder, name):
    """The pair of a name, its files made where they are missing: (public, secret)."""
    secret = os.path.join(folder, name + ".secret")
    if not os.path.exists(secret):
        subprocess.run([CTL, "keygen", name, "--out", folder], check=True, capture_output=True)
    return tuple(key.encode() for key in zmq_certificate(secret))


def zmq_certificate(path):
    """By pyzmq's own reader of such files."""
    from zmq.auth import load_certificate
    public, secret = load_certificate(path)
    return public.decode(), (secret or b"").decode()


CLAIMS = []  # sockets of names that end with this process


def endpoint_of_its_own():
    """Below the ports that programs are given where they ask for any: while the broker gives one up
    to bind it again, nobody else takes it. No test is given it again, of this process or another."""
    while True:
        port = random.randrange(20000, 32000)
        claim = plain.socket(plain.AF_UNIX)
        with contextlib.suppress(OSError), plain.socket() as s:
            claim.bind("\0casebus-test-port-%d" % port)
            if s.connect_ex(("127.0.0.1", port)) != 0:
                CLAIMS.append(claim)
                return "tcp://127.0.0.1:%d" % port


class Guarded(Broker):
    """A broker whose TCP endpoints take only the keys of its actors. `actors`: lines of the file,
    in which {NAME} is the key of that name."""

    def __init__(self, actors, *flags, config="", **more):
        super().__init__(*flags, start=False, **more)
        self.ingest, self.fanout, self.query = (endpoint_of_its_own() for _ in range(3))
        self.keys = os.path.join(self.dir, "keys")
        self.actors = os.path.join(self.dir, "actors")
        self.config = os.path.join(self.dir, "casebus.conf")
        self.server = keygen(self.keys, "broker-1")[0]
        self.write_actors(actors)
        with open(self.config, "w") as file:
            file.write(re.sub(r"tcp://127\.0\.0\.1:\*", lambda _: endpoint_of_its_own(), config))
        self.flags += ["--secret", self.secret_of("broker-1"), "--actors", self.actors,
                       "--config", self.config]
        self.start()

    def secret_of(self, name):
        keygen(self.keys, name)
        return os.path.join(self.keys, name + ".secret")

    def write_actors(self, text):
        class Names(dict):
            def __missing__(names, name):
                return keygen(self.keys, name)[0].decode()
        with open(self.actors, "w") as file:
            file.write(text.format_map(Names()))

    def change_actors(self, text, said="read "):
        """Writes the file anew and waits until the broker has taken it in, or refused it."""
        before = len(self.whole_log())
        self.write_actors(text)
        self.process.send_signal(signal.SIGHUP)
        await_("said what it read", lambda: re.search(r"SIGHUP: (read |.*unchanged)", self.whole_log()[before:]))
        assert said in self.whole_log()[before:], self.whole_log()[before:]

    def whole_log(self):
        self.log.flush()
        return open(self.log.name, errors="replace").read()

    def audit(self, start=0):
        return [line for line in self.whole_log()[start:].splitlines() if " audit " in line]

    def curve(self, name):
        """The keys of a connection: (public, secret, the broker's)."""
        return (*keygen(self.keys, name), self.server)

    def key_flags(self, name):
        return ["--secret", self.secret_of(name),
                "--server", os.path.join(self.keys, "broker-1.pub")]

    def run_as(self, name, program, *args, code=0):
        return self.run(program, *self.key_flags(name), *args, code=code)

    def peer(self, kind, name=None, server=None):
        """A socket with the key of that name (None: no key), connected to nothing yet."""
        socket = zmq.Context.instance().socket(kind)
        socket.linger = 0
        if name:
            socket.curve_publickey, socket.curve_secretkey, own = self.curve(name)
            socket.curve_serverkey = server or own
        return socket

    def asker(self, name=None, server=None):
        return Asker(self.peer(zmq.DEALER, name, server), self.query)


class Asker:
    """Requests one at a time; None: no answer came."""

    def __init__(self, socket, endpoint):
        self.socket = socket
        self.socket.connect(endpoint)

    def ask(self, op, patience=30, **args):
        self.socket.send_multipart([b"", msgpack.packb({"v": 1, "op": op, **args})])
        if not self.socket.poll(int(patience * 1000)):
            return None
        return msgpack.unpackb(self.socket.recv_multipart()[-1])

    def code(self, op, **args):
        """"ok" or the word of the error; None: no answer came."""
        reply = self.ask(op, **args)
        return reply and (reply["error"]["code"] if "error" in reply else "ok")


def within(seconds, found, what):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "not within %g s: %s" % (seconds, what)
        time.sleep(0.01)  # a condition is awaited, on another process
