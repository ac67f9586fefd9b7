"""Audiences: endpoints that are shown some agencies, or less of everything. Whatever leaves the broker for
one of them is searched for what it must not hold: each agency's records carry words of their own."""
import json
import os
import re
import sys

import msgpack
import zmq

from casebus import Broker, Client, await_, main

AGENCIES = ("hse", "ea", "orr")
# Of each agency: words that stand in its ids, its sessions and its records, and nowhere else.
MARKS = {agency: "zz%szz" % agency for agency in AGENCIES}
TEXT = "content-of-records"  # stands in what workers say of cases and sessions: thin forms have none of it
SECTIONS = """[audience hse]
endpoint = tcp://127.0.0.1:*
agencies = hse
[audience two]
endpoint = tcp://127.0.0.1:*
agencies = hse ea
[audience thin]
endpoint = tcp://127.0.0.1:*
form = thin
[audience named]
endpoint = tcp://127.0.0.1:*
agencies = hse ea orr
without = offender.name offence_fine_pence offences.description requested_by source
"""


class Audiences(Broker):
    """A broker with the audiences above."""

    def __init__(self, *flags):
        super().__init__(*flags, start=False)
        config = os.path.join(self.dir, "settings")
        open(config, "w").write(SECTIONS)
        self.flags += ["--config", config]
        self.start()
        self.audience = dict(re.findall(r"audience=(\w+),(\S+)", self.ready))

    def tap(self, name=None):
        return Tap(self.audience[name] if name else self.fanout)


class Tap:
    """All that an endpoint sends to somebody who subscribes to everything."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.rcvhwm = 0
        self.socket.rcvtimeo = 30000
        self.socket.subscribe(b"")
        self.socket.connect(endpoint)
        self.messages = []
        self.heads_at(0)

    def heads_at(self, seq):
        """Reads until heads of all streams reach it."""
        while True:
            topic, body = self.socket.recv_multipart()
            self.messages.append((topic.decode(), body))
            if topic == b"sys:heads:all:" and msgpack.unpackb(body)["seq"] >= seq:
                return msgpack.unpackb(body)["heads"]

    def events(self):
        return [message for message in self.messages if not message[0].startswith("sys:")]

    def heads(self, topic):
        return [msgpack.unpackb(body) for t, body in self.messages if t == topic]

    def bytes(self):
        return b"".join(topic.encode() + body for topic, body in self.messages)


def agency_of(topic):
    return topic.split(":")[2]


def case(agency, i, **more):
    mark = MARKS[agency]
    return {"agency": agency, "regulator_id": "%s-%d" % (mark, i), "offence_breaches": TEXT + mark,
            "offence_fine_pence": 777000 + i, "offence_action_date": "2024-01-%02d" % (1 + i % 28),
            "offender": {"name": "%s %s %d Ltd" % (mark, TEXT, i // 2), "postcode": mark[:8].upper()},
            "offences": [{"number": 1, "description": TEXT + mark}],
            "source": {"page": i, "parser": TEXT + mark}, **more}


class Writer:
    """Publishes for all agencies in turn, with a session of each."""

    def __init__(self, broker):
        self.broker = broker
        self.socket = zmq.Context.instance().socket(zmq.PUB)
        self.socket.sndhwm = 0
        self.socket.connect(broker.ingest)
        self.client = broker.client()
        self.entries = 0
        await_("the broker hears", self.hello)

    def hello(self):
        """Until the subscription has come: a report that the broker refuses says so."""
        self.socket.send_multipart([b"case:nothing:%s:1:" % MARKS["orr"].encode(), b"\x80"])
        self.entries = self.client.ask("heads")["entry"]
        return self.entries > 0

    def report(self, kind, agency, key, data=None, session=None):
        body = {"v": 1, **({"session": session} if session else {}), "data": data or {}}
        self.socket.send_multipart([("%s:%s:%s:" % (kind, agency, key)).encode(), msgpack.packb(body)])

    def scrape(self, agency, i, session=None, **more):
        data = case(agency, i, **more)
        self.report("case:scraped", agency, data["regulator_id"], data, session)

    def settle(self, patterns):
        """Until the log has so many events of these patterns."""
        for pattern, count in patterns.items():
            await_("the log has %d of %s" % (count, pattern), lambda: len(replayed(
                self.client, patterns=[pattern])) >= count)

    def fill(self):
        """Of each agency a session that meets cases anew, changed, in conflict and refused, and one
        of each kind of event."""
        for agency in AGENCIES:
            mark = MARKS[agency]
            self.report("session:started", agency, mark + "-run", {"requested_by": TEXT + mark, "worker": mark})
            for i in range(8):
                self.scrape(agency, i, session=mark + "-run")
            self.scrape(agency, 0, session=mark + "-run", offence_breaches=TEXT + "again" + mark)
            for i in (1, 2):
                self.scrape(agency, i, session=mark + "-run", offence_action_date="2023-01-01",
                            offender={"name": "another %s %s" % (mark, TEXT)})
            self.scrape(agency, 3, session=mark + "-run", offence_fine_pence=-1)
            self.report("case:deleted", agency, mark + "-7")
            self.report("session:ended", agency, mark + "-run", {"status": "failed", "reason": TEXT + mark})
        self.settle({"session:ended": 3, "case:deleted": 3, "case:conflict": 6})
        row = self.client.result("quarantine.list", agency="hse")["rows"][0]
        self.client.result("quarantine.accept", quarantine=row["quarantine"],
                           **{"as": "ea:%s-moved" % MARKS["ea"]})


def replayed(client, patterns=("case", "session"), **more):
    """All events of the log, as pairs of topic and body."""
    events, after = [], 0
    while True:
        reply = client.ask("log.replay", after=after, patterns=list(patterns), **more)
        events += [(topic, body) for topic, body in reply["result"]["events"]]
        after = reply["result"]["through"]
        if after == reply["seq"]:
            return events


def assert_without(what, data, *words):
    for word in words:
        at = data.find(word.encode())
        assert at < 0, "%s holds %s: %s" % (what, word, data[max(0, at - 100):at + 100])


def an_audience_is_sent_its_agencies_and_their_heads():
    with Audiences() as broker:
        everything, hse, two = broker.tap(), broker.tap("hse"), broker.tap("two")
        writer = Writer(broker)
        writer.fill()
        seq = writer.client.ask("heads")["seq"]
        for tap, agencies in ((everything, AGENCIES), (hse, ("hse",)), (two, ("hse", "ea"))):
            heads = tap.heads_at(seq)
            expected = [(t, b) for t, b in everything.events() if agency_of(t) in agencies]
            resolved = [t for t, _ in expected if t.startswith("case:resolved:")]
            assert resolved and len(tap.events()) == len(expected)
            for got, sent in zip(tap.events(), expected):
                # the full form goes out as it is, but for the case of another agency in `as`
                assert got == sent or (tap is hse and got[0] in resolved), (got, sent)
            assert {agency_of(stream) for stream in heads} == set(agencies), heads
            assert_without("its endpoint", tap.bytes(), *(MARKS[a] for a in AGENCIES if a not in agencies))


def heads_of_an_audience_prove_what_it_is_sent():
    """The rules of "Heads": a claim moves by `before`, and a stream is never ahead of what came."""
    with Audiences() as broker:
        tap = broker.tap("hse")
        writer = Writer(broker)
        writer.fill()
        tap.heads_at(writer.client.ask("heads")["seq"])
        claim = have = batches = 0
        for topic, body in tap.messages:
            message = msgpack.unpackb(body)
            if topic == "sys:heads:batch:":
                batches += 1
                assert message["before"] <= claim or claim == 0, (message, claim)
                assert max(message["heads"].values()) == have
                claim = message["seq"]
            elif topic == "sys:heads:all:":
                claim = message["seq"]
            else:
                have = message["seq"]
        prev = {}
        for topic, body in tap.events():
            message, stream = msgpack.unpackb(body), ":".join(topic.split(":")[:3])
            assert message["prev"] == prev.get(stream, 0), topic
            prev[stream] = message["seq"]
        assert batches > 0


def forms_change_bytes_and_no_number():
    with Audiences() as broker:
        everything, thin, named = broker.tap(), broker.tap("thin"), broker.tap("named")
        writer = Writer(broker)
        writer.fill()
        seq = writer.client.ask("heads")["seq"]
        for tap in (everything, thin, named):
            tap.heads_at(seq)
        numbers = ("seq", "prev", "prev_topic", "at", "version", "actor", "session", "event", "epoch")
        full = [(t, msgpack.unpackb(b)) for t, b in everything.events()]
        for tap in (thin, named):
            got = [(t, msgpack.unpackb(b)) for t, b in tap.events()]
            assert [(t, [e.get(n) for n in numbers]) for t, e in got] == \
                [(t, [e.get(n) for n in numbers]) for t, e in full]
        for (topic, body), (_, whole) in zip(thin.events(), full):
            event = msgpack.unpackb(body)
            assert event["thin"] is True and event["payload"].keys() <= {"id"}, event
            assert all(change.keys() == {"field"} for change in event.get("changed", [])), event
            assert [c["field"] for c in event.get("changed", [])] == [c["field"] for c in whole.get("changed", [])]
        assert_without("the thin endpoint", thin.bytes(), TEXT)
        for topic, body in named.events():
            event = msgpack.unpackb(body)
            payload = event["payload"]
            assert "thin" not in event and "name" not in payload.get("offender", {}), event
            assert not {"offence_fine_pence", "source", "requested_by"} & payload.keys(), event
            assert all("description" not in offence for offence in payload.get("offences", []))
            assert not [c for c in event.get("changed", []) if c["field"] == "offender.name"]
        created = next(msgpack.unpackb(b)["payload"] for t, b in named.events() if t.startswith("case:created:"))
        assert created["offender"]["postcode"] and created["offences"] == [{"number": 1}], created


main([an_audience_is_sent_its_agencies_and_their_heads, heads_of_an_audience_prove_what_it_is_sent,
      forms_change_bytes_and_no_number])
