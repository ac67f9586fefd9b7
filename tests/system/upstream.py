"""What subscribers send up to the broker: stray frames, and subscriptions of who leaves at once.

With ZMQ_XPUB_MANUAL, libzmq 4.3.4 would give the next subscription to another peer after a stray
frame, and attach one that left early after it was freed. The broker does without that option;
here is what such peers must not bring about."""
import ctypes
import os
import random
import re
import struct
import sys

import msgpack
import zmq

from casebus import SRC, Broker, await_, main
from guarded import Asker, Guarded
from wire import Wire, frame, greeting, ready

sys.path.append(os.path.join(SRC, "tests", "ledger"))
from proxy import COMMAND, MORE, Proxy  # noqa: E402

# Under the address sanitizer, what is freed is not kept for long: this is about memory too.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"

ACTORS = """worker {worker} scraper
eye    {eye}    viewer
press  {press}  press
"""
CONFIG = """role.press = stop@hse
[audience press]
endpoint = tcp://127.0.0.1:*
agencies = hse
roles = press
"""
HEADS = b"sys:heads:all:"
AGENCIES = ("hse", "ea", "orr")
PATTERNS = (b"case:created:hse:", b"case:created:ea:", b"case:synced:", b"case:")
ROUNDS = 6
BUSY = 200  # times a report of each agency: subscriptions queue up behind them
MIB = 1024  # KiB


def guarded():
    return Guarded(ACTORS, config=CONFIG)


def press_of(broker):
    return re.search(r"audience=press,(\S+)", broker.ready).group(1)


def plain_peer(kind):
    socket = zmq.Context.instance().socket(kind)
    socket.linger = 0
    return socket


class Subscriber:
    """An honest one, who knows what the log holds for it. An XSUB: it is shown all that is sent to it, where
    a SUB would drop what it has not subscribed to."""

    def __init__(self, socket, endpoint):
        self.socket, self.patterns, self.got, self.from_seq = socket, (), [], 0
        socket.rcvhwm, socket.rcvtimeo = 0, 30000
        socket.connect(endpoint)

    def subscribe(self, *patterns):
        self.patterns = patterns
        for pattern in (*patterns, HEADS):  # heads come only once all before them are in force
            self.socket.send(b"\x01" + pattern)

    def joined(self):
        self.from_seq = self.heads_at(0)

    def heads_at(self, seq):
        """Reads until heads reach it; what they say."""
        while True:
            topic, body = self.socket.recv_multipart()
            at = msgpack.unpackb(body)["seq"]
            if topic != HEADS:
                self.got.append((topic, at))
            elif at >= seq:
                return at

    def check(self, events, agencies=AGENCIES):
        """Exactly its own, each once and in order."""
        self.heads_at(events[-1][1])
        of = tuple(b":%s:" % agency.encode() for agency in agencies)
        due = [(topic, seq) for topic, seq in events
               if topic.startswith(tuple(self.patterns)) and any(agency in topic for agency in of)]
        missing = [event for event in due if event[1] > self.from_seq and event not in self.got]
        assert not missing, (self.patterns, missing[:3])
        early = [event for event in self.got if event[1] <= self.from_seq]  # decided as it joined
        assert self.got == early + [event for event in due if event[1] > self.from_seq], self.patterns
        assert all(event in due for event in early), self.patterns


class Stage:
    """A broker, a worker who reports and one who reads the log."""

    def __init__(self, broker, keyed):
        self.broker, self.keyed, self.sent = broker, keyed, 0
        self.worker = self.peer(zmq.XPUB, "worker")
        self.worker.connect(broker.ingest)
        assert self.worker.poll(30000)  # the broker's subscription: the link is up
        self.asker = Asker(self.peer(zmq.DEALER, "eye"), broker.query)

    def peer(self, kind, name):
        return self.broker.peer(kind, name) if self.keyed else plain_peer(kind)

    def subscriber(self, name, endpoint):
        return Subscriber(self.peer(zmq.XSUB, name), endpoint)

    def report(self, times=1):
        """Each time one of each agency; every other time it is the case before."""
        for _ in range(times):
            self.report_each()

    def report_each(self):
        for agency in AGENCIES:
            self.worker.send_multipart([b"case:scraped:%s:%d:" % (agency.encode(), self.sent // 2), msgpack.packb(
                {"v": 1, "data": {"offender": {"name": "Acme"}}})])
        self.sent += 1

    def events(self):
        """Of the whole log: topic and seq, once all reports are decided."""
        def decided():
            return self.asker.ask("heads")["entry"] >= self.sent * len(AGENCIES)
        await_("all reports are decided", decided)
        events, after = [], 0
        while True:
            reply = self.asker.ask("log.replay", after=after, patterns=["case"])
            events += [(topic.encode(), msgpack.unpackb(body)["seq"]) for topic, body in reply["result"]["events"]]
            after = reply["result"]["through"]
            if after == reply["seq"]:
                return events


def stray(rng, subscribing):
    """Frames that are no subscription; where `subscribing`, some have one among them."""
    parts = [rng.choice((b"", b"\x02case:", b"case:created:hse:", b"\x00case:", b"\xff" * 3,
                         rng.randbytes(rng.randrange(900)))) for _ in range(rng.randrange(1, 5))]
    if subscribing:
        parts.insert(rng.randrange(len(parts)), b"\x01" + rng.choice(PATTERNS))
    return [b"\x03" + part if not subscribing and part[:1] == b"\x01" else part for part in parts]


def all_join_at_once(honest, meddle):
    """And as they subscribe, meddle() has its say before each."""
    for i, (_, subscriber) in enumerate(honest):
        meddle()
        subscriber.subscribe(PATTERNS[i // 2 % len(PATTERNS)])
    for _, subscriber in honest:
        subscriber.joined()


def stray_frames_of_peers_with_keys():
    """Beside them others subscribe, at the fan-out and at an audience of one agency."""
    rng = random.Random(1)
    with guarded() as broker:
        stage, honest, strays = Stage(broker, True), [], []
        ways = [("eye", broker.fanout), ("press", press_of(broker))]
        for i in range(8):
            name, endpoint = ways[i % 2]
            socket = broker.peer(zmq.XSUB, name)
            socket.rcvhwm = 0
            socket.connect(endpoint)
            strays.append((socket, name, i // 2 % 2 == 1))

        def meddle():
            for socket, _, subscribing in strays:
                for _ in range(4):
                    socket.send_multipart(stray(rng, subscribing))
        for _ in range(ROUNDS):
            stage.report(BUSY)
            fresh = [(name, stage.subscriber(name, endpoint)) for name, endpoint in ways * 8]
            all_join_at_once(fresh, meddle)
            honest += fresh
        stage.report()
        events = stage.events()
        for name, subscriber in honest:
            subscriber.check(events, ("hse",) if name == "press" else AGENCIES)
        for socket, name, subscribing in strays:
            while socket.poll(0):
                topic, _ = socket.recv_multipart()
                assert subscribing, "it had subscribed to nothing: %s" % topic
                assert topic.startswith(b"case:") and (name == "eye" or b":hse:" in topic), topic
        assert broker.audit() == [], broker.audit()


def stray_frames_of_raw_peers():
    """Messages that never end, half a frame, then a reset; and a PAIR, which is let in nowhere."""
    rng = random.Random(2)
    with Broker() as broker:
        stage, honest = Stage(broker, False), []

        def meddle():
            wire = Wire(broker.fanout, greeting() + ready(b"XSUB"))
            for part in stray(rng, False):
                wire.send(frame(part, MORE))
            wire.send(frame(b"\x01case:created:hse:")[:rng.randrange(20)])
            wire.reset()
        for _ in range(ROUNDS):
            stage.report(BUSY)
            pair = Wire(broker.fanout, greeting() + ready(b"PAIR") + frame(b"case:"))
            fresh = [("eye", stage.subscriber("eye", broker.fanout)) for _ in range(16)]
            all_join_at_once(fresh, meddle)
            honest += fresh
            assert len(pair.rest()) <= len(greeting() + ready(b"XPUB") + frame(b"\x05ERROR" + bytes(64), COMMAND))
        stage.report()
        events = stage.events()
        for _, subscriber in honest:
            subscriber.check(events)


# --- who leaves at once -----------------------------------------------------------------------


def storm_of_raw_peers(broker, rng):
    """The same bytes of a whole session, each time cut at another place by a reset."""
    whole = greeting() + ready(b"SUB") + b"".join(frame(b"\x01" + pattern) for pattern in PATTERNS + (HEADS,))
    for cut in list(range(1, len(whole) + 1)) * 5:
        Wire(broker.fanout, whole[:cut]).reset()
    kept = [Wire(broker.fanout, whole) for _ in range(100)]
    rng.shuffle(kept)
    for wire in kept:  # some are sent to by now
        wire.reset()


def storm_of_peers_with_keys(broker, rng):
    """They leave before, in and after their handshake, by closing and by resets on their way."""
    ways = [("eye", broker.fanout), ("press", press_of(broker))]
    proxies = [(name, Proxy(endpoint, 1)) for name, endpoint in ways]
    ways += [(name, proxy.endpoint) for name, proxy in proxies]
    peers = []
    for i in range(240):
        name, endpoint = ways[i % len(ways)]
        socket = broker.peer(zmq.XSUB, name)
        socket.reconnect_ivl = 10
        socket.connect(endpoint)
        for pattern in PATTERNS + (HEADS,):
            socket.send(b"\x01" + pattern)
        peers.append(socket)
        if i % 3:
            victim = peers.pop(rng.randrange(len(peers)))
            victim.poll(rng.randrange(4))
            victim.close()
        if i % 10 == 0:
            proxies[i // 10 % 2][1].cut()
    for socket in peers:
        socket.close()
    for _, proxy in proxies:
        await_("nobody is connected", lambda: not proxy.links)
        proxy.close()


def survives(broker, storm, keyed):
    rng = random.Random(3)
    stage = Stage(broker, keyed)
    honest = [("eye", stage.subscriber("eye", broker.fanout)) for _ in range(2 * len(PATTERNS))]
    all_join_at_once(honest, lambda: None)
    before, memory = broker.descriptors(), []
    for _ in range(4):
        stage.report(BUSY)
        storm(broker, rng)
        stage.report()
        await_("all who left are forgotten", lambda: broker.descriptors() <= before)
        memory.append(broker.anonymous_kib())
    events = stage.events()
    for _, subscriber in honest:
        subscriber.check(events)
    if not os.environ.get("CASEBUS_WRAP"):  # valgrind keeps what is freed
        assert memory[-1] < memory[0] + 12 * MIB, memory  # the first has met all there is to allocate
    print("      after each storm, KiB:", memory)


def a_storm_of_raw_peers_that_leave_at_once():
    with Broker() as broker:
        survives(broker, storm_of_raw_peers, False)


def a_storm_of_peers_with_keys_that_leave_at_once():
    with guarded() as broker:
        survives(broker, storm_of_peers_with_keys, True)


def nobody_knows_how_the_next_peer_is_named():
    """libzmq ends the process where its counter of peers comes to a name that one has given itself: where
    it began must not follow from when the broker did."""
    libc = ctypes.CDLL(None)
    with guarded() as broker:
        started = broker.asker("eye").ask("broker.status")["result"]["started_at"] // 1000000
        begins = set()
        for seed in (started - 1, started, started + 1):
            libc.srand(seed)
            drawn = [libc.rand() for _ in range(40)]
            begins |= {(high << 31 | low) & 0xffffffff for low, high in zip(drawn, drawn[1:])}
        named, counted = [], []
        for begin in begins:
            socket = broker.peer(zmq.DEALER, "eye")
            socket.routing_id = b"\0" + struct.pack(">I", begin + 20 & 0xffffffff)
            named.append(Asker(socket, broker.query))
        assert [asker.code("heads") for asker in named] == ["ok"] * len(begins)
        for n in range(40):
            counted.append(broker.asker("eye"))
            assert counted[-1].code("heads") == "ok", n
        for asker in named + counted:
            asker.socket.close()


sys.stdout.reconfigure(line_buffering=True)
main([nobody_knows_how_the_next_peer_is_named, stray_frames_of_peers_with_keys, stray_frames_of_raw_peers,
      a_storm_of_raw_peers_that_leave_at_once, a_storm_of_peers_with_keys_that_leave_at_once])
