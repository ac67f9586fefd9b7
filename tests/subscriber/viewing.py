"""What the tests of live views share: the viewer program, a worker, and heads that get lost."""
import json
import os
import random
import subprocess
import sys
import threading

import msgpack
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from casebus import BIN, Broker, main  # noqa: E402


class Viewer:
    """casebus-test-viewer, a line at a time."""

    def __init__(self, fanout, query):
        wrap = os.environ.get("CASEBUS_WRAP", "").split()
        self.process = subprocess.Popen(
            [*wrap, os.path.join(BIN, "casebus-test-viewer"), fanout, query],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        assert line, "the viewer has ended: %r" % self.process.wait()
        return line.rstrip("\n")

    def do(self, *words):
        self.say(*words)
        return self.hear()

    def open(self, name, kind, *args, policy="merge", window=0, limit=10, watch=()):
        heard = self.do("open", name, kind, policy, window, limit, *args,
                        *("watch=" + pattern for pattern in watch))
        assert heard == "opened", heard

    def settle(self, reply):
        """Goes on to where the broker stood when it replied (see Worker.wait). Of each view its status, with `rows`:
        tuples of key, row and whether it is gone."""
        self.say("settle", reply["seq"], reply["epoch"].hex(), reply.get("quiet", 0))
        shown = {}
        while (line := self.hear()) != "settled":
            word, name, rest = line.split(" ", 2)
            assert word != "unsettled", line
            if word == "view":
                shown[name] = {**json.loads(rest), "rows": []}
            else:
                key, row = rest.split("\t")
                shown[name]["rows"].append((key, json.loads(row), word == "gone"))
        return shown

    def run(self, ms):
        """When requests left, in microseconds."""
        self.say("run", ms)
        return [int(line.split()[1]) for line in iter(self.hear, "ran")]

    def stats(self):
        return json.loads(self.do("stats").split(" ", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.process.kill()
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        assert kind is not None or code == 0, "the viewer left with %d" % code


class Worker:
    """Sends unnumbered reports, in order. An XPUB socket knows when the broker listens."""

    def __init__(self, broker):
        self.broker, self.client = broker, broker.client()
        self.connect()

    def connect(self):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.sndhwm, self.socket.linger = 0, 0
        self.socket.connect(self.broker.ingest)
        assert self.socket.poll(10000), "the broker has not subscribed"
        self.socket.recv()
        self.sent = 0

    def restart(self, anew=False):
        """The broker ends and comes back, with its store or without."""
        self.socket.close()
        if anew:
            self.broker.kill()
            subprocess.run(["rm", "-rf", self.broker.store], check=True)
        else:
            self.broker.stop()
        self.broker.start()
        self.connect()

    def report(self, topic, data=None, session=None):
        body = {"v": 1, **({"session": session} if session else {}),
                **({"data": data} if data is not None else {})}
        self.socket.send_multipart([topic.encode(), msgpack.packb(body)])
        self.sent += 1

    def wait(self):
        """Until all that was sent is decided; a reply of the broker whose seq is behind all of it, and
        what heads then say of what makes no event."""
        while sum(self.client.result("broker.status")["applied"].values()) < self.sent:
            pass
        # What is counted may be newer than the seq beside it.
        return {**self.client.ask("broker.status"), "quiet": self.heads().get("quiet", 0)}

    def heads(self):
        """Made after this was asked for: somebody who is new gets none that are older."""
        with zmq.Context.instance().socket(zmq.SUB) as socket:
            socket.subscribe("sys:heads:all:")
            socket.connect(self.broker.fanout)
            assert socket.poll(10000), "no heads come"
            return msgpack.unpackb(socket.recv_multipart()[1])


class Lossy(threading.Thread):
    """Stands before the broker's fan-out and loses messages of it, as many as it is told to."""

    def __init__(self, broker, seed):
        super().__init__(daemon=True)
        self.random, self.share, self.lost, self.ending = random.Random(seed), 0.0, 0, False
        context = zmq.Context.instance()
        self.back, self.front = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
        self.back.linger = self.front.linger = 0
        self.back.connect(broker.fanout)
        self.front.bind("tcp://127.0.0.1:*")
        self.endpoint = self.front.getsockopt_string(zmq.LAST_ENDPOINT)
        self.start()

    def run(self):
        poller = zmq.Poller()
        poller.register(self.back, zmq.POLLIN)
        poller.register(self.front, zmq.POLLIN)
        while not self.ending:
            ready = dict(poller.poll(100))
            if self.front in ready:
                self.back.send(self.front.recv())
            if self.back in ready:
                message = self.back.recv_multipart()
                if self.random.random() < self.share:
                    self.lost += 1
                else:
                    self.front.send_multipart(message)
        self.back.close()
        self.front.close()

    def end(self):
        self.ending = True
        self.join()
