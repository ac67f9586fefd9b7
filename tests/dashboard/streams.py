"""Streams of events: what a page has always ends equal to the store, whatever breaks meanwhile; and nothing is sent
again that need not be."""
import os
import shutil
import time

from dashboard import Broker, Dashboard, Publisher, await_, main, quote

VIEW = "session/hse/S1"


def met(dash):
    return [row["id"] for row in dash.json("/api/sessions/hse/S1/cases?limit=50")["rows"]]


def until_equal(stream, dash, count):
    """Until the session has met so many and the stream shows the newest of them."""
    await_("%d cases" % count, lambda: dash.json("/api/sessions/hse/S1")["session"]["cases_found"] == count)
    want = met(dash)
    stream.until(lambda s: s.order[VIEW] == want, "the newest rows")
    stream.until(lambda s: s.sessions.get(VIEW, {}).get("cases_found") == count, "the session's counters")


def begin(broker, dash, *views):
    publisher = Publisher(broker)
    publisher.start("S1", max_pages=5)
    stream = dash.stream(VIEW, *views)
    await_("a session", lambda: dash.request("GET", "/api/sessions/hse/S1")[0] == 200)
    return publisher, stream.until_shown(VIEW)


def test_kept_true():
    """Three views on a stream; a case that is created, seen again and corrected is one row."""
    with Broker() as broker, Dashboard(broker) as dash:
        publisher, stream = begin(broker, dash, "sessions", "case/hse%3A1", "recent")
        for number in range(60):
            publisher.case(number, "S1")
        until_equal(stream, dash, 60)
        assert len(stream.order[VIEW]) == 50
        publisher.case(1, "S1")
        publisher.case(1, "S1", offence_fine_pence=999)
        until_equal(stream, dash, 62)
        assert stream.order[VIEW][0] == "hse:1"
        assert stream.rows[VIEW]["hse:1"]["outcome"] == "updated"
        stream.until(lambda s: s.rows["case/hse%3A1"]["hse:1"]["case"]["offence_fine_pence"] == 999, "the case")
        want = [row["id"] for row in dash.json("/api/recent?limit=100")["rows"]]
        stream.until(lambda s: s.order["recent"] == want, "recent cases")
        stream.until(lambda s: s.rows["recent"]["hse:1"]["offence_fine_pence"] == 999, "its correction")
        assert stream.order["sessions"] == ["hse:S1"]
        publisher.end("S1")
        stream.until(lambda s: s.order["sessions"] == [], "no active session")
        assert stream.resets == 4 or stream.resets == 5, stream.resets  # a first list each; one began empty
        stream.close()
        publisher.close()


def test_refused_late():
    """A refused report makes no event; the list of a session that has ended shows it all the same."""
    with Broker() as broker, Dashboard(broker) as dash:
        publisher, stream = begin(broker, dash, "sessions")
        publisher.case(1, "S1")
        publisher.end("S1")
        stream.until(lambda s: s.sessions.get(VIEW, {}).get("status") == "completed", "its end")
        until_equal(stream, dash, 1)
        requests = dash.json("/api/status")["dashboard"]["requests"]
        begun = time.monotonic()
        publisher.case(2, "S1", offence_fine_pence="much")
        stream.until(lambda s: s.order[VIEW] == ["hse:2", "hse:1"], "the refused report")
        assert time.monotonic() - begun < 2, "a window and a bit"
        assert stream.rows[VIEW]["hse:2"]["outcome"] == "rejected"
        stream.until(lambda s: s.sessions[VIEW]["errors_count"] == 1, "the session's counters")
        until_equal(stream, dash, 2)
        assert dash.json("/api/status")["dashboard"]["requests"] <= requests + 3  # two of this page, one of active ones
        stream.close()
        publisher.close()


def test_resumed_within_the_ring():
    with Broker() as broker, Dashboard(broker) as dash:
        publisher, stream = begin(broker, dash)
        watcher = dash.stream(VIEW).until_shown()
        for number in range(20):
            publisher.case(number, "S1")
        until_equal(stream, dash, 20)
        resets = dash.json("/api/status")["dashboard"]["resets"]
        for number in range(20, 30):
            publisher.case(number, "S1")
        until_equal(watcher, dash, 30)
        stream = dash.resume(stream)
        until_equal(stream, dash, 30)
        assert stream.resets == 0, "the list was sent anew"
        again = dash.resume(stream)  # nothing was missed: the last change once more, at most
        until_equal(again, dash, 30)
        assert again.resets == 0
        assert dash.json("/api/status")["dashboard"]["resets"] == resets
        for last in ("0000000000000000-%s" % again.last.split("-")[1], "nonsense", "-", again.last + "x", ""):
            with dash.stream(VIEW, last=last) as other:
                assert other.until_shown().resets == 1, last
        for other in (watcher, again):
            other.close()
        publisher.close()


def test_past_the_ring():
    with Broker() as broker, Dashboard(broker, "--ring", 2) as dash:
        publisher, stream = begin(broker, dash)
        watcher = dash.stream(VIEW).until_shown()
        for round_ in range(1, 5):
            for number in range(5):
                publisher.case(round_ * 10 + number, "S1")
            until_equal(watcher, dash, 5 * round_)
        stream = dash.resume(stream)
        until_equal(stream, dash, 20)
        assert stream.resets == 1
        for other in (watcher, stream):
            other.close()
        publisher.close()


def test_who_does_not_read():
    """... costs nothing, is brought up to date when it reads again, and holds nobody up."""
    with Broker() as broker, Dashboard(broker, "--ring", 2) as dash:
        publisher, watcher = begin(broker, dash)
        lazy = dash.stream(VIEW, "recent", small=True).until_shown()
        memory = dash.memory_kib()
        for round_ in range(5):
            for number in range(50):
                publisher.case(number, "S1", offence_breaches="%d " % round_ + "x" * 12000)
            until_equal(watcher, dash, 50 * (round_ + 1))
        assert dash.memory_kib() < memory + 16000, dash.memory_kib() - memory
        until_equal(lazy, dash, 250)
        assert lazy.resets > 2, "it was sent everything: the test is too small"
        want = dash.json("/api/recent?limit=100")["rows"]
        lazy.until(lambda s: list(s.rows["recent"].values()) == want, "recent cases")
        for other in (watcher, lazy):
            other.close()
        publisher.close()


def test_restarts():
    """The broker, then the dashboard, then the whole history."""
    with Broker(ipc=True) as broker, Dashboard(broker) as dash:
        publisher, stream = begin(broker, dash)
        publisher.case(1, "S1")
        until_equal(stream, dash, 1)
        broker.stop()
        stream.until(lambda s: s.states[VIEW]["state"] == "stale", "that it is stale")
        assert stream.states[VIEW]["words"].startswith("stale since"), stream.states
        broker.start()
        publisher.close()
        publisher = Publisher(broker)
        publisher.case(2, "S1")
        until_equal(stream, dash, 2)
        stream.until(lambda s: s.states[VIEW]["state"] == "live", "that it is live")
        assert stream.states[VIEW]["words"].startswith("live, complete through #"), stream.states

        dash.stop()
        assert not stream.take() or not stream.take(), "the stream ends with the dashboard"
        publisher.case(3, "S1")
        with Dashboard(broker) as other:
            stream = other.resume(stream)
            until_equal(stream, other, 3)
            epoch = stream.last.split("-")[0]

            broker.stop()
            shutil.rmtree(broker.store)
            broker.start()
            publisher.close()
            publisher = Publisher(broker)
            publisher.start("S1")
            await_("the session", lambda: other.request("GET", "/api/sessions/hse/S1")[0] == 200)
            publisher.case(7, "S1")
            until_equal(stream, other, 1)
            assert stream.order[VIEW] == ["hse:7"]
            assert stream.last.split("-")[0] != epoch
            stream = other.resume(stream)
            until_equal(stream, other, 1)
            stream.close()
        publisher.close()


def test_what_there_is():
    with Broker() as broker, Dashboard(broker, "--streams", 4, "--streams-per-address", 3) as dash:
        for query, status in (("", 400), ("view=", 404), ("view=nothing", 404), ("view=session", 404),
                              ("view=session/hse", 404), ("view=session/HSE/x", 404), ("view=case/nonsense", 404),
                              ("view=recent/", 404), ("view=recent%3Fx", 404), ("view=session/hse/" + "x" * 200, 404),
                              ("&".join(["view=recent"] * 9), 400)):
            got, _, text = dash.request("GET", "/events?" + query)
            assert got == status, (query, got, text)
        assert dash.json("/api/status")["dashboard"]["streams"] == 0
        view = "case/hse%3A1"
        streams = [dash.stream(view).until_shown() for _ in range(3)]
        got, headers, text = dash.request("GET", "/events?view=" + view)
        assert got == 503 and headers["Retry-After"] and "address" in text
        status = dash.json("/api/status")["dashboard"]
        assert status["streams"] == 3 and status["listeners"] == 3 and status["views"] == 1, status
        for stream in streams:
            stream.close()
        # a page that has gone is noticed when it is next written to
        publisher = Publisher(broker)
        number = 0

        def left():
            nonlocal number
            number += 1
            publisher.case(1, offence_fine_pence=number)
            return dash.json("/api/status")["dashboard"]["streams"] == 0
        await_("without streams", left)
        dash.stream(view).until_shown().close()
        publisher.close()


def test_odd_names():
    with Broker() as broker, Dashboard(broker) as dash:
        publisher = Publisher(broker)
        odd = "T/H/2005 02"
        publisher.send("case:scraped:hse:%s:" % odd, {"offender": {"name": "<script>"}})
        view = "case/" + quote("hse:" + odd)
        with dash.stream(view) as stream:
            stream.until(lambda s: (s.order[view] or []) == ["hse:" + odd], "the case")
            assert stream.rows[view]["hse:" + odd]["case"]["offender"]["name"] == "<script>"
        publisher.close()


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    main([test_kept_true, test_refused_late, test_resumed_within_the_ring, test_past_the_ring, test_who_does_not_read,
          test_restarts, test_what_there_is, test_odd_names])
