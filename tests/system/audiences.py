"""Audiences: endpoints that are shown some agencies, or less of everything. Whatever leaves the broker for
one of them is searched for what it must not hold: each agency's records carry words of their own."""
import json
import os
import re
import signal
import subprocess
import sys

import msgpack
import zmq

from casebus import BIN, SRC, Broker, await_, main
from guarded import Guarded, within

sys.path += [os.path.join(SRC, "tests", folder) for folder in ("ledger", "dashboard")]
from dashboard import Dashboard, quote  # noqa: E402
from proxy import TO_CLIENT, Recorder  # noqa: E402

AGENCIES = ("hse", "ea", "orr")
# Of each agency: words that stand in its ids, its sessions and its records, and nowhere else.
MARKS = {agency: "zz%szz" % agency for agency in AGENCIES}
TEXT = "content-of-records"  # stands in what workers say of cases and sessions: thin forms have none of it
HIDDEN = "hidden-word"       # in the fields that the audience `named` is not shown
FINE = 777000                # and a fine there, and up to 999 more
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
SHOWN = {"hse": ("hse",), "two": ("hse", "ea"), "thin": AGENCIES, "named": AGENCIES}


class Audiences(Broker):
    """A broker with the audiences above."""

    def __init__(self, *flags):
        super().__init__(*flags, start=False)
        config = os.path.join(self.dir, "settings")
        open(config, "w").write(SECTIONS)
        self.flags += ["--config", config]
        self.start()
        self.audience = dict(re.findall(r"audience=(\w+),(\S+)", self.ready))

    def tap(self, name=None, *prefixes):
        return Tap(self.audience[name] if name else self.fanout, *prefixes)


class Tap:
    """All that an endpoint sends to somebody who subscribes to everything, or to these and heads."""

    def __init__(self, endpoint, *prefixes):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.rcvhwm = 0
        self.socket.rcvtimeo = 30000
        for prefix in (*prefixes, "sys:heads:") if prefixes else ("",):
            self.socket.subscribe(prefix)
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
            "offence_fine_pence": FINE + i, "offence_action_date": "2024-01-%02d" % (1 + i % 28),
            "offender": {"name": offender(agency, i), "postcode": mark[:8].upper()},
            "offences": [{"number": 1, "description": TEXT + HIDDEN + mark}],
            "source": {"page": i, "parser": TEXT + HIDDEN + mark}, **more}


def relate(writer):
    """Cases that name cases of each agency, made, changed and in quarantine."""
    everywhere = ["%s:%s-9" % (agency, MARKS[agency]) for agency in AGENCIES]
    conflicts = len(replayed(writer.client, patterns=["case:conflict"]))
    for agency in AGENCIES:
        writer.scrape(agency, 50, related_cases=everywhere)
        writer.scrape(agency, 50, related_cases=everywhere[::-1])
        writer.scrape(agency, 50, related_cases=everywhere[1:], offence_action_date="2023-01-01",
                      offender={"name": "another %s %s %s" % (MARKS[agency], TEXT, HIDDEN)})
    writer.settle({"case:conflict": conflicts + len(AGENCIES)})


def offender(agency, i):
    return "%s %s %s %d Ltd" % (MARKS[agency], TEXT, HIDDEN, i // 2)


class Writer:
    """Publishes for all agencies in turn, with a session of each."""

    def __init__(self, broker, socket=None, client=None):
        self.broker = broker
        self.socket = socket or zmq.Context.instance().socket(zmq.PUB)
        self.socket.sndhwm = 0
        self.socket.connect(broker.ingest)
        self.client = client or broker.client()
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
            self.report("session:started", agency, mark + "-run", {"requested_by": TEXT + HIDDEN + mark, "worker": TEXT + mark})
            for i in range(8):
                self.scrape(agency, i, session=mark + "-run")
            self.scrape(agency, 0, session=mark + "-run", offence_breaches=TEXT + "again" + mark)
            for i in (1, 2):
                self.scrape(agency, i, session=mark + "-run", offence_action_date="2023-01-01",
                            offender={"name": "another %s %s %s" % (mark, TEXT, HIDDEN)})
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


def unbundled(tap):
    """The events of a tap's bundles."""
    events = []
    for topic, body in tap.events():
        bundle = msgpack.unpackb(body)
        assert bundle["v"] == 1 and bundle["messages"]
        assert len(body) <= 32768, len(body)
        assert all(topic == "bundle:" + ":".join(t.split(":")[:3]) + ":" for t, _ in bundle["messages"]), topic
        events += [(t, b) for t, b in bundle["messages"]]
    return events


def seq_of(event):
    return msgpack.unpackb(event[1])["seq"]


def bundles_hold_what_is_sent_alone():
    """At each endpoint, in its form, byte for byte; of each stream in order, and before the batch's heads."""
    names = (None, "hse", "two", "thin", "named")
    with Audiences() as broker:
        bundled = {name: broker.tap(name, "bundle:") for name in names}
        created = broker.tap(None, "bundle:case:created:ea:")
        alone = {name: broker.tap(name, "case:", "session:") for name in names}
        writer = Writer(broker)
        writer.fill()
        for i in range(100, 400):  # more than a bundle has room for
            writer.scrape(AGENCIES[i % 3], i)
        writer.settle({"case:created:%s" % agency: 108 for agency in AGENCIES})
        heads = writer.client.ask("heads")
        for name in names:
            bundled[name].heads_at(heads["seq"])
            alone[name].heads_at(heads["seq"])
            events = unbundled(bundled[name])
            assert sorted(events, key=seq_of) == alone[name].events()
            streams = {}
            for event in events:
                streams.setdefault(":".join(event[0].split(":")[:3]), []).append(seq_of(event))
            assert all(seqs == sorted(seqs) for seqs in streams.values())
            assert len(bundled[name].events()) < len(events)
            sent = 0
            for topic, body in bundled[name].messages:
                if topic.startswith("bundle:"):
                    sent += len(msgpack.unpackb(body)["messages"])
                elif topic == "sys:heads:all:":
                    assert sent == sum(seq_of(e) <= msgpack.unpackb(body)["seq"] for e in events)
        created.heads_at(heads["seq"])
        assert unbundled(created) == [e for e in alone[None].events() if e[0].startswith("case:created:ea:")]


def who_wants_events_alone_later_gets_all_behind_his_first_heads():
    """Nobody wanted them so far, and it is the middle of a flood."""
    for _ in range(4):
        with Audiences() as broker:
            bundled = broker.tap(None, "bundle:")
            writer = Writer(broker)
            for i in range(3000):
                writer.scrape("hse", i)
            bundled.heads_at(1)  # they are being decided
            alone = broker.tap(None, "case:")
            first = msgpack.unpackb(alone.messages[-1][1])["seq"]
            for i in range(3000, 4000):
                writer.scrape("hse", i)
            writer.settle({"case:created:hse:%s-3999" % MARKS["hse"]: 1})
            alone.heads_at(writer.client.ask("heads")["seq"])
            bundled.heads_at(writer.client.ask("heads")["seq"])
            behind = [event for event in unbundled(bundled) if seq_of(event) > first]
            assert behind and [e for e in alone.events() if seq_of(e) > first] == behind, (len(behind), first)


def heads_of_an_audience_prove_what_it_is_sent():
    """The rules of "Heads": a claim moves by `before`, and a stream is never ahead of what came."""
    with Audiences() as broker:
        tap = broker.tap("hse")
        writer = Writer(broker)
        writer.fill()
        tap.heads_at(writer.client.ask("heads")["seq"])
        claim = have = batches = last = quiet = 0
        for topic, body in tap.messages:
            message = msgpack.unpackb(body)
            if topic == "sys:heads:batch:":
                # The batch before that touched a stream of this endpoint: one that is lost is noticed.
                assert message["before"] == last if batches else message["before"] <= claim, (message, last)
                if message["heads"]:
                    assert max(message["heads"].values()) == have > last
                else:
                    assert message["quiet"] > quiet, message
                quiet = message.get("quiet", 0)
                batches += 1
                last = claim = message["seq"]
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


def what_makes_no_event_moves_only_those_who_may_know_of_it():
    """Refused reports of an agency: the others' heads say nothing of them, and nothing comes more."""
    names = (None, "hse", "two")
    with Audiences() as broker:
        tap, writer = broker.tap("hse"), Writer(broker)
        writer.fill()
        tap.heads_at(writer.client.ask("heads")["seq"])

        def quiet():
            """As heads made now say it: those that somebody new is sent."""
            heads = {name: msgpack.unpackb(broker.tap(name).messages[-1][1]) for name in names}
            return {name: heads[name].get("quiet", 0) for name in names}

        begun, values = len(tap.messages), [quiet()]
        for agency, moved in (("orr", {None}), ("ea", {None, "two"}), ("hse", {None, "hse", "two"})):
            writer.scrape(agency, 3, offence_fine_pence=-1)
            await_("a refused report is named", lambda: quiet()[None] > values[-1][None])
            values.append(quiet())
            assert {name for name in names if values[-1][name] > values[-2][name]} == moved, (agency, values)
            assert all(values[-1][name] == values[-2][name] for name in set(names) - moved), (agency, values)
        writer.client.result("agency.set", agency="ea", name="Environment Agency")
        await_("an agency that was set is named", lambda: quiet()[None] > values[-1][None])
        values.append(quiet())
        assert values[-1]["two"] > values[-2]["two"] and values[-1]["hse"] == values[-2]["hse"], values
        writer.client.result("agency.set", agency="ea", name="Environment Agency")  # it has this name
        writer.scrape("hse", 100)
        writer.settle({"case:created:hse:%s-100" % MARKS["hse"]: 1})
        tap.heads_at(writer.client.ask("heads")["seq"])
        heads = [msgpack.unpackb(body) for topic, body in tap.messages[begun:] if topic.startswith("sys:")]
        assert {message.get("quiet", 0) for message in heads} == {v["hse"] for v in values}, (heads, values)
        alone = [message for message in heads if "before" in message and not message["heads"]]
        assert len(alone) == 1 and alone[0]["before"] == alone[0]["seq"], alone


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
        assert_without("the thin endpoint", thin.bytes(), TEXT, HIDDEN)
        assert_without("the endpoint without names", named.bytes(), HIDDEN)
        for topic, body in named.events():
            event = msgpack.unpackb(body)
            payload = event["payload"]
            assert "thin" not in event and "name" not in payload.get("offender", {}), event
            assert not {"offence_fine_pence", "source", "requested_by"} & payload.keys(), event
            assert all("description" not in offence for offence in payload.get("offences", []))
            assert not [c for c in event.get("changed", []) if c["field"] == "offender.name"]
        created = next(msgpack.unpackb(b)["payload"] for t, b in named.events() if t.startswith("case:created:"))
        assert created["offender"]["postcode"] and created["offences"] == [{"number": 1}], created


# --- requests ---------------------------------------------------------------------------------


def operations():
    """The names of all operations there are."""
    with open(os.path.join(SRC, "proto", "casebus", "request.h")) as file:
        return set(re.findall(r'X\(CASEBUS_OP_\w+, "([\w.]+)"\)', file.read()))


class Audience:
    """Requests of an audience; everything that was answered is kept."""

    def __init__(self, broker, name=None, client=None):
        self.client = client or broker.client()
        self.more = {"audience": name} if name else {}
        self.name = name
        self.replies = []

    def ask(self, op, **args):
        reply = self.client.ask(op, **args, **self.more)
        self.replies.append((op, args, reply))
        return reply

    def result(self, op, **args):
        reply = self.ask(op, **args)
        assert "result" in reply, (op, args, reply)
        return reply["result"]

    def error(self, op, **args):
        return self.ask(op, **args).get("error", {}).get("code")

    def rows(self, op, key="rows", **args):
        """Of all pages, each of which is short."""
        rows, result = [], self.result(op, **args, limit=3)
        while True:
            rows += result[key]
            if "next" not in result:
                return rows
            result = self.result(op, **args, limit=3, next=result["next"])


# What is asked of each operation about one agency (its mark: m), or about all; {} of the store as
# it is after Writer.fill().
def about(agency, quarantined):
    m = MARKS[agency]
    ids = ["%s:%s-%d" % (agency, m, i) for i in range(9)]
    session = {"agency": agency, "session_id": m + "-run"}
    return [
        ("case.get", {"id": ids[0], "load": ["agency", "offender", "history"]}),
        ("case.get", {"id": ids[7]}), ("case.get", {"id": ids[8]}),
        ("case.get_many", {"ids": ids, "load": ["agency", "offender"]}),
        ("case.known", {"ids": ids}),
        ("case.list", {"agency": agency}),
        ("case.list", {"agency": agency, "order": "date", "from": "2023-01-01"}),
        ("case.list", {"agency": agency, "session": m + "-run"}),
        ("case.list", {"agency": agency, "as_of": 3}),
        ("case.list", {"offender": m}), ("case.list", {"agency": agency, "offender": m}),
        ("case.history", {"id": ids[0]}), ("case.history", {"id": ids[7]}),
        ("offender.get", {"agency": agency, "name": offender(agency, 4)}),
        ("offender.get", {"agency": agency, "name": offender(agency, 4), "postcode": m[:8]}),
        ("log.replay", {"patterns": ["case:created:" + agency, "session:ended:" + agency], "after": 0}),
        ("log.replay", {"patterns": ["case:created:%s:%s-0" % (agency, m)], "after": 0}),
        ("log.cases", {"agency": agency, "after": 0, "load": ["agency", "offender"]}),
        ("session.get", session), ("session.list", {"agency": agency}),
        ("session.cases", session),
        ("session.cases", {**session, "once": True, "load": ["agency", "offender"]}),
        ("session.stop", session),
        ("agency.set", {"agency": agency, "name": m}),
        ("quarantine.list", {"agency": agency}),
        ("quarantine.reject", {"quarantine": quarantined[agency]}),
        ("publisher.confirm", {"publisher": b"p" * 16, "wait_ms": 0, "sessions": [session]}),
    ]


ABOUT_ALL = [
    ("case.recent", {}), ("case.recent", {"as_of": 3}), ("case.list", {}), ("case.list", {"order": "date"}),
    ("agency.list", {}), ("log.replay", {"patterns": ["case", "session"], "after": 0}),
    ("log.cases", {"since": 0}), ("heads", {}), ("session.list", {}), ("session.list", {"status": "failed"}),
    ("quarantine.list", {}), ("rejects.list", {}), ("store.verify", {"wait_ms": 0}),
    ("store.backup", {"dir": "/nonexistent/zz", "wait_ms": 0}), ("broker.status", {}),
    ("quarantine.accept", {"quarantine": 1}), ("actor.whoami", {}), ("actor.can", {"actor": "local", "verb": "ask"}),
]


def values(value):
    """All texts and numbers inside, keys too, and those of the events that replies carry as bin."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from values(inner)
    elif isinstance(value, bytes):
        try:
            yield from values(msgpack.unpackb(value)) if value[:1] >= b"\x80" else ()
        except ValueError:
            pass
    else:
        yield value


def assert_shows(audience, op, args, reply):
    """Nothing in the reply is of an agency that the audience is not shown, nor of a hidden field."""
    what = "%s %s of %s: %s" % (op, args, audience, reply)
    packed = msgpack.packb(reply)
    asked = json.dumps(args, default=repr)
    for agency in AGENCIES:
        if agency not in SHOWN[audience]:
            if op not in ("case.get_many", "publisher.confirm"):  # they answer by the ids they were given
                assert_without(what, packed, MARKS[agency])
                assert not [v for v in values(reply) if isinstance(v, str) and agency in re.split("[ :]", v)], what
    if audience == "thin":
        assert_without(what, packed, TEXT, HIDDEN)
    if audience == "named":
        assert_without(what, packed, HIDDEN)
    if audience in ("thin", "named") and op != "broker.status":  # whose bytes could be any number
        numbers = [v for v in values(reply) if isinstance(v, int) and FINE <= v < 100 * (FINE + 1000)]
        assert not [n for n in numbers if n % FINE < 1000 * (n // FINE)], what


def quarantined(client):
    """A report of each agency that waits."""
    return {row["id"].split(":")[0]: row["quarantine"] for row in client.result("quarantine.list")["rows"]}


def every_operation_shows_what_its_audience_sees():
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        waiting = quarantined(writer.client)
        asked = set()
        for name in SHOWN:
            audience = Audience(broker, name)
            for op, args in [pair for agency in AGENCIES for pair in about(agency, waiting)
                             if agency not in SHOWN[name] or pair[0] not in ("quarantine.reject", "session.stop")] + ABOUT_ALL:
                reply = audience.ask(op, **args)
                while "result" in reply and ("next" in reply["result"] or "next_from" in reply["result"]):
                    result = reply["result"]
                    more = {"next": result["next"]} if "next" in result else {"from": result["next_from"]}
                    reply = audience.ask(op, **{**args, **more})
            for op, args, reply in audience.replies:
                asked.add(op)
                assert_shows(name, op, args, reply)
        assert asked == operations(), asked ^ operations()
        # Nothing was decided or stopped by those who may not see it.
        assert quarantined(writer.client) == waiting and writer.client.verify() == []


def what_is_not_shown_is_as_if_it_were_not_there():
    """Each answer about an agency that is not shown is the one about an agency that does not exist."""
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        waiting = quarantined(writer.client)
        hse = Audience(broker, "hse")
        MARKS["nobody"], waiting["nobody"] = MARKS["ea"], 1
        try:
            for (op, args), (_, unknown) in zip(about("ea", waiting), about("nobody", waiting)):
                if op in ("case.list",) and "agency" not in args:
                    continue  # by a name: not of an agency
                got, expected = hse.ask(op, **args), hse.ask(op, **unknown)
                assert json.dumps(got, default=repr).replace("nobody:", "ea:") == \
                    json.dumps(expected, default=repr).replace("nobody:", "ea:"), (op, args, got, expected)
        finally:
            del MARKS["nobody"]


def what_is_shown_is_all_of_it():
    """Lists of an audience are those of everybody, without what it is not shown; counts too."""
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        everybody = Audience(broker)
        for name in ("hse", "two"):
            audience, own = Audience(broker, name), lambda code: code in SHOWN[name]
            for op, args in (("case.recent", {}), ("case.list", {}), ("case.list", {"order": "date"}),
                             ("case.list", {"order": "date", "from": "2023-06-01", "to": "2024-01-03"}),
                             ("case.list", {"offender": "zz"}), ("session.list", {}),
                             ("log.cases", {"after": 0, "load": ["agency", "offender"]})):
                rows = [row for row in everybody.rows(op, **args) if own(row["agency"])]
                assert rows and audience.rows(op, **args) == rows, (name, op, args)
            for op in ("quarantine.list", "rejects.list"):
                rows = [row for row in everybody.rows(op)
                        if own(row["id"].split(":")[0] if "id" in row else row.get("topic", "::").split(":")[2])]
                assert rows and audience.rows(op) == rows, (name, op)
            assert audience.result("agency.list")["rows"] == [
                row for row in everybody.result("agency.list")["rows"] if own(row["code"])]
            heads = everybody.result("heads")["heads"]
            assert audience.result("heads")["heads"] == {s: n for s, n in heads.items() if own(agency_of(s))}
            newer = audience.result("case.recent", as_of=3)["newer"]
            assert newer == sum(r["created_seq"] > 3 for r in audience.rows("case.recent"))
            cases = sum(row["cases"] for row in audience.result("agency.list")["rows"])
            status = audience.result("broker.status")
            assert status["store"].keys() == {"cases", "floor"} and status["store"]["cases"] == cases
            assert status["endpoints"]["fanout"] == broker.audience[name]
            assert "audiences" not in status["endpoints"]
        assert everybody.result("broker.status")["endpoints"]["audiences"] == broker.audience


def a_form_holds_for_requests_too():
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        thin, named, everybody = Audience(broker, "thin"), Audience(broker, "named"), Audience(broker)
        id = "hse:%s-4" % MARKS["hse"]
        record = everybody.result("case.get", id=id)["case"]
        kept = ("id", "agency", "regulator_id", "version", "inserted_at", "updated_at", "last_synced_at",
                "seen_count", "created_seq", "updated_seq")
        assert thin.result("case.get", id=id)["case"] == {k: record[k] for k in kept}
        got = named.result("case.get", id=id, load=["agency", "offender"])
        assert got["case"] == {**{k: v for k, v in record.items() if k not in ("offence_fine_pence", "source")},
                               "offender": {"postcode": record["offender"]["postcode"]},
                               "offences": [{"number": 1}]}
        assert "offender_record" not in got and "fine_pence" not in got["agency_record"]
        for audience, op, args in ((thin, "case.list", {"order": "date"}), (thin, "case.list", {"offender": "zz"}),
                                   (named, "case.list", {"offender": "zz"}),
                                   (thin, "offender.get", {"agency": "hse", "name": "x"}),
                                   (named, "offender.get", {"agency": "hse", "name": offender("hse", 4)})):
            assert audience.error(op, **args) == "denied", (audience.name, op, args)
        assert [r["id"] for r in named.rows("case.list", order="date")] == \
            [r["id"] for r in everybody.rows("case.list", order="date")]
        for audience in (thin, named):
            full = replayed(everybody.client)
            assert [t for t, _ in replayed(audience.client, audience=audience.name)] == [t for t, _ in full]
            for row in audience.rows("session.cases", agency="hse", session_id=MARKS["hse"] + "-run", once=True):
                assert "page" not in row and "offence_fine_pence" not in row.get("case", {}), row


def related_cases_of_other_agencies_are_not_named():
    """In records, reported data, events and what changed; whoever sees the agency is told."""
    with Audiences() as broker:
        everything, taps = broker.tap(), {name: broker.tap(name) for name in ("hse", "two")}
        writer = Writer(broker)
        relate(writer)
        seq = writer.client.ask("heads")["seq"]
        assert everything.heads_at(seq) and all(MARKS[agency].encode() in everything.bytes() for agency in AGENCIES)
        for name, tap in taps.items():
            tap.heads_at(seq)
            audience, id = Audience(broker, name), "hse:%s-50" % MARKS["hse"]
            for op, args in (("case.get", {"id": id, "load": ["agency", "offender", "history"]}), ("case.history", {"id": id}),
                             ("case.get_many", {"ids": [id]}), ("quarantine.list", {}), ("case.list", {"order": "date"}),
                             ("log.cases", {"after": 0}), ("case.recent", {})):
                audience.result(op, **args)
            for what, data in ((tap, tap.bytes()), (audience.replies, msgpack.packb([reply for _, _, reply in audience.replies]))):
                assert_without("%s of %s" % (what, name), data, *(MARKS[a] for a in AGENCIES if a not in SHOWN[name]))
                assert all(("%s:%s-9" % (agency, MARKS[agency])).encode() in data for agency in SHOWN[name]), (name, data)
            assert replayed(audience.client, audience=name) == tap.events()
            changed = [msgpack.unpackb(body)["changed"][0] for topic, body in tap.events() if topic.startswith("case:updated:hse")]
            assert changed[0]["field"] == "related_cases" and len(changed[0]["new"]) == len(SHOWN[name]), changed


def replay_is_what_was_sent():
    """Byte for byte, of each audience; large events too, which are sent in their thin form."""
    with Audiences() as broker:
        taps = {name: broker.tap(name) for name in SHOWN}
        writer = Writer(broker)
        writer.fill()
        for agency in AGENCIES:
            writer.scrape(agency, 5, offence_breaches=TEXT * 900)
        writer.settle({"case:updated": 6})
        seq = writer.client.ask("heads")["seq"]
        for name, tap in taps.items():
            tap.heads_at(seq)
            sent = [[topic, body] for topic, body in tap.events()]
            assert [list(pair) for pair in replayed(writer.client, audience=name)] == sent, name
            assert any("thin" in msgpack.unpackb(body) for _, body in sent)


def who_asks_for_an_audience_gets_no_more():
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        waiting = quarantined(writer.client)
        hse, nobody = Audience(broker, "hse"), Audience(broker, "nobody")
        assert nobody.error("heads") == nobody.error("case.recent") == "denied"
        assert hse.client.ask("heads", audience=5)["error"]["code"] == "bad_argument"
        for op, args in (("store.verify", {}), ("store.backup", {"dir": os.path.join(broker.dir, "copy")})):
            assert hse.error(op, **args) == "denied"
        assert not os.path.exists(os.path.join(broker.dir, "copy"))
        for op in ("quarantine.accept", "quarantine.reject"):
            assert hse.error(op, quarantine=waiting["ea"]) == "not_found"
        moved = {"quarantine": waiting["hse"], "as": "ea:%s-other" % MARKS["ea"]}
        assert hse.error("quarantine.accept", **moved) == "denied"
        assert hse.error("session.stop", agency="ea", session_id=MARKS["ea"] + "-run") == "not_found"
        assert hse.error("session.stop", agency="hse", session_id=MARKS["hse"] + "-run") == "session_ended"
        assert hse.result("quarantine.reject", quarantine=waiting["hse"])["outcome"] == "rejected"
        agencies = writer.client.result("agency.list")
        for agency in ("ea", "another"):  # nor is one made that it would not be shown
            assert hse.error("agency.set", agency=agency, name="x") == "not_found"
        assert writer.client.result("agency.list") == agencies
        assert hse.result("agency.set", agency="hse", name="x")["agency_record"]["name"] == "x"
        named = Audience(broker, "named").result("agency.set", agency="hse", enabled=False)["agency_record"]
        assert named["name"] == "x" and not named["enabled"] and "fine_pence" not in named


def an_audience_that_is_not_there_is_said_at_the_start():
    with Audiences() as broker:
        done = broker.run("casebus-watch", "--audience", "nosuch", "--timeout", 20, "case", code=2)
        assert "--audience nosuch: the broker has no audience of this name" in done.stderr, done.stderr
        done = subprocess.run([os.path.join(BIN, "casebus-dashboard"), "--http", "127.0.0.1:0", "--fanout", broker.fanout,
                               "--query", broker.query, "--audience", "nosuch"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "nosuch: the broker has no audience" in done.stderr, (done.stdout, done.stderr)
        assert "ready" not in done.stdout, done.stdout


def a_cursor_is_of_its_audience_and_refused_for_another():
    """To whom other agencies were shown, their events before it would be missing without a word."""
    with Audiences() as broker:
        hse, two = (("--audience", name, "--fanout", broker.audience[name]) for name in ("hse", "two"))
        cases = '{"agency": "hse", "regulator_id": "%d", "offender": {"name": "A"}}'
        for n, kept, others, told in ((0, hse, ((), two), "hse. What this one was shown before it would be skipped: "
                                                          "give --audience hse, or"),
                                      (2, (), (hse,), "none, the broker's own endpoint. What this one was shown before "
                                                      "it would be skipped: give no --audience, or")):
            cursor = os.path.join(broker.dir, "cursor-%d" % n)
            broker.run("casebus-publish", "-", input=cases % n)
            broker.run("casebus-watch", "--cursor", cursor, "--from-start", "--count", n + 1, *kept, "case")
            content = open(cursor).read()
            for other in others:
                done = broker.run("casebus-watch", "--cursor", cursor, "--timeout", 20, *other, "case", code=2)
                assert "a cursor of another audience: " + told in done.stderr, done.stderr
                assert open(cursor).read() == content
            broker.run("casebus-publish", "-", input=cases % (n + 1))
            broker.run("casebus-watch", "--cursor", cursor, "--count", 1, *kept, "case")


def what_is_gone_is_told_to_whom_it_was_shown():
    with Audiences("--retain-events", "3") as broker:
        writer = Writer(broker)
        for i in range(20):
            writer.scrape("ea", i)
        await_("the log is trimmed", lambda: writer.client.result("broker.status")["store"]["floor"] > 10)
        for i in range(2):
            writer.scrape("hse", i)
        await_("both are there", lambda: writer.client.result("agency.list")["rows"][-1]["cases"] == 2)
        hse = Audience(broker, "hse")
        assert "gone" in writer.client.result("log.replay", after=0, patterns=["case"])
        for pattern in ("case", "case:created", "case:created:ea", "case:created:ea:%s-1" % MARKS["ea"]):
            result = hse.result("log.replay", after=0, patterns=[pattern])
            assert "gone" not in result, (pattern, result)


# --- readers ----------------------------------------------------------------------------------


class Watcher:
    """casebus-watch of an audience, over links that are broken and recorded: of events and of requests."""

    def __init__(self, broker, name, seed):
        self.name = name
        self.links = [Recorder(broker.audience[name], seed), Recorder(broker.query, seed + 1)]
        self.path = os.path.join(broker.dir, "watch-" + name)
        self.out = open(self.path, "w")
        self.process = subprocess.Popen(
            [os.path.join(BIN, "casebus-watch"), "--json", "--audience", name, "--fanout", self.links[0].endpoint,
             "--query", self.links[1].endpoint, "--from-start", "case", "session"],
            stdout=self.out, stderr=subprocess.PIPE, text=True)

    def seqs(self):
        with open(self.path) as file:
            return [json.loads(line)["seq"] for line in file.read().split("\n")[:-1]]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=60)[1]
        assert self.process.returncode in (0, 130), said
        self.out.close()
        for link in self.links:
            link.close()
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", said)}


def break_links(links, which):
    """One way or another; what was on its way is lost."""
    fault = which % 4
    for link in links:
        if fault == 0:
            link.refuse(True)
        elif fault == 1:
            link.cut()
        elif fault == 2:
            link.duplicate(TO_CLIENT, 0.3)
        else:
            link.cut()
            link.stall(TO_CLIENT)


def readers_over_bad_links_get_all_of_their_own_and_nothing_else():
    with Audiences() as broker:
        writer = Writer(broker)
        watchers = [Watcher(broker, name, 40 + i) for i, name in enumerate(("hse", "thin"))]
        writer.fill()
        for watcher in watchers:
            await_("it follows", lambda: len(watcher.seqs()) >= 10)
        for n in range(12):
            for watcher in watchers:
                break_links(watcher.links, n)
            for i in range(100 + 10 * n, 110 + 10 * n):
                for agency in AGENCIES:
                    writer.scrape(agency, i, session=MARKS[agency] + "-run")
            for agency in AGENCIES:
                writer.scrape(agency, 5, offence_breaches="%s %s %d" % (TEXT, MARKS[agency], n))
            writer.settle({"case:created:orr": 8 + 10 * (n + 1), "case:updated:orr": 2 + n})
            for watcher in watchers:
                for link in watcher.links:
                    link.heal()
        for watcher in watchers:
            wanted = [msgpack.unpackb(body)["seq"] for _, body in replayed(writer.client, audience=watcher.name)]
            await_("%s is complete" % watcher.name, lambda: len(watcher.seqs()) >= len(wanted))
            assert watcher.seqs() == wanted, (watcher.name, watcher.seqs(), wanted)
            said = watcher.end()
            assert said["repaired"] > 0 and said["lost"] == 0, said
            seen = b"".join(bytes(link.kept[TO_CLIENT]) for link in watcher.links)
            own = [MARKS[agency] for agency in SHOWN[watcher.name]]
            assert all(link.kept[TO_CLIENT] for link in watcher.links) and all(mark.encode() in seen for mark in own)
            assert_without(watcher.name, seen, *(set(MARKS.values()) - set(own)))
            if watcher.name == "thin":
                assert_without("thin", seen, TEXT, HIDDEN)


def tables_of_an_audience_are_its_own():
    """A live view, as casebus-watch shows it: asked for and told of by heads of its audience alone."""
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        for name in SHOWN:
            table = subprocess.run(
                [os.path.join(BIN, "casebus-watch"), "--json", "--recent", "--limit", "100", "--count", "1",
                 "--audience", name, "--fanout", broker.audience[name], "--query", broker.query],
                capture_output=True, timeout=60, check=True).stdout
            keys = json.loads(table.splitlines()[0])["order"]
            assert {key.split(":")[0] for key in keys} == set(SHOWN[name]), keys
            assert_without(name, table, *(MARKS[a] for a in AGENCIES if a not in SHOWN[name]))
            assert_without(name, table, *{"thin": (TEXT, HIDDEN), "named": (HIDDEN,)}.get(name, ()))
        refused = broker.run("casebus-ctl", "recent", "--audience", "nobody", code=None)
        assert refused.returncode != 0 and "audience" in refused.stderr, refused
        shown = broker.run("casebus-ctl", "replay", "--after", "0", "--json", "--audience", "hse", "case").stdout
        assert MARKS["hse"] in shown and MARKS["ea"] not in shown


# --- actors -----------------------------------------------------------------------------------

ACTORS = "boss {boss} admin\neye {eye} viewer\ndesk {desk} desk\npress {press} press\nboth {both} press,short\nstopper {stopper} stopper\nmixed {mixed} mixed\n"
ROLES = """role.desk = watch@hse, ask@hse, decide@hse, stop@hse
role.press = stop@orr
role.short = stop@orr
role.stopper = stop, agencies
role.mixed = watch, ask@hse
[audience named]
endpoint = tcp://127.0.0.1:*
without = offender.name offence_fine_pence offences.description requested_by source
roles = press
[audience thin]
endpoint = tcp://127.0.0.1:*
form = thin
roles = short stopper
"""


def is_let_in(socket, endpoint, patience):
    """Does the handshake with this endpoint succeed, as libzmq itself tells?"""
    events = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(endpoint)
    let_in = bool(events.poll(int(patience * 1000)))
    socket.disable_monitor()
    return let_in


def of_actor(broker, name, audience=None):
    return Audience(broker, audience, broker.asker(name))


def guarded():
    broker = Guarded(ACTORS, config=ROLES)
    broker.audience = dict(re.findall(r"audience=(\w+),(\S+)", broker.ready))
    writer = Writer(broker, broker.peer(zmq.PUB, "boss"), of_actor(broker, "boss"))
    writer.fill()
    return broker, writer


def an_actor_sees_what_his_role_does():
    """Whether it is some agencies, or what an audience of his is shown; whatever he asks."""
    broker, writer = guarded()
    with broker:
        waiting = quarantined(writer.client)
        for name, like in (("desk", "hse"), ("press", "named"), ("both", "named")):
            actor = of_actor(broker, name)
            for op, args in [pair for agency in AGENCIES for pair in about(agency, waiting)
                             if pair[0] not in ("quarantine.reject", "session.stop")] + ABOUT_ALL:
                actor.ask(op, **args)
            for op, args, reply in actor.replies:
                if op not in ("actor.whoami", "actor.can") and "error" not in reply:
                    assert_shows(like, op, args, reply)
                elif "error" in reply and not any(mark in repr(args) for mark in MARKS.values()):
                    assert_without("%s of %s" % (op, name), reply["error"]["text"].encode(), *MARKS.values())
            rows = actor.rows("case.recent")
            assert rows and {row["agency"] for row in rows} == set(SHOWN[like]), (name, rows)
        desk = of_actor(broker, "desk")
        for op in ("quarantine.accept", "quarantine.reject"):
            assert desk.error(op, quarantine=waiting["ea"]) == "not_found"
        assert desk.error("case.recent", audience="thin") == desk.error("case.recent", audience="nobody") == "denied"
        assert of_actor(broker, "press", "thin").error("heads") == "denied"
        for name in ("thin", "named"):
            assert of_actor(broker, "both", name).result("case.recent")["rows"]
        assert "offender" not in of_actor(broker, "both", "thin").result("case.recent")["rows"][0]
        stopper = of_actor(broker, "stopper")  # of all agencies, and reads what is thin
        halted = {"agency": "orr", "session_id": "halted"}
        writer.socket.send_multipart([b"session:started:orr:halted:",
                                      msgpack.packb({"v": 1, "data": {"requested_by": "zoe"}})])
        await_("started", lambda: "result" in writer.client.ask("session.get", **halted))
        stopped = stopper.result("session.stop", **halted)["session"]
        assert stopped["status"] == "stopping" and "requested_by" not in stopped, stopped
        assert stopper.result("agency.set", agency="orr", name="x")["agency_record"].keys() == {
            "code", "name", "enabled", "cases"}
        mixed = of_actor(broker, "mixed")  # may connect to both audiences, is of none
        assert {row["agency"] for row in mixed.rows("case.recent")} == {"hse"}
        assert mixed.rows("case.recent")[0]["offence_fine_pence"]
        assert mixed.error("case.recent", audience="named") == "denied"
        assert "audiences" not in mixed.result("broker.status")["endpoints"]
        assert of_actor(broker, "boss").result("case.recent")["rows"][0]["offence_fine_pence"]
        assert desk.result("quarantine.reject", quarantine=waiting["hse"])["outcome"] == "rejected"


def an_audience_lets_its_roles_in_until_they_are_taken_away():
    broker, writer = guarded()
    with broker:
        ends = {"fanout": broker.fanout, **broker.audience}
        for name, allowed in (("boss", ("fanout", "named", "thin")), ("press", ("named",)), ("both", ("named", "thin")),
                              ("eye", ("fanout", "named", "thin")), ("desk", ())):
            for end in ends:
                patience = 20 if end in allowed else 1.5
                assert is_let_in(broker.peer(zmq.SUB, name), ends[end], patience) == (end in allowed), (name, end)
        reader = broker.peer(zmq.SUB, "both")
        reader.subscribe(b"sys:heads:all:")
        reader.connect(broker.audience["thin"])
        assert reader.poll(20000)
        broker.change_actors(ACTORS.replace("press,short", "press"))  # the same verbs, but not the audience
        within(5, lambda: not drained(reader).poll(1200), "it is cut off")


def drained(socket):
    while socket.poll(0):
        socket.recv_multipart()
    return socket


def pages_about(agency):
    mark = MARKS[agency]
    id, session = quote("%s:%s-4" % (agency, mark)), "%s/%s-run" % (agency, mark)
    offenders = "?agency=%s&name=%s" % (agency, quote(offender(agency, 4)))
    return ["cases?agency=" + agency, "cases?offender=" + mark, "cases/" + id, "offenders" + offenders,
            "sessions?agency=" + agency, "sessions/" + session, "quarantine?agency=" + agency,
            "cases.csv?agency=" + agency, "api/cases?agency=" + agency,
            "api/cases?offender=" + mark, "api/cases/" + id, "api/offenders" + offenders,
            "api/sessions?agency=" + agency, "api/sessions/" + session, "api/sessions/%s/cases" % session,
            "api/quarantine?agency=" + agency]


PAGES = ["", "cases", "cases?order=date", "api/cases?order=date&from=2023-01-01", "cases.csv", "sessions", "quarantine", "api/recent", "api/cases",
         "api/agencies", "api/sessions", "api/quarantine", "api/status"]


def says_what_is_not_shown(dash, name):
    """What is left out does not look as if it were not there, or nobody's."""
    home, case = dash.get("/"), dash.get("/cases/" + quote("hse:%s-4" % MARKS["hse"]))
    assert ("counted of all agencies, and not shown" in home) == ("Events a minute, by kind" not in home) == (name != "thin"), home
    assert ("Other cases of this offender" in case) == (name == "hse"), case
    assert (">Offences<" in case) == (name != "thin") and "None are recorded" not in case, case
    for text in (home, case, dash.get("/cases"), dash.get("/quarantine")):
        assert not re.search(r"<a [^>]*>\s*</a>", text), text
    agencies = home.split("Cases by agency")[1]
    assert ("£" in agencies) == (name == "hse"), agencies


def a_dashboard_of_an_audience_shows_nothing_else():
    """Views, counts, charts, exports, searches, errors and what it pushes."""
    with Audiences() as broker:
        writer = Writer(broker)
        writer.fill()
        waiting = quarantined(writer.client)
        for name in ("hse", "thin", "named"):
            strangers = [agency for agency in AGENCIES if agency not in SHOWN[name]]
            hidden = {"thin": (TEXT, HIDDEN), "named": (HIDDEN,)}.get(name, ())
            with Dashboard(broker, "--audience", name, fanout=broker.audience[name]) as dash:
                for agency in SHOWN[name]:
                    text = dash.get("/cases?agency=" + agency)
                    assert MARKS[agency] in text
                for agency in (None, *AGENCIES):
                    for path in pages_about(agency) if agency else PAGES:
                        status, _, text = dash.request("GET", "/" + path)
                        assert status in (200, 403, 404), (name, path, status, text)
                        if "offenders?" in path:  # what was asked for is said back
                            text = text.replace(quote(offender(agency, 4)), "").replace(offender(agency, 4), "")
                        # Of a stranger only what was asked for comes back: his mark, and nothing of his records.
                        unseen = [MARKS[a] for a in strangers if a != agency] + [TEXT] * (agency in strangers)
                        assert_without("%s of %s" % (path, name), text.encode(), *unseen, *hidden)
                says_what_is_not_shown(dash, name)
                for agency in strangers:
                    dash.post("/api/quarantine/%d/reject" % waiting[agency], {}, 404)
                    dash.post("/api/sessions/%s/%s-run/stop" % (agency, MARKS[agency]), {}, 404)
                with dash.stream("recent", "sessions") as stream:
                    stream.until_shown("recent", "sessions")
                    rows = json.dumps(list(stream.rows.values()), default=repr).encode()
                    assert MARKS["hse"].encode() in rows
                    assert_without("the stream of " + name, rows, *(MARKS[a] for a in strangers), *hidden)
        assert quarantined(writer.client) == waiting


main([an_audience_is_sent_its_agencies_and_their_heads, bundles_hold_what_is_sent_alone,
      who_wants_events_alone_later_gets_all_behind_his_first_heads,
          what_makes_no_event_moves_only_those_who_may_know_of_it, heads_of_an_audience_prove_what_it_is_sent,
      forms_change_bytes_and_no_number, every_operation_shows_what_its_audience_sees,
      what_is_not_shown_is_as_if_it_were_not_there, what_is_shown_is_all_of_it,
      a_form_holds_for_requests_too, replay_is_what_was_sent,
      related_cases_of_other_agencies_are_not_named, who_asks_for_an_audience_gets_no_more,
      an_audience_that_is_not_there_is_said_at_the_start, a_cursor_is_of_its_audience_and_refused_for_another,
      what_is_gone_is_told_to_whom_it_was_shown,
      readers_over_bad_links_get_all_of_their_own_and_nothing_else, tables_of_an_audience_are_its_own,
      an_actor_sees_what_his_role_does, an_audience_lets_its_roles_in_until_they_are_taken_away,
      a_dashboard_of_an_audience_shows_nothing_else])
