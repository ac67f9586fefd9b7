"""Who gets in where and may do what: every peer at every endpoint, with every verb.

The table of what each role allows is written down here once more, by hand, from PROTOCOL.md ("Who
may do what"), and shares nothing with the broker's. Exactly its cells work, and each other one has
its line in the log."""
import os
import re
import sys

import msgpack
import zmq

from casebus import await_, main
from guarded import Guarded, keygen

ACTORS = """admin   {admin}   admin
scraper {scraper} scraper
viewer  {viewer}  viewer
curator {curator} curator
desk    {desk}    desk
speaker {speaker} speaker
press   {press}   press
watcher {watcher} watcher
mixed   {mixed}   mixed
"""
REVOKED = "gone {gone} admin\n"
ROLES = ("role.desk = watch@hse, ask@hse, decide@hse, report.edited@hse, agencies@hse\nrole.speaker = speak\n"
         "role.press = stop@hse\nrole.watcher = watch\nrole.mixed = watch, ask@hse\n"
         "[audience press]\nendpoint = tcp://127.0.0.1:*\nagencies = hse\nroles = press\n")

REPORTS = ("report.scraped", "report.edited", "report.deleted", "report.redacted")
ALL = REPORTS + ("watch", "ask", "decide", "stop", "agencies", "administer", "speak")
MAY = {  # of agency hse; of all others
    "admin": (ALL, ALL),
    "scraper": (("report.scraped",), ("report.scraped",)),
    "viewer": (("watch", "ask"),) * 2,
    "curator": (("watch", "ask", "report.edited", "decide", "stop"),) * 2,
    "desk": (("watch", "ask", "decide", "report.edited", "agencies"), ()),
    "speaker": (("speak",), ("speak",)),
    "watcher": (("watch",), ("watch",)),  # connects to the audience, and is not of it
    "mixed": (("watch", "ask"), ("watch",)),
    "press": (("stop",), ()),  # and what its audience is shown
}
OF_AUDIENCE = {"admin": True, "viewer": True, "curator": True, "press": True, "watcher": True, "mixed": True}
# Who never gets in: no key, a key nobody knows, one that was taken away, and the wrong broker's.
STRANGERS = ("none", "unknown", "gone", "other-broker")

# A request for each verb: what it asks of hse and of ea, and the answer where it is allowed.
REQUESTS = {
    "case.get": (("ask",), {"id": "hse:none"}, {"id": "ea:none"}, "not_found"),
    "case.get_many": (("ask",), {"ids": ["hse:none"]}, {"ids": ["ea:none", "hse:none"]}, "ok"),
    "case.known": (("ask", "report.scraped"), {"ids": ["hse:none"]}, {"ids": ["ea:none"]}, "ok"),
    "case.list": (("ask",), {"agency": "hse"}, {"agency": "ea"}, "ok"),
    "case.history": (("ask",), {"id": "hse:none"}, {"id": "ea:none"}, "not_found"),
    "offender.get": (("ask",), {"agency": "hse", "name": "x"}, {"agency": "ea", "name": "x"}, "not_found"),
    "log.replay": (("ask", "watch"), {"after": 0, "patterns": ["case:created:hse"]},
                   {"after": 0, "patterns": ["case:created:hse", "case:created"]}, "ok"),
    "log.cases": (("ask",), {"agency": "hse", "after": 0}, {"after": 0}, "ok"),
    "session.get": (("ask", "report.scraped"), {"agency": "hse", "session_id": "x"},
                    {"agency": "ea", "session_id": "x"}, "not_found"),
    "session.list": (("ask",), {"agency": "hse"}, {}, "ok"),
    "session.cases": (("ask",), {"agency": "hse", "session_id": "x"}, {"agency": "ea", "session_id": "x"},
                      "not_found"),
    "session.stop": (("stop",), {"agency": "hse", "session_id": "x"}, {"agency": "ea", "session_id": "x"},
                     "not_found"),
    "quarantine.list": (("ask",), {"agency": "hse"}, {"agency": "ea"}, "ok"),
    "case.recent": (("ask",), None, {}, "ok"),
    "agency.list": (("ask",), None, {}, "ok"),
    "agency.set": (("agencies",), {"agency": "hse", "name": "x"}, {"agency": "ea", "enabled": False}, "ok"),
    "heads": (("ask", "watch"), None, {}, "ok"),
    "quarantine.accept": (("decide",), None, {"quarantine": 1 << 60}, "not_found"),
    "quarantine.reject": (("decide",), None, {"quarantine": 1 << 60}, "not_found"),
    "rejects.list": (("ask",), None, {}, "ok"),
    "broker.status": (("ask",), None, {}, "ok"),
    "store.verify": (("administer",), None, {"wait_ms": 0}, "ok"),
    "store.backup": (("administer",), None, {"dir": "relative"}, "bad_argument"),
    "actor.can": (("administer",), None, {"actor": "nobody", "verb": "ask"}, "not_found"),
}
ALWAYS = {"actor.whoami": {}, "publisher.confirm": {"publisher": b"p" * 16, "wait_ms": 0}}

def socket_of(broker, kind, who):
    if who == "none":
        return broker.peer(kind)
    if who == "other-broker":
        return broker.peer(kind, "admin", server=keygen(broker.keys, "broker-2")[0])
    return broker.peer(kind, who)


def endpoint_of(broker, door):
    return re.search(r"audience=press,(\S+)", broker.ready).group(1) if door == "press" else getattr(broker, door)


def lines(broker, start, *words):
    return [line for line in broker.audit(start) if all(word in line for word in words)]


def await_refusals(broker, start, count, *words):
    await_("%d lines of %s" % (count, words), lambda: len(lines(broker, start, *words)) >= count)


DOORS = {"ingest": zmq.XPUB, "fanout": zmq.SUB, "press": zmq.SUB, "query": zmq.DEALER}


def domain(door):
    """The door as the log names it."""
    return "fanout-press" if door == "press" else door


def knock(broker, who, door):
    """A peer's socket, which has something to receive once it is let in."""
    kind = DOORS[door]
    socket = socket_of(broker, kind, who)
    if kind == zmq.SUB:
        socket.subscribe(b"")
    socket.connect(endpoint_of(broker, door))
    if kind == zmq.DEALER:
        socket.send_multipart([b"", msgpack.packb({"v": 1, "op": "actor.whoami"})])
    return socket


def strangers_get_in_nowhere():
    with Guarded(ACTORS + REVOKED, config=ROLES) as broker:
        assert broker.asker("gone").code("heads") == "ok"
        broker.change_actors(ACTORS)
        start = len(broker.whole_log())
        peers = [(who, door, knock(broker, who, door)) for who in STRANGERS for door in DOORS]
        for door in DOORS:
            for who in ("unknown", "gone"):
                key = keygen(broker.keys, who)[0].decode()
                await_refusals(broker, start, 1, "refused actor=- ", "key=" + key, "door=%s " % domain(door))
            # no key, and a box that is not for us
            await_refusals(broker, start, 2, "key=- ", "door=%s:" % domain(door))
        for who, door, socket in peers:
            assert not socket.poll(0), (who, door, socket.recv_multipart())


def known_keys_get_in_where_their_role_says():
    with Guarded(ACTORS, config=ROLES) as broker:
        for who, (here, everywhere) in MAY.items():
            reports = any(verb in REPORTS for verb in here)
            for door, allowed in (("ingest", reports), ("fanout", "watch" in everywhere),
                                  ("press", OF_AUDIENCE.get(who, False)), ("query", True)):
                start, refusal = len(broker.whole_log()), ("refused actor=%s " % who, "door=%s " % domain(door))
                socket = knock(broker, who, door)
                if allowed:
                    assert socket.poll(20000), (who, door)
                    assert not lines(broker, start, *refusal), (who, door)
                else:
                    await_refusals(broker, start, 1, *refusal)
                    assert not socket.poll(0), (who, door, socket.recv_multipart())
                socket.close()


def requests_are_answered_to_those_who_may():
    cells = 0
    with Guarded(ACTORS, config=ROLES) as broker:
        for who, (here, everywhere) in MAY.items():
            asker = broker.asker(who)
            for op, args in ALWAYS.items():
                assert asker.code(op, **args) == "ok", (who, op)
            for op, (verbs, of_hse, of_more, answer) in REQUESTS.items():
                for args, may in ((of_hse, here), (of_more, everywhere)):
                    if args is None:
                        continue
                    start, code = len(broker.whole_log()), asker.code(op, **args)
                    # Reading is cut to what is theirs, so it is enough to have some.
                    if who == "press" and "ask" in verbs:
                        here = here + ("ask", "watch")  # by its audience
                    allowed = any(verb in (here if verb in ("ask", "watch", "decide") else may) for verb in verbs)
                    assert code == (answer if allowed else "denied"), (who, op, args, code)
                    denied = lines(broker, start, "denied actor=%s " % who, "op=%s:" % op)
                    assert len(denied) == (0 if allowed else 1), (who, op, args, denied)
                    cells += 1
            start = len(broker.whole_log())
            code = asker.code("case.recent", on_behalf="viewer")
            assert code == ("ok" if "speak" in everywhere else "denied"), (who, code)
            assert bool(lines(broker, start, "denied actor=%s " % who)) == (code == "denied")
    print("      %d cells" % cells)


def report(socket, publisher, number, topic, data):
    body = {"v": 1}
    if publisher:
        body.update(publisher=publisher, number=number, check=bytes(8))
    body["data"] = data
    socket.send_multipart([topic.encode(), msgpack.packb(body)])


def reports_are_taken_from_those_who_may():
    events = {"report.scraped": "scraped", "report.edited": "edited", "report.deleted": "deleted",
              "report.redacted": "redacted"}
    cells = 0
    with Guarded(ACTORS, config=ROLES) as broker:
        for who, (here, everywhere) in MAY.items():
            if not any(verb in REPORTS for verb in here):
                continue  # not let in at all
            socket, asker = broker.peer(zmq.XPUB, who), broker.asker(who)
            socket.connect(broker.ingest)
            assert socket.poll(20000)
            for verb, word in events.items():
                for agency, may in (("hse", here), ("ea", everywhere)):
                    publisher = os.urandom(16)
                    start = len(broker.whole_log())
                    data = {"agency": agency, "regulator_id": "1", "offender": {"name": "Acme"}}
                    report(socket, publisher, 1, "case:%s:%s:1:" % (word, agency), data if word in ("scraped", "edited")
                           else {"agency": agency, "regulator_id": "1"})

                    def answer():
                        result = asker.ask("publisher.confirm", publisher=publisher, wait_ms=100)["result"]
                        return result if result["decided"] or result.get("held") else None
                    result = await_("answered: %s %s" % (who, verb), answer)
                    allowed = verb in may
                    assert result["decided"] == (1 if allowed else 0), (who, verb, agency, result)
                    if not allowed:
                        assert result["held"] == "no permission: %s of %s" % (verb, agency), result
                        assert "want" not in result
                    denied = lines(broker, start, "denied actor=%s " % who, "verb=%s " % verb, "agency=%s " % agency)
                    assert bool(denied) != allowed, (who, verb, agency, denied)
                    cells += 1
            socket.close()
        names = {row["actor"] for row in broker.asker("admin").ask("rejects.list")["result"]["rows"]}
        assert names <= {"admin", "scraper", "curator", "desk"}, names
    print("      %d cells" % cells)


sys.stdout.reconfigure(line_buffering=True)
main([strangers_get_in_nowhere, known_keys_get_in_where_their_role_says, requests_are_answered_to_those_who_may,
      reports_are_taken_from_those_who_may])
