"""What proto/PROTOCOL.md says, held against a real broker, by somebody who read nothing else.

Each function is one fact of the text, named for it.
"""
import atexit
import contextlib
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import msgpack
import zmq
from zmq.utils.monitor import recv_monitor_message

from client import (CasebusError, HistoryChanged, OrderedSubscriber, Publisher, Query,
                    Subscriber, blake, bundle, pack, prefix_of, report_body, report_hash, stream_of,
                    unpack)

HERE = os.path.dirname(os.path.abspath(__file__))
BROKER = os.path.join(os.environ.get("CASEBUS_BIN", "build/release/bin"), "casebus-broker")
TEXT = os.path.join(os.environ.get("CASEBUS_SRC", os.path.join(HERE, "..", "..")),
                    "proto", "PROTOCOL.md")

FACTS = []
SOON = 2.5                                      # of a poll that would wait for 3 s
PATIENCE = 10.0


def fact(function):
    FACTS.append(function)
    return function


# --- the text --------------------------------------------------------------------------------

def tables(heading):
    """The tables below a heading: each a list of rows, each a list of cells, quotes taken off."""
    with open(TEXT, encoding="utf-8") as file:
        section = re.split(r"^#{2,3} " + re.escape(heading) + "$", file.read(), flags=re.M)[1]
    section = re.split(r"^#", section, maxsplit=1, flags=re.M)[0]
    found, rows = [], []
    for line in section.splitlines() + [""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows:
            found.append(rows[2:])                  # without the head and the rule
            rows = []
    return found


def word(cell):
    return cell.strip("`")


LIMITS = {word(row[0]): int(row[1]) for row in tables("Limits")[0]}
CODES = {word(row[0]) for row in tables("Error codes")[0]}
RECORD, OFFENDER, OFFENCE, SOURCE = tables("The case record")
STARTED, PROGRESSED, ENDED = tables("Sessions")
EVENT_KINDS = [word(row[0]) for row in tables("Kinds of event")[0]]
OUTCOMES = ["created", "updated", "synced", "conflict", "deleted", "redacted", "rejected",
            "session", "void"]
SEEN_CODES = set()


# --- the broker and what talks to it ---------------------------------------------------------

class Broker:
    def __init__(self, data=None, *flags):
        self.data = data or tempfile.mkdtemp(prefix="casebus-stranger-")
        self.log = open(os.path.join(self.data, "broker.log"), "a")
        free = "tcp://127.0.0.1:*"
        self.process = subprocess.Popen(
            [BROKER, "--data", self.data, "--ingest", free, "--fanout", free, "--query", free,
             "--map-size", "1G", "--log-level", "error", *flags], stdout=subprocess.PIPE,
            stderr=self.log, text=True)
        atexit.register(self.process.kill)          # should nothing else have ended it
        line = self.process.stdout.readline()
        assert line.startswith("casebus-broker ready "), line
        ready = dict(word.split("=", 1) for word in line.split() if "=" in word)
        self.ingest, self.fanout, self.query = (ready[k] for k in ("ingest", "fanout", "query"))
        self.epoch, self.seq = bytes.fromhex(ready["epoch"]), int(ready["seq"])

    def end(self, keep=False):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.log.close()
        if not keep:
            shutil.rmtree(self.data, ignore_errors=True)
        assert code == 0, f"the broker ended with {code}"


class Watched(Query):
    """Notes the codes of errors, to be held against the text's table."""

    def raw(self, request):
        try:
            return super().raw(request)
        except CasebusError as error:
            SEEN_CODES.add(error.code)
            raise


class Desk(Publisher):
    def raw(self, topic, rest=b"", pairs=1, send=True):
        """The next report with readable first keys and then these bytes."""
        number = self.sent + 1
        check = self.checks[number]
        head = pack({"v": 1, "publisher": self.publisher, "number": number, "check": check})
        body = bytes([0x80 | (4 + pairs)]) + head[1:] + rest
        self.checks[number + 1] = blake(check + report_hash(topic, body, check))[:8]
        self.kept[number] = topic, body
        self.sent = number
        if send:
            self.send(number)
        return number


class Dealer:
    """Requests in flight side by side, told apart by an envelope."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.SNDHWM, 0)
        self.socket.set(zmq.RCVHWM, 0)
        self.socket.connect(endpoint)

    def send(self, op, *envelope, **arguments):
        request = {"v": 1, "op": op}
        request.update((key.rstrip("_"), value) for key, value in arguments.items())
        self.socket.send_multipart([*envelope, pack(request)])

    def arrives(self, timeout=PATIENCE):
        return bool(self.socket.poll(timeout * 1000))

    def receive(self, timeout=PATIENCE):
        assert self.arrives(timeout), "no reply"
        *envelope, body = self.socket.recv_multipart()
        return envelope, unpack(body)

    def close(self):
        self.socket.close()


class Connected:
    """Sends unnumbered reports, from when the broker's subscription has arrived."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.SNDHWM, 0)
        self.socket.connect(endpoint)
        assert self.socket.poll(PATIENCE * 1000) and self.socket.recv() == b"\x01"

    def send(self, *frames):
        self.socket.send_multipart(frames)


def until(condition, what="it never came about"):
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, what
        time.sleep(0.002)


def refused(code, function, *arguments, field=None, **keys):
    """That the call is refused with this code (and field)."""
    try:
        result = function(*arguments, **keys)
    except CasebusError as error:
        assert error.code == code and (field is None or error.field == field), \
            f"{error.code} at {error.field}, not {code} at {field}: {arguments} {keys}"
        return error
    raise AssertionError(f"not refused with {code}: {arguments} {keys} -> {str(result)[:200]}")


def rejects_of(count, *reports):
    """Sends reports that are refused; the rows they leave in the rejects list, newest first."""
    rows = query("rejects.list", limit=1)["rows"]
    last = rows[0]["reject"] if rows else 0
    for frames in reports:
        loose.send(*frames)
    return until(lambda: [new for new in [[
        row for row in query("rejects.list", limit=count + 1)["rows"] if row["reject"] > last]]
        if len(new) == count], reports)[0]


def refused_so_far(code):
    """The counter, which may follow its row by a moment."""
    return query("rejects.list", limit=1)["counts"].get(code, 0)


broker = query = desk = loose = None
numbers = itertools.count(1)


def agency():
    """A code nobody else uses."""
    return f"t{next(numbers):03d}"


def newest():
    query("heads")
    return query.reply["seq"]


def replay(after, *patterns, by=None):
    """Every event of the patterns above `after`: (topic, event)."""
    events, by = [], by or query
    while True:
        result = by("log.replay", after=after, patterns=list(patterns) or ["case:*", "session:*"],
                    limit=2000)
        events += [(topic, unpack(body)) for topic, body in result["events"]]
        after = result["through"]
        if after >= by.reply["seq"]:
            return events


class Decision:
    """One report, numbered, sent and decided: what came of it."""

    def __init__(self, topic, data=None, make=None, by=None, **keys):
        by = by or desk
        before, counts = newest(), dict(by.counts)
        self.number = make() if make else by.report(topic, data, **keys)
        refusals = by.settle()
        moved = [outcome for outcome in by.counts if by.counts[outcome] != counts.get(outcome, 0)]
        assert len(moved) == 1 and by.counts[moved[0]] == counts.get(moved[0], 0) + 1, moved
        self.outcome = moved[0]
        self.refusal = refusals[0] if refusals else {}
        assert len(refusals) == (self.outcome in ("rejected", "conflict"))
        self.code, self.field = self.refusal.get("code"), self.refusal.get("field")
        self.quarantine = self.refusal.get("quarantine")
        if self.code:
            SEEN_CODES.add(self.code)
        self.events = replay(before)
        self.kinds = [event["event"] for _, event in self.events]

    def is_(self, outcome, *kinds):
        assert self.outcome == outcome and self.kinds == list(kinds), \
            f"{self.outcome} {self.kinds} {self.refusal}, not {outcome} {list(kinds)}"
        return self

    def rejected(self, code, field=None):
        assert self.outcome == "rejected" and not self.events and self.code == code \
            and (field is None or self.field == field), f"{self.outcome} {self.refusal}, not {code}"
        return self


def named(name="Acme Ltd", **fields):
    return {"offender": {"name": name}, **fields}


class Case:
    """A case nobody else uses, and the reports about it."""

    def __init__(self, key="1", code=None):
        self.agency, self.key = code or agency(), key
        self.id = f"{self.agency}:{key}"

    def topic(self, kind):
        return f"case:{kind}:{self.agency}:{self.key}:"

    def scraped(self, data=None, **keys):
        return Decision(self.topic("scraped"), data, **keys)

    def edited(self, data=None, **keys):
        return Decision(self.topic("edited"), data, **keys)

    def deleted(self, data=None, **keys):
        return Decision(self.topic("deleted"), data, **keys)

    def redacted(self, data=None, **keys):
        return Decision(self.topic("redacted"), data, **keys)

    def get(self, *load):
        return query("case.get", id=self.id, **({"load": list(load)} if load else {}))

    def record(self):
        return self.get()["case"]

    def history(self):
        return list(query.pages("case.history", "events", id=self.id))


class Session:
    def __init__(self, code=None, key="s"):
        self.agency, self.key = code or agency(), key

    def report(self, kind, data=None):
        return Decision(f"session:{kind}:{self.agency}:{self.key}:", data)

    def started(self, **data):
        return self.report("started", data)

    def progressed(self, **data):
        return self.report("progressed", data)

    def ended(self, status="completed", **data):
        return self.report("ended", {"status": status, **data})

    def get(self):
        return query("session.get", agency=self.agency, session_id=self.key)["session"]

    def cases(self):
        return list(query.pages("session.cases", agency=self.agency, session_id=self.key))


FIRST = {"offence_action_date": "2020-01-01"}
OTHER = {"offence_action_date": "2021-06-30"}


def conflicting(case=None):
    """A case with one report in quarantine; both."""
    case = case or Case()
    case.scraped(named("Acme Ltd", **FIRST, url="http://a.example")).is_("created", "created")
    return case, case.scraped(named("Brown Plc", **OTHER)).is_("conflict", "conflict").quarantine


@contextlib.contextmanager
def another_broker():
    """One to spoil: its query and a publisher."""
    own = Broker()
    ask = Watched(own.query)
    publisher = Desk(own.ingest, ask)
    try:
        yield ask, publisher
    finally:
        publisher.close()
        ask.close()
        own.end()


# --- values and topics -----------------------------------------------------------------------

@fact
def integers_may_have_any_encoding():
    case = Case()
    before = newest()
    loose.send(case.topic("scraped").encode(),
               b"\x82\xd9\x01v\xd3\0\0\0\0\0\0\0\x01\xdb\0\0\0\x04data\xdf\0\0\0\x01"
               b"\xa8offender\x81\xa4name\xa1A")
    until(lambda: newest() > before)
    assert case.record()["offender"] == {"name": "A"}


@fact
def a_nil_is_allowed_and_ignored_in_an_unknown_key_of_a_request():
    assert query("heads", something=None, more=[1, {"a": None}])["heads"] is not None


@fact
def text_is_kept_byte_for_byte():
    case = Case("Ŵ 48/01.é")
    name = " e\u0301 \u00e9  ﬁ \u00a0Ltd.\t\u202e\U0001f3db "
    case.scraped(named(name, ext={"\u00a0": "\x00\x01"}, offence_result=""))
    record = case.record()
    assert record["offender"]["name"] == name and record["ext"] == {"\u00a0": "\x00\x01"}
    assert record["offence_result"] == "" and record["regulator_id"] == "Ŵ 48/01.é"


@fact
def unknown_keys_are_kept_in_a_record():
    case = Case()
    odd = {"list": [1, -2 ** 63, 2 ** 64 - 1, 1.5, True, None, b"\xff", {"a": [{}]}]}
    case.scraped({"offender": {"name": "A", "shoe_size": 9}, "odd": odd}).is_("created", "created")
    assert case.record()["odd"] == odd and case.record()["offender"]["shoe_size"] == 9


@fact
def unknown_keys_beside_data_are_ignored():
    case = Case()
    case.scraped(named(), colour="red").is_("created", "created")
    assert "colour" not in case.record()


@fact
def broken_values_are_refused_for_what_is_wrong_with_them():
    case = Case()
    topic = case.topic("scraped").encode()
    key = b"\xa4data"
    deep = 1
    for _ in range(LIMITS["DEPTH_MAX"] - 1):
        deep = [deep]
    many = {f"k{i}": 1 for i in range(LIMITS["KEYS_MAX"] + 1)}
    for rest, pairs, code in (
            (key + b"\x81\xa1a\xd4\x01x", 1, "wrong_type"),               # an extension
            (key + pack({"a": float("nan")}), 1, "bad_value"),
            (key + pack({"a": float("-inf")}), 1, "bad_value"),
            (key + b"\x81\xa1a\xa2\xc3\x28", 1, "bad_utf8"),
            (key + b"\x81\xa1\xff\x01", 1, "bad_utf8"),
            (key + b"\x82\xa1a\x01\xa1a\x02", 1, "duplicate_key"),
            (key + b"\x80" + key + b"\x80", 2, "duplicate_key"),
            (key + b"\x81\x01\x02", 1, "wrong_type"),                     # keys are text
            (key + pack({"": 1}), 1, "bad_value"),                        # of 1 byte at least
            (key + pack({"k" * (LIMITS["KEY_MAX"] + 1): 1}), 1, "too_long"),
            (key + pack({"a": deep}), 1, "too_deep"),
            (key + pack(many), 1, "too_many"),
            (key + pack({"a": [0] * LIMITS["ELEMENTS_MAX"]}), 1, "too_many"),
            (key + b"\x80\xc0", 1, "malformed"),                          # something behind it
            (key + b"\x80", 2, "malformed"),                              # a pair is missing
            (key + b"\xc1", 1, "malformed"),
            (key + b"\x05", 1, "wrong_type"),
            (pack("session") + pack(5), 1, "wrong_type"),
            (pack("session") + pack("a:b"), 1, "bad_value"),
            (pack("session") + pack(""), 1, "bad_value"),
            (pack("sent_at") + pack("now"), 1, "wrong_type"),
            (pack("sent_at") + pack(2 ** 53), 1, "bad_value"),
            (pack("sent_at") + pack(-1), 1, "bad_value")):
        Decision(None, make=lambda: desk.raw(topic, rest, pairs)).rejected(code)
    refused("not_found", case.record)
    Decision(None, make=lambda: desk.raw(topic, key + pack(named(a={"k" * 128: deep[0][0][0]}))))\
        .is_("created", "created")


@fact
def a_bad_topic_is_refused_and_does_not_block():
    data = b"\xa4data" + pack(named())
    for topic in ("case:scraped:hse:1", "case:scraped:hse:1:x:", "case:created:hse:1:",
                  "case:seen:hse:1:", "case:scraped:HSE:1:", "case:scraped:1hse:1:",
                  "case:scraped:h-e:1:", "case:scraped::1:", "case:scraped:hse::",
                  "case:scraped:hse:a\x01b:", "case:scraped:hse:a\x7fb:",
                  "case:scraped:hse:a\x9fb:",
                  "case:scraped:" + "a" * (LIMITS["AGENCY_MAX"] + 1) + ":1:",
                  "case:scraped:hse:" + "1" * (LIMITS["SEGMENT_MAX"] + 1) + ":",
                  "court:scraped:hse:1:", "session:lost:hse:1:", "session:stopping:hse:1:",
                  "session:resumed:hse:1:", "sys:heads:all:", "", "x" * 400):
        Decision(None, make=lambda: desk.raw(topic.encode(), data)).rejected("bad_topic")
    Decision(None, make=lambda: desk.raw(b"case:scraped:hse:\xff:", data)).rejected("bad_topic")
    Case().scraped(named()).is_("created", "created")


@fact
def a_segment_may_hold_128_bytes_and_an_agency_32():
    code = agency().ljust(LIMITS["AGENCY_MAX"], "x")
    case = Case("é" * (LIMITS["SEGMENT_MAX"] // 2), code)
    case.scraped(named()).is_("created", "created")
    assert case.record()["id"] == case.id and len(case.id.encode()) == LIMITS["CASE_ID_MAX"]


@fact
def each_pattern_of_the_table_covers_its_prefix():
    code = agency()
    for key in ("48", "4812345", "*"):
        Case(key, code).scraped(named())
    Session(code, "48").started()
    everything = replay(0)
    for pattern, prefix in tables("Topics")[0]:
        prefix = word(prefix).replace(":hse:", f":{code}:").replace("4812345", "48")
        for written in pattern.split(", "):
            written = word(written).replace(":hse", f":{code}").replace("4812345", "48")
            assert prefix_of(written) == prefix
            got = replay(0, written)
            assert got and got == [pair for pair in everything if pair[0].startswith(prefix)]


@fact
def a_pattern_that_no_event_can_match_is_refused():
    for pattern in ("*", "", "court", "case:seen", "case:scraped", "case:cre", "case:c*",
                    "case:*:hse", "case:created:*:1", "case:created:hse:48*", "case:created:HSE",
                    "case:created:hse:1:2", "case:created::1", "session:created", "session:*:hse",
                    "case:created:hse:" + "1" * (LIMITS["SEGMENT_MAX"] + 1)):
        refused("bad_pattern", query, "log.replay", after=0, patterns=["case:*", pattern])


@fact
def every_kind_of_event_may_be_subscribed_even_those_never_sent():
    for kind in EVENT_KINDS:
        query("log.replay", after=0, patterns=[kind.rstrip(":")])
    for kind in ("stopping", "lost", "resumed"):
        assert replay(0, f"session:{kind}") == []


@fact
def at_most_64_patterns_in_a_replay():
    many = [f"case:created:hse:{n}" for n in range(LIMITS["PATTERNS_MAX"])]
    query("log.replay", after=newest(), patterns=many)
    refused("bad_argument", query, "log.replay", after=0, patterns=[*many, "case:*"],
            field="patterns")


# --- reports ---------------------------------------------------------------------------------

@fact
def the_rejects_list_names_no_key_that_the_protocol_does_not():
    topic, bad = Case().topic("scraped").encode(), {"John Smith, 1 High St": float("nan")}
    for body, field in ((report_body(bad), None), (report_body(**bad), None), (report_body({"offender": bad}), "offender"),
                        (report_body({"ext": bad}), "ext")):
        row, = rejects_of(1, [topic, body])
        assert row["code"] == "bad_value" and row.get("field") == field, row
        assert "John" not in str(row)


@fact
def an_unnumbered_report_is_taken_as_it_comes():
    case = Case()
    subscriber = Subscriber(broker.fanout, query, ["case:*"])
    loose.send(case.topic("scraped").encode(), report_body(named()))
    event = subscriber.wait_for(lambda topic, _: topic == case.topic("created"))
    assert event["payload"] == case.record()
    loose.send(case.topic("scraped").encode(), report_body())       # data left out: empty
    assert subscriber.wait_for(lambda topic, _: topic == case.topic("synced"))["version"] == 1
    subscriber.close()


@fact
def a_report_that_no_publisher_can_be_asked_about_is_in_the_rejects_list():
    topic = Case().topic("scraped").encode()
    publisher, check = os.urandom(16), bytes(8)
    three = {"publisher": publisher, "number": 1, "check": check}
    data = {"data": named()}
    for frames, code in (
            ([topic], "malformed"),
            ([topic, report_body(named()), b""], "malformed"),
            ([topic, b""], "malformed"),
            ([topic, b"junk"], "malformed"),
            ([topic, b"\x90"], "malformed"),
            ([topic, b"\x80"], "missing"),
            ([topic, pack(data)], "missing"),                               # no v
            ([topic, pack({"v": 2, **data})], "bad_version"),
            ([topic, pack({"v": "1", **data})], "wrong_type"),
            ([topic, pack({"v": 1.0, **data})], "wrong_type"),
            ([b"nothing", report_body(named())], "bad_topic"),
            ([topic, pack({"v": 1, "publisher": publisher, "number": 1, **data})], "missing"),
            ([topic, pack({"v": 1, **three, "number": 0, **data})], "bad_value"),
            ([topic, pack({"v": 1, **three, "number": "1", **data})], "wrong_type"),
            ([topic, pack({"v": 1, **three, "publisher": b"short", **data})], "wrong_type"),
            ([topic, report_body(void={"reason": "", "hash": bytes(16)})], "bad_value"),
            ([topic, b"x" * (LIMITS["REPORT_MAX"] + 1)], "too_large")):
        before = refused_so_far(code)
        row, = rejects_of(1, frames)
        until(lambda: refused_so_far(code) == before + 1, code)
        SEEN_CODES.add(code)
        assert row["code"] == code and row["reason"] and row["actor"] == "local"
        assert row["size"] == (len(frames[1]) if len(frames) > 1 else 0) or len(frames) != 2
        assert row["topic"] == frames[0].decode()
        assert "number" not in row or row["number"] == 1
    assert query("publisher.confirm", publisher=publisher, wait_ms=0)["decided"] == 0


@fact
def the_first_keys_have_to_be_first_and_the_check_c4_08():
    case = Case()
    publisher, check = os.urandom(16), bytes(8)
    good = {"v": 1, "publisher": publisher, "number": 1, "check": check, "data": named()}
    bodies = [pack({key: good[key] for key in order}) for order in (
        ("publisher", "v", "number", "check", "data"),
        ("v", "number", "publisher", "check", "data"),
        ("v", "publisher", "check", "number", "data"),
        ("v", "publisher", "number", "data", "check"),
        ("data", "v", "publisher", "number", "check"))]
    bodies.append(pack(good).replace(b"\xc4\x08" + check, b"\xc5\x00\x08" + check))
    rejects_of(len(bodies), *([case.topic("scraped").encode(), body] for body in bodies))
    refused("not_found", case.record)
    loose.send(case.topic("scraped").encode(), pack(good))
    until(lambda: query("publisher.confirm", publisher=publisher, wait_ms=50)["decided"] == 1)


@fact
def a_publisher_without_a_number_is_told_that_the_number_is_missing():
    body = pack({"v": 1, "publisher": bytes(16), "data": named()})
    row, = rejects_of(1, [b"case:scraped:hse:1:", body])
    assert (row["code"], row.get("field")) == ("missing", "number"), row


@fact
def a_report_of_another_version_is_decided_as_rejected():
    publisher = os.urandom(16)
    loose.send(b"case:scraped:hse:1:", pack({"v": 2, "publisher": publisher, "number": 1,
                                             "check": bytes(8), "data": named()}))
    result = until(lambda: [r for r in [query("publisher.confirm", publisher=publisher,
                                              wait_ms=50)] if r["decided"]])[0]
    assert result["refusals"][0]["code"] == "bad_version" and result["refusals"][0]["field"] == "v"


@fact
def a_body_may_hold_524288_bytes():
    case = Case()
    case.scraped(named())
    topic = case.topic("deleted").encode()
    size = LIMITS["REPORT_MAX"]

    def sized(length):
        """For a deleted report: what it says as data is not looked at."""
        number = desk.sent + 1
        numbered = desk.publisher, number, desk.checks[number]
        body = report_body({"a": "x" * 70000}, numbered=numbered)
        return {"a": "x" * (70000 + length - len(body))}

    Decision(None, make=lambda: desk.report(topic.decode(), sized(size + 1))).rejected("too_large")
    Decision(None, make=lambda: desk.report(topic.decode(), sized(size))).is_("deleted", "deleted")


@fact
def a_frame_above_a_mebibyte_cuts_the_peer_off():
    socket = zmq.Context.instance().socket(zmq.PUB)
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    socket.set(zmq.LINGER, 0)
    socket.connect(broker.ingest)
    assert monitor.poll(PATIENCE * 1000)
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    end = time.monotonic() + PATIENCE
    while not monitor.poll(20):                     # the subscription may still be under way
        assert time.monotonic() < end
        socket.send_multipart([b"case:deleted:hse:1:", b"x" * (LIMITS["FRAME_MAX"] + 1)])
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_DISCONNECTED
    socket.disable_monitor()
    socket.close()


# --- numbering -------------------------------------------------------------------------------

@fact
def the_check_is_the_chain_of_the_text():
    case = Case()
    own = Desk(broker.ingest, query)
    check = bytes(8)
    for n in range(1, 5):
        assert own.checks[n] == check
        topic = case.topic("scraped")
        own.report(topic, named(offence_fine_pence=n))
        whole = own.kept[n][1]
        at = whole.index(b"\xa5check\xc4\x08")
        assert whole[at + 8:at + 16] == check
        hash_ = blake(topic.encode() + whole[:at] + whole[at + 16:])
        check = blake(check + hash_)[:8]
    assert own.settle() == []
    result = query("publisher.confirm", publisher=own.publisher, after=4, wait_ms=0)
    assert result["decided"] == 4 and result["check"] == check
    own.close()


@fact
def a_resend_has_no_effect():
    case = Case()
    own = Desk(broker.ingest, query)
    own.report(case.topic("scraped"), named())
    kept = own.kept[1]
    assert own.settle() == []
    before, seq = query("broker.status")["duplicates"], newest()
    for _ in range(3):
        loose.send(*kept)
    until(lambda: query("broker.status")["duplicates"] >= before + 3)
    assert newest() == seq and own.confirm(0)["counts"]["created"] == 1 and own.decided == 1
    own.close()


@fact
def a_higher_number_is_dropped_and_the_missing_one_wanted():
    case = Case()
    own = Desk(broker.ingest, query)
    for n in range(5):
        own.report(case.topic("scraped"), named(offence_fine_pence=n), send=False)
    loose.send(*own.kept[3])
    result = until(lambda: [r for r in [own.confirm(50)] if "want" in r])[0]
    assert result["want"] == 1 and result["decided"] == 0
    loose.send(*own.kept[1])
    until(lambda: own.confirm(50)["decided"] == 1)
    assert own.settle() == [] and own.decided == 5 and "want" not in own.confirm(0)
    assert case.record()["offence_fine_pence"] == 4
    own.close()


@fact
def reports_in_a_bundle_count_as_if_each_had_come_alone():
    own, case, other = Desk(broker.ingest, query), Case(), Case()
    before = newest()
    for topic in (case.topic("scraped"), case.topic("seen"), other.topic("scraped"), case.topic("deleted")):
        own.report(topic, named(), send=False)
    kept = [own.kept[n] for n in range(1, own.sent + 1)]
    loose.send(*bundle(kept[0], (other.topic("edited").encode(), report_body(named())), kept[0], *kept[1:]))
    until(lambda: own.confirm(wait_ms=50)["decided"] == 4)
    assert [(row["number"], row["code"]) for row in own.refusals] == [(2, "bad_topic")]
    assert own.counts["created"] == 2 and own.counts["deleted"] == 1 and own.counts["rejected"] == 1
    assert [topic for topic, _ in replay(before)] == [case.topic("created"), other.topic("created"),
                                                      case.topic("deleted")]
    own.close()


@fact
def what_is_no_bundle_or_no_report_in_one_is_refused():
    topic, body = Case().topic("scraped"), report_body(named())
    for messages, code in (([[topic]], "malformed"), ([[topic, body, body]], "malformed"), (["x" * 40], "malformed"),
                           ([["bundle:", bundle((topic.encode(), body))[1]]], "bad_topic"),
                           ([], "bad_topic"), ("none", "bad_topic")):
        row, = rejects_of(1, [b"bundle:", pack({"v": 1, "messages": messages})])
        assert (row["code"], row["topic"]) == (code, "bundle:"), (messages, row)
    row, = rejects_of(1, [b"bundle:", pack({"v": 2, "messages": [[topic, body]]})])
    assert row["code"] == "bad_version"
    row, = rejects_of(1, [b"bundle:x:", bundle((topic.encode(), body))[1]])
    assert row["code"] == "bad_topic"


@fact
def a_number_with_another_check_is_not_decided():
    case = Case()
    own = Desk(broker.ingest, query)
    own.report(case.topic("scraped"), named())
    assert own.settle() == []
    own.checks[2] = b"mistaken"
    own.report(case.topic("edited"), {"url": "http://a"})
    result = until(lambda: [r for r in [query("publisher.confirm", publisher=own.publisher, after=1,
                                              wait_ms=50)] if "want" in r or r["decided"] > 1])[0]
    assert result["decided"] == 1 and result["check"] != b"mistaken"
    refused("diverged", own.confirm, 0)
    assert "url" not in case.record()
    own.fresh()                                     # the way out: another id
    own.report(case.topic("edited"), {"url": "http://a"})
    assert own.settle() == [] and case.record()["url"] == "http://a"
    own.close()


@fact
def a_withdrawn_number_goes_as_void_with_the_hash_of_its_report():
    case = Case()
    own = Desk(broker.ingest, query)
    for n in range(3):
        own.report(case.topic("scraped"), named(offence_fine_pence=n), send=False)
    own.void(2, "the page was read wrongly")
    assert own.settle() == [{"number": 2, "outcome": "void", "topic": case.topic("scraped")}]
    assert own.counts["void"] == 1 and own.counts["created"] == 1 and own.counts["updated"] == 1
    assert [e["payload"].get("offence_fine_pence") for e in case.history()
            if e["event"] != "synced"] == [2, 0]
    own.close()


@fact
def a_void_that_is_not_one_is_refused():
    topic = Case().topic("scraped").encode()
    good = {"reason": "why", "hash": bytes(16)}
    for void, code in ((5, "wrong_type"), ({"reason": "why"}, "missing"),
                       ({**good, "hash": bytes(15)}, "bad_value"),):
        rest = pack("void") + pack(void)
        Decision(None, make=lambda: desk.raw(topic, rest)).rejected(code)
    own = Desk(broker.ingest, query)
    for n, (void, more) in enumerate((
            ({"hash": bytes(16)}, {}), ({**good, "reason": "x" * 257}, {}),
            ({**good, "reason": 5}, {}), (good, {"data": named()}))):
        rest = b"".join(pack(k) + pack(v) for k, v in {"void": void, **more}.items())
        Decision(None, by=own, make=lambda: own.raw(topic, rest, 1 + len(more)))
        assert own.counts["rejected"] == n + 1
    own.close()


@fact
def a_bad_report_never_blocks_the_numbers_behind_it():
    case = Case()
    desk.raw(b"nonsense", b"\xa4data\xc1")
    desk.raw(case.topic("scraped").encode(), b"\xff\xff")
    desk.raw(case.topic("scraped").encode(), b"\xa4data" + pack("x" * LIMITS["REPORT_MAX"]))
    desk.report(case.topic("scraped"), named())
    codes = [refusal["code"] for refusal in desk.settle()]
    assert codes[0] == "bad_topic" and codes[2] == "too_large" and len(codes) == 3
    assert case.record()["version"] == 1


@fact
def numbers_go_on_after_a_loss_of_many_reports():
    code = agency()
    own = Desk(broker.ingest, query)
    for n in range(600):
        own.report(f"case:scraped:{code}:{n}:", named(), send=n >= 300)
    assert own.settle() == [] and own.counts["created"] == 600
    assert len(replay(0, f"case:created:{code}")) == 600
    own.close()


@fact
def numbers_a_window_beyond_the_last_confirm_are_taken_and_at_most_two_of_them():
    own = Desk(broker.ingest, query)
    window = LIMITS["PUBLISHER_WINDOW"]
    for n in range(1, 2 * window + 101):
        own.report(f"case:deleted:hse:{n}:", send=False)
    query("publisher.confirm", publisher=own.publisher, after=0, wait_ms=0)
    for n in range(1, 2 * window + 101):
        loose.send(*own.kept[n])
    loose.send(b"case:edited:hse:last:", report_body())             # behind them all
    until(lambda: query("rejects.list", limit=1)["rows"][0].get("topic") == "case:edited:hse:last:")
    decided = query("publisher.confirm", publisher=own.publisher, after=0, wait_ms=0)["decided"]
    own.close()
    assert window <= decided <= 2 * window, decided


# --- publisher.confirm -----------------------------------------------------------------------

@fact
def a_confirm_has_every_key_of_the_text():
    case = Case()
    own = Desk(broker.ingest, query)
    for data in (named(**FIRST), named("Brown", **OTHER), {"url": "nonsense"}, {}, {}):
        own.report(case.topic("scraped"), data, send=False)
    for number in (1, 2, 3, 5):
        loose.send(*own.kept[number])
    result = until(lambda: [r for r in [query("publisher.confirm", publisher=own.publisher, after=0,
                                              wait_ms=50, outbox=True, sessions=[
                                                  {"agency": case.agency, "session_id": "x"}])]
                            if r["decided"] == 3 and "want" in r])[0]
    assert set(result) == {"publisher", "decided", "check", "counts", "refusals", "want"}
    assert result["publisher"] == own.publisher and len(result["check"]) == LIMITS["CHECK_SIZE"]
    assert result["want"] == 4 and sorted(result["counts"]) == sorted(OUTCOMES)
    conflict, rejected = result["refusals"]
    assert set(conflict) == {"number", "outcome", "topic", "quarantine"}
    assert (conflict["number"], conflict["outcome"]) == (2, "conflict")
    assert conflict["topic"] == rejected["topic"] == case.topic("scraped")
    assert replay(conflict["quarantine"] - 1)[0][0] == case.topic("conflict")
    assert set(rejected) == {"number", "outcome", "code", "field", "reason", "topic"}
    assert (rejected["number"], rejected["outcome"], rejected["code"], rejected["field"]) \
        == (3, "rejected", "bad_value", "url") and rejected["reason"]
    again = query("publisher.confirm", publisher=own.publisher, after=2, wait_ms=0)
    assert [refusal["number"] for refusal in again["refusals"]] == [3]
    refusals = own.settle()                         # the broker may have let go of those up to 2
    assert refusals[-1]["number"] == 3 and own.decided == 5, refusals
    own.close()


@fact
def a_confirm_of_an_unknown_publisher_says_none():
    result = query("publisher.confirm", publisher=os.urandom(16), after=0, wait_ms=0)
    assert result["decided"] == 0 and result["check"] == bytes(8) and result["refusals"] == []
    assert not any(result["counts"].values()) and "want" not in result


@fact
def a_confirm_waits_and_answers_soon_after_a_decision():
    case = Case()
    own = Desk(broker.ingest, query)
    own.report(case.topic("scraped"), named())
    own.settle()
    dealer = Dealer(broker.query)
    dealer.send("publisher.confirm", publisher=own.publisher, after=1, wait_ms=3000)
    until(lambda: query("broker.status")["queues"]["polls"] == 1)
    loose.send(case.topic("scraped").encode(), report_body())       # somebody else's
    assert not dealer.arrives(0.05)
    started = time.monotonic()
    own.report(case.topic("scraped"), named())
    _, reply = dealer.receive()
    assert time.monotonic() - started < SOON and reply["result"]["decided"] == 2
    dealer.send("publisher.confirm", publisher=own.publisher, after=2, wait_ms=3000)
    until(lambda: query("broker.status")["queues"]["polls"] == 1)
    own.report(case.topic("scraped"), named(), send=False)
    own.report(case.topic("scraped"), named())
    started = time.monotonic()
    _, reply = dealer.receive()
    assert time.monotonic() - started < SOON and reply["result"]["want"] == 3
    dealer.close()
    own.close()


@fact
def a_confirm_is_answered_when_its_time_is_over():
    dealer = Dealer(broker.query)
    started = time.monotonic()
    dealer.send("publisher.confirm", b"default", publisher=os.urandom(16), after=0)
    dealer.send("publisher.confirm", b"0.2 s", publisher=os.urandom(16), after=0, wait_ms=200)
    assert dealer.receive()[0] == [b"0.2 s"] and 0.1 < time.monotonic() - started < 2.5
    assert dealer.receive()[0] == [b"default"] and 2.5 < time.monotonic() - started < 6
    dealer.close()


@fact
def a_confirm_with_something_to_say_does_not_wait():
    own = Desk(broker.ingest, query)
    own.report(Case().topic("scraped"), named())
    own.settle()
    started = time.monotonic()
    assert query("publisher.confirm", publisher=own.publisher, after=0)["decided"] == 1
    assert time.monotonic() - started < SOON
    own.close()


@fact
def at_most_1000_refusals_and_more_says_so():
    own = Desk(broker.ingest, query)
    code = agency()
    for n in range(1001):
        own.report(f"case:deleted:{code}:{n}:")
    ask = {"publisher": own.publisher, "after": 0, "wait_ms": 50}
    end = time.monotonic() + PATIENCE
    while query("publisher.confirm", **ask)["decided"] < 1001:
        assert time.monotonic() < end
        own.resend(1)
    result = query("publisher.confirm", **ask)
    assert len(result["refusals"]) == 1000 and result["more"] is True
    rest = query("publisher.confirm", publisher=own.publisher, wait_ms=0,
                 after=result["refusals"][-1]["number"])
    assert [refusal["number"] for refusal in rest["refusals"]] == [1001] and "more" not in rest
    assert own.settle()[-1]["number"] == 1001           # whoever has taken them asks beyond them
    own.close()


@fact
def many_polls_at_once_are_too_many_for_their_actor_or_the_broker():
    for code, *flags in (("limited",), ("busy", "--actor-waiting", "0")):
        own = Broker(None, *flags)
        dealer = Dealer(own.query)
        for n in range(6000):
            dealer.send("publisher.confirm", publisher=n.to_bytes(16, "big"), after=0)
        answers = []                    # the first one still waits when the last one comes
        while None not in answers or dealer.arrives(0.2):   # of so many at once some get lost
            answers.append(dealer.receive()[1].get("error", {}).get("code"))
        assert set(answers) == {None, code}
        SEEN_CODES.add(code)
        dealer.close()
        own.end()


@fact
def wrong_types_in_a_confirm_are_refused():
    good = {"publisher": bytes(16), "after": 0, "wait_ms": 0}
    for wrong in ({"sessions": [5]}, {"sessions": [{"agency": "hse"}]}, {"epoch": 5},
                  {"entry": "x"}):
        refused("bad_argument", query, "publisher.confirm", **good, **wrong)


# --- what a report causes --------------------------------------------------------------------

@fact
def an_unknown_case_is_created():
    case = Case()
    decision = case.scraped(named(url="http://a")).is_("created", "created")
    record = case.record()
    (topic, event), = decision.events
    assert topic == case.topic("created") and event["payload"] == record
    assert record["version"] == record["seen_count"] == 1
    assert record["inserted_at"] == record["updated_at"] == record["last_synced_at"] == event["at"]
    assert record["created_seq"] == record["updated_seq"] == event["seq"]
    assert event["version"] == 1 and "changed" not in event
    assert set(record) == {"id", "agency", "regulator_id", "offender", "url", "version",
                           "inserted_at", "updated_at", "last_synced_at", "seen_count",
                           "created_seq", "updated_seq"}


@fact
def a_case_with_every_field_as_stored_is_synced():
    case = Case()
    case.scraped(named(url="http://a", ext={"a": 1, "b": [1]}))
    before = case.record()
    decision = case.scraped(named(ext={"b": [1]}, source={"page": 3})).is_("synced", "synced")
    record = case.record()
    event = decision.events[0][1]
    assert event["payload"] == {"id": case.id, "version": 1, "last_synced_at": event["at"],
                                "seen_count": 2, "source": {"page": 3}}
    assert record == {**before, "last_synced_at": event["at"], "seen_count": 2,
                      "source": {"page": 3}}
    case.scraped().is_("synced", "synced")
    case.scraped({}).is_("synced", "synced")


@fact
def a_case_with_another_field_is_updated_then_synced():
    case = Case()
    case.scraped(named(url="http://a"))
    decision = case.scraped({"url": "http://b", "offender": {"town": "York"}})\
        .is_("updated", "updated", "synced")
    (topic, updated), (_, synced) = decision.events
    record = case.record()
    assert topic == case.topic("updated") and updated["payload"] == record
    assert sorted(updated["changed"], key=lambda change: change["field"]) == [
        {"field": "offender.town", "new": "York"},
        {"field": "url", "old": "http://a", "new": "http://b"}]
    assert record["version"] == updated["version"] == synced["version"] == 2
    assert record["updated_seq"] == updated["seq"] and record["created_seq"] < updated["seq"]
    assert record["seen_count"] == 2 and record["updated_at"] == updated["at"] == synced["at"]


@fact
def a_report_older_than_the_newest_applied_changes_no_field():
    case = Case()
    case.scraped(named(**FIRST, source={"fetched_at": 100, "page": 1}))
    before = case.record()
    decision = case.scraped(named("Brown", **OTHER, url="http://late",
                                  source={"fetched_at": 99, "page": 9})).is_("synced", "synced")
    event = decision.events[0][1]
    assert event["payload"]["stale"] is True and event["payload"]["seen_count"] == 2
    assert case.record() == {**before, "seen_count": 2, "last_synced_at": event["at"]}
    case.scraped(named(url="http://same", source={"fetched_at": 100})).is_(
        "updated", "updated", "synced")
    case.scraped(named(url="http://none")).is_("updated", "updated", "synced")
    case.scraped(named(url="http://page", source={"page": 2})).is_("updated", "updated", "synced")
    late = case.scraped(named(url="http://late", source={"fetched_at": 99})).is_("synced", "synced")
    assert late.events[0][1]["payload"]["stale"] is True


@fact
def a_fetched_at_in_the_future_counts_as_now():
    case = Case()
    case.scraped(named(source={"fetched_at": 2 ** 53 - 1})).is_("created", "created")
    until(lambda: time.time() * 1e6 > case.record()["last_synced_at"])
    case.scraped(named(url="http://a", source={"fetched_at": 2 ** 53 - 2}))\
        .is_("updated", "updated", "synced")
    before = case.record()["last_synced_at"] - 1
    case.scraped(named(url="http://b", source={"fetched_at": before})).is_("synced", "synced")
    assert case.record()["url"] == "http://a"


@fact
def another_name_and_another_date_go_to_quarantine():
    case, number = conflicting()
    before = case.record()
    assert before["version"] == 1 and before["offender"]["name"] == "Acme Ltd"
    (topic, event), = replay(number - 1, f"case:conflict:{case.agency}")
    assert topic == case.topic("conflict") and event["seq"] == number
    assert event["payload"] == {"id": case.id, "quarantine": number} and event["version"] == 1
    assert sorted(change["field"] for change in event["changed"]) == [
        "offence_action_date", "offender.name"]
    again = case.scraped(named("Brown Plc", **OTHER)).is_("conflict")       # no new event
    assert again.quarantine == number and case.record() == before


@fact
def a_conflict_needs_both_names_and_both_dates_different():
    for stored, reported, conflict in (
            (FIRST, OTHER, True), (FIRST, FIRST, False), ({}, OTHER, False), (FIRST, {}, False)):
        for name in ("Brown", "Acme Ltd"):
            case = Case()
            case.scraped(named("Acme Ltd", **stored)).is_("created", "created")
            outcome = case.scraped(named(name, **reported)).outcome
            assert (outcome == "conflict") == (conflict and name == "Brown")
    case = Case()
    case.scraped(named(**FIRST))
    assert case.scraped(OTHER).outcome == "updated"                 # no name in the report


@fact
def names_are_compared_after_normalising():
    for first, second, conflict in (
            ("Acme Co. Ltd", "ACME\u00a0Co  Limited", False), ("Acme Ltd.", "acme ltd", False),
            ("A.C.M.E. Limited", " acme\u2003ltd ", False), ("Acme P.L.C.", "ACME plc", False),
            ("Acme Ltd", "Acme plc", True), ("Acme Ltd", "Acme", True),
            ("Acme", "Ácme", True), ("Ltd Acme", "Limited Acme", True),
            ("SIÂN Ltd", "siân limited", False)):
        case = Case()
        case.scraped(named(first, **FIRST))
        outcome = case.scraped(named(second, **OTHER)).outcome
        assert outcome == ("conflict" if conflict else "updated"), (first, second, outcome)


@fact
def an_edit_stores_what_differs():
    case = Case()
    case.scraped(named(**FIRST, source={"fetched_at": 100}))
    before = case.record()
    decision = case.edited(named("Brown", **OTHER, source={"fetched_at": 1}))  # never a conflict
    decision.is_("updated", "updated")
    record = case.record()
    assert record["offender"]["name"] == "Brown" and record["version"] == 2
    for untouched in ("source", "last_synced_at", "seen_count"):
        assert record[untouched] == before[untouched]
    case.edited(named("Brown")).is_("synced")                       # no event
    assert case.record() == record


@fact
def a_deleted_case_leaves_a_tombstone():
    case = Case()
    case.scraped(named(url="http://a", source={"fetched_at": 100}))
    (topic, event), = case.deleted({"anything": 1}).is_("deleted", "deleted").events
    assert topic == case.topic("deleted") and event["payload"] == {"id": case.id}
    assert event["version"] == 2
    refused("deleted", case.get)
    case.edited({"url": "http://b"}).rejected("deleted")
    case.deleted().rejected("deleted")
    assert [e["event"] for e in case.history()] == ["deleted", "created"]
    assert case.history()[1]["payload"]["url"] == "http://a"


@fact
def a_deleted_case_is_created_again_with_the_next_version():
    case = Case()
    case.scraped(named(url="http://a", source={"fetched_at": 100}))
    case.deleted()
    case.scraped({"url": "http://b"}).rejected("missing")           # a name is required again
    decision = case.scraped(named("Brown", source={"fetched_at": 50})).is_("created", "created")
    record = case.record()
    assert record["version"] == 3 and record["seen_count"] == 1 and "url" not in record
    assert record["inserted_at"] == decision.events[0][1]["at"]
    assert record["created_seq"] == decision.events[0][1]["seq"]


@fact
def a_redacted_case_is_final():
    case = Case()
    case.redacted().rejected("unknown_case")
    case.scraped(named())
    (topic, event), = case.redacted().is_("redacted", "redacted").events
    assert topic == case.topic("redacted") and event["payload"] == {"id": case.id}
    assert event["version"] == 2
    case.scraped(named()).rejected("redacted")
    case.edited(named("B")).rejected("redacted")
    case.deleted().rejected("redacted")
    case.redacted().rejected("redacted")
    refused("redacted", case.get)


@fact
def a_deleted_case_can_be_redacted():
    case = Case()
    case.scraped(named())
    case.deleted()
    case.redacted().is_("redacted", "redacted")
    assert all(e["payload"] == {"id": case.id} for e in case.history())


@fact
def edits_and_deletions_of_an_unknown_case_are_rejected():
    case = Case()
    case.edited(named()).rejected("unknown_case")
    case.deleted().rejected("unknown_case")
    refused("not_found", case.get)
    refused("not_found", case.history)


@fact
def a_report_changes_only_the_fields_it_names():
    case = Case()
    case.scraped({"offender": {"name": "A", "town": "T"}, "ext": {"a": 1, "b": {"c": 1}},
                  "offences": [{"number": 1}, {"number": 2}], "related_cases": ["hse:1"],
                  "url": "http://a"})
    case.scraped({"offender": {"county": "C"}, "ext": {"b": {"d": 2}},
                  "offences": [{"number": 3}]}).is_("updated", "updated", "synced")
    record = case.record()
    assert record["offender"] == {"name": "A", "town": "T", "county": "C"}
    assert record["ext"] == {"a": 1, "b": {"d": 2}}                 # by key, not deeper
    assert record["offences"] == [{"number": 3}] and record["url"] == "http://a"


@fact
def nil_clears_a_field_or_key():
    case = Case()
    case.scraped({"offender": {"name": "A", "town": "T"}, "ext": {"a": 1, "b": 2},
                  "offences": [{"number": 1}], "url": "http://a"})
    decision = case.scraped({"url": None, "offender": {"town": None}, "ext": {"a": None},
                             "offences": None}).is_("updated", "updated", "synced")
    record = case.record()
    assert record["offender"] == {"name": "A"} and record["ext"] == {"b": 2}
    assert "url" not in record and "offences" not in record
    changed = {change["field"]: change for change in decision.events[0][1]["changed"]}
    assert changed["url"] == {"field": "url", "old": "http://a"}
    assert changed["ext.a"] == {"field": "ext.a", "old": 1}
    assert changed["offender.town"] == {"field": "offender.town", "old": "T"}
    case.scraped({"url": None}).is_("synced", "synced")
    case.scraped({"ext": None}).is_("updated", "updated", "synced")
    assert "ext" not in case.record()
    case.edited({"offender": {"name": None}}).rejected("missing")
    case.edited({"offender": None}).rejected("missing")


# --- the case record -------------------------------------------------------------------------

def fields_of(table, wrap, names):
    """What to try with each row of a table: (field, data of a report, code of its refusal)."""
    for name, kind, limit, *rest in table:
        name, limit = word(name), int(limit) if limit else 0
        field = names(name)
        start = "http://" if kind == "url" else ""
        right = wrong = ()
        if kind in ("text", "url") and rest[0] not in ("store", "identity"):
            right = [start + "x" * (limit - len(start)), start + "é"]
            wrong = [(start + "x" * (limit - len(start) + 1), "too_long"), (5, "wrong_type"),
                     (b"x", "wrong_type"), ("é" * (limit // 2 + 1), "too_long")]
        if name == "name":
            wrong += [("", "bad_value"), (" \u00a0\t", "bad_value")]
        if kind == "url":
            wrong += [("", "bad_value"), ("ftp://a", "bad_value"), ("http://", "bad_value")]
        if kind == "date":
            right = ["2020-02-29", "9999-12-31"]
            wrong = [("2021-02-29", "bad_value"), ("20200101", "bad_value"),
                     (20200101, "wrong_type"), ("2020-1-1", "bad_value"), ("", "bad_value"),
                     ("2020-01-01 ", "bad_value")]
        if kind == "pence":
            right = [0, LIMITS["PENCE_MAX"]]
            wrong = [(-1, "bad_value"), (LIMITS["PENCE_MAX"] + 1, "bad_value"), (1.0, "wrong_type"),
                     ("£5", "wrong_type"), (True, "wrong_type")]
        if kind in ("count", "instant") and rest[0] != "store":
            right = [0, 2 ** 53 - 1]
            wrong = [(-1, "bad_value"), (2 ** 53, "bad_value"), ("1", "wrong_type"),
                     (1.0, "wrong_type")]
        if kind == "choice":
            right = re.findall("`(.*?)`", rest[0])
            wrong = [("none of them", "bad_value"), (5, "wrong_type")]
        if kind == "case ids":
            right = [[], ["hse:1"], ["hse:1"] * limit]
            wrong = [(["hse:1"] * (limit + 1), "too_many"), (["hse"], "bad_value"),
                     (["HSE:1"], "bad_value"), ([5], "wrong_type"), ("hse:1", "wrong_type")]
        if kind == "maps":
            right = [[], [{}], [{"unknown": 1}] * limit]
            wrong = [([{}] * (limit + 1), "too_many"), ([5], "wrong_type"), ({}, "wrong_type")]
        if kind == "map":
            wrong = [(5, "wrong_type"), ([], "wrong_type"), ("x", "wrong_type")]
        for value in right:
            yield field, wrap(name, value), None
        for value, code in wrong:
            yield field, wrap(name, value), code


def try_fields(topic, table, wrap, names):
    code = agency()
    expected, count = {}, 0
    for field, data, error in fields_of(table, wrap, names):
        expected[desk.report(topic.format(code, count), data)] = field, error
        count += 1
    refusals = {refusal["number"]: refusal for refusal in desk.settle()}
    assert count
    for number, (field, error) in expected.items():
        refusal = refusals.get(number)
        if error is None:
            assert refusal is None, (field, refusal)
        else:
            assert refusal and refusal["code"] == error, (field, error, refusal)
            assert refusal["field"].startswith(field), (field, refusal)
            SEEN_CODES.add(error)


@fact
def each_field_of_a_case_has_its_type_and_limit():
    try_fields("case:scraped:{}:{}:", RECORD, lambda name, value: {**named(), name: value}, str)


@fact
def each_field_of_an_offender_has_its_type_and_limit():
    try_fields("case:scraped:{}:{}:", OFFENDER,
               lambda name, value: {"offender": {"name": "A", name: value}}, "offender.".__add__)


@fact
def each_field_of_an_offence_has_its_type_and_limit():
    try_fields("case:scraped:{}:{}:", OFFENCE,
               lambda name, value: named(offences=[{}, {name: value}]), "offences[1].".__add__)


@fact
def each_field_of_a_source_has_its_type_and_limit():
    try_fields("case:scraped:{}:{}:", SOURCE,
               lambda name, value: named(source={name: value}), "source.".__add__)


@fact
def a_new_case_needs_a_name():
    case = Case()
    for data in (None, {}, {"url": "http://a"}, {"offender": {}}, {"offender": {"town": "York"}}):
        case.scraped(data).rejected("missing")


@fact
def agency_and_regulator_id_are_as_in_the_topic():
    case = Case("7")
    case.scraped(named(agency=case.agency, regulator_id="7")).is_("created", "created")
    case.scraped(named(agency="hse")).rejected("bad_value", "agency")
    case.scraped(named(regulator_id="8")).rejected("bad_value", "regulator_id")
    case.scraped(named(agency=5)).rejected("wrong_type", "agency")
    assert case.record()["agency"] == case.agency and case.record()["regulator_id"] == "7"


@fact
def what_the_store_sets_cannot_be_reported():
    case = Case()
    case.scraped(named())
    before = case.record()
    for row in RECORD:
        if row[3] == "store":
            case.edited({word(row[0]): before[word(row[0])]}).rejected("bad_value", word(row[0]))
    assert case.record() == before


@fact
def a_hearing_is_not_before_the_action():
    case = Case()
    early = {"offence_hearing_date": "2019-12-31"}
    case.scraped(named(**FIRST, **early)).rejected("bad_value", "offence_hearing_date")
    case.scraped(named(**FIRST)).is_("created", "created")
    case.scraped(early).rejected("bad_value", "offence_hearing_date")
    case.edited({"offence_hearing_date": "2020-01-01"}).is_("updated", "updated")
    case.edited(OTHER).rejected("bad_value", "offence_hearing_date")


@fact
def a_record_too_large_is_rejected():
    case = Case()
    half = "x" * (LIMITS["RECORD_MAX"] // 2)
    case.scraped(named(ext={"a": half + half})).rejected("too_large")
    case.scraped(named(ext={"a": half})).is_("created", "created")
    case.scraped({"ext": {"b": half}}).rejected("too_large")        # after merging
    case.edited({"ext": {"b": half}}).rejected("too_large")
    assert case.record()["ext"] == {"a": half} and case.record()["version"] == 1


@fact
def no_record_is_ever_larger_than_its_limit():
    case = Case()
    case.scraped(named(ext={"a": "x" * 200000}))
    case.scraped({"source": {"b": "y" * 200000}})
    assert len(pack(case.record())) <= LIMITS["RECORD_MAX"], len(pack(case.record()))


@fact
def at_most_256_agencies():
    with another_broker() as (_, publisher):        # the places are taken for good
        for n in range(LIMITS["AGENCIES_MAX"] + 1):
            publisher.report(f"case:scraped:a{n}:1:", named())
        refusal, = publisher.settle()
        assert (refusal["number"], refusal["code"]) == (LIMITS["AGENCIES_MAX"] + 1, "too_many")
        publisher.report("case:scraped:a7:2:", named())
        assert publisher.settle() == []


# --- sessions --------------------------------------------------------------------------------

COUNTERS = ("cases_found", "cases_created", "cases_updated", "cases_existing", "errors_count")


@fact
def a_session_starts_with_what_was_reported():
    session = Session()
    fields = {"database": "convictions", "start_page": 1, "max_pages": 9, "date_from": "2020-01-01",
              "date_to": "2020-12-31", "requested_by": "jo", "worker": "w1", "run": "r1"}
    assert sorted(fields) == sorted(word(row[0]) for row in STARTED)
    (topic, event), = session.started(**fields).is_("session", "started").events
    assert topic == f"session:started:{session.agency}:s:"
    shown = session.get()
    assert event["payload"] == shown and event["session"] == "s" and "version" not in event
    assert shown == {**fields, "session_id": "s", "agency": session.agency, "status": "running",
                     "pages_processed": 0, "page_errors": 0, **dict.fromkeys(COUNTERS, 0),
                     "started_at": event["at"], "last_seen_at": event["at"],
                     "started_seq": event["seq"]}
    session.started(database="another").is_("session")              # changes nothing
    assert session.get()["database"] == "convictions"


@fact
def each_field_of_a_started_session_has_its_type_and_limit():
    try_fields("session:started:{}:{}:", STARTED, lambda name, value: {name: value}, str)


@fact
def each_field_of_a_progressed_session_has_its_type():
    session = Session()
    session.started()
    for field, data, error in fields_of(PROGRESSED, lambda name, value: {name: value}, str):
        decision = session.progressed(**data)
        decision.rejected(error, field) if error else decision.is_("session", "progressed")


@fact
def each_field_of_an_ended_session_has_its_type_and_limit():
    session = Session()
    session.started()
    wrong = [row for row in fields_of(ENDED, lambda name, value: {name: value}, str) if row[2]]
    for field, data, error in wrong:
        Decision(f"session:ended:{session.agency}:s:", {"status": "failed", **data})\
            .rejected(error, field)
    session.report("ended", {}).rejected("missing", "status")
    session.report("ended", {"status": "running"}).rejected("bad_value", "status")
    for status in ("completed", "failed", "stopped"):
        session = Session()
        session.started()
        session.ended(status, reason="x" * 512).is_("session", "ended")
        assert session.get()["status"] == status


@fact
def page_and_page_errors_only_move_up():
    session = Session()
    session.started()
    (_, event), = session.progressed(page=5, page_errors=2).is_("session", "progressed").events
    assert event["payload"] == session.get()
    session.progressed(page=3, page_errors=4)
    assert (session.get()["pages_processed"], session.get()["page_errors"]) == (5, 4)
    session.progressed(page=6)
    assert (session.get()["pages_processed"], session.get()["page_errors"]) == (6, 4)


@fact
def an_unknown_session_cannot_progress_or_end():
    session = Session()
    session.progressed(page=1).rejected("unknown_session")
    session.ended().rejected("unknown_session")
    refused("not_found", session.get)
    refused("not_found", session.cases)


@fact
def an_ended_session_is_final():
    session = Session()
    session.started()
    (_, event), = session.ended("failed", reason="no answer").is_("session", "ended").events
    shown = session.get()
    assert event["payload"] == shown and shown["status"] == "failed"
    assert shown["end_reason"] == "no answer" and shown["ended_at"] == event["at"]
    session.started().rejected("session_ended")
    session.progressed(page=7).rejected("session_ended")
    session.ended("completed").rejected("session_ended")
    assert session.get() == shown


@fact
def a_session_that_is_asked_to_stop_is_told_by_polls():
    session = Session()
    session.started()
    before = newest()
    asked = query("session.stop", agency=session.agency, session_id="s")["session"]
    (topic, event), = replay(before, "session:*")
    assert topic == f"session:stopping:{session.agency}:s:" and event["payload"] == asked == session.get()
    assert asked["status"] == "stopping" and event["actor"] == "local"
    name = {"agency": session.agency, "session_id": "s"}
    poll = {"publisher": bytes(16), "after": 0}
    assert query("publisher.confirm", **poll, sessions=[name])["stop"] == [name]
    assert query("publisher.confirm", **poll, sessions=[{**name, "stopping": True}], wait_ms=0)["stop"] == [name]
    assert "stop" not in query("publisher.confirm", **poll, wait_ms=0)
    (_, event), = session.ended("stopped", reason="asked to stop").is_("session", "ended").events
    assert event["payload"]["status"] == "stopped"
    refused("session_ended", query, "session.stop", **name)


@fact
def a_session_that_is_not_known_cannot_be_stopped():
    refused("not_found", query, "session.stop", agency=agency(), session_id="s")


@fact
def the_same_end_again_changes_nothing():
    session = Session()
    session.started()
    session.ended("failed")
    shown = session.get()
    session.ended("failed").is_("session")
    assert session.get() == shown


@fact
def case_list_of_a_session_takes_no_order_and_no_dates():
    session = Session()
    session.started()
    for argument in ({"order": "date"}, {"from_": "2020-01-01"}, {"to": "2020-01-01"}):
        refused("bad_argument", query, "case.list", agency=session.agency, session="s", **argument)


@fact
def a_session_is_shown_under_its_own_name():
    with another_broker() as (ask, publisher):
        publisher.report("session:started:hse:s:",
                         {"session_id": "x", "agency": "ea", "ended_at": 5})
        publisher.settle()
        result = ask("store.verify", wait_ms=3000)
        if result["state"] == "running":
            result = ask("store.verify", run=result["run"], wait_ms=3000)
        assert result["state"] == "passed", result
        with contextlib.suppress(CasebusError):     # it may as well have been refused
            shown = ask("session.get", agency="hse", session_id="s")["session"]
            assert (shown["session_id"], shown["agency"]) == ("s", "hse"), shown
            assert "ended_at" not in shown, shown


@fact
def counters_follow_what_is_decided():
    session, counts = Session(), dict.fromkeys(COUNTERS, 0)
    session.started()
    code = session.agency

    def moves(decision, counter):
        if counter:
            counts[counter] += 1
            counts["cases_found"] += 1
        shown = session.get()
        assert {name: shown[name] for name in COUNTERS} == counts, (decision.outcome, shown, counts)

    case, keys = Case("1", code), {"session": "s"}
    moves(case.scraped(named(**FIRST), **keys).is_("created", "created"), "cases_created")
    moves(case.scraped(named(), **keys), "cases_existing")
    moves(case.scraped({"url": "http://a"}, **keys), "cases_updated")
    moves(case.edited({"url": "http://b"}, **keys), "cases_updated")
    moves(case.edited({"url": "http://b"}, **keys).is_("synced"), "cases_existing")
    moves(case.scraped(named("Brown", **OTHER), **keys), "errors_count")
    moves(case.scraped(named("Brown", **OTHER), **keys).is_("conflict"), "errors_count")
    moves(case.scraped({"url": 5}, **keys), "errors_count")
    moves(case.scraped({"ext": {"not read": float("nan")}}, **keys), "errors_count")
    moves(Case("2", code).edited(named(), **keys), "errors_count")
    moves(case.deleted(**keys), None)
    moves(case.redacted(**keys), None)
    moves(Case("1").scraped(named(), **keys), None)                 # of another agency
    moves(Case("3", code).scraped(named()), None)                   # names no session
    moves(Case("4", code).scraped(named(), session="other"), None)  # an unknown one
    decided = Case("4", code).history()[0]
    assert decided["event"] == "created" and decided["session"] == "other"
    assert session.get()["cases_found"] == sum(counts[name] for name in COUNTERS[1:])


@fact
def a_progressed_event_at_most_once_a_second_and_the_counters_with_the_end():
    session, count = Session(), 0
    session.started()
    before = newest()
    pattern = "session:*"

    def progress():
        return [event for topic, event in replay(before, pattern)
                if topic == f"session:progressed:{session.agency}:s:"]

    end = time.monotonic() + PATIENCE
    while len(progress()) < 2:
        assert time.monotonic() < end
        count += 1
        desk.report(f"case:scraped:{session.agency}:{count}:", named(), session="s")
        desk.settle()
        time.sleep(0.05)                            # it is time that has to pass
    first, second = progress()[:2]
    assert second["at"] - first["at"] >= 1000000
    assert 0 < first["payload"]["cases_found"] < second["payload"]["cases_found"] <= count
    session.ended()
    (_, last) = replay(before, pattern)[-1]
    assert last["event"] == "ended" and last["payload"]["cases_created"] == count


# --- events ----------------------------------------------------------------------------------

@fact
def an_event_has_every_key_of_the_text():
    case = Case()
    subscriber = Subscriber(broker.fanout, query, ["case:*"])
    case.scraped(named(url="http://a"), session="x")
    case.scraped({"url": "http://b"}, session="x", sent_at=1)
    created = subscriber.wait_for(lambda topic, _: topic == case.topic("created"))
    updated = subscriber.wait_for(lambda topic, _: topic == case.topic("updated"))
    synced = subscriber.wait_for(lambda topic, _: topic == case.topic("synced"))
    keys = {"v", "epoch", "event", "seq", "prev", "prev_topic", "at", "actor", "session", "version",
            "payload"}
    assert set(created) == set(synced) == keys and set(updated) == keys | {"changed"}
    assert created["epoch"] == broker.epoch and created["actor"] == "local" and created["v"] == 1
    assert abs(created["at"] / 1e6 - time.time()) < 60 and created["session"] == "x"
    case.deleted()
    deleted = subscriber.wait_for(lambda topic, _: topic == case.topic("deleted"))
    assert set(deleted) == keys - {"session"}
    subscriber.close()


@fact
def an_event_of_more_than_16384_bytes_is_thin():
    code = agency()

    def event(size):
        """A created event of a case with a text of this size; its full length, and as sent."""
        case = Case(f"{size:06d}", code)
        case.scraped(named(offence_breaches="x" * size))
        whole = case.history()[0]
        del whole["topic"]
        (_, sent), = replay(whole["seq"] - 1, f"case:created:{code}")
        return len(pack(whole)), sent, whole

    length, _, _ = event(1000)
    exact = 1000 + LIMITS["FULL_EVENT_MAX"] - length - 6        # the text's header is no longer
    for size in range(exact - 10, exact + 20):
        length, sent, whole = event(size)
        assert ("thin" in sent) == (length > LIMITS["FULL_EVENT_MAX"]), length
        if "thin" in sent:
            assert sent["thin"] is True and sent["payload"] == {"id": f"{code}:{size:06d}"}
            assert "thin" not in whole and whole["payload"]["offence_breaches"] == "x" * size
        else:
            assert sent == whole
    assert "thin" in sent


@fact
def a_thin_updated_event_names_what_changed():
    case = Case()
    case.scraped(named(ext={"a": "x" * 9000}))
    subscriber = Subscriber(broker.fanout, query, [f"case:updated:{case.agency}:1"])
    case.edited({"ext": {"a": "y" * 9000}, "url": "http://a"})
    live = subscriber.wait_for(lambda topic, _: True)
    assert live["thin"] is True and live["payload"] == {"id": case.id} and live["version"] == 2
    assert sorted(change["field"] for change in live["changed"]) == ["ext.a", "url"]
    assert all(set(change) == {"field"} for change in live["changed"])
    whole = case.history()[0]
    assert {"field": "ext.a", "old": "x" * 9000, "new": "y" * 9000} in whole["changed"]
    assert whole["payload"] == case.record()
    subscriber.close()


@fact
def replay_brings_an_event_exactly_as_it_was_sent():
    case = Case()
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set(zmq.LINGER, 0)
    socket.connect(broker.fanout)
    socket.subscribe(f"case:created:{case.agency}:")
    socket.subscribe("sys:heads:all:")
    assert socket.poll(PATIENCE * 1000) and socket.recv_multipart()[0] == b"sys:heads:all:"
    socket.unsubscribe("sys:heads:all:")
    case.scraped(named(offence_breaches="x" * 16000, ext={"a": "y" * 5000}))
    Case("2", case.agency).scraped(named())
    live = []
    while len(live) < 2:
        assert socket.poll(PATIENCE * 1000)
        topic, body = socket.recv_multipart()
        if topic.startswith(b"case:"):
            live.append([topic.decode(), body])
    result = query("log.replay", after=newest() - 2, patterns=[f"case:created:{case.agency}"])
    assert result["events"] == live
    socket.close()


@fact
def a_prefix_matches_exactly():
    code = agency()
    subscriber = Subscriber(broker.fanout, query, [f"case:created:{code}:48"])
    Case("4812345", code).scraped(named())
    Case("48", code).scraped(named())
    Case("481", code).scraped(named())
    last = Case("49", code).scraped(named()).events[0][1]["seq"]
    got = []
    end = time.monotonic() + PATIENCE
    seen = 0
    while seen < last:                              # by the batch heads, nothing more can come
        assert time.monotonic() < end and subscriber.socket.poll(PATIENCE * 1000)
        topic, body = subscriber.socket.recv_multipart()
        seen = max(seen, unpack(body)["seq"])
        if topic.startswith(b"case:"):
            got.append(topic.decode())
    assert got == [f"case:created:{code}:48:"]
    subscriber.close()


# --- redaction -------------------------------------------------------------------------------

@fact
def after_a_redaction_no_reply_has_a_byte_of_the_record():
    mark = "Zq7Secret"
    marks = (f"{mark}{n}" for n in itertools.count())
    code = agency()
    session = Session(code)
    session.started()
    case, other = Case("1", code), Case("2", code)
    full = {"case_reference": next(marks), "offender": {"name": next(marks), "x": next(marks)},
            **FIRST, "offence_breaches": next(marks) + "x" * 16000,
            "ext": {next(marks): next(marks)},
            "offences": [{"description": next(marks)}], "url": f"http://{next(marks)}",
            "source": {"parser": next(marks)}, "unknown": [next(marks)]}
    case.scraped(full, session="s").is_("created", "created")
    case.scraped({"offender": {"name": next(marks)}}, session="s")
    case.edited({"offence_result": next(marks)}, session="s")
    for date in ("2021-01-01", "2021-01-02", "2021-01-03"):
        conflict = case.scraped({"offender": {"name": next(marks)}, "offence_action_date": date,
                                 "ext": {next(marks): 1}}, session="s").is_("conflict", "conflict")
    query("quarantine.reject", quarantine=conflict.quarantine)
    case.edited({"url": f"no url: {next(marks)}"}).rejected("bad_value")
    other.scraped(named())
    pending = [row["quarantine"] for row in query("quarantine.list", agency=code)["rows"]]
    query("quarantine.accept", quarantine=pending[0])
    case.deleted(session="s")
    case.scraped(full, session="s").is_("created", "created")
    case.redacted(session="s").is_("redacted", "redacted")
    case.scraped({**full, "offence_result": next(marks)}, session="s").rejected("redacted")

    def sweep(op, **arguments):
        with contextlib.suppress(CasebusError):
            query(op, **arguments)
        assert mark.lower() not in repr(query.reply).lower(), (op, query.reply)
        return query.reply

    load = ["agency", "offender", "history"]
    for id_ in (case.id, other.id):
        sweep("case.get", id=id_, load=load)
    sweep("case.get_many", ids=[case.id, other.id], load=load[:2])
    sweep("case.known", ids=[case.id])
    sweep("case.recent")
    for order in ("newest", "date"):
        sweep("case.list", agency=code, order=order)
    sweep("case.list", agency=code, session="s")
    sweep("session.get", agency=code, session_id="s")
    sweep("session.cases", agency=code, session_id="s")
    sweep("session.list", agency=code)
    assert sweep("quarantine.list", agency=code)["result"]["rows"] == []
    for number in (conflict.quarantine, *pending):
        sweep("quarantine.accept", quarantine=number)
        sweep("quarantine.accept", quarantine=number, as_=f"{code}:3")
        sweep("quarantine.reject", quarantine=number)
    sweep("rejects.list", limit=500)
    sweep("publisher.confirm", publisher=desk.publisher, after=0, wait_ms=0)
    sweep("heads")
    sweep("broker.status")
    replayed = replay(0, "session:*", *(kind + code for kind in EVENT_KINDS[:7]))
    assert mark.lower() not in repr(replayed).lower()
    events = sweep("case.history", id=case.id, limit=500)["result"]["events"]
    assert len(events) > 8
    for event in events:
        assert event["payload"] == {"id": case.id} and "changed" not in event
    chains = {}
    for topic, event in replayed:                   # every chain is as it was
        stream = stream_of(topic)
        if topic.startswith("case:"):
            assert event["prev"] == chains.get(stream, 0) and event["event"] in topic
            chains[stream] = event["seq"]
    assert len(chains) == 7


@fact
def a_reject_answers_rejected_also_after_a_redaction():
    case, number = conflicting()
    case.redacted()
    try:
        result = query("quarantine.reject", quarantine=number)
    except CasebusError:
        return
    assert result["outcome"] == "rejected", result


@fact
def the_rejects_list_keeps_no_content():
    Case().scraped(named(ext={"Zq8Name": {"Zq9Name": float("nan")}})).rejected("bad_value")
    assert "Zq8Name" not in repr(query("rejects.list", limit=5)["rows"])


# --- heads and subscribers -------------------------------------------------------------------

@fact
def heads_come_soon_after_subscribing_and_every_second():
    firsts, intervals = [], []
    for _ in range(5):                          # a machine with other work is late at times, not at all
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.set(zmq.LINGER, 0)
        socket.connect(broker.fanout)
        started = time.monotonic()
        socket.subscribe("sys:heads:all:")
        times = []
        while len(times) < 3:
            assert socket.poll(PATIENCE * 1000)
            topic, body = socket.recv_multipart()
            times.append(time.monotonic())
            heads = unpack(body)
            assert set(heads) - {"quiet"} == {"v", "epoch", "seq", "heads"} and topic == b"sys:heads:all:"
        firsts.append(times[0] - started)
        intervals.append(times[2] - times[1])
        if len(firsts) > 1 and firsts[-1] < 0.9 and 0.5 < intervals[-1] < 2:
            break                               # begun right behind heads, the next were due in 1 s
        socket.close()
    else:
        raise AssertionError((firsts, intervals))
    assert heads["v"] == 1 and heads["epoch"] == broker.epoch and heads["seq"] == newest()
    last = {}
    for topic, event in replay(0):
        last[stream_of(topic)] = event["seq"]
    assert heads["heads"] == last == query("heads")["heads"]
    socket.close()


@fact
def batch_heads_follow_the_events_of_their_commit():
    code = agency()
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set(zmq.LINGER, 0)
    socket.connect(broker.fanout)
    for prefix in ("case:", "session:", "sys:heads:all:", "sys:heads:batch:"):
        socket.subscribe(prefix)
    assert socket.poll(PATIENCE * 1000)
    seen = unpack(socket.recv_multipart()[1])["seq"]
    for n in range(40):
        desk.report(f"case:scraped:{code}:{n}:", named())
    desk.settle()
    last, batch, touched = newest(), seen, {}
    while batch < last:
        assert socket.poll(PATIENCE * 1000)
        topic, body = socket.recv_multipart()
        message = unpack(body)
        if topic == b"sys:heads:batch:":
            assert set(message) - {"quiet"} == {"v", "epoch", "seq", "before", "heads"}
            assert message["before"] == batch and message["seq"] == seen
            assert message["heads"] == touched
            batch, touched = message["seq"], {}
        elif topic == b"sys:heads:all:":
            assert message["seq"] == seen
        else:
            assert message["seq"] == seen + 1
            seen = message["seq"]
            touched[stream_of(topic.decode())] = seen
    socket.close()


@fact
def what_makes_no_event_is_named_by_heads():
    """A refused report, one that is in quarantine already, an edit without a difference."""
    case = Case()
    first = named(offence_action_date="2024-01-01")
    other = named("Somebody Else", offence_action_date="2024-02-02")
    case.scraped(first).is_("created", "created")
    case.scraped(other).is_("conflict", "conflict")
    absent = Case("none", case.agency)
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.set(zmq.LINGER, 0)
    socket.connect(broker.fanout)
    socket.subscribe("sys:heads:batch:"), socket.subscribe("sys:heads:all:")

    def heads(good):
        while socket.poll(PATIENCE * 1000):
            topic, body = socket.recv_multipart()
            message = unpack(body)
            if good(topic, message):
                return message
        raise AssertionError("no such heads")

    quiet = heads(lambda topic, _: topic == b"sys:heads:all:").get("quiet", 0)
    for report, outcome in ((lambda: absent.edited(first), "rejected"), (lambda: case.scraped(other), "conflict"),
                            (lambda: case.edited(first), "synced")):
        assert query("heads") and quiet <= query.reply["entry"]
        before = query.reply["entry"]
        report().is_(outcome)
        query("heads")
        message = heads(lambda topic, m: topic == b"sys:heads:batch:" and m["quiet"] > quiet)
        assert before < message["quiet"] <= query.reply["entry"], (before, message, query.reply)
        assert message["heads"] == {} and message["before"] == message["seq"] == newest(), message
        quiet = message["quiet"]
        assert heads(lambda topic, _: topic == b"sys:heads:all:")["quiet"] == quiet
    socket.close()


def lossy(patterns, lose):
    """A subscriber to which some events never come, after some reports."""
    subscriber = Subscriber(broker.fanout, query, patterns)
    wanted = []

    def take_all(until_seq):
        seen = 0
        while seen < until_seq:
            assert subscriber.socket.poll(PATIENCE * 1000)
            topic, body = subscriber.socket.recv_multipart()
            topic, message = topic.decode(), unpack(body)
            if topic.startswith("sys:"):
                seen = message["seq"]
            elif lose(topic, message):
                continue
            wanted.extend(subscriber.take(topic, message))
        return wanted

    subscriber.take_all = take_all
    return subscriber


@fact
def a_hole_shows_in_prev_and_is_filled_by_replay():
    code = agency()
    subscriber = lossy([f"case:created:{code}", f"case:updated:{code}"],
                       lambda topic, _: topic.split(":")[3] in ("2", "3", "7"))
    for n in range(8):
        Case(str(n), code).scraped(named())
        got = subscriber.take_all(newest())
    Case("0", code).scraped({"url": "http://a"})
    got = subscriber.take_all(newest())
    created = [topic for topic, _ in got if topic.startswith("case:created:")]
    assert created == [f"case:created:{code}:{n}:" for n in range(8)]
    assert len(got) == 9 and subscriber.repairs == 3                # each by the head after it
    subscriber.close()


@fact
def a_reader_of_one_topic_repairs_by_prev_topic():
    code = agency()
    Case("1", code).scraped(named())
    Case("2", code).scraped(named())
    losses = []
    subscriber = lossy([f"case:updated:{code}:1"],
                       lambda topic, event: event["seq"] in losses)
    for n in range(4):
        Case("2", code).edited({"url": f"http://{n}"})
        seq = Case("1", code).edited({"url": f"http://{n}"}).events[0][1]["seq"]
        if n in (1, 3):
            losses.append(seq)
    last = newest()
    got = subscriber.take_all(last)
    end = time.monotonic() + PATIENCE
    while len(got) < 4:                             # the last is found at the next heads
        assert time.monotonic() < end
        got = subscriber.take_all(last)
    assert [event["payload"]["url"] for _, event in got] == [f"http://{n}" for n in range(4)]
    assert all(topic == f"case:updated:{code}:1:" for topic, _ in got)
    subscriber.close()


@fact
def an_ordered_reader_has_each_event_once_in_order_whatever_is_lost():
    first, second = agency(), agency()
    patterns = [f"case:created:{first}", f"case:updated:{second}:7", "case:updated:*",
                f"case:synced:{second}:3"]
    dice = random.Random(7)
    reader = OrderedSubscriber(broker.fanout, query, patterns)
    start, got = reader.cursor, []
    writer = Desk(broker.ingest, query)
    for n in range(600):
        code, key = (first, second)[n % 2], n % 60 // 2
        writer.report(f"case:scraped:{code}:{key}:", named(url=f"http://{n // 200}"))
        if n % 100 == 99:
            writer.settle()
    last = newest()
    while reader.cursor < last:
        assert reader.socket.poll(PATIENCE * 1000)
        topic, body = reader.socket.recv_multipart()
        if topic == b"sys:heads:all:" or dice.random() < 0.7:
            got += reader.take(topic.decode(), unpack(body))
    assert got == replay(start, *patterns) and len(got) > 60
    assert reader.repairs > 0 and not reader.waiting
    writer.close()
    reader.close()


@fact
def a_message_of_another_epoch_is_not_taken():
    subscriber = Subscriber(broker.fanout, query, ["case:*"])
    try:
        subscriber.take("case:created:hse:1:", {"epoch": b"another.", "seq": 1, "prev": 0})
    except HistoryChanged:
        pass
    else:
        raise AssertionError("taken")
    subscriber.close()


@fact
def joining_at_a_querys_seq_has_no_race():
    code = agency()
    writer = Desk(broker.ingest, query)
    for n in range(300):
        writer.report(f"case:scraped:{code}:{n}:", named())
    subscriber = Subscriber(broker.fanout, query, [f"case:created:{code}"])
    known = {row["id"] for row in query.pages("case.list", agency=code, limit=500)}
    snapshot = {row["id"] for row in query("case.list", agency=code, limit=500)["rows"]}
    subscriber.start(query.reply["seq"])
    writer.settle()
    last, seen = newest(), query.reply["seq"] if len(snapshot) == 300 else 0
    while seen < last:
        assert subscriber.socket.poll(PATIENCE * 1000)
        topic, body = subscriber.socket.recv_multipart()
        message = unpack(body)
        seen = max(seen, message["seq"] if topic.startswith(b"sys:") else 0)
        new = {event["payload"]["id"] for _, event in subscriber.take(topic.decode(), message)}
        assert not new & snapshot
        snapshot |= new
    assert len(snapshot) == 300 and known <= snapshot
    writer.close()
    subscriber.close()


# --- requests --------------------------------------------------------------------------------

@fact
def a_reply_has_every_key_of_the_text():
    query("heads")
    assert set(query.reply) == {"v", "epoch", "seq", "entry", "result"}
    assert query.reply["v"] == 1 and query.reply["epoch"] == broker.epoch
    seq, entry = query.reply["seq"], query.reply["entry"]
    Case().scraped(named())
    query("heads")
    assert query.reply["seq"] == seq + 1 and query.reply["entry"] > entry
    refused("bad_argument", query, "case.get")
    assert set(query.reply) == {"v", "epoch", "seq", "entry", "error"}
    assert set(query.reply["error"]) == {"code", "text", "field"}
    refused("not_found", query, "case.get", id="hse:none")
    assert set(query.reply["error"]) == {"code", "text"}


@fact
def a_request_that_is_none_is_refused():
    deep = 1
    for _ in range(LIMITS["DEPTH_MAX"]):
        deep = [deep]
    good = {"v": 1, "op": "heads"}
    for request, code in (
            (b"", "malformed"), (b"\xc1", "malformed"), (pack([1]), "malformed"),
            (pack(good) + b"\0", "malformed"), (pack(good)[:-1], "malformed"),
            (b"\x80", "missing"), (pack({"op": "heads"}), "missing"), (pack({"v": 1}), "missing"),
            (pack({"v": 2, "op": "heads"}), "bad_version"), (pack({"v": "1"}), "wrong_type"),
            (pack({"v": 1, "op": 5}), "wrong_type"), (pack({"v": 1, "op": "case"}), "unknown_op"),
            (pack({"v": 1, "op": "case.gets"}), "unknown_op"),
            (pack({"v": 1, "op": ""}), "unknown_op"),
            (b"\x83\xa1v\x01\xa2op\xa5heads\xa2op\xa5heads", "duplicate_key"),
            (b"\x82\xa1v\x01\xa2op\xa2\xff\xff", "bad_utf8"),
            (pack({**good, "x": msgpack.ExtType(1, b"x")}), "wrong_type"),
            (pack({**good, "x": float("inf")}), "bad_value"),
            (pack({**good, "x": deep}), "too_deep"),
            (pack({**good, "x" * 129: 1}), "too_long"),
            (pack({**good, "x": [0] * LIMITS["ELEMENTS_MAX"]}), "too_many"),
            (pack({**good, "x": "y" * LIMITS["REQUEST_MAX"]}), "too_large"),
            (pack({**good, "on_behalf": "nobody"}), "denied")):
        refused(code, query.raw, request)
    size = LIMITS["REQUEST_MAX"] - len(pack({**good, "x": "y" * 70000})) + 70000
    assert len(pack({**good, "x": "y" * size})) == LIMITS["REQUEST_MAX"]
    query("heads", x="y" * size)
    query.raw(pack({"op": "heads", "v": 1}))


ARGUMENTS = {                                       # operation: (good, {argument: wrong values})
    "case.get": ({"id": "hse:1"}, {"id": (5, "hse", "HSE:1", "hse:", "hse:1:", None, "REQUIRED"),
                                   "load": ("agency", ["cases"], [5], {})}),
    "case.get_many": ({"ids": ["hse:1"]}, {"ids": ([], "hse:1", [5], ["hse:1"] * 201, "REQUIRED"),
                                           "load": (["history"], 5), "from": (-1, 1, "0")}),
    "case.known": ({"ids": ["hse:1"]}, {"ids": ([], "hse:1", [5], ["hse:1"] * 1001, "REQUIRED")}),
    "case.recent": ({}, {"limit": (0, 501, -1, "5", 5.0, None), "next": ("x", 5),
                         "as_of": (-1, "5")}),
    "case.list": ({}, {"agency": ("HSE", 5, ""), "limit": (0, 501, "5"), "next": ("x", 5),
                       "as_of": ("5",), "order": ("oldest", 5)}),
    "case.history": ({"id": "hse:1"}, {"id": (5, "hse", "REQUIRED"), "limit": (0, 501),
                                       "next": ("x", b"short")}),
    "offender.get": ({"agency": "hse", "name": "x"},
                     {"agency": (5, "HSE", "REQUIRED"), "name": (5, "REQUIRED"), "postcode": (5,),
                      "limit": (0, 501), "next": ("x", 5)}),
    "agency.list": ({}, {}),
    "agency.set": ({"agency": "hse", "name": "x"},
                   {"agency": (5, "HSE", "", "REQUIRED"), "name": (5, None, "x" * 257, "a\0b", "REQUIRED"),
                    "base_url": (5, None, "hse.example", "ftp://x", "http://", "https://a b",
                                 "http://" + "x" * 2042),
                    "enabled": (1, "no", None)}),
    "log.cases": ({"after": 0}, {"after": (-1, "0", "REQUIRED"), "since": (-1, "0"),
                                 "agency": (5, "HSE"), "load": ("agency", ["history"]),
                                 "limit": (0, 501), "next": ("x", b"short")}),
    "log.replay": ({"after": 0, "patterns": ["case"]},
                   {"after": (-1, "0", 1.0), "patterns": ([], "case", [5], "REQUIRED"),
                    "limit": (0, 2001, "5")}),
    "session.get": ({"agency": "hse", "session_id": "x"},
                    {"agency": (5, "HSE", "REQUIRED"), "session_id": (5, "", "a:b", "REQUIRED")}),
    "session.list": ({}, {"status": ("going", 5), "limit": (0, 501), "next": ("x", b"short"),
                          "as_of": (-1, "5")}),
    "session.cases": ({"agency": "hse", "session_id": "x"},
                      {"agency": (5, "HSE", "REQUIRED"), "session_id": (5, "", "REQUIRED"),
                       "limit": (0, 501), "next": ("x", b"short"), "once": (5, "no"),
                       "load": (["agency"],)}),
    "session.stop": ({"agency": "hse", "session_id": "x"},
                     {"agency": (5, "HSE", "REQUIRED"), "session_id": (5, "", "a:b", "REQUIRED")}),
    "quarantine.list": ({}, {"agency": (5,), "limit": (0, 501, "5"), "next": ("x", b"short"),
                             "as_of": (-1, "5")}),
    "quarantine.accept": ({"quarantine": 1}, {"quarantine": ("1", -1, "REQUIRED"),
                                              "as": (5, "hse")}),
    "quarantine.reject": ({"quarantine": 1}, {"quarantine": ("1", -1, "REQUIRED")}),
    "publisher.confirm": ({"publisher": bytes(16), "after": 0, "wait_ms": 0},
                          {"publisher": (b"short", "x" * 16, 5, "REQUIRED"), "after": (-1, "0"),
                           "wait_ms": (-1, 3001, "5"), "outbox": (5, "no"),
                           "sessions": (5, [{"agency": "hse", "session_id": str(n)}
                                            for n in range(65)],
                                        [{"agency": "hse", "session_id": "x", "stopping": 1}])}),
    "rejects.list": ({}, {"limit": (0, 501, "5"), "next": ("x", b"short")}),
    "store.verify": ({}, {"run": ("1", -1), "wait_ms": (-1, 3001, "5")}),
    "store.backup": ({"dir": "/nonexistent/folder/of/a/backup"},
                     {"dir": (1, "relative", "", "/a\0b", "/" + 1024 * "a"), "run": ("1", -1),
                      "wait_ms": (-1, 3001, "5")}),
    "heads": ({}, {}),
    "broker.status": ({}, {}),
    "actor.whoami": ({}, {"on_behalf": (5,)}),
    "actor.can": ({"actor": "local", "verb": "ask"},
                  {"actor": (5, "REQUIRED"), "verb": (5, "look", "REQUIRED"), "agency": (5, "HSE")}),
}


@fact
def every_argument_out_of_its_range_is_refused_by_name():
    for op, (good, wrongs) in ARGUMENTS.items():
        for argument, values in {**wrongs, "after_seq": (-1, "1", None)}.items():
            for value in values:
                arguments = {**good, argument: value}
                if value == "REQUIRED":
                    del arguments[argument]
                refused("bad_argument", query.raw, pack({"v": 1, "op": op, **arguments}),
                        field=argument)


@fact
def the_text_has_a_section_for_each_operation_and_no_other():
    with open(TEXT, encoding="utf-8") as file:
        assert set(re.findall(r"^### `([a-z_.]+)`$", file.read(), flags=re.M)) == set(ARGUMENTS)


@fact
def a_case_id_among_many_is_refused_under_the_arguments_name():
    for op in ("case.get_many", "case.known"):
        refused("bad_argument", query, op, ids=["hse:1", "hse"], field="ids")


@fact
def every_operation_answers_behind():
    now = newest()
    for op, (good, _) in ARGUMENTS.items():
        if not op.startswith("quarantine."):
            with contextlib.suppress(CasebusError):
                query(op, **good, after_seq=now)
            assert query.reply.get("error", {}).get("code") != "behind"
        error = refused("behind", query, op, **good, after_seq=now + 1)
        assert error.text and query.reply["seq"] == now


@fact
def a_poll_that_has_seen_more_of_this_history_is_answered_behind():
    own = Desk(broker.ingest, query)
    own.report("case:scraped:hse:behind:", named())
    own.settle()
    entry, epoch = query.reply["entry"], query.reply["epoch"]
    ask = {"publisher": own.publisher, "after": 1, "wait_ms": 0}
    refused("behind", query, "publisher.confirm", epoch=epoch, entry=entry + 1000, **ask)
    assert query.reply["entry"] >= entry
    assert query("publisher.confirm", epoch=epoch, entry=entry, **ask)["decided"] == 1
    assert query("publisher.confirm", epoch=bytes(8), entry=entry + 1000, **ask)["decided"] == 1
    own.close()


@fact
def requests_in_flight_are_told_apart_by_their_envelope():
    dealer = Dealer(broker.query)
    dealer.send("publisher.confirm", b"slow", b"", publisher=os.urandom(16), after=0, wait_ms=300)
    for n in range(100):
        dealer.send("case.known", b"%d" % n, b"", ids=[f"hse:{n}"])
    dealer.send("nonsense", b"", b"x", b"")
    replies = dict((tuple(envelope), reply) for envelope, reply in
                   (dealer.receive() for _ in range(102)))
    assert set(replies) == {(b"slow", b""), (b"", b"x", b"")} \
        | {(b"%d" % n, b"") for n in range(100)}
    assert replies[b"", b"x", b""]["error"]["code"] == "unknown_op"
    assert replies[b"slow", b""]["result"]["decided"] == 0
    dealer.send("heads")                            # even without an envelope
    assert dealer.receive()[0] == []
    dealer.close()


@fact
def a_poll_does_not_hold_up_what_comes_after_it():
    dealer = Dealer(broker.query)
    dealer.send("publisher.confirm", b"first", b"", publisher=os.urandom(16), after=0, wait_ms=300)
    dealer.send("heads", b"second", b"")
    assert [dealer.receive()[0][0] for _ in range(2)] == [b"second", b"first"]
    dealer.close()


@fact
def eight_frames_of_an_envelope_are_echoed():
    for count in (6, 8):
        dealer = Dealer(broker.query)
        frames = [b"%d" % n for n in range(count - 1)] + [b""]
        dealer.send("heads", *frames)
        try:
            assert dealer.arrives(1) and dealer.receive()[0] == frames, f"{count} are not"
        finally:
            dealer.close()


# --- operations ------------------------------------------------------------------------------

@fact
def an_agency_has_what_was_set_of_it_beside_its_totals():
    case = Case()
    case.scraped(named("Acme Ltd", offence_fine_pence=5))
    totals = {"code": case.agency, "cases": 1, "fine_pence": 5}
    assert case.get("agency")["agency_record"] == {**totals, "enabled": True}
    now, entry = newest(), query.reply["entry"]
    said = {"name": "Health", "base_url": "https://hse.example/", "enabled": False}
    record = query("agency.set", agency=case.agency, **said)["agency_record"]
    assert record == {**totals, **said} == case.get("agency")["agency_record"]
    assert record in query("agency.list")["rows"] and newest() == now and query.reply["entry"] > entry
    assert query("agency.set", agency=case.agency, **said)["agency_record"] == record
    assert query("agency.set", agency=case.agency, name="")["agency_record"] == {
        **totals, "base_url": "https://hse.example/", "enabled": False}
    record = query("agency.set", agency=case.agency, base_url="", enabled=True)["agency_record"]
    assert record == {**totals, "enabled": True}
    case.scraped(named("Acme Ltd", offence_fine_pence=6))
    assert case.get("agency")["agency_record"] == {**record, "fine_pence": 6}
    refused("bad_argument", query, "agency.set", agency=case.agency, field="name")  # sets nothing


@fact
def case_get_loads_what_is_asked_for():
    case = Case()
    case.scraped(named("Acme Ltd", offence_fine_pence=5))
    assert set(case.get()) == {"case"}
    loaded = case.get("agency", "offender", "history")
    assert set(loaded) == {"case", "agency_record", "offender_record", "history"}
    assert loaded["history"] == case.history()
    assert loaded["history"][0]["topic"] == case.topic("created")
    assert loaded["agency_record"]["code"] == case.agency
    assert loaded["offender_record"]["offender"]["name"] == "Acme Ltd"
    for n in range(55):
        case.edited({"offence_fine_pence": n + 10})
    history = case.get("history")["history"]
    assert len(history) == 50 and history == case.history()[:50]
    assert history[0]["payload"]["offence_fine_pence"] == 64


@fact
def case_get_many_answers_by_position():
    code = agency()
    cases = [Case(key, code) for key in ("live", "deleted", "redacted", "unknown")]
    for case in cases[:3]:
        case.scraped(named())
    cases[1].deleted()
    cases[2].redacted()
    ids = [case.id for case in (cases[3], cases[0], cases[1], cases[2], cases[0])]
    result = query("case.get_many", ids=ids)
    assert set(result) == {"rows", "from"} and result["from"] == 0
    record = cases[0].record()
    assert result["rows"] == [
        {"id": ids[0], "error": "not_found"}, {"id": ids[1], "case": record},
        {"id": ids[2], "error": "deleted"}, {"id": ids[3], "error": "redacted"},
        {"id": ids[4], "case": record}]
    result = query("case.get_many", ids=ids, from_=3, load=["agency", "offender"])
    assert result["from"] == 3 and result["rows"][0] == {"id": ids[3], "error": "redacted"}
    assert set(result["rows"][1]) == {"id", "case", "agency_record", "offender_record"}
    most = [f"hse:{n}" for n in range(LIMITS["GET_MANY_MAX"])]
    assert len(query("case.get_many", ids=most)["rows"]) == LIMITS["GET_MANY_MAX"]


@fact
def a_reply_stops_taking_rows_at_its_size():
    code = agency()
    ids = [f"{code}:{n}" for n in range(8)]
    for id_ in ids:
        desk.report(f"case:scraped:{id_}:", named(ext={"x": "y" * 250000}))
    assert desk.settle() == []
    rows, start = [], 0
    while start is not None:
        result = query("case.get_many", ids=ids, from_=start)
        assert result["from"] == start and len(result["rows"]) < 8
        assert len(pack(query.reply)) < LIMITS["REPLY_MAX"] + LIMITS["RECORD_MAX"]
        rows += result["rows"]
        start = result.get("next_from")
    assert [row["case"]["id"] for row in rows] == ids
    first = query("case.list", agency=code)
    assert "next" in first and 0 < len(first["rows"]) < 8
    assert [row["id"] for row in query.pages("case.list", agency=code)] == ids[::-1]


@fact
def case_known_has_those_that_exist():
    code = agency()
    cases = [Case(key, code) for key in ("live", "deleted", "redacted", "unknown")]
    for case in cases[:3]:
        case.scraped(named())
    cases[1].deleted()
    cases[2].redacted()
    assert query("case.known", ids=[case.id for case in cases]) \
        == {"known": [cases[0].id, cases[2].id]}
    query("case.known", ids=[f"hse:{n}" for n in range(LIMITS["KNOWN_MAX"])])


def pages_of(op, rows="rows", **arguments):
    """Page by page, each of the size asked for and only the last without next."""
    pages, extra = [], {}
    while True:
        result = query(op, **arguments, **extra)
        assert len(result[rows]) <= arguments["limit"]
        pages += result[rows]
        if "next" not in result:
            return pages
        assert isinstance(result["next"], bytes)
        extra = {"next": result["next"]}
        if "as_of" in result:
            extra["as_of"] = result["as_of"]


@fact
def case_recent_has_the_newest_by_creation():
    code = agency()
    for n in range(5):
        Case(str(n), code).scraped(named())
    Case("1", code).edited({"url": "http://a"})                     # no matter
    result = query("case.recent", limit=3)
    assert set(result) == {"as_of", "newer", "rows", "next"} and result["as_of"] == newest()
    assert [row["id"] for row in result["rows"]] == [f"{code}:{n}" for n in (4, 3, 2)]
    Case("5", code).scraped(named())
    Case("4", code).deleted()
    Case("4", code).scraped(named())                                # created again
    rest = query("case.recent", limit=2, next=result["next"], as_of=result["as_of"])
    assert [row["id"] for row in rest["rows"]] == [f"{code}:{n}" for n in (1, 0)]
    assert rest["as_of"] == result["as_of"]
    again = query("case.recent", limit=2)["rows"]
    assert [row["id"] for row in again] == [f"{code}:4", f"{code}:5"]
    everything = pages_of("case.recent", limit=200)
    seqs = [row["created_seq"] for row in everything]
    assert seqs == sorted(set(seqs), reverse=True)


@fact
def a_page_has_50_rows_if_nothing_else_is_asked_for():
    code = agency()
    for n in range(LIMITS["PAGE_DEFAULT"] + 1):
        desk.report(f"case:scraped:{code}:{n}:", named())
    assert desk.settle() == []
    result = query("case.list", agency=code)
    assert len(result["rows"]) == LIMITS["PAGE_DEFAULT"] and "next" in result
    assert len(query("case.list", agency=code, limit=LIMITS["PAGE_MAX"])["rows"]) == 51


@fact
def case_list_by_creation_and_by_date():
    code = agency()
    dates = ["2020-01-01", None, "2020-01-03", "2020-01-02", None, "2020-01-02"]
    for n, date in enumerate(dates):
        Case(str(n), code).scraped(named(**({"offence_action_date": date} if date else {})))

    def ids(**arguments):
        got = [row["id"].split(":")[1] for row in pages_of("case.list", agency=code, **arguments)]
        return "".join(got)

    for limit in (1, 2, 500):
        assert ids(limit=limit) == ids(limit=limit, order="newest") == "543210"
        assert ids(limit=limit, order="date") in ("253041", "235041")
        assert ids(limit=limit, order="date", from_="2020-01-02") in ("253", "235")
        assert ids(limit=limit, order="date", from_="1000-01-01", to="2020-01-01") == "0"
        assert ids(limit=limit, order="date", from_="2020-01-02", to="2020-01-02") in ("53", "35")
    assert ids(limit=5, order="date", from_="2021-01-01") == ""
    assert set(query("case.list", agency=code, limit=1)) == {"as_of", "newer", "rows", "next"}
    assert [row["id"] for row in query("case.list", limit=6)["rows"]] \
        == [row["id"] for row in query("case.list", agency=code)["rows"]]
    assert query("case.list", agency="nobody") == {"as_of": newest(), "newer": 0, "rows": []}
    refused("bad_argument", query, "case.list", agency=code, from_="2020-01-01")
    refused("bad_argument", query, "case.list", agency=code, to="2020-01-01", order="newest")
    refused("bad_argument", query, "case.list", session="s")
    refused("bad_argument", query, "case.list", agency=code, order="date", to="2020-02-30")


@fact
def to_alone_leaves_out_cases_without_a_date():
    code = agency()
    Case("1", code).scraped(named(**FIRST))
    Case("2", code).scraped(named())
    rows = query("case.list", agency=code, order="date", to="2020-12-31")["rows"]
    assert [row["regulator_id"] for row in rows] == ["1"], rows


@fact
def as_of_leaves_out_what_was_created_since():
    code = agency()
    for n in range(4):
        Case(str(n), code).scraped(named(**FIRST))
    for order in ("newest", "date"):
        first = query("case.list", agency=code, order=order, limit=2)
        Case("new" + order, code).scraped(named(**FIRST))
        rest = list(query.pages("case.list", agency=code, order=order, limit=2, next=first["next"],
                                as_of=first["as_of"]))
        both = [row["id"] for row in first["rows"] + rest]
        assert f"{code}:new{order}" not in both and len(both) == len(set(both))
        assert len(both) == (4 if order == "newest" else 5)


@fact
def a_case_whose_place_changes_between_pages_stands_at_the_new_one():
    code = agency()
    for n in range(6):
        Case(str(n), code).scraped(named(**FIRST))

    def rest_after(key, order, **changed):
        """The ids of both pages, where this case changes between them."""
        first = query("case.list", agency=code, limit=3, **order)
        Case(key, code).edited(changed)
        rest = query.pages("case.list", agency=code, limit=3, next=first["next"], as_of=first["as_of"], **order)
        return [row["regulator_id"] for row in [*first["rows"], *rest]]

    assert rest_after("5", {"order": "date"}, offence_action_date="2001-01-01") == list("5432105")
    assert rest_after("0", {"order": "date"}, offence_action_date="2030-01-01") == list("43215")
    assert rest_after("1", {}, offence_action_date="2031-01-01") == list("543210")


@fact
def case_list_of_a_session_has_its_cases():
    session = Session()
    session.started()
    for n in range(4):
        Case(str(n), session.agency).scraped(named(), **({"session": "s"} if n != 2 else {}))
    result = query("case.list", agency=session.agency, session="s")
    assert set(result) == {"as_of", "newer", "rows", "floor"} and result["floor"] == 0
    assert [row["id"] for row in result["rows"]] == [f"{session.agency}:{n}" for n in (3, 1, 0)]
    assert result["rows"][0] == Case("3", session.agency).record()
    assert query("case.list", agency=session.agency, session="none")["rows"] == []


@fact
def case_list_of_a_session_has_each_case_once():
    session = Session()
    session.started()
    for n in (1, 2, 1, 1):
        Case(str(n), session.agency).scraped(named(), session="s")
    ids = [row["id"] for row in pages_of("case.list", agency=session.agency, session="s", limit=1)]
    assert len(ids) == len(set(ids)) == 2, ids


@fact
def an_offender_is_known_again_by_name_and_postcode():
    code = agency()
    for n, (name, postcode) in enumerate((("Dup Ltd", "AB1 2CD"), ("DUP limited.", " ab12 cd"), ("dup", "AB1 2CD"),
                                          ("Dup Ltd", "ZZ9 9ZZ"), ("Dup Ltd", ""), ("dup ltd", None))):
        Case(str(n), code).scraped({"offender": {"name": name, **({} if postcode is None else {"postcode": postcode})}})

    def cases_of(**arguments):
        return [row["regulator_id"] for row in query("offender.get", agency=code, **arguments)["rows"]]

    assert cases_of(name="dup LTD", postcode="a b 1 2 c d") == ["0", "1"]
    assert cases_of(name="dup ltd") == cases_of(name="dup ltd", postcode=" ") == ["4", "5"]
    assert cases_of(name="dup") == ["2"]
    refused("not_found", query, "offender.get", agency=code, name="dup", postcode="")


@fact
def case_history_has_every_event_newest_first():
    case = Case()
    case.scraped(named())
    for n in range(4):
        case.scraped({"url": f"http://{n}"})
    events = pages_of("case.history", "events", id=case.id, limit=2)
    assert [event["seq"] for event in events] == sorted((e["seq"] for e in events), reverse=True)
    topics = [case.topic(kind) for kind in ("created", "updated", "synced")]
    stored = {event["seq"]: (topic, event) for topic, event in replay(0) if topic in topics}
    assert len(events) == len(stored) == 9
    for event in events:
        topic = event.pop("topic")
        assert stored[event["seq"]] == (topic, event)
    assert query("case.history", id=case.id)["floor"] == 0
    assert set(query("case.history", id=case.id, limit=1)) == {"events", "next", "floor"}


@fact
def log_replay_goes_on_from_through():
    code = agency()
    start = newest()
    for n in range(7):
        Case(str(n), code).scraped(named())
        Case(str(n), code).edited({"url": "http://a"})
    patterns, after, got = [f"case:updated:{code}", f"case:created:{code}:3"], start, []
    while True:
        result = query("log.replay", after=after, patterns=patterns, limit=2)
        assert set(result) == {"events", "through"} and len(result["events"]) <= 2
        assert after <= result["through"] <= query.reply["seq"]
        for topic, body in result["events"]:
            assert after < unpack(body)["seq"] <= result["through"]
        got += result["events"]
        after = result["through"]
        if after == query.reply["seq"]:
            break
    topics = [topic for topic, _ in got]
    assert topics.count(f"case:created:{code}:3:") == 1 and len(got) == 8
    seqs = [unpack(body)["seq"] for _, body in got]
    assert seqs == sorted(seqs)


@fact
def log_replay_gives_an_event_of_two_patterns_once():
    case = Case()
    case.scraped(named())
    result = query("log.replay", after=newest() - 1, patterns=[
        "case", "case:*", f"case:created:{case.agency}:1", f"case:created:{case.agency}"])
    assert len(result["events"]) == 1


@fact
def a_pattern_of_heads_is_refused():
    refused("bad_pattern", query, "log.replay", after=0, patterns=["sys:heads"])


@fact
def session_list_by_agency_and_status():
    code, other = agency(), agency()
    for n in range(5):
        Session(code, f"s{n}").started()
    Session(other, "s0").started()
    Session(code, "s1").ended("completed")
    Session(code, "s3").ended("failed")

    def ids(**arguments):
        return [row["session_id"] for row in pages_of("session.list", agency=code, **arguments)]

    for limit in (1, 2, 500):
        assert ids(limit=limit) == ["s4", "s3", "s2", "s1", "s0"]
        assert ids(limit=limit, status="active") == ids(limit=limit, status="running") \
            == ["s4", "s2", "s0"]
        assert ids(limit=limit, status="completed") == ["s1"]
        assert ids(limit=limit, status="failed") == ["s3"]
        for status in ("stopped", "stopping", "lost"):
            assert ids(limit=limit, status=status) == []
    newest_first = query("session.list", limit=1)["rows"][0]
    assert newest_first == Session(other, "s0").get()
    assert newest_first in query("session.list", status="active")["rows"]
    seqs = [row["started_seq"] for row in pages_of("session.list", limit=3)]
    assert seqs == sorted(set(seqs), reverse=True)


@fact
def session_list_can_be_of_a_moment():
    code = agency()
    starts = [Session(code, f"s{n}").started().events[0][1]["seq"] for n in range(5)]
    first = query("session.list", agency=code, limit=2)
    assert set(first) == {"as_of", "newer", "rows", "next"}
    assert (first["as_of"], first["newer"]) == (newest(), 0)
    Session(code, "s1").ended()
    for key in ("s5", "s6"):
        Session(code, key).started()
    Session(code, "s6").ended()
    for arguments, keys, newer in ({}, ["s4", "s3", "s2", "s1", "s0"], 2), ({"status": "active"}, [
            "s4", "s3", "s2", "s0"], 1), ({"status": "completed"}, ["s1"], 1), ({"agency": "nobody"}, [], 0):
        arguments = {"agency": code, "as_of": first["as_of"], **arguments}
        rows = list(query.pages("session.list", limit=2, **arguments))
        assert [row["session_id"] for row in rows] == keys, arguments
        result = query("session.list", **arguments)
        assert (result["as_of"], result["newer"]) == (first["as_of"], newer), arguments
    before = query("session.list", agency=code, as_of=starts[2] - 1)
    assert [row["session_id"] for row in before["rows"]] == ["s1", "s0"] and before["newer"] == 5
    late = query("session.list", agency=code, as_of=starts[2], next=first["next"], limit=1)
    assert [row["session_id"] for row in late["rows"]] == ["s2"]


@fact
def session_cases_has_a_row_for_each_meeting():
    session = Session()
    session.started()
    case, keys = Case("1", session.agency), {"session": "s"}
    expected = []

    def met(decision, outcome):
        kind = {"existing": "synced"}.get(outcome, outcome)
        event = next(e for _, e in decision.events if e["event"] == kind)
        expected.insert(0, {"seq": event["seq"], "id": case.id, "outcome": outcome,
                            "at": event["at"]})

    met(case.scraped(named(**FIRST), **keys), "created")
    met(case.scraped(named(), **keys), "existing")
    met(case.scraped({"url": "http://a"}, **keys), "updated")
    met(case.edited({"url": "http://b"}, **keys), "updated")
    met(case.scraped(named("Brown", **OTHER), **keys), "conflict")
    met(case.deleted(**keys), "deleted")
    met(case.redacted(**keys), "redacted")
    rows = session.cases()
    assert rows == expected, rows
    for limit in (1, 3):
        assert pages_of("session.cases", agency=session.agency, session_id="s", limit=limit) == rows


# --- quarantine ------------------------------------------------------------------------------

@fact
def quarantine_list_shows_both_sides():
    session = Session()
    session.started()
    case = Case("1", session.agency)
    case.scraped(named(**FIRST))
    reported = named("Brown", **OTHER, ext={"a": 1}, source={"page": 3})
    decision = case.scraped(reported, session="s")
    row, = query("quarantine.list", agency=case.agency)["rows"]
    assert row == {"quarantine": decision.quarantine, "id": case.id, "session": "s",
                   "at": decision.events[0][1]["at"], "actor": "local", "reported": reported,
                   "case": case.record()}
    assert "next" not in query("quarantine.list", agency=case.agency)
    assert row in query("quarantine.list")["rows"]


@fact
def quarantine_list_has_pages_newest_first():
    case = Case()
    case.scraped(named(**FIRST))
    numbers_ = [case.scraped(named(f"B{n}", **OTHER)).quarantine for n in range(5)]
    query("quarantine.reject", quarantine=numbers_.pop(2))
    for limit in (1, 2, 500):
        rows = pages_of("quarantine.list", agency=case.agency, limit=limit)
        assert [row["quarantine"] for row in rows] == numbers_[::-1]
    first = query("quarantine.list", agency=case.agency, limit=2)
    assert set(first) == {"as_of", "newer", "rows", "next"}
    assert (first["as_of"], first["newer"]) == (newest(), 0)
    later = [case.scraped(named(f"C{n}", **OTHER)).quarantine for n in range(3)]
    for decided in later[1], numbers_.pop(1):
        query("quarantine.reject", quarantine=decided)
    of_then = list(query.pages("quarantine.list", agency=case.agency, limit=1, as_of=first["as_of"]))
    assert [row["quarantine"] for row in of_then] == numbers_[::-1]
    result = query("quarantine.list", agency=case.agency, as_of=first["as_of"])
    assert (result["as_of"], result["newer"]) == (first["as_of"], 2)
    assert query("quarantine.list", as_of=first["as_of"])["newer"] == 2
    numbers_ += [later[0], later[2]]
    everywhere = [row["quarantine"] for row in pages_of("quarantine.list", limit=2)]
    assert everywhere == sorted(set(everywhere), reverse=True) and set(numbers_) <= set(everywhere)


@fact
def accept_applies_the_report():
    case, number = conflicting()
    before = newest()
    result = query("quarantine.accept", quarantine=number)
    assert result == {"outcome": "updated", "id": case.id}
    record = case.record()
    assert record["offender"]["name"] == "Brown Plc" and record["version"] == 2
    assert record["offence_action_date"] == OTHER["offence_action_date"]
    assert record["url"] == "http://a.example"
    events = replay(before)
    topic, resolved = events[-1]
    assert topic == case.topic("resolved")
    assert resolved["payload"] == {"id": case.id, "quarantine": number, "decision": "accept"}
    updated = dict((event["event"], event) for _, event in events)["updated"]
    assert updated["payload"] == record
    assert query("quarantine.list", agency=case.agency)["rows"] == []
    now = newest()
    assert query("quarantine.accept", quarantine=number) == result and newest() == now


@fact
def what_an_accept_displaces_counts_as_rejected():
    case, number = conflicting()
    query("quarantine.accept", quarantine=number)
    case.scraped(named("Acme Ltd", **FIRST, url="http://a.example")).rejected("decided")
    case.scraped(named("Brown Plc", **OTHER)).is_("synced", "synced")


@fact
def accept_as_another_case_stores_it_there():
    case, number = conflicting()
    before, record = newest(), case.record()
    other = Case("other", case.agency)
    result = query("quarantine.accept", quarantine=number, as_=other.id)
    assert result == {"outcome": "created", "id": other.id}
    assert case.record() == record and other.record()["offender"]["name"] == "Brown Plc"
    (_, created), (topic, resolved) = replay(before)
    assert created["payload"] == other.record() and topic == case.topic("resolved")
    assert resolved["payload"] == {"id": case.id, "quarantine": number, "decision": "accept",
                                   "as": other.id}
    assert query("quarantine.accept", quarantine=number, as_=other.id) == result
    assert newest() == resolved["seq"]


@fact
def what_was_accepted_as_another_case_has_no_new_event():
    case, number = conflicting()
    query("quarantine.accept", quarantine=number, as_=f"{case.agency}:other")
    assert case.scraped(named("Brown Plc", **OTHER)).events == []


@fact
def accept_as_a_case_that_cannot_be_is_refused():
    case, number = conflicting()
    gone = Case("gone", case.agency)
    gone.scraped(named())
    gone.redacted()
    refused("redacted", query, "quarantine.accept", quarantine=number, as_=gone.id)
    refused("bad_argument", query, "quarantine.accept", quarantine=number, as_="nonsense")
    case.edited({"offence_hearing_date": "2020-02-02"})             # before what was reported
    refused("bad_value", query, "quarantine.accept", quarantine=number)
    assert query("quarantine.list", agency=case.agency)["rows"][0]["quarantine"] == number


@fact
def reject_remembers_the_content():
    case, number = conflicting()
    before, record = newest(), case.record()
    result = query("quarantine.reject", quarantine=number)
    assert result == {"outcome": "rejected", "id": case.id} and case.record() == record
    (topic, resolved), = replay(before)
    assert topic == case.topic("resolved")
    assert resolved["payload"] == {"id": case.id, "quarantine": number, "decision": "reject"}
    assert query("quarantine.list", agency=case.agency)["rows"] == []
    case.scraped(named("Brown Plc", **OTHER)).rejected("decided")
    case.scraped(named("Green Plc", **OTHER)).is_("conflict", "conflict")
    now = newest()
    assert query("quarantine.reject", quarantine=number) == result and newest() == now


@fact
def where_and_when_it_was_read_does_not_make_a_report_another():
    case = Case()
    case.scraped(named(**FIRST))
    brown = named("Brown", **OTHER)
    number = case.scraped({**brown, "source": {"page": 1, "fetched_at": 5}}).quarantine
    again = case.scraped({**brown, "source": {"page": 2, "fetched_at": 6}}).is_("conflict")
    assert again.quarantine == number
    query("quarantine.reject", quarantine=number)
    case.scraped({**brown, "source": {"page": 3, "fetched_at": 7}}).rejected("decided")


@fact
def what_is_decided_cannot_be_decided_the_other_way():
    for first, second in (("accept", "reject"), ("reject", "accept")):
        case, number = conflicting()
        query(f"quarantine.{first}", quarantine=number)
        refused("decided", query, f"quarantine.{second}", quarantine=number)


@fact
def a_quarantine_that_is_none_is_not_found():
    created = Case().scraped(named()).events[0][1]["seq"]
    for number in (created, newest() + 1000):
        for op in ("quarantine.accept", "quarantine.reject"):
            refused("not_found", query, op, quarantine=number)


# --- the rest --------------------------------------------------------------------------------

@fact
def rejects_list_tells_about_the_newest():
    own = Desk(broker.ingest, query)
    session = Session()
    session.started()
    case = Case("1", session.agency)
    counts = query("rejects.list", limit=1)["counts"]
    for data in ({"url": 5}, {"offender": {"name": ""}}, {}):
        own.report(case.topic("scraped"), data, session="s")
    refusals = own.settle()
    result = query("rejects.list", limit=3)
    assert set(result) == {"rows", "next", "counts"}
    rows = result["rows"]
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert rows[0]["reject"] > rows[1]["reject"] > rows[2]["reject"]
    for row, refusal in zip(rows, refusals[::-1]):
        assert set(row) == {"reject", "at", "seq", "actor", "topic", "code", "field", "reason", "size",
                            "publisher", "number", "session"}
        assert row["publisher"] == own.publisher and row["session"] == "s"
        assert row["topic"] == case.topic("scraped") and row["actor"] == "local"
        for key in ("code", "field", "reason"):
            assert row[key] == refusal[key]
    for code in ("wrong_type", "bad_value", "missing"):
        assert result["counts"][code] == counts.get(code, 0) + 1
    assert query("broker.status")["refused"] == result["counts"]
    own.close()


@fact
def rejects_list_keeps_10000():
    before = refused_so_far("unknown_case")
    count = LIMITS["REJECTS_MAX"] + 100
    for n in range(count):
        loose.send(b"case:deleted:hse:%d:" % n, b"\x81\xa1v\x01")
    until(lambda: refused_so_far("unknown_case") == before + count)
    rows = pages_of("rejects.list", limit=500)
    assert len(rows) == LIMITS["REJECTS_MAX"]
    assert [row["reject"] for row in rows] == [rows[0]["reject"] - n for n in range(len(rows))]
    assert rows[0]["topic"] == f"case:deleted:hse:{count - 1}:" and "publisher" not in rows[0]


@fact
def a_request_that_waits_has_its_own_size():
    code, much = agency(), b"x" * LIMITS["WAITING_MAX"]
    Session(code).started()
    poll = {"publisher": os.urandom(16), "after": 0, "pad": much}
    assert query("publisher.confirm", wait_ms=0, **poll)["decided"] == 0
    for op, arguments in (("publisher.confirm", poll), ("store.verify", {}),
                          ("session.stop", {"agency": code, "session_id": "s"}),
                          ("agency.set", {"agency": code, "name": "A"})):
        error = refused("too_large", query, op, **{"pad": much, **arguments})
        assert str(LIMITS["WAITING_MAX"]) in error.text, (op, error.text)
    assert Session(code).get()["status"] == "running"


@fact
def store_verify_passes():
    result = query("store.verify")
    run = result["run"]
    while result["state"] == "running":
        assert result["run"] == run
        result = query("store.verify", run=run, wait_ms=3000)
    assert set(result) == {"run", "state", "checked", "total", "findings", "seq"}
    assert result["state"] == "passed", result
    assert result["findings"] == [] and result["checked"] > 0 and result["total"] > 0
    assert result["seq"] <= newest()
    assert query("store.verify", run=run) == result                 # the same run, still known


STATUS = {"version", "started_at", "endpoints", "applied", "refused", "events", "batches",
          "duplicates", "ahead", "diverged", "rates", "minutes", "queues", "store", "state"}


@fact
def broker_status_has_every_key_of_the_text():
    before = query("broker.status")
    case = Case()
    case.scraped(named())
    case.edited({"url": "http://a"})
    status = query("broker.status")
    assert STATUS <= set(status) and status["state"] == "serving"
    assert status["endpoints"] == {"ingest": broker.ingest, "fanout": broker.fanout,
                                   "query": broker.query}
    assert sorted(status["applied"]) == sorted(OUTCOMES) and set(status["refused"]) <= CODES
    assert {k: status["applied"][k] - before["applied"][k] for k in OUTCOMES
            if status["applied"][k] != before["applied"][k]} == {"created": 1, "updated": 1}
    assert status["events"] == before["events"] + 2 and status["batches"] > before["batches"]
    assert status["store"]["cases"] == before["store"]["cases"] + 1
    assert set(status["rates"]) == {"reports_per_s", "events_per_s"}
    assert set(status["queues"]) == {"polls", "submissions"}
    assert set(status["store"]) == {"cases", "sessions", "offenders", "publishers", "floor",
                                    "retained_events", "retained_bytes", "file_bytes",
                                    "map_bytes", "used_bytes"}
    assert status["store"]["map_bytes"] == 1 << 30
    assert status["store"]["retained_events"] == newest() and status["store"]["floor"] == 0
    assert abs(status["started_at"] / 1e6 - time.time()) < 600 and status["version"]


@fact
def an_audience_that_is_not_there_is_denied():
    refused("denied", query, "heads", audience="nobody", field="audience")
    refused("bad_argument", query, "heads", audience=7, field="audience")


@fact
def broker_status_counts_reports_without_effect():
    own = Desk(broker.ingest, query)
    for _ in range(3):
        own.report(Case().topic("scraped"), named(), send=False)
    before = query("broker.status")

    def moved(key):
        return until(lambda: query("broker.status")[key] - before[key], key)

    loose.send(*own.kept[2])
    assert moved("ahead") == 1
    loose.send(*own.kept[1])
    until(lambda: own.confirm(50)["decided"] == 1)
    loose.send(own.kept[2][0], own.kept[2][1].replace(own.checks[2], b"mistaken"))
    assert moved("diverged") == 1
    assert own.settle() == [] and own.decided == 3
    own.close()


@fact
def each_error_of_the_broker_is_a_word_of_the_table():
    assert SEEN_CODES <= CODES, SEEN_CODES - CODES
    never = {"no_memory", "internal", "gap", "epoch", "diverged", "timed_out", "unreachable",
             "interrupted", "io", "no_space", "corrupt", "locked", "bad_schema", "protocol", "bad_key"}
    assert CODES - never <= SEEN_CODES, CODES - never - SEEN_CODES


@fact
def the_log_is_one_history_without_holes():
    """Over all that the other facts have caused."""
    streams, topics, last = {}, {}, None
    for number, (topic, event) in enumerate(replay(0), 1):
        assert event["seq"] == number and event["v"] == 1 and event["epoch"] == broker.epoch
        stream = stream_of(topic)
        assert event["prev"] == streams.get(stream, 0), (topic, event)
        assert event["prev_topic"] == topics.get(topic, 0), (topic, event)
        assert last is None or event["at"] >= last
        assert topic.split(":")[1] == event["event"] and ":".join(topic.split(":")[:2]) + ":" \
            in EVENT_KINDS
        streams[stream], topics[topic], last = number, number, event["at"]
    assert number == newest() > 1000 and query("heads")["heads"] == streams


@fact
def a_restart_keeps_epoch_seq_and_progress():
    own = Broker()
    ask = Watched(own.query)
    publisher = Desk(own.ingest, ask)
    publisher.report("case:scraped:hse:1:", named())
    publisher.report("case:scraped:hse:2:", {})
    assert [refusal["code"] for refusal in publisher.settle()] == ["missing"]
    publisher.report("session:started:hse:s:")
    publisher.settle()
    publisher.report("case:edited:hse:1:", {"url": "http://a"}, send=False)
    log, heads = replay(0, by=ask), ask("heads")["heads"]
    epoch, seq, entry = (ask.reply[key] for key in ("epoch", "seq", "entry"))
    publisher.close()
    ask.close()
    own.end(keep=True)

    again = Broker(own.data)
    assert (again.epoch, again.seq) == (epoch, seq)
    ask = Watched(again.query)
    assert ask("heads")["heads"] == heads and replay(0, by=ask) == log
    assert (ask.reply["epoch"], ask.reply["seq"]) == (epoch, seq) and ask.reply["entry"] >= entry
    later = Desk(again.ingest, ask, publisher.publisher)
    for name in ("sent", "decided", "checks", "kept", "last", "counts"):
        setattr(later, name, getattr(publisher, name))
    assert later.settle() == [] and later.decided == 4
    assert later.counts["rejected"] == later.counts["updated"] == later.counts["session"] == 1
    assert ask("case.get", id="hse:1")["case"]["version"] == 2
    assert replay(seq, by=ask)[0][1]["seq"] == seq + 1
    assert ask("broker.status")["applied"]["updated"] == 1          # since it started
    assert ask("rejects.list")["counts"] == {} and len(ask("rejects.list")["rows"]) == 1
    later.close()
    ask.close()
    again.end()


@fact
def two_stores_have_two_epochs():
    own = Broker()
    assert own.epoch != broker.epoch and own.seq == 0
    own.end()


def end_sessions():
    """Those that a fact left open would be lost while others count events."""
    for row in list(query.pages("session.list", status="active")):
        Decision("session:ended:%s:%s:" % (row["agency"], row["session_id"]), {"status": "completed"})


def main():
    global broker, query, desk, loose
    wanted = sys.argv[1:]
    broker = Broker()
    query = Watched(broker.query)
    desk = Desk(broker.ingest, query)
    loose = Connected(broker.ingest)
    passed = failed = 0
    slow = []
    for function in FACTS:
        if wanted and function.__name__ not in wanted:
            continue
        started = time.monotonic()
        try:
            function()
            passed += 1
        except Exception:                           # of any kind: the next fact is another
            failed += 1
            print(f"FAILED: {function.__name__}")
            traceback.print_exc(file=sys.stdout)
            desk.close()                            # whatever was under way
            desk = Desk(broker.ingest, query)
        end_sessions()
        slow.append((time.monotonic() - started, function.__name__))
    if os.environ.get("CASEBUS_SLOW"):
        for seconds, name in sorted(slow)[-12:]:
            print(f"{seconds:7.2f} s  {name}")
    try:
        broker.end()
    except AssertionError as error:
        failed += 1
        print(f"FAILED: {error}")
    print(f"{passed} passed, {failed} failed")
    zmq.Context.instance().destroy(linger=0)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
