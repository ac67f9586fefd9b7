"""Several reports in one message: each counts as if it had come alone, and none is lost in silence."""
import os
import random
import sys

import msgpack
import zmq

from casebus import SRC, Broker, await_, main
from guarded import Guarded

sys.path.append(os.path.join(SRC, "tests", "stranger"))
from client import Publisher, Query  # noqa: E402

BODY = msgpack.packb({"v": 1, "data": {"offender": {"name": "A"}}})
HEAD = b"\x82\xa1v\x01\xa8messages"


def case(key, agency="hse"):
    return ["case:scraped:%s:%s:" % (agency, key), BODY]


def bundle(*messages, **more):
    return [b"bundle:", msgpack.packb({"v": 1, "messages": messages, **more})]


def linked(socket, endpoint):
    """A socket that loses nothing: an XPUB knows when the broker has subscribed."""
    socket.linger = -1
    socket.sndhwm = 0
    socket.connect(endpoint)
    assert socket.recv() == b"\x01"
    return socket


def sender(broker):
    return linked(zmq.Context.instance().socket(zmq.XPUB), broker.ingest)


def topics(client):
    """Of all events, in order."""
    found, after = [], 0
    while True:
        result = client.result("log.replay", after=after, patterns=["case"])
        found += [event[0] for event in result["events"]]
        if result["through"] == after or not result["events"]:
            return found
        after = result["through"]


def assert_refused(broker, frames, codes, created):
    """What of a message is refused, and under which codes, and how many cases it makes."""
    client, socket = broker.client(), sender(broker)
    before = client.result("broker.status")
    socket.send_multipart(frames)
    topic, body = case(os.urandom(4).hex(), "ea")
    socket.send_multipart([topic.encode(), body])
    socket.close()

    def now():
        status = client.result("broker.status")
        return status["applied"]["created"] - before["applied"]["created"] == created + 1 and status
    refused = await_("the end", now)["refused"]
    found = {code: n - before["refused"].get(code, 0) for code, n in refused.items()}
    assert {code: n for code, n in found.items() if n} == codes, (str(frames)[:200], found)


def numbered_reports_are_decided_once_each_and_in_order():
    rng, count = random.Random(1), 6000
    with Broker() as broker:
        client, socket = broker.client(), sender(broker)
        publisher = Publisher(broker.ingest, Query(broker.query))
        for n in range(count):
            publisher.report("case:scraped:hse:%d:" % n, {"offender": {"name": "A"}}, send=False)
        reports = [[topic.decode(), body] for topic, body in publisher.kept.values()]
        at, again = 0, 0
        while at < count:
            size = rng.choice((1, 2, 30, 100))
            socket.send_multipart(bundle(*reports[max(0, at - 1):at + size]))
            again += at > 0
            at += size
        assert publisher.settle() == []
        status = client.result("broker.status")
        assert status["applied"]["created"] == count, status
        assert status["duplicates"] >= again, (status, again)
        assert topics(client) == ["case:created:hse:%d:" % n for n in range(count)]
        assert client.verify() == []
        publisher.close()
        socket.close()


def what_is_no_report_is_refused_where_it_stands():
    topic = "case:scraped:hse:x:"
    messages = [case("a"), ["bundle:", bundle(case("c"))[1]], ["nothing:", BODY], [topic, b"junk"], [topic, b""], case("d")]
    with Broker() as broker:
        assert_refused(broker, bundle(*messages, more=1), {"malformed": 2, "bad_topic": 2}, created=2)
        assert topics(broker.client())[:2] == ["case:created:hse:a:", "case:created:hse:d:"]


def from_what_is_no_topic_and_body_on_all_is_refused_as_one():
    topic = "case:scraped:hse:x:"
    with Broker() as broker:
        for n, element in enumerate((None, 7, [topic], [topic, BODY, 1], [topic, "text"], [topic.encode(), BODY], BODY)):
            assert_refused(broker, bundle(case("a%d" % n), element, *[case("b")] * 100), {"malformed": 1}, created=1)


def one_that_is_too_large_is_refused_as_one_report():
    with Broker() as broker:
        long = ["case:scraped:hse:long:", msgpack.packb({"v": 1, "data": {"offender": {"name": "A"}, "url": "http://" + "x" * 1900}})]
        assert_refused(broker, bundle(*[long] * 16), {}, created=1)  # the first of them creates it
        assert_refused(broker, bundle(*[long] * 17), {"bad_topic": 1}, created=0)
        assert_refused(broker, bundle(*[["a:", b""]] * 1025), {"bad_topic": 1}, created=0)
        assert_refused(broker, bundle(*[["a:", b""]] * 1024), {"malformed": 1024}, created=0)


def nobody_waits_for_long_behind_somebody_elses_bundles():
    with Broker() as broker:
        client, flood, other = broker.client(), sender(broker), sender(broker)
        count = 400
        for _ in range(count):
            flood.send_multipart(bundle(*[["a:", b""]] * 1024))
        refused = lambda: client.result("broker.status")["refused"].get("malformed", 0)  # noqa: E731
        await_("the flood", refused)
        other.send_multipart([case("one")[0].encode(), BODY])
        await_("the other", lambda: client.result("broker.status")["applied"]["created"])
        assert refused() < count * 1024 * 3 / 4, refused()
        flood.close()
        other.close()


def each_pays_for_its_share_of_the_bytes():
    with Guarded("him {him} scraper,viewer\n", "--actor-bytes", "50000") as broker:
        asker, socket = broker.asker("him"), linked(broker.peer(zmq.XPUB, "him"), broker.ingest)
        for n in range(100):
            socket.send_multipart(bundle(case(str(n)), pad="x" * 15000))
        socket.send_multipart(bundle(case("last")))
        status = lambda: asker.ask("broker.status")["result"]  # noqa: E731
        await_("all of them", lambda: status()["applied"]["created"] + status()["refused"].get("limited", 0) == 101)
        assert status()["refused"]["limited"] > 50, status()
        socket.close()


def what_is_no_bundle_is_refused_as_one_report():
    with Broker() as broker:
        good = msgpack.packb(case("x"))
        for frames, code in (([b"bundle:"], "malformed"), ([*bundle(case("x")), b""], "malformed"),
                             ([b"bundle:", b""], "malformed"), ([b"bundle:", b"junk"], "malformed"),
                             ([b"bundle:", msgpack.packb({"v": 2, "messages": [case("x")]})], "bad_version"),
                             ([b"bundle:", msgpack.packb({"messages": [case("x")]})], "missing"),
                             ([b"bundle:", msgpack.packb({"v": 1})], "bad_topic"),
                             ([b"bundle:", msgpack.packb({"v": 1, "messages": {}})], "bad_topic"),
                             (bundle(), "bad_topic"),  # it would be counted nowhere
                             ([b"bundle:", HEAD + b"\xdc\xff\xff" + good], "bad_topic"),
                             ([b"bundle:x:", bundle(case("x"))[1]], "bad_topic")):
            assert_refused(broker, frames, {code: 1}, created=0)


def what_a_bundle_only_says_it_has_takes_no_share():
    """The rest that is refused as one report counts with all its bytes, however many it was to be."""
    rests = (HEAD + b"\xdc\x04\x00\xc0" + b"x" * 15000,  # of 1,024 the first is none
             HEAD + b"\xdc\x04\x00" + msgpack.packb(["case:seen:hse:1:", b"x" * 15000]))  # there is no second
    for rest in rests:
        with Guarded("him {him} scraper,viewer\n", "--actor-bytes", "50000") as broker:
            asker, socket = broker.asker("him"), linked(broker.peer(zmq.XPUB, "him"), broker.ingest)
            for n in range(100):
                socket.send_multipart([b"bundle:", rest])
            socket.send_multipart([b"case:scraped:hse:1:", BODY])
            refused = lambda: asker.ask("broker.status")["result"]["refused"]  # noqa: E731
            await_("all of them", lambda: sum(refused().values()) >= 100)
            assert refused().get("limited", 0) > 50, refused()
            socket.close()


def what_is_cut_off_or_stands_behind_the_last_is_refused():
    with Broker() as broker:
        for n, (count, rest) in enumerate(((2, b"\x92\xa1"), (2, b""), (1, b"\xc0"), (1, msgpack.packb(case("y"))))):
            body = HEAD + b"\xdc" + count.to_bytes(2, "big") + msgpack.packb(case(str(n))) + rest
            assert_refused(broker, [b"bundle:", body], {"malformed": 1}, created=1)
        body = HEAD + b"\xdc\x00\x01" + msgpack.packb(case("x"))[:15]  # shorter than any with a report
        assert_refused(broker, [b"bundle:", body], {"bad_topic": 1}, created=0)


def each_is_its_senders_who_needs_leave_for_each():
    with Guarded("him {him} worker\nboss {boss} admin\n", config="role.worker = report.scraped@hse, report.deleted@hse\n") as broker:
        asker, socket = broker.asker("boss"), linked(broker.peer(zmq.XPUB, "him"), broker.ingest)
        socket.send_multipart(bundle(case("1"), case("1", "ea"), ["case:deleted:ea:1:", BODY], case("2")))
        await_("two", lambda: asker.ask("broker.status")["result"]["applied"]["created"] == 2)
        assert asker.ask("broker.status")["result"]["refused"] == {"denied": 2}
        events = asker.ask("log.replay", after=0, patterns=["case"])["result"]["events"]
        seen = [(topic, msgpack.unpackb(body)["actor"]) for topic, body in events]
        assert seen == [("case:created:hse:1:", "him"), ("case:created:hse:2:", "him")], seen
        socket.close()


def each_counts_against_its_senders_rate():
    rate, count = 20, 50
    with Guarded("him {him} scraper,viewer\n", "--actor-reports", str(rate)) as broker:
        asker, socket = broker.asker("him"), linked(broker.peer(zmq.XPUB, "him"), broker.ingest)
        keys = broker.curve("him")
        publisher = Publisher(broker.ingest, Query(broker.query, keys=keys), keys=keys)
        for n in range(count):
            publisher.report("case:scraped:hse:%d:" % n, {"offender": {"name": "A"}}, send=False)
        socket.send_multipart(bundle(*([topic.decode(), body] for topic, body in publisher.kept.values())))
        result = await_("a second's worth", lambda: publisher.confirm(wait_ms=100)["decided"] and publisher.confirm(wait_ms=0))
        assert rate <= result["decided"] < count and "actor-reports" in result["held"], result
        assert publisher.settle() == [] and publisher.counts["created"] == count
        publisher.close()
        socket.close()


def one_that_is_begun_is_finished_before_the_broker_ends():
    count = 150
    with Broker(ipc=True) as broker:
        client, socket = broker.client(), sender(broker)
        for _ in range(20):
            socket.send_multipart(bundle(*(case(os.urandom(4).hex()) for n in range(count))))
        await_("the first of them", lambda: client.result("broker.status")["applied"]["created"] > 0)
        broker.stop()
        broker.start()
        seq = broker.client().ask("heads")["seq"]
        assert seq > 0 and seq % count == 0, seq
        socket.close()


def flood(broker, count):
    """casebus-publish with so many small reports, which it sends in bundles."""
    path = os.path.join(broker.dir, "small.ndjson")
    with open(path, "w", encoding="utf-8") as out:
        for n in range(count):
            out.write('{"agency": "hse", "regulator_id": "%d", "offender": {"name": "A"}}\n' % n)
    return broker.start_program("casebus-publish", "--timeout", 150, path)


def assert_each_once(broker, publishing, count):
    _, err = publishing.communicate()
    assert publishing.returncode == 0, err
    client = broker.client()
    assert topics(client) == ["case:created:hse:%d:" % n for n in range(count)]
    assert client.verify() == []


def what_there_is_no_space_for_is_stored_when_there_is():
    count = 30000
    with Broker("--map-size", "16M", ipc=True) as broker:
        publishing = flood(broker, count)
        client = broker.client()
        await_("read-only", lambda: client.result("broker.status")["state"].startswith("read-only: "))
        assert 0 < client.result("broker.status")["applied"]["created"] < count
        broker.stop()
        broker.flags = ["--map-size", "1G"]
        broker.start()
        assert_each_once(broker, publishing, count)


def what_was_undecided_when_the_broker_died_is_decided_once():
    count = 30000
    with Broker(ipc=True) as broker:
        publishing = flood(broker, count)
        for share in (0.1, 0.4, 0.7):
            client = broker.client()
            await_("so many", lambda: client.ask("heads")["seq"] > share * count)
            broker.kill()
            broker.start()
        assert_each_once(broker, publishing, count)


main([numbered_reports_are_decided_once_each_and_in_order, what_is_no_report_is_refused_where_it_stands,
      what_is_no_bundle_is_refused_as_one_report, from_what_is_no_topic_and_body_on_all_is_refused_as_one,
      one_that_is_too_large_is_refused_as_one_report, nobody_waits_for_long_behind_somebody_elses_bundles,
      each_pays_for_its_share_of_the_bytes, what_a_bundle_only_says_it_has_takes_no_share,
      what_is_cut_off_or_stands_behind_the_last_is_refused,
      each_is_its_senders_who_needs_leave_for_each, each_counts_against_its_senders_rate,
      one_that_is_begun_is_finished_before_the_broker_ends, what_there_is_no_space_for_is_stored_when_there_is,
      what_was_undecided_when_the_broker_died_is_decided_once])
