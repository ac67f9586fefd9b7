"""What one peer can make the broker keep in memory: a bound in bytes, and nobody else
notices."""
import os

import msgpack
import zmq

from casebus import Broker, main

# Under the address sanitizer, what is freed is not kept for long: this is about memory.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"

MIB = 1 << 20


def connected(broker):
    s = zmq.Context.instance().socket(zmq.XPUB)
    s.setsockopt(zmq.XPUB_NODROP, 1)
    s.linger = 0
    s.connect(broker.ingest)
    s.recv()  # the broker's subscription: nothing is dropped from here on
    return s


def publish(broker, *reports):
    """Sends (topic, data); returns once all are decided."""
    s, client = connected(broker), broker.client()
    before = sum(client.result("broker.status")["applied"].values())
    for topic, data in reports:
        s.send_multipart([topic, msgpack.packb({"v": 1, "data": data})])
    while sum(client.result("broker.status")["applied"].values()) < before + len(reports):
        pass
    s.close()


def asker(broker):
    s = zmq.Context.instance().socket(zmq.DEALER)
    s.linger = 0
    s.rcvhwm = 1
    s.sndhwm = 0
    s.rcvtimeo = 30000
    s.connect(broker.query)
    return s


def large_cases(broker, count):
    publish(broker, *((b"case:scraped:hse:%d:" % n, {"offender": {"name": "A"}, "ext": {"text": "x" * 240000}})
                      for n in range(count)))


def replies_nobody_reads_are_bounded_in_bytes():
    with Broker() as broker:
        large_cases(broker, 4)
        silent, other = asker(broker), broker.client()
        before = broker.anonymous_kib()
        request = msgpack.packb({"v": 1, "op": "case.get_many", "ids": ["hse:%d" % n for n in range(4)]})
        asked = other.result("broker.status")["applied"]
        for _ in range(300):
            silent.send_multipart([b"", request])
        most, calm = 0, 0
        while calm < 20:  # until what was asked has been answered, and some more
            grown = broker.anonymous_kib() - before
            calm = calm + 1 if grown <= most else 0
            most = max(most, grown)
            for _ in range(20):
                assert other.result("case.get", id="hse:1")["case"]["id"] == "hse:1"
        assert most < 80 * 1024, most
        replies = [msgpack.unpackb(silent.recv_multipart()[-1]) for _ in range(300)]
        refused = [r for r in replies if "error" in r]
        assert 0 < len(refused) < 300 and all(r["error"]["code"] == "busy" for r in refused), refused[:1]
        silent.send_multipart([b"", request])
        assert "result" in msgpack.unpackb(silent.recv_multipart()[-1])
        assert asked == other.result("broker.status")["applied"]


def an_envelope_has_a_size():
    with Broker() as broker:
        s = asker(broker)
        request = msgpack.packb({"v": 1, "op": "heads"})
        s.send_multipart([b"x" * 1025, b"", request])
        s.send_multipart([b"x" * 1024, b"", request])
        assert s.recv_multipart()[0] == b"x" * 1024
        s.rcvtimeo = 100
        try:
            raise AssertionError("answered: %s" % s.recv_multipart())
        except zmq.Again:
            pass


def a_history_goes_on_where_its_page_ended():
    with Broker() as broker:
        reports = [(b"case:scraped:hse:1:", {"offender": {"name": "A"}, "offence_fine_pence": n // 2})
                   for n in range(30)]
        publish(broker, reports[0], (b"case:scraped:hse:2:", {"offender": {"name": "A"}}))
        publish(broker, *reports[1:])
        client = broker.client()
        whole = client.result("case.history", id="hse:1", limit=500)["events"]
        assert len(whole) == 1 + 29 + 14 and [e["seq"] for e in whole] == sorted(
            (e["seq"] for e in whole), reverse=True)
        pages, more = [], {}
        while True:
            page = client.result("case.history", id="hse:1", limit=7, **more)
            pages += page["events"]
            if "next" not in page:
                break
            more = {"next": page["next"]}
        assert pages == whole
        assert client.ask("case.history", id="hse:2", **more)["error"]["field"] == "next"
        other = client.result("case.history", id="hse:2")["events"][0]["seq"]
        made_up = other.to_bytes(8, "big") + bytes(6 * 8)
        assert client.ask("case.history", id="hse:1", next=made_up)["error"]["field"] == "next"


def a_refusal_that_cannot_be_read_stops_no_poll():
    with Broker(ipc=True) as broker:
        number = {"v": 1, "publisher": b"p" * 16, "number": 1, "check": bytes(8)}
        s = connected(broker)
        s.send_multipart([b"case:scraped:hse:poison:", msgpack.packb({**number, "data": {"offender": 1}})])
        poll = {"publisher": b"p" * 16, "after": 0, "wait_ms": 3000}
        while broker.client().result("publisher.confirm", **poll)["decided"] == 0:
            pass
        s.close()
        broker.stop()
        path = os.path.join(broker.store, "data.mdb")
        data = open(path, "rb").read()
        open(path, "wb").write(data.replace(b"hse:poison", b"hse:poisom"))
        broker.start()
        refusals = broker.client().result("publisher.confirm", **poll)["refusals"]
        assert [(r["number"], r["code"]) for r in refusals] == [(1, "corrupt")], refusals


main([replies_nobody_reads_are_bounded_in_bytes, an_envelope_has_a_size,
      a_history_goes_on_where_its_page_ended,
      a_refusal_that_cannot_be_read_stops_no_poll])
