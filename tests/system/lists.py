"""Lists of cases equal what anybody can work out from log.replay, rejects.list and case.get.

A seeded mixture of reports, in sessions and without, good and refused; then every list is
compared with a few lines that recompute it. `lists.py SEED REPORTS`: another mixture."""
import random
import sys

import msgpack
import zmq

from casebus import Broker, main

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 4
REPORTS = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
AGENCIES = ("ea", "hse", "onr")
SESSIONS = [("ea", "e1"), ("hse", "h1"), ("hse", "h2"), ("onr", "h1")]  # h1 twice: of two agencies
OUTCOMES = {"created": "created", "synced": "existing", "updated": "updated", "conflict": "conflict",
            "deleted": "deleted", "redacted": "redacted", "resolved": "resolved"}
NAMES = ["Acme Ltd", "ACME  Limited", "Acme Scaffolding", "Acorn", "A.C.M.E", "Bâton plc", "bâton PLC", "Zed & Sons"]


# --- what is reported ---------------------------------------------------------------------------

class Worker:
    """Sends unnumbered reports. An XPUB socket knows when the broker listens."""

    def __init__(self, broker):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.sndhwm = 0
        self.socket.connect(broker.ingest)
        assert self.socket.poll(10000), "the broker has not subscribed"
        self.socket.recv()
        self.client, self.sent = broker.client(), 0

    def report(self, topic, data=None, session=None):
        body = {"v": 1}
        if session:
            body["session"] = session
        if data is not None:
            body["data"] = data
        self.socket.send_multipart([topic.encode(), msgpack.packb(body)])
        self.sent += 1

    def wait(self):
        """Until all that was sent is decided."""
        while sum(self.client.result("broker.status")["applied"].values()) < self.sent:
            pass


def scraped(r, agency, key):
    """A good report; now and then of somebody else, so that it conflicts."""
    data = {"offender": {"name": r.choice(NAMES)}, "offence_fine_pence": r.randrange(3)}
    if r.random() < 0.6:
        data["offender"]["postcode"] = r.choice(["LL57 1AA", "ll571aa", "CF10 1EP"])
    if r.random() < 0.8:
        data["offence_action_date"] = "2024-0%d-1%d" % (r.randint(1, 4), r.randrange(3))
    if r.random() < 0.7:
        data["source"] = {"page": r.randint(1, 90)}
    if r.random() < 0.4:  # as it mostly is: always the same
        data = {"offender": {"name": "Case %s" % key}, "source": {"page": 7}}
    if r.random() < 0.08:  # refused
        data[r.choice(["offence_fine_pence", "offence_action_date"])] = "x"
    return "case:scraped:%s:%s:" % (agency, key), data


def send_one(r, worker, keys):
    agency, session = r.choice(SESSIONS)
    session = r.choice([session, session, session, None, "nobody's"])
    key = r.choice(keys)
    kind = r.random()
    if kind < 0.88:
        worker.report(*scraped(r, agency, key), session)
    elif kind < 0.94:
        worker.report("case:edited:%s:%s:" % (agency, key), {"offence_fine_pence": r.randrange(4)}, session)
    elif kind < 0.98:
        worker.report("case:deleted:%s:%s:" % (agency, key), None, session)
    elif kind < 0.985:
        worker.report("case:redacted:%s:%s:" % (agency, key), None, session)
    else:
        worker.report("session:progressed:%s:%s:" % (agency, session or "h1"), {"page": r.randrange(90)})


def mixture(broker, seed=SEED, reports=REPORTS):
    r = random.Random(seed)
    worker = Worker(broker)
    keys = ["T/%d 0%d" % (i % 7, i) for i in range(90)]
    for n in range(reports):
        if n in (20, 200, 201, 500):  # what names them before that is counted nowhere
            agency, session = SESSIONS[(20, 200, 201, 500).index(n)]
            worker.report("session:started:%s:%s:" % (agency, session), {"worker": "w"})
        send_one(r, worker, keys[:30] if n < reports // 2 else keys)
    for agency, session in SESSIONS[:4]:  # what runs goes on telling of itself
        worker.report("session:ended:%s:%s:" % (agency, session), {"status": "completed"})
    worker.wait()
    client = broker.client()
    for row in client.result("quarantine.list", limit=500)["rows"][:20]:
        if r.random() < 0.5:
            client.ask("quarantine.accept", quarantine=row["quarantine"])
        else:
            client.ask("quarantine.reject", quarantine=row["quarantine"])
    return worker


# --- what the broker knows, as anybody can read it ----------------------------------------------

def pages(client, op, **args):
    """The pages of a list, whole results."""
    while True:
        result = client.result(op, **args)
        yield result
        if "next" not in result:
            return
        args["next"] = result["next"]


def rows_of(client, op, **args):
    return [row for result in pages(client, op, **args) for row in result["rows"]]


class Known:
    """The log above the floor, refused reports, and the cases of now."""

    def __init__(self, client):
        self.client, self.events, after = client, {}, 0
        while True:
            reply = client.ask("log.replay", after=after, patterns=["case", "session"], limit=2000)
            for topic, body in reply["result"]["events"]:
                event = msgpack.unpackb(body)
                resource, _, agency, key = topic.split(":")[:4]
                event.update(resource=resource, agency=agency, id=agency + ":" + key)
                self.events[event["seq"]] = event
            after = reply["result"]["through"]
            if after == reply["seq"]:
                break
        self.seq = after
        self.floor = min(self.events)
        self.refused = rows_of(client, "rejects.list", limit=500)
        self.quarantine = {row["quarantine"]: row for row in rows_of(client, "quarantine.list", limit=500)}
        self.cases = {row["id"]: row for row in rows_of(client, "case.recent", limit=500)}

    def second_half(self, event):
        first = self.events.get(event["seq"] - 1)
        return event["event"] == "synced" and first and first["event"] == "updated" and \
            first["id"] == event["id"] and first.get("session") == event.get("session")

    def meetings(self, agency, session, lowest):
        return [event for seq, event in sorted(self.events.items(), reverse=True)
                if seq >= lowest and event["resource"] == "case" and not self.second_half(event)
                and agency in (None, event["agency"]) and session in (None, event.get("session"))]

    def page(self, event):
        pair = self.events.get(event["seq"] + 1)
        if event["event"] == "updated" and not (pair and self.second_half(pair)):
            return None
        data = event["payload"]
        if event["event"] == "conflict":
            data = self.quarantine.get(event["seq"], {}).get("reported", {})
        return data.get("source", {}).get("page")

    def refusals(self, agency, session, lowest, since=0):
        for row in self.refused:
            topic = row.get("topic", "").split(":")
            if len(topic) == 5 and topic[0] == "case" and agency in (None, topic[2]) and \
                    session in (None, row.get("session")) and row["seq"] >= lowest and row["at"] >= since:
                yield dict(row, id=":".join(topic[2:4]), agency=topic[2])

    def met(self, agency, session, lowest, refused_from, since=0):
        """Rows of session.cases with `once`, and of log.cases; all of them, none merged."""
        meetings, rows, newest = self.meetings(agency, session, lowest), [], {}
        for event in meetings:
            newest.setdefault(event["id"], event)
        for case_id, event in newest.items():
            row = {"seq": event["seq"], "id": case_id, "outcome": OUTCOMES[event["event"]], "at": event["at"],
                   "times": min(100, sum(other["id"] == case_id for other in meetings)),
                   "page": self.page(event), "agency": event["agency"], "session": event.get("session")}
            rows.append(((event["seq"], 0), row))
        for refusal in self.refusals(agency, session, refused_from, since):
            row = {name: refusal.get(name) for name in ("seq", "id", "at", "reject", "code", "field", "agency", "session")}
            rows.append(((row["seq"], row["reject"]), dict(row, outcome="rejected")))
        for _, row in rows:
            row["case"] = self.cases.get(row["id"])
            if session:
                row["agency"] = row["session"] = None
        return [{name: value for name, value in row.items() if value is not None}
                for _, row in sorted(rows, key=lambda both: both[0], reverse=True)]


def paged(rows, limit):
    """One row an id in a page, the newest."""
    page, left = [], list(rows)
    while left:
        row = left.pop(0)
        if row["id"] not in [other["id"] for other in page]:
            page.append(row)
        if len(page) == limit:
            yield page
            page = []
    yield page


def compare(actual, expected, what):
    for got, wanted in zip(actual, expected):
        assert got == wanted, "%s:\n%r\nexpected\n%r" % (what, got, wanted)
    assert len(actual) == len(expected), "%s: %d rows, %d expected" % (what, len(actual), len(expected))


def compare_pages(client, op, limit, expected, what, **args):
    """Page by page; the last may be empty, and is not said to follow where nothing is left."""
    actual = [result["rows"] for result in pages(client, op, limit=limit, **args)]
    wanted = [page for page in paged(expected, limit)]
    compare([page for page in actual if page], [page for page in wanted if page], what)


def check_sessions(client, known):
    for agency, session in SESSIONS:
        begun = client.result("session.get", agency=agency, session_id=session)["session"]["started_seq"]
        expected = known.met(agency, session, max(begun, known.floor), begun)
        assert len(expected) > 50, (agency, session, len(expected))
        for limit in (1, 7, 50, 500):
            compare_pages(client, "session.cases", limit, expected, "%s:%s by %d" % (agency, session, limit),
                          agency=agency, session_id=session, once=True)


# --- the tests ----------------------------------------------------------------------------------

def cases_of_a_session_are_what_the_log_says():
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        known = Known(client)
        assert known.floor == 1 and {row["outcome"] for row in known.met(None, None, 1, 0)} == \
            set(OUTCOMES.values()) | {"rejected"}
        check_sessions(client, known)
        assert not client.verify()


def loaded_cases_come_with_agency_and_offender():
    with Broker() as broker:
        mixture(broker, reports=600)
        client = broker.client()
        for op, args in (("session.cases", {"agency": "hse", "session_id": "h1", "once": True}),
                         ("log.cases", {"after": 0})):
            plain = client.result(op, limit=500, **args)["rows"]
            rows = client.result(op, limit=500, load=["agency", "offender"], **args)["rows"]
            for bare, row in zip(plain, rows):
                if "case" in row:
                    got = client.result("case.get", id=row["id"], load=["agency", "offender"])
                    assert {name: row.pop(name) for name in got} == got
                    bare.pop("case")
                assert bare == row
            assert client.ask(op, load=["history"], **args)["error"]["field"] == "load"
        assert client.ask("session.cases", agency="hse", session_id="h1", load=["agency"])["error"]["field"] == "load"


def check_log(client, known):
    """log.cases from a seq and from an instant, of all and of one agency."""
    middle = known.events[(known.floor + known.seq) // 2]
    for args in ({"after": 0}, {"after": middle["seq"]}, {"after": known.seq - 5}, {"after": known.seq},
                 {"since": 0}, {"since": middle["at"]}, {"since": middle["at"] + 1}, {"since": 1 << 52},
                 {"after": middle["seq"], "since": middle["at"]}, {"after": 10, "agency": "hse"},
                 {"since": middle["at"], "agency": "ea"}):
        since = args.get("since", 0)
        before = [seq for seq, event in known.events.items() if event["at"] < since]
        after = args.get("after", max(before, default=known.floor - 1))
        expected = known.met(args.get("agency"), None, max(after + 1, known.floor), after, since)
        assert client.result("log.cases", **args)["after"] == after, args
        for limit in (3, 50, 500):
            compare_pages(client, "log.cases", limit, expected, "log.cases %r by %d" % (args, limit), **args)


def cases_of_lately_are_what_the_log_says():
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        check_log(client, Known(client))


def lists_reach_back_to_the_floor():
    """A log trimmed in the middle of it all: above the floor everything is the same."""
    with Broker("--retain-events", "700") as broker:
        mixture(broker)
        client = broker.client()
        while client.result("broker.status")["store"]["retained_events"] > 700:
            pass
        known = Known(client)
        assert known.floor > 1
        check_sessions(client, known)
        check_log(client, known)


# --- case.list ----------------------------------------------------------------------------------

def normal(name):
    """As PROTOCOL.md normalises names."""
    name = " ".join(name.split()).replace(".", "").lower()
    return name[:-3] + "limited" if name.endswith(" ltd") else name


def by_name(case):
    offender = case["offender"]
    return (normal(offender["name"]), case["agency"], offender.get("postcode", "").replace(" ", "").upper(),
            case["regulator_id"])


def by_date(case):
    return (case.get("offence_action_date", ""), case["agency"], case["regulator_id"])


def dated(case, args):
    """Is the case one of these dates?"""
    date = case.get("offence_action_date", "")
    return (not {"from", "to"} & set(args)) or (date and args.get("from", "") <= date <= args.get("to", "9"))


def expected_list(cases, args):
    rows = [case for case in cases if args.get("agency") in (None, case["agency"]) and dated(case, args)]
    if "offender" in args:
        return sorted([case for case in rows if by_name(case)[0].startswith(normal(args["offender"]))], key=by_name)
    if args.get("order") == "date":
        return sorted(rows, key=by_date, reverse=True)
    return sorted(rows, key=lambda case: -case["created_seq"])


LISTS = [
    {}, {"agency": "hse"}, {"order": "date"}, {"order": "date", "agency": "ea"},
    {"order": "date", "from": "2024-02-11"}, {"order": "date", "to": "2024-02-11"},
    {"order": "date", "from": "2024-02-10", "to": "2024-03-11", "agency": "onr"},
    {"order": "date", "from": "2024-02-10", "to": "2024-03-11"}, {"order": "date", "from": "2025-01-01"},
    {"offender": "a"}, {"offender": "ACME  ltd."}, {"offender": "acme", "agency": "hse"}, {"offender": "B\u00c2T"},
    {"offender": "acme", "from": "2024-02-01"}, {"offender": "c", "agency": "ea", "to": "2024-02-28"},
    {"offender": "zz"}, {"offender": "a", "agency": "nobody"},
]


def lists_are_in_their_order_whatever_the_page():
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        cases = list(Known(client).cases.values())
        assert len(cases) > 100
        for args in LISTS:
            expected = expected_list(cases, args)
            assert expected or args.get("offender") == "zz" or "2025-01-01" in args.values() or "nobody" in args.values()
            for limit in (1, 6, 500):
                compare(rows_of(client, "case.list", limit=limit, **args), expected, "case.list %r by %d" % (args, limit))


def a_page_says_how_many_cases_are_newer():
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        cases = list(Known(client).cases.values())
        seqs = sorted(case["created_seq"] for case in cases)
        for as_of in (0, seqs[0], seqs[len(seqs) // 2], seqs[-2], seqs[-1], seqs[-1] + 1000):
            for args in LISTS:
                wanted = expected_list(cases, args)
                result = client.result("case.list", as_of=as_of, limit=500, **args)
                assert result["newer"] == sum(case["created_seq"] > as_of for case in wanted), (as_of, args)
                compare(result["rows"], [case for case in wanted if case["created_seq"] <= as_of], "%r" % args)
            assert client.result("case.recent", as_of=as_of)["newer"] == sum(seq > as_of for seq in seqs)
        assert client.result("case.recent")["newer"] == 0


def newer_cases_of_a_session_are_those_it_created():
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        known = Known(client)
        middle = known.seq // 2
        created = {known.events[case["created_seq"]].get("session"): 0 for case in known.cases.values()}
        for case in known.cases.values():
            if case["created_seq"] > middle and case["agency"] == "hse":
                created[known.events[case["created_seq"]].get("session")] += 1
        for session in ("h1", "h2"):
            result = client.result("case.list", agency="hse", session=session, as_of=middle)
            assert result["newer"] == created[session] > 0, (session, result["newer"], created)


def newer_is_counted_up_to_a_thousand():
    with Broker() as broker:
        worker = Worker(broker)
        for i in range(1200):
            worker.report("case:scraped:hse:%d:" % i, {"offender": {"name": "A"}})
        worker.wait()
        client = broker.client()
        assert client.result("case.recent", as_of=1)["newer"] == 1000
        assert client.result("case.list", as_of=900, agency="hse")["newer"] == 300


# --- offenders, agencies, minutes ---------------------------------------------------------------

def identity(case):
    return by_name(case)[1], by_name(case)[0], by_name(case)[2]


def check_offender(client, cases, asked, wanted, **args):
    agency, name, postcode = wanted
    mine = sorted((case for case in cases if identity(case) == wanted), key=lambda case: case["regulator_id"])
    record = client.result("offender.get", agency=agency, name=asked, **args)["offender_record"]
    assert (record["agency"], record["normalised_name"]) == (agency, name), (wanted, record)
    assert record["cases"] == len(mine), (wanted, record)
    assert record["fine_pence"] == sum(case.get("offence_fine_pence", 0) for case in mine), (wanted, record)
    assert record["offender"] in [case["offender"] for case in mine], (wanted, record)
    for limit in (1, 500):
        compare(rows_of(client, "offender.get", agency=agency, name=asked, limit=limit, **args), mine, "%r" % (wanted,))


def an_offender_comes_with_his_cases():
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        cases = list(Known(client).cases.values())
        identities = sorted({identity(case) for case in cases})
        assert len(identities) > 50
        for wanted in identities:
            check_offender(client, cases, wanted[1].upper().replace("LIMITED", "ltd."), wanted,
                           postcode=wanted[2].lower())
            if not [other for other in identities if other[:2] == wanted[:2] and other < wanted]:
                check_offender(client, cases, wanted[1], wanted)  # the first of that name
        for args in ({"agency": "hse", "name": "nobody"}, {"agency": "qq", "name": "acorn"},
                     {"agency": "hse", "name": "acor"}, {"agency": "hse", "name": "acorn", "postcode": "X"}):
            assert client.ask("offender.get", **args)["error"]["code"] == "not_found", args


def a_long_name_is_found_by_all_of_it():
    with Broker() as broker:
        worker = Worker(broker)
        names = ["\u00fe" * 200 + end for end in ("a", "b" * 30, "b" * 40)]
        for i, name in enumerate(names):
            worker.report("case:scraped:hse:%d:" % i, {"offender": {"name": name}})
        worker.wait()
        client = broker.client()
        for i, name in enumerate(names):
            result = client.result("offender.get", agency="hse", name=name)
            assert [case["regulator_id"] for case in result["rows"]] == [str(i)], result
        assert len(client.result("case.list", offender="\u00fe" * 100)["rows"]) == 3
        assert client.ask("case.list", offender="\u00fe" * 101)["error"]["field"] == "offender"


def agencies_are_listed_with_their_totals():
    with Broker() as broker:
        assert broker.client().result("agency.list") == {"rows": []}
        mixture(broker)
        client = broker.client()
        cases = list(Known(client).cases.values())
        rows = client.result("agency.list")["rows"]
        assert [row["code"] for row in rows] == sorted(AGENCIES)
        for row in rows:
            mine = [case for case in cases if case["agency"] == row["code"]]
            assert row == {"code": row["code"], "enabled": True, "cases": len(mine),
                           "fine_pence": sum(case.get("offence_fine_pence", 0) for case in mine)}
            assert row == client.result("case.get", id=mine[0]["id"], load=["agency"])["agency_record"]


def minutes_count_the_events_by_kind():
    with Broker() as broker:
        mixture(broker, reports=800)
        client = broker.client()
        known = Known(client)
        status = client.result("broker.status")
        counted, minutes = {}, status["minutes"]
        for minute in minutes:
            for kind, n in minute["events"].items():
                counted[kind] = counted.get(kind, 0) + n
        expected = {}
        for event in known.events.values():
            kind = event["resource"] + ":" + event["event"]
            expected[kind] = expected.get(kind, 0) + 1
        assert counted == expected and sum(counted.values()) == status["events"], (counted, expected)
        ats = [minute["at"] for minute in minutes]
        assert ats == [ats[0] - 60000000 * i for i in range(len(ats))] and 1 <= len(ats) <= 3, ats
        assert ats[-1] <= status["started_at"] < ats[-1] + 60000000


def the_command_line_asks_for_them():
    with Broker() as broker:
        mixture(broker, reports=600)
        client = broker.client()
        cases = list(Known(client).cases.values())
        case = max(cases, key=identity)
        agency, name, postcode = identity(case)
        given = ["--postcode", postcode] if postcode else []
        shown = broker.run("casebus-ctl", "offender", agency, name, *given).stdout
        assert name in shown and case["id"] in shown, shown
        broker.run("casebus-ctl", "offender", agency, "nobody", code=1)
        totals = broker.run("casebus-ctl", "agencies").stdout
        assert all(code in totals for code in AGENCIES), totals
        for args in ({"offender": "acme"}, {"offender": "a", "from": "2024-02-01"}, {"from": "2024-02-01"},
                     {"order": "date"}):
            flags = [text for name, value in args.items() for text in ("--" + name, value)]
            lines = broker.run("casebus-ctl", "list", "--limit", 500, *flags).stdout.splitlines()[1:]
            wanted = expected_list(cases, args if "offender" in args else {"order": "date", **args})
            assert len(lines) == len(wanted) and all(map(str.startswith, lines, (row["id"] for row in wanted))), args


# --- much to look at ----------------------------------------------------------------------------

def a_case_that_others_met_very_often_ends_no_list():
    """More events than one request may look at lie above the one that a session made of it."""
    with Broker() as broker:
        worker = Worker(broker)
        for session in ("a", "b"):
            worker.report("session:started:hse:%s:" % session)
        for key in ("first", "often", "last"):
            worker.report("case:scraped:hse:%s:" % key, {"offender": {"name": "A"}}, "a")
        for _ in range(21000):
            worker.report("case:scraped:hse:often:", {"offender": {"name": "A"}}, "b")
        worker.wait()
        client = broker.client()
        results = list(pages(client, "session.cases", agency="hse", session_id="a", once=True))
        assert len(results) > 1, "one request looked at everything"
        assert [(row["id"], row["times"]) for result in results for row in result["rows"]] == \
            [("hse:last", 1), ("hse:often", 1), ("hse:first", 1)], results
        row, = client.result("session.cases", agency="hse", session_id="b", once=True)["rows"]
        assert (row["id"], row["outcome"], row["times"]) == ("hse:often", "existing", 100)


# --- what nobody should send --------------------------------------------------------------------

def mutations(r, token, size):
    """Positions nobody has been given: made up, of another list, or changed a little."""
    yield r.randbytes(size)
    yield bytes(size)
    yield b"\xff" * size
    for _ in range(4):
        changed = bytearray(token)
        changed[r.randrange(len(changed))] = r.choice([0, 1, 0x20, 0xff, r.randrange(256)])
        yield bytes(changed)
    yield token[:r.randrange(len(token) + 1)]
    yield token + bytes(r.randrange(1, 512 - len(token)))


def a_made_up_next_leads_nowhere():
    """An error that names it, or rows of the list that was asked for; never others'."""
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        r = random.Random(SEED)
        asked = [("case.list", args) for args in LISTS] + \
            [("session.cases", {"agency": "hse", "session_id": "h1", "once": True}),
             ("session.cases", {"agency": "onr", "session_id": "h1", "once": True}),
             ("case.list", {"agency": "hse", "session": "h2"}),
             ("log.cases", {"after": 1000}), ("log.cases", {"after": 0, "agency": "ea"}),
             ("offender.get", {"agency": "hse", "name": "acorn", "postcode": "CF10 1EP"})]
        tokens, lists = [], []
        for op, args in asked:
            lists.append({row["id"] for row in rows_of(client, op, **args)})
            tokens += [page["next"] for page in pages(client, op, limit=2, **args) if "next" in page][1:2]
        for (op, args), ids in zip(asked, lists):
            for token in tokens:
                for made_up in (token, *mutations(r, token, len(token))):
                    reply = client.ask(op, next=made_up, limit=500, **args)
                    if "error" in reply:
                        assert reply["error"]["code"] == "bad_argument", (op, args, made_up, reply)
                    else:
                        assert {row["id"] for row in reply["result"]["rows"]} <= ids, (op, args, made_up)
        assert not client.verify()


def the_next_of_another_list_is_no_end():
    """A page without rows and without `next` would look like the end of what the asker may see."""
    with Broker() as broker:
        mixture(broker)
        client = broker.client()
        for page in pages(client, "case.recent", limit=1):
            for row in page["rows"] if "next" in page else ():
                other = "ea" if row["agency"] == "hse" else "hse"
                reply = client.ask("case.list", agency=other, next=page["next"])
                assert reply.get("error", {}).get("field") == "next", (row["id"], reply)
        page = client.result("case.list", agency="hse", session="h1", limit=1)
        reply = client.ask("case.list", agency="hse", session="h2", next=page["next"])
        assert reply.get("error", {}).get("field") == "next", reply


main([cases_of_a_session_are_what_the_log_says, loaded_cases_come_with_agency_and_offender,
      cases_of_lately_are_what_the_log_says, lists_reach_back_to_the_floor,
      lists_are_in_their_order_whatever_the_page, a_page_says_how_many_cases_are_newer,
      newer_cases_of_a_session_are_those_it_created, newer_is_counted_up_to_a_thousand,
      an_offender_comes_with_his_cases, a_long_name_is_found_by_all_of_it, agencies_are_listed_with_their_totals,
      minutes_count_the_events_by_kind, the_command_line_asks_for_them,
      a_case_that_others_met_very_often_ends_no_list,
      a_made_up_next_leads_nowhere, the_next_of_another_list_is_no_end])
