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
    worker.wait()
    client = broker.client()
    for row in client.result("quarantine.list", limit=500)["rows"][:20]:
        if r.random() < 0.5:
            client.ask("quarantine.accept", quarantine=row["quarantine"])
        else:
            client.ask("quarantine.reject", quarantine=row["quarantine"])
    return worker


# --- what the broker knows, as anybody can read it ----------------------------------------------

def pages(client, op, name="rows", **args):
    """The pages of a list, whole results."""
    while True:
        result = client.result(op, **args)
        yield result
        if "next" not in result:
            return
        args["next"] = result["next"]


def rows_of(client, op, name="rows", **args):
    return [row for result in pages(client, op, **args) for row in result[name]]


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


main([cases_of_a_session_are_what_the_log_says])
