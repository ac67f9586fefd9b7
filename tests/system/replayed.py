"""Captured sessions: recorded on the way between broker and its peers, and played to it again. CURVE makes
each session's keys anew, so that none of it may be taken: no report, no request, no subscription."""
import os
import sys

import msgpack
import zmq

from casebus import SRC, await_, main
from guarded import Guarded
from wire import ServerOf, Wire, frames

sys.path.append(os.path.join(SRC, "tests", "ledger"))
from proxy import COMMAND, GREETING, TO_CLIENT, TO_SERVER, Recorder  # noqa: E402

ACTORS = """boss   {boss}   admin
worker {worker} scraper
eye    {eye}    viewer
"""
DOORS = ("ingest", "query", "fanout")
HANDSHAKE = 3  # greeting, HELLO, INITIATE: the broker answers the first two to everybody
HEADS = b"sys:heads:all:"


class Session:
    """A peer of one endpoint, behind a recording proxy."""

    def __init__(self, broker, door, kind, name):
        self.door, self.endpoint = door, getattr(broker, door)
        self.proxy = Recorder(self.endpoint)
        self.socket = broker.peer(kind, name)
        self.socket.rcvtimeo = 30000
        if kind == zmq.SUB:
            self.socket.subscribe(b"case:")
            self.socket.subscribe(HEADS)
        self.socket.connect(self.proxy.endpoint)

    def frames(self, direction=TO_SERVER):
        """As long as there was but one connection."""
        return frames(bytes(self.proxy.kept[direction]))

    def close(self):
        self.socket.close()
        await_("it has left", lambda: not self.proxy.links)
        self.proxy.close()


class Scene:
    """Three sessions, each of which has done something; and honest peers, who go on."""

    def __init__(self, broker):
        self.broker = broker
        self.boss = broker.asker("boss")
        self.worker = Session(broker, "ingest", zmq.XPUB, "worker")
        self.client = Session(broker, "query", zmq.DEALER, "boss")
        self.eye = Session(broker, "fanout", zmq.SUB, "eye")
        self.sessions = (self.worker, self.client, self.eye)
        self.worker.socket.recv()  # the broker's subscription: the link is up
        self.eye.socket.recv_multipart()
        self.reports = 0
        for _ in range(3):
            self.report()
        for op, args in (("session.stop", {"agency": "hse", "session_id": "run"}), ("heads", {}),
                         ("case.get", {"id": "hse:1"})):
            self.ask(op, **args)

    def ask(self, op, **args):
        self.client.socket.send_multipart([b"", msgpack.packb({"v": 1, "op": op, **args})])
        return msgpack.unpackb(self.client.socket.recv_multipart()[-1])

    def report(self):
        """Of the same case, without a number: each that is taken counts. Until the viewer has its event."""
        self.worker.socket.send_multipart([b"case:scraped:hse:1:", msgpack.packb(
            {"v": 1, "data": {"offender": {"name": "Acme"}}})])
        self.reports += 1
        while self.eye.socket.recv_multipart()[0] == HEADS:
            pass
        assert self.taken()[0] == self.reports, self.taken()

    def taken(self):
        """How often the case was reported; the entry, and the seq."""
        reply = self.boss.ask("case.get", id="hse:1")
        return reply["result"]["case"]["seen_count"], reply["entry"], reply["seq"]

    def refused(self):
        return self.boss.ask("broker.status")["result"]["refused"].get("denied", 0)

    def rejoin(self, session):
        """Over a new link; the viewer's is there when the heads it has asked for are."""
        links = session.proxy.counts["connections"]
        session.proxy.cut()
        await_("there again", lambda: session.proxy.counts["connections"] > links)
        if session is self.eye:
            while session.socket.poll(0):
                session.socket.recv_multipart()
            session.socket.recv_multipart()

    def goes_on(self):
        assert self.ask("heads")["result"], "no answer"
        self.report()

    def close(self):
        self.boss.socket.close()  # else it may find another test's broker at the same port
        for session in self.sessions:
            session.close()


def attacks(session, other):
    """What to say to the broker; of both the frames that were recorded."""
    own, foreign = session.frames(), other.frames()
    assert len(own) > HANDSHAKE and len(foreign) > HANDSHAKE, (len(own), len(foreign))
    for count in range(1, len(own) + 1):
        yield own[:count]
    yield own + own
    yield own[:1] + [frame for frame in own[1:] for _ in range(2)]
    yield own[:1] + own[HANDSHAKE:]                            # no handshake at all
    yield own[:2] + own[HANDSHAKE:]                            # half of it
    yield own[:HANDSHAKE] + own[:HANDSHAKE - 1:-1]             # backwards
    yield own[:HANDSHAKE] + foreign[HANDSHAKE:]
    yield own[:2] + foreign[2:]
    yield own[:1] + [frame for pair in zip(own[1:], foreign[1:]) for frame in pair]
    yield foreign                                              # at another's endpoint


def assert_no_answer(answer):
    """Beside greeting, WELCOME and ERROR, nothing was said."""
    for frame in frames(answer)[1:]:
        assert frame[0] & COMMAND and frame[2:10] in (b"\x07WELCOME", b"\x05ERROR" + frame[8:10]), frame[:12]


def play(endpoint, said):
    """True: the broker refused it and hung up; else the player did."""
    wire = Wire(endpoint, b"".join(said))
    if len(said) < HANDSHAKE:
        wire.done()
    assert_no_answer(wire.rest())
    return len(said) >= HANDSHAKE


def replay_all(scene):
    """Of each session with each; how many the broker had to refuse."""
    count = refused = 0
    for session in scene.sessions:
        for other in scene.sessions:
            if other is not session:
                for said in attacks(session, other):
                    refused += play(session.endpoint, said)
                    count += 1
    return count, refused


def captured_sessions_are_refused():
    with Guarded(ACTORS) as broker:
        scene = Scene(broker)
        before, denied = scene.taken(), scene.refused()
        count, refused = replay_all(scene)
        await_("all are counted", lambda: scene.refused() - denied >= refused)
        assert scene.taken() == before, (scene.taken(), before)
        for door in DOORS:
            assert [line for line in broker.audit() if "refused actor=- key=- door=%s:" % door in line], door
        scene.goes_on()
        assert {session.proxy.counts["connections"] for session in scene.sessions} == {1}, "an honest peer was cut off"
        scene.close()
        print("      %d played, %d of them refused" % (count, refused))


def a_handshake_in_step_is_refused():
    """INITIATE only after WELCOME, as the client had said it; the cookie in it is of the session recorded."""
    with Guarded(ACTORS) as broker:
        scene = Scene(broker)
        before, denied = scene.taken(), scene.refused()
        for session in scene.sessions:
            greeting, hello, *more = session.frames()
            welcome = session.frames(TO_CLIENT)[1]
            wire = Wire(session.endpoint, greeting)
            assert len(wire.exactly(GREETING)) == GREETING
            wire.send(hello)
            assert wire.exactly(len(welcome))[:10] == welcome[:10]
            wire.send(b"".join(more))
            assert_no_answer(bytes(GREETING) + wire.rest())
        await_("all are counted", lambda: scene.refused() - denied >= len(DOORS))
        assert scene.taken() == before
        scene.goes_on()
        scene.close()


def a_session_is_worth_nothing_after_a_restart():
    """The broker has the same key, and new ports: the old ones somebody else may have taken."""
    with Guarded(ACTORS) as broker:
        scene = Scene(broker)
        kept = [(session.door, session.frames()) for session in scene.sessions]
        before = scene.taken()
        scene.close()
        broker.stop()
        broker.ingest = broker.fanout = broker.query = "tcp://127.0.0.1:*"
        broker.start()
        scene.boss = broker.asker("boss")
        denied = scene.refused()
        for door, said in kept:
            play(getattr(broker, door), said)
        await_("all are counted", lambda: scene.refused() - denied >= len(DOORS))
        assert scene.taken() == before
        scene.boss.socket.close()


def frames_injected_into_a_live_session_are_refused():
    """Its own once more, or another's. libzmq 4.3.4 then reads no more from that connection, and where its
    monitor is on it leaves it open (the event overwrites errno): the peer loses nothing once its link is cut."""
    with Guarded(ACTORS) as broker:
        scene = Scene(broker)
        said = {session.door: session.frames()[-1] for session in scene.sessions}
        for session in scene.sessions:
            for door in (session.door, *DOORS):
                before, denied = scene.taken(), scene.refused()
                session.proxy.inject(said[door])
                await_("counted", lambda: scene.refused() > denied)
                assert scene.taken() == before, (session.door, door)
                assert session is not scene.client or not session.socket.poll(0), "it was answered"
                scene.rejoin(session)
                scene.goes_on()
        scene.close()


def a_broker_is_not_played_by_a_recording():
    """What it once said makes no peer believe that it is there."""
    with Guarded(ACTORS) as broker:
        scene = Scene(broker)
        for session, kind, name in zip(scene.sessions, (zmq.XPUB, zmq.DEALER, zmq.SUB), ("worker", "boss", "eye")):
            fake = ServerOf(bytes(session.proxy.kept[TO_CLIENT]))
            socket = broker.peer(kind, name)
            if kind == zmq.SUB:
                socket.subscribe(b"")
            socket.connect(fake.endpoint)
            fake.serve_one()
            assert not socket.poll(0), (session.door, socket.recv_multipart())
            socket.close()
        scene.close()


sys.stdout.reconfigure(line_buffering=True)
main([captured_sessions_are_refused, a_handshake_in_step_is_refused,
      a_session_is_worth_nothing_after_a_restart, frames_injected_into_a_live_session_are_refused,
      a_broker_is_not_played_by_a_recording])
