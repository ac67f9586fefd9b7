"""Who besieges a broker: peers that want too much of it, each a process of its own.

  besiegers.py WAY JSON     what Besieger starts

One says "there" once all it does has been done and stands, with what it found, and leaves without a word when
its stdin is closed.

They step back (nice) for the broker and the honest: what the tests measure is what the broker does for
them, not who of many programs on one machine gets to run."""
import json
import os
import random
import resource
import select
import socket
import subprocess
import sys
import time

import msgpack
import zmq
from zmq.utils.monitor import recv_monitor_message

from wire import Wire, frame, greeting, ready

AT_ONCE = 250  # connections of those that the broker hangs up on
# What connections cost is meant, not how many handshakes a second a processor has room for: a flood of those delays
# everybody (SECURITY.md).
SHAKING_HANDS = 32  # at a time
OPENED_S = 2000  # a second
KINDS = {  # greetings, and what is said behind them
    "random": lambda rng: rng.randbytes(rng.randrange(1, 200)),
    "nothing": lambda rng: b"",
    "half": lambda rng: greeting(b"CURVE")[:rng.randrange(1, 64)],
    "zmtp 2": lambda rng: b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\x00\x00" + frame(b"case:"),
    "no key": lambda rng: greeting() + ready(b"DEALER") + frame(b"\x81\xa1v\x01"),
    "no hello": lambda rng: greeting(b"CURVE") + rng.randbytes(300),
    "long hello": lambda rng: greeting(b"CURVE") + b"\x06" + (1 << 40).to_bytes(8, "big") + bytes(5000),
}
# Of each endpoint, the kind of socket that may speak there, and a frame longer than it takes.
DOORS = {"ingest": (zmq.XPUB, (1 << 20) + 1), "fanout": (zmq.XSUB, 1025), "query": (zmq.DEALER, 656 * 1024)}
HEADS = b"\x01sys:heads:all:"


class Besieger:
    """As the tests see it: a process that they have started."""

    def __init__(self, way, broker, actor, **more):
        where = {name: getattr(broker, name) for name in DOORS}
        keys = [key.decode() for key in broker.curve(actor)]
        self.process = subprocess.Popen(
            [sys.executable, __file__, way, json.dumps({**where, "keys": keys, **more})], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = None

    def there(self):
        """What it has said; None: nothing yet."""
        if self.said is None and select.select([self.process.stdout], [], [], 0)[0]:
            self.said = self.process.stdout.readline()
            assert self.said.startswith("there"), "a besieger failed: %r" % self.said
        return self.said

    def leave(self):
        self.process.stdin.close()

    def gone(self):
        return self.process.poll() is not None


def there(*found):
    """Stays until told to go."""
    print("there", *found, flush=True)
    sys.stdin.read()


def peer(kind, keys):
    one = zmq.Context.instance().socket(kind)
    one.linger, one.sndhwm, one.rcvhwm = 0, 0, 1
    one.curve_publickey, one.curve_secretkey, one.curve_serverkey = (key.encode() for key in keys)
    return one


def until_seen(monitors, event, count=1, patience=60):
    """So many events of the kind, wherever; how many came. A monitor that is not read would stop its sockets."""
    seen, deadline, poller = 0, time.monotonic() + patience, zmq.Poller()
    for monitor in monitors:
        poller.register(monitor, zmq.POLLIN)
    while seen < count and (ready_ones := poller.poll(max(0, deadline - time.monotonic()) * 1000)):
        seen += sum(recv_monitor_message(monitor)["event"] == event for monitor, _ in ready_ones)
    return seen


def junk(ingest, fanout, query, count, **_):
    """Greetings that are none. Each stays until the broker hangs up, which it must: after the handshake's five
    seconds at the latest."""
    rng, open_ones, kinds, doors = random.Random(6), [], list(KINDS.values()), (ingest, fanout, query)
    for i in range(count):
        wire = Wire(doors[i // len(kinds) % len(doors)])
        wire.send(kinds[i % len(kinds)](rng))
        open_ones.append(wire)
        if len(open_ones) > AT_ONCE:  # those that the broker has cut off, or will soon
            open_ones.pop(rng.randrange(len(open_ones))).reset()
    for wire in open_ones:
        wire.rest()
    there()


def silent(ingest, fanout, query, count, **_):
    """Connections, as many as come about; every other begins with a greeting, and nothing more."""
    kept, doors = [], [int(door.rpartition(":")[2]) for door in (ingest, fanout, query)]
    began = time.monotonic()
    for i in range(count):
        time.sleep(max(0, began + i / OPENED_S - time.monotonic()))
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", doors[i // 2 % len(doors)]))
        if i % 2:
            try:
                one.send(greeting(b"CURVE"))
            except OSError:
                pass  # not connected yet, or the broker has no room for it
        kept.append(one)
    there()


def connected(ingest, fanout, query, keys, count, **_):
    """Connections with a key that is known, which want nothing more. These kinds of sockets connect to one
    endpoint as often as one likes."""
    kept, monitors = [], []
    for kind in (zmq.XPUB, zmq.XSUB, zmq.ROUTER):
        one = peer(kind, keys)
        monitors.append(one.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED))
        kept.append(one)
    seen = 0
    for n in range(count):
        kept[n % len(kept)].connect((ingest, fanout, query)[n % len(kept)])
        if n % SHAKING_HANDS == 0:
            seen += until_seen(monitors, zmq.EVENT_HANDSHAKE_SUCCEEDED, n + 1 - seen)
    there(seen + until_seen(monitors, zmq.EVENT_HANDSHAKE_SUCCEEDED, count - seen))


def patterns(fanout, keys, count, **_):
    """Distinct subscriptions by one. Heads, subscribed to last, come once all are in force; or the broker has cut
    him off."""
    one = peer(zmq.XSUB, keys)
    one.reconnect_ivl = -1
    monitor = one.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    one.connect(fanout)
    for n in range(count):
        one.send(b"\x01case:created:ea:%d:" % (n * 7919))
    one.send(HEADS)
    poller = zmq.Poller()
    poller.register(one, zmq.POLLIN)
    poller.register(monitor, zmq.POLLIN)
    there("cut off" if monitor in dict(poller.poll(120000)) else "subscribed")


def unread(query, keys, count, each, ids, **_):
    """Askers of replies as large as they get, who read none. The first stays where it has arrived; what comes behind it
    does not leave the broker, as the one reply of who does not even receive would."""
    zmq.Context.instance().set(zmq.MAX_SOCKETS, 2 * count + 10)
    zmq.Context.instance().set(zmq.IO_THREADS, 2)
    request, askers = msgpack.packb({"v": 1, "op": "case.get_many", "ids": ids}), []
    for _ in range(count):  # one after the other: encrypting a thousand replies at once delays everybody, too
        one = peer(zmq.DEALER, keys)
        one.rcvbuf = 65536  # else the kernel keeps megabytes of each
        one.connect(query)
        for _ in range(each):
            one.send_multipart([b"", request])
        assert one.poll(60000), "no reply has come"
        askers.append(one)
    there()


def hang_up_on(door, endpoint, keys, rounds, message):
    """Says the same at each connection; whether the broker has hung up each time. It need not."""
    one = peer(DOORS[door][0], keys)
    one.reconnect_ivl = 10
    monitor = one.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    one.connect(endpoint)
    if door == "ingest":
        one.recv()  # the broker's subscription: what is sent goes there, after a reconnect too
    hung_up = 0
    for _ in range(rounds):
        until_seen([monitor], zmq.EVENT_HANDSHAKE_SUCCEEDED)
        one.send_multipart(message)
        if not until_seen([monitor], zmq.EVENT_DISCONNECTED, patience=30):
            break
        hung_up += 1
    one.disable_monitor()  # first: a monitor that is gone would stop all that its sockets' thread does
    one.close(0)
    return hung_up == rounds


def long_frames(keys, count, **doors):
    """A frame over the limit at each endpoint, and again once connected anew."""
    hung_up = [door for door, (_, size) in DOORS.items() if hang_up_on(
        door, doors[door], keys, count, [b"\x01" + bytes(size)] if door == "fanout" else [b"", bytes(size)])]
    there(*hung_up)


def many_frames(keys, count, frames, **doors):
    """Messages of so many frames at each endpoint; what comes behind them is still answered or heeded."""
    kept = []
    for door, (kind, _) in DOORS.items():
        one = peer(kind, keys)
        kept.append(one)
        one.connect(doors[door])
        if door == "ingest":
            one.recv()
        for n in range(count):
            one.send_multipart([b"case:scraped:ea:%d:" % n] + [b"\x80"] * (frames - 1))
        last = {"ingest": [b"case:scraped:ea:last:", msgpack.packb({"v": 1, "data": {"offender": {"name": "Last"}}})],
                "fanout": [HEADS], "query": [b"", msgpack.packb({"v": 1, "op": "actor.whoami"})]}[door]
        one.send_multipart(last)
        assert door == "ingest" or one.poll(30000), door
    there()


if __name__ == "__main__":
    os.nice(10)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    WAYS = {way.__name__: way for way in (junk, silent, connected, patterns, unread, long_frames, many_frames)}
    WAYS[sys.argv[1]](**json.loads(sys.argv[2]))
