"""Hostile messages, to the ingest and to the requests: they change nothing and end nothing.

Half are mutations of the golden files, the rest random bytes, truncations, deep nesting and headers
that promise gigabytes. A mutation that a msgpack reader can still read goes under a topic that
no report may have, so that all of them must be refused; an honest publisher works on beside them.

  hostile.py [MESSAGES]
"""
import os
import random
import sys
import threading

import msgpack
import zmq

from casebus import DATA, SRC, Broker, await_, main

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
GOLDEN = os.path.join(SRC, "tests", "golden")
TOPICS = [b"case:scraped:hse:hostile:", b"case:edited:hse:hostile:", b"session:started:hse:h:"]
BAD_TOPICS = [b"", b"case", b"case:scrapped:hse:1:", b"case:scraped:HSE:1:", b"case:scraped:hse:\xff:",
              b"cases:scraped:hse:1:", b"case:scraped:hse:" + b"x" * 400 + b":", b"\0" * 8,
              b"session:lost:hse:1:", b"case:created:hse:1:", b"sys:heads:all:"]
# Bodies that are refused whatever their topic; the last frame of each is wrong on purpose.
BOMBS = [b"\xdd\xff\xff\xff\xff", b"\x81\xa1v\xdf\xff\xff\xff\xff", b"\x82\xa1v\x01\xa4data\xc6\xff\xff\xff\xff",
         b"\x91" * 4000, b"\x81\xa1v" * 3000, b"\x82\xa1v\x01\xa4data" + b"\x81\xa1a" * 40 + b"\xc0",
         b"\x82\xa1v\x02\xa4data\x80", b"\x82\xa1v\x01\xa1v\x01", b"\x81\xa1v\xc1", b"\xc0", b""]


def golden_reports():
    with open(os.path.join(GOLDEN, "INDEX.tsv")) as index:
        rows = [line.rstrip("\n").split("\t") for line in index][1:]
    return [open(os.path.join(GOLDEN, row[0]), "rb").read() for row in rows]


def mutate(rng, body):
    body = bytearray(body)
    for _ in range(rng.randrange(1, 5)):
        kind = rng.randrange(4)
        at = rng.randrange(len(body)) if body else 0
        if kind == 0 and body:
            body[at] = rng.randrange(256)
        elif kind == 1 and body:
            del body[at:at + rng.randrange(1, 9)]
        elif kind == 2:
            body[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        else:
            del body[at:]
    return bytes(body)


def hostile_message(rng, golden):
    """Frames of a message that no broker may accept."""
    if rng.randrange(2):
        body = mutate(rng, rng.choice(golden))
        try:
            msgpack.unpackb(body)
            return [rng.choice(BAD_TOPICS), body]
        except Exception:
            return [rng.choice(TOPICS), body]
    kind = rng.randrange(4)
    if kind == 0:
        return [rng.choice(TOPICS), rng.choice(BOMBS)]
    if kind == 1:
        return [rng.choice(BAD_TOPICS), rng.randbytes(rng.randrange(200))]
    if kind == 2:
        return [rng.randbytes(rng.randrange(60))] * rng.choice([1, 3, 7])
    return [rng.choice(TOPICS), b"\xc1" + rng.randbytes(rng.randrange(2000))]


def socket(kind, endpoint):
    s = zmq.Context.instance().socket(kind)
    s.linger = 0
    s.sndhwm = s.rcvhwm = 10000
    if kind == zmq.XPUB:
        s.setsockopt(zmq.XPUB_NODROP, 1)
    s.connect(endpoint)
    return s


def records(client, ids):
    rows = []
    for i in range(0, len(ids), 200):
        rows += client.result("case.get_many", ids=ids[i:i + 200])["rows"]
    return rows


def known_cases(client):
    ids, page = [], client.result("case.recent", limit=500)
    while True:
        ids += [row["id"] for row in page["rows"]]
        if "next" not in page:
            return sorted(ids)
        page = client.result("case.recent", limit=500, next=page["next"])


def without_effect(client):
    status = client.result("broker.status")
    return sum(status[k] for k in ("ahead", "duplicates", "diverged"))


def reports_change_nothing():
    rng, golden = random.Random(3), golden_reports()
    with Broker() as broker:
        client = broker.client()
        register = os.path.join(DATA, "register.ndjson")
        broker.publish(register)
        ids = known_cases(client)
        before, seq = records(client, ids), client.ask("heads")["seq"]
        ineffective = without_effect(client)  # the publisher may have sent some twice
        s = socket(zmq.XPUB, broker.ingest)
        s.recv()  # the broker's subscription: the link is up
        memory = []
        for i in range(MESSAGES):
            s.send_multipart(hostile_message(rng, golden))
            if i % (MESSAGES // 10) == 0:
                memory.append(broker.anonymous_kib())
        # Everything sent before this one has been decided once it is.
        s.send_multipart([b"case:scraped:hse:the-end:", msgpack.packb(
            {"v": 1, "data": {"offender": {"name": "End"}}})])
        # What a batch came to is counted once it has been committed.
        await_("the end", lambda: client.result("broker.status")["applied"]["created"] == len(ids) + 1)
        status = client.result("broker.status")
        assert known_cases(client) == sorted(ids + ["hse:the-end"])
        assert records(client, ids) == before
        assert client.ask("heads")["seq"] == seq + 1
        assert sum(status["refused"].values()) + without_effect(client) - ineffective == MESSAGES, status
        assert client.verify() == []
        assert broker.anonymous_kib() < 1.2 * max(memory[5:]) + 8192, memory
        assert broker.publish(register)["synced"] == len(ids)
        print("  refused:", status["refused"])


def honest_traffic_is_unharmed():
    rng, golden = random.Random(4), golden_reports()
    with Broker() as broker:
        stop = threading.Event()

        def attack():
            s = socket(zmq.PUB, broker.ingest)
            while not stop.is_set():
                s.send_multipart(hostile_message(rng, golden))

        thread = threading.Thread(target=attack)
        thread.start()
        try:
            counts = broker.publish(os.path.join(DATA, "register.ndjson"))
            again = broker.publish(os.path.join(DATA, "register.ndjson"))
        finally:
            stop.set()
            thread.join()
        assert counts["confirmed"] == counts["created"] == counts["sent"], counts
        assert again["synced"] == counts["sent"], again


def requests_are_refused_one_by_one():
    rng, golden = random.Random(5), golden_reports()
    with Broker() as broker:
        s = socket(zmq.DEALER, broker.query)
        rounds = MESSAGES // 20
        for i in range(rounds):
            body = mutate(rng, rng.choice(golden)) if rng.randrange(2) else rng.randbytes(rng.randrange(300))
            s.send_multipart([b"", body])
            if i % 100 == 99:
                for _ in range(100):
                    empty, reply = s.recv_multipart()
                    reply = msgpack.unpackb(reply)
                    assert empty == b"" and ("error" in reply) != ("result" in reply)
        s.send_multipart([b"x"] * 30)  # no envelope: dropped
        assert broker.client().verify() == []


main([reports_change_nothing, honest_traffic_is_unharmed, requests_are_refused_one_by_one])
