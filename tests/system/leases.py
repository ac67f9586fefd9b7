"""Sessions whose workers fall silent, come back, and are asked to stop: what their polls, their
events and the broker's own clock say of it."""
import threading
import time

import msgpack
import zmq

from casebus import Broker, await_, main

LEASE = 10  # seconds
LATE = 0.3  # of a busy machine: a tick may be so late, and an answer
SILENT = ["silent%d" % i for i in range(6)]


class Worker:
    """Publishes without numbers, as a script would; its polls name its sessions."""

    def __init__(self, broker):
        self.broker, self.client = broker, broker.client()
        self.connect()

    def connect(self):
        self.socket = zmq.Context.instance().socket(zmq.PUB)
        self.socket.linger = 0
        self.socket.connect(self.broker.ingest)

    def report(self, topic, session=None, **data):
        self.socket.send_multipart([topic.encode(), msgpack.packb(
            {"v": 1, "data": data, **({"session": session} if session else {})})])

    def start(self, session):
        while status(self.client, session) is None:  # until the subscription is there
            self.report("session:started:hse:%s:" % session)

    def end(self, session, **data):
        self.report("session:ended:hse:%s:" % session, status="stopped", **data)

    def poll(self, *sessions, stopping=False, wait_ms=0):
        """What it says of stopping, by session id."""
        named = [{"agency": "hse", "session_id": s, **({"stopping": True} if stopping else {})} for s in sessions]
        result = self.client.result("publisher.confirm", publisher=b"w" * 16, after=0, wait_ms=wait_ms,
                                    sessions=named)
        return [s["session_id"] for s in result.get("stop", [])]


def status(client, session):
    reply = client.ask("session.get", agency="hse", session_id=session)
    return reply["result"]["session"]["status"] if "result" in reply else None


def events_of(client, session, *kinds):
    """Kind and body of all events of these kinds."""
    found, after = [], 0
    patterns = ["session:%s:hse:%s" % (kind, session) for kind in kinds]
    while True:
        reply = client.ask("log.replay", after=after, patterns=patterns)
        found += [msgpack.unpackb(body) for _, body in reply["result"]["events"]]
        after = reply["result"]["through"]
        if after == reply["seq"]:
            return found


def await_events(client, session, kind, count=1):
    def there():
        events = events_of(client, session, kind)
        return events if len(events) >= count else None
    return await_("%s %s" % (session, kind), there)


def entry(client):
    return client.ask("heads")["entry"]


# --- silence ----------------------------------------------------------------------------------

def heard_last(worker):
    """When each was heard from last, spread over the second that a tick takes."""
    heard = {}
    for session in SILENT:
        worker.start(session)
    for session in SILENT:
        time.sleep(0.17)
        heard[session] = time.time()
        worker.poll(session)
    return heard


def the_silent_are_lost_between_10_and_11_seconds_and_come_back():
    with Broker() as broker:
        worker = Worker(broker)
        worker.start("alive")
        heard = heard_last(worker)
        beats = threading.Event()

        def live():
            other = Worker(broker)
            while not beats.wait(1):
                other.poll("alive")
        thread = threading.Thread(target=live)
        thread.start()
        for session in SILENT:
            event, = await_events(worker.client, session, "lost")
            silence = event["at"] / 1e6 - heard[session]
            assert LEASE - 0.05 <= silence <= LEASE + 1 + LATE, (session, silence)
            assert event["payload"]["status"] == "lost" and event["actor"] == "broker", event
        beats.set()
        thread.join()
        assert status(worker.client, "alive") == "running"
        came_back(worker)
        was_stopped(worker)
        assert worker.client.verify() == []


def came_back(worker):
    """By a poll, by a report; the rest stays lost."""
    by_poll, by_report = SILENT[:2]
    assert worker.poll(by_poll) == []
    event, = await_events(worker.client, by_poll, "resumed")
    assert event["payload"]["status"] == "running", event
    worker.report("case:scraped:hse:1:", session=by_report, offender={"name": "A Ltd"})
    event, = await_events(worker.client, by_report, "resumed")
    events = worker.client.result("session.cases", agency="hse", session_id=by_report)["rows"]
    assert [row["id"] for row in events] == ["hse:1"] and events[0]["seq"] > event["seq"], events
    assert status(worker.client, SILENT[2]) == "lost"


def was_stopped(worker):
    """A lost one is stopped at once; its worker, alive after all, is told and ends it so."""
    session = SILENT[2]
    result = worker.client.result("session.stop", agency="hse", session_id=session)["session"]
    assert result["status"] == "stopped" and result["end_reason"] == "stopped by local while lost", result
    await_events(worker.client, session, "ended")
    assert worker.poll(session) == [session]
    worker.end(session, reason="asked to stop")
    reply = worker.client.ask("session.stop", agency="hse", session_id=session)
    assert reply["error"]["code"] == "session_ended", reply
    assert len(events_of(worker.client, session, "ended", "resumed", "stopping")) == 1


# --- stopping ---------------------------------------------------------------------------------

def a_poll_that_waits_is_told_to_stop_at_once():
    with Broker() as broker:
        worker, client = Worker(broker), broker.client()
        for session in ("s", "other"):
            worker.start(session)
        answers = []

        def wait():
            answers.append(worker.poll("s", "other", wait_ms=3000))
        thread = threading.Thread(target=wait)
        thread.start()
        await_("waiting", lambda: client.result("broker.status")["queues"]["polls"] == 1)
        since = time.monotonic()
        assert client.result("session.stop", agency="hse", session_id="s")["session"]["status"] == "stopping"
        thread.join()
        took = time.monotonic() - since
        assert answers == [["s"]] and took < 2.5, (answers, took)  # not at the end of its time
        assert len(events_of(client, "s", "stopping")) == 1
        knows(worker, client)
        ends(worker, client)
        assert client.verify() == []


def knows(worker, client):
    """Asked again it is nothing new; a poll that knows waits, one that does not is answered."""
    assert client.result("session.stop", agency="hse", session_id="s")["session"]["status"] == "stopping"
    assert len(events_of(client, "s", "stopping")) == 1
    since = time.monotonic()
    assert worker.poll("s", wait_ms=3000) == ["s"]
    assert time.monotonic() - since < 2.5
    since = time.monotonic()
    assert worker.poll("s", stopping=True, wait_ms=1000) == ["s"]
    assert time.monotonic() - since >= 0.99


def ends(worker, client):
    """And nothing is written any more once nothing runs."""
    for session in ("s", "other"):
        worker.end(session, reason="asked to stop")
        await_("ended", lambda: status(client, session) == "stopped")
    assert worker.poll("s", "other") == ["s"]  # the broker asked for this one
    quiet(client)


def what_cannot_be_stopped_says_why():
    with Broker() as broker:
        client = broker.client()
        for arguments, code in (({"agency": "hse", "session_id": "nobody"}, "not_found"),
                                ({"agency": "hse"}, "bad_argument"),
                                ({"agency": "HSE", "session_id": "s"}, "bad_argument"),
                                ({"agency": "hse", "session_id": "a:b"}, "bad_argument")):
            reply = client.ask("session.stop", **arguments)
            assert reply["error"]["code"] == code, reply
        for sessions in ([{"agency": "hse", "session_id": "s", "stopping": 1}], [{"agency": "hse"}], [7], {}):
            reply = client.ask("publisher.confirm", publisher=b"w" * 16, after=0, wait_ms=0, sessions=sessions)
            assert reply["error"]["code"] == "bad_argument" and reply["error"]["field"] == "sessions", reply


# --- ticks ------------------------------------------------------------------------------------

def quiet(client):
    """No entry in more than two seconds; the tick under way may come first."""
    time.sleep(1.1)
    before = entry(client)
    time.sleep(2.2)
    assert entry(client) == before, (before, entry(client))


def a_broker_that_was_down_loses_nobody():
    """Eight seconds of silence, four without a broker, and a last one: nine ticks."""
    with Broker(ipc=True) as broker:
        worker, client = Worker(broker), broker.client()
        worker.start("s")
        first = entry(client)
        await_("eight ticks", lambda: entry(client) >= first + 8)
        broker.kill()
        time.sleep(4)
        broker.start()
        client = broker.client()
        ticked = entry(client)
        await_("another tick", lambda: entry(client) > ticked)
        assert status(client, "s") == "running"
        worker = Worker(broker)
        worker.poll("s")
        await_("heard", lambda: entry(client) >= ticked + 4)
        assert status(client, "s") == "running" and events_of(client, "s", "lost", "resumed") == []
        assert client.verify() == []


def counters_that_moved_last_are_told_while_all_is_quiet():
    with Broker() as broker:
        worker, client = Worker(broker), broker.client()
        worker.start("s")
        for i in range(30):
            worker.report("case:scraped:hse:%d:" % i, session="s", offender={"name": "A Ltd"})
        await_("told", lambda: [e for e in events_of(client, "s", "progressed")
                                if e["payload"]["cases_created"] == 30])


main([the_silent_are_lost_between_10_and_11_seconds_and_come_back, a_poll_that_waits_is_told_to_stop_at_once,
      what_cannot_be_stopped_says_why, a_broker_that_was_down_loses_nobody,
      counters_that_moved_last_are_told_while_all_is_quiet])
