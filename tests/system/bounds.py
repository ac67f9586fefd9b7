"""What one peer can make the broker keep in memory: a bound in bytes, and nobody else notices."""
import os

import msgpack
import zmq

from casebus import Broker, main

# Under the address sanitizer, what is freed is not kept for long: this is about memory.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"

MIB = 1 << 20


def publish(broker, *reports):
    """Sends (topic, data); returns once the last is stored."""
    s = zmq.Context.instance().socket(zmq.XPUB)
    s.setsockopt(zmq.XPUB_NODROP, 1)
    s.linger = 0
    s.connect(broker.ingest)
    s.recv()  # the broker's subscription
    for topic, data in reports:
        s.send_multipart([topic, msgpack.packb({"v": 1, "data": data})])
    client = broker.client()
    while client.result("broker.status")["applied"]["created"] < len(reports):
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


main([replies_nobody_reads_are_bounded_in_bytes, an_envelope_has_a_size])
