"""Many at once: two hundred viewers of a burst cost the store a read a window; a thousand streams of which a
hundred are not read get every change; and memory is bounded.

    crowd.py              short
    crowd.py SECONDS      the burst again and again for so long, with memory looked at (an hour: soak)
"""
import resource
import selectors
import sys
import time

from dashboard import PATIENCE, Broker, Dashboard, Publisher, await_, main

SESSION = "session/hse/S1"
WINDOWS = {"recent": 5, "sessions": 1, SESSION: 1}  # seconds; a session's view has two queries
SETTLED = 120  # seconds: views that nobody looks at are kept for one minute
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 0


def raise_limit(files):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))


def read_all(streams, done, what):
    """Reads what comes on any of the streams until done(stream) is true of each."""
    waiting = {stream for stream in streams if not done(stream)}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        deadline = time.monotonic() + PATIENCE
        while waiting:
            assert time.monotonic() < deadline, "%d of %d did not: %s" % (len(waiting), len(streams), what)
            for key, _ in selector.select(1):
                assert key.fileobj.take(), "a stream has ended"
                if done(key.fileobj):
                    waiting.discard(key.fileobj)


def read_for(streams, seconds, between):
    """Reads what comes for so long; calls between() meanwhile."""
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            between()
            for key, _ in selector.select(0.01):
                assert key.fileobj.take(), "a stream has ended"


def status(dash):
    return dash.json("/api/status")["dashboard"]


def begin(broker, dash, count, *views):
    publisher = Publisher(broker)
    publisher.start("S1")
    await_("a session", lambda: dash.request("GET", "/api/sessions/hse/S1")[0] == 200)
    streams = [dash.stream(*views) for _ in range(count)]
    read_all(streams, lambda s: all(s.order[view] is not None for view in views), "first rows")
    return publisher, streams


class Pace:
    """Sends reports evenly: so many a second."""

    def __init__(self, publisher, rate, first, length=10):
        self.publisher, self.rate, self.next, self.begun = publisher, rate, first, time.monotonic()
        self.first, self.text = first, "x" * length

    def __call__(self):
        due = self.first + int((time.monotonic() - self.begun) * self.rate)
        while self.next < due:
            self.publisher.case(self.next, "S1", offence_breaches=self.text)
            self.next += 1

    def up_to(self, number):
        while self.next < number:
            self.publisher.case(self.next, "S1", offence_breaches=self.text)
            self.next += 1


def until_equal(dash, streams, count):
    """Until all of them show what the store has."""
    await_("%d cases" % count, lambda: dash.json("/api/sessions/hse/S1")["session"]["cases_found"] == count)
    views = list(streams[0].order)
    want = {SESSION: [row["id"] for row in dash.json("/api/sessions/hse/S1/cases?limit=50")["rows"]],
            "recent": [row["id"] for row in dash.json("/api/recent?limit=100")["rows"]]}
    for view in views:
        if view in want:
            read_all(streams, lambda s, v=view: s.order[v] == want[v], "the rows of " + view)
    if SESSION in views:
        read_all(streams, lambda s: s.sessions.get(SESSION, {}).get("cases_found") == count, "the counters")


def test_two_hundred_viewers():
    """1,000 events in 5 s: reads of the store <= queries x windows + first loads."""
    with Broker() as broker, Dashboard(broker) as dash:
        publisher, streams = begin(broker, dash, 200, *WINDOWS)
        before, began = status(dash), time.monotonic()
        assert before["views"] == 3, before
        assert before["requests"] <= 4 + 2 * 3, before  # first loads, and what was started since
        pace = Pace(publisher, 200, 0)
        read_for(streams, 5, pace)
        pace.up_to(1000)
        until_equal(dash, streams, 1000)
        took = time.monotonic() - began
        requests = status(dash)["requests"] - before["requests"]
        allowed = sum((1 + (view == SESSION)) * (int(took / window) + 2) for view, window in WINDOWS.items())
        print("  %d reads in %.1f s for 200 viewers of 3 views, allowed %d; %d messages in all" % (
            requests, took, allowed, status(dash)["messages"]))
        assert 4 <= requests <= allowed, (requests, allowed)
        for stream in streams:
            assert stream.resets <= 3 + 1, stream.resets
            stream.close()
        publisher.close()


def test_a_thousand():
    """A hundred that do not read; the others get every change, and as soon as one alone would."""
    with Broker() as broker, Dashboard(broker) as dash:
        empty = dash.memory_kib()
        publisher, streams = begin(broker, dash, 1000, SESSION)
        lazy, eager = streams[:100], streams[100:]
        opened = dash.memory_kib()
        print("  %d KiB for 1,000 streams" % (opened - empty))
        assert opened - empty < 1000 * 40, (empty, opened)
        pace = Pace(publisher, 100, 0, 1000)
        read_for(eager, 5, pace)
        pace.up_to(500)
        until_equal(dash, eager, 500)
        seen = {stream.events for stream in eager}
        resets = {stream.resets for stream in eager}
        grown = dash.memory_kib() - opened
        print("  events a stream: %d to %d; resets %s; %d KiB more after the burst" % (
            min(seen), max(seen), resets, grown))
        assert max(resets) == 1, "some were sent everything anew"
        assert max(seen) - min(seen) <= 8, seen  # states are coalesced, rows are not
        assert grown < 20000, grown
        until_equal(dash, lazy, 500)
        for stream in streams:
            stream.close()
        publisher.close()


def test_signs_of_life():
    """Nothing happens for fifteen seconds: a comment."""
    with Broker() as broker, Dashboard(broker) as dash:
        with dash.stream("recent") as stream:
            stream.until_shown().until(lambda s: s.comments > 0, "a comment")
        assert dash.json("/api/status")["dashboard"]["requests"] <= 2


def test_memory_is_flat():
    """Pages come, go and break off, for as long as was asked for."""
    with Broker("--retain-events", "20000") as broker, Dashboard(broker) as dash:
        publisher, _ = begin(broker, dash, 0)
        pace, number, begun = Pace(publisher, 100, 0), 0, time.monotonic()
        flat, rounds = None, 0
        while time.monotonic() < begun + SECONDS or flat is None:
            streams = [dash.stream(*WINDOWS, "case/hse%%3A%d" % (number % 500)) for _ in range(50)]
            read_for(streams, 2, pace)
            dash.get("/")
            dash.get("/cases.csv")
            for stream in streams:
                stream.close()
            number += 50
            rounds += 1
            if flat is None and time.monotonic() > begun + SETTLED:
                flat, early = dash.memory_kib(), rounds
        memory = dash.memory_kib()
        print("  %d KiB after %d rounds, %d KiB after %d" % (flat, early, memory, rounds))
        assert memory < flat * 1.25 + 8000, (flat, memory)
        publisher.close()


if __name__ == "__main__":
    raise_limit(4096)
    main([test_memory_is_flat, test_signs_of_life, test_two_hundred_viewers, test_a_thousand] if SECONDS else
         [test_two_hundred_viewers, test_a_thousand])
