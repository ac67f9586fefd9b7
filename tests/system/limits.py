"""Limits of one actor: who is over one is told which, counted and in the log; others notice nothing."""
import json
import os
import re
import signal
import time

import msgpack
import zmq

from casebus import Broker, await_, main
from guarded import Guarded, within

ACTORS = """flood  {flood}  scraper,viewer
calm   {calm}   scraper,viewer
boss   {boss}   admin
desk   {desk}   viewer,proxy
ann    -        viewer
"""
CONFIG = "role.proxy = speak\n"
HEADS = b"sys:heads:all:"
BODY = msgpack.packb({"v": 1, "data": {"offender": {"name": "A"}}})


class Limited(Guarded):
    def __init__(self, *flags, config=""):
        super().__init__(ACTORS, *flags, config=config + CONFIG)

    def status(self):
        return self.asker("boss").ask("broker.status")["result"]

    def refused(self):
        return self.status()["refused"].get("limited", 0)

    def said(self, actor, limit):
        """What the log says of him and that limit: (value, times, the rest) of each line."""
        pattern = r"limited actor=%s limit=%s value=(\d+) times=(\d+) (.*)" % (actor, limit)
        return [(int(v), int(n), rest) for v, n, rest in re.findall(pattern, "\n".join(self.audit()))]

    def reload(self, config):
        before = len(self.whole_log())
        with open(self.config, "w") as file:
            file.write(config + CONFIG)
        self.process.send_signal(signal.SIGHUP)
        await_("said what it read", lambda: "SIGHUP: read " in self.whole_log()[before:])

    def publisher(self, name):
        """A socket that loses nothing: an XPUB knows when the broker has subscribed."""
        socket = self.peer(zmq.XPUB, name)
        socket.sndhwm = 0
        socket.connect(self.ingest)
        assert socket.recv() == b"\x01"
        return socket

    def watcher(self, name, *patterns):
        """A subscriber that is live, and what happens to its connection from then on."""
        socket = self.peer(zmq.SUB, name)
        socket.rcvhwm = socket.sndhwm = 0  # libzmq drops subscriptions, too
        socket.rcvtimeo = 20000
        for pattern in (HEADS, *patterns):
            socket.subscribe(pattern)
        socket.connect(self.fanout)
        assert socket.poll(10000), "no heads came"
        return socket, socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)


def records(broker, count, prefix):
    path = os.path.join(broker.dir, prefix + ".ndjson")
    with open(path, "w") as file:
        for n in range(count):
            file.write(json.dumps({"agency": "hse", "regulator_id": "%s%d" % (prefix, n),
                                   "offender": {"name": "A"}}) + "\n")
    return path


def one_by_one(broker, name, count):
    """Requests of one who waits for each answer: the times they took, sorted."""
    asker, times = broker.asker(name), []
    for _ in range(count):
        began = time.monotonic()
        assert asker.code("case.recent", limit=1) == "ok"
        times.append(time.monotonic() - began)
    return sorted(times)


def a_publisher_over_its_rate_is_slowed_and_loses_nothing():
    rate, count = 200, 700
    with Limited("--actor-reports", str(rate)) as broker:
        outbox = os.path.join(broker.dir, "outbox")
        began = time.monotonic()
        slow = broker.start_program("casebus-publish", *broker.key_flags("flood"), "--outbox", outbox,
                                    records(broker, count, "f"))
        await_("over its rate", lambda: broker.said("flood", "actor-reports"))
        quick = time.monotonic()
        broker.run_as("calm", "casebus-publish", records(broker, rate // 2, "c"))
        quick = time.monotonic() - quick
        assert slow.poll() is None and quick < 2, "the other was slowed too: %.1f s" % quick
        out, errors = slow.communicate(timeout=60)
        took = time.monotonic() - began
        assert slow.returncode == 0 and "created=%d" % count in out, (out, errors)
        least = (count - rate) / rate  # a second's worth goes at once
        assert 0.95 * least < took < 1.5 * least + 1, took
        status = broker.status()
        assert status["applied"]["created"] == count + rate // 2 and status["refused"]["limited"] > 0
        assert status["ahead"] == 0, "its rate went to reports that could not be decided: %d" % status["ahead"]
        assert not broker.said("calm", "actor-reports")
        (value, times, where), *_ = broker.said("flood", "actor-reports")
        assert value == rate and times == 1 and where.startswith("report=case:scraped:hse:f"), where


def what_its_poll_says():
    with Limited("--actor-bytes", "1K") as broker:
        asker, reports = broker.asker("flood"), broker.publisher("flood")
        poll = {"publisher": b"p" * 16, "after": 0}
        report = {"v": 1, "publisher": b"p" * 16, "number": 1, "check": bytes(8),
                  "data": {"offender": {"name": "A" * 200}, "ext": {"pad": "x" * 3000}}}
        reports.send_multipart([b"case:scraped:hse:1:", msgpack.packb(report)])
        assert asker.ask("publisher.confirm", **poll)["result"]["decided"] == 1  # more than 1K: once
        report.update(number=2)
        reports.send_multipart([b"case:scraped:hse:2:", msgpack.packb(report)])
        await_("not taken", lambda: broker.said("flood", "actor-bytes"))
        result = asker.ask("publisher.confirm", **poll)["result"]
        assert result["held"] == "over its limit of 1024 bytes a second (actor-bytes)", result
        assert "want" not in result and result["decided"] == 1
        broker.reload("actor-reports = 0\n")  # a flag wins over the file: it still stands
        assert "held" in asker.ask("publisher.confirm", **poll)["result"]


def a_flood_of_reports_is_dropped_and_counted_to_the_last_and_hurts_nobody():
    count = 20000
    with Limited("--actor-reports", "100") as broker:
        alone = one_by_one(broker, "calm", 100)
        reports = broker.publisher("flood")
        for n in range(count):
            reports.send_multipart([b"case:scraped:hse:%d:" % n, BODY])
        beside = one_by_one(broker, "calm", 100)
        assert beside[98] < 0.5, "p99 alone %.3f s, beside a flood %.3f s" % (alone[98], beside[98])

        def all_came():
            status = broker.status()
            return status["applied"]["created"] + status["refused"].get("limited", 0) == count and status
        status = await_("came to an end", all_came)
        assert status["applied"]["created"] >= 100 and status["unstored"] == 0
        times = sum(n for _, n, _ in broker.said("flood", "actor-reports"))
        assert 1 <= times <= status["refused"]["limited"]


def requests_over_the_rate_are_limited_and_those_of_others_are_not():
    with Limited("--actor-requests", "30") as broker:
        before, dealer = broker.refused(), broker.peer(zmq.DEALER, "desk")
        dealer.connect(broker.query)

        def ask(count, **args):
            for _ in range(count):
                dealer.send_multipart([b"", msgpack.packb({"v": 1, "op": "heads", **args})])
            return [msgpack.unpackb(dealer.recv_multipart()[-1]).get("error") for _ in range(count)]

        answers = ask(100, on_behalf="ann")
        limited = [error for error in answers if error]
        assert 100 - len(limited) >= 30 and limited, answers
        assert limited[0] == {"code": "limited", "text": "over its limit of 30 requests a second "
                                                         "(actor-requests)"}, limited[0]
        assert broker.asker("flood").code("heads") == "ok"
        assert ask(1) == [None]  # it is the one that is asked for who counts
        assert broker.refused() == before + len(limited)
        value, times, where = broker.said("ann", "actor-requests")[0]
        assert (value, times, where) == (30, 1, "op=heads by=desk")
        assert not broker.said("desk", "actor-requests")


def requests_that_cannot_be_read_count_too():
    with Limited("--actor-requests", "30", "--actor-bytes", "50K") as broker:
        for who, size, limit in (("flood", 0, "actor-requests"), ("calm", 20000, "actor-bytes")):
            dealer, codes = broker.peer(zmq.DEALER, who), []
            dealer.connect(broker.query)
            unreadable = (b"junk", {"v": 1, "op": "nothing"}, {"v": 2, "op": "heads"}, {"v": 1})
            for n in range(100):
                body = unreadable[n % 4]
                if n % 4:
                    body = msgpack.packb({**body, "pad": "x" * size})
                dealer.send_multipart([b"", body + b"x" * (size if n % 4 == 0 else 0)])
                codes.append(msgpack.unpackb(dealer.recv_multipart()[-1])["error"]["code"])
            assert codes[0] == "malformed" and codes[1] == "unknown_op", codes
            assert codes.count("limited") >= 20 and broker.said(who, limit)[0][2] == "op=unknown", (who, codes)
        assert broker.asker("boss").code("heads") == "ok"


def so_many_requests_of_an_actor_wait():
    with Limited("--actor-waiting", "3") as broker:
        dealer, asked = broker.peer(zmq.DEALER, "flood"), time.monotonic()
        dealer.connect(broker.query)

        def poll(publisher, wait_ms):
            request = {"v": 1, "op": "publisher.confirm", "publisher": bytes([publisher] * 16),
                       "wait_ms": wait_ms}
            dealer.send_multipart([b"", msgpack.packb(request)])

        def answer():
            return msgpack.unpackb(dealer.recv_multipart()[-1])

        for n in range(5):
            poll(n, 1500)
        refused = [answer()["error"] for _ in range(2)]
        assert time.monotonic() - asked < 1.4 and {e["code"] for e in refused} == {"limited"}, refused
        assert "3 requests that wait (actor-waiting)" in refused[0]["text"], refused
        assert broker.status()["queues"]["polls"] == 3
        poll(9, 0)  # what does not wait has room
        assert "result" in answer()
        assert broker.asker("calm").code("publisher.confirm", publisher=bytes(16), wait_ms=1) == "ok"
        assert all("result" in answer() for _ in range(3))
        poll(9, 1)
        assert "result" in answer()
        assert broker.refused() == 2 and broker.said("flood", "actor-waiting")[0][:2] == (3, 1)


def who_subscribes_to_too_much_is_cut_off_and_kept_out():
    with Limited(config="actor-patterns = 1000\n") as broker:
        calm, cut_calm = broker.watcher("calm", b"case:")
        flood, cut_flood = broker.watcher("flood")
        for n in range(3000):  # what is given up again does not count
            flood.subscribe(b"case:created:hse:%d:" % n)
            flood.unsubscribe(b"case:created:hse:%d:" % n)
        flood.subscribe(b"case:synced:")  # behind all of them
        reports = broker.publisher("calm")

        def heard():
            reports.send_multipart([b"case:scraped:ea:1:", BODY])
            return flood.recv_multipart()[0] != HEADS
        await_("subscribed", heard)
        assert not cut_flood.poll(0) and broker.audit() == [], broker.audit()
        for n in range(200000):
            flood.subscribe(b"case:created:hse:%d:" % n)
            if n % 1000 == 0:
                reports.send_multipart([b"case:scraped:hse:%d:" % n, BODY])
        assert cut_flood.poll(10000), "it was not cut off"
        await_("kept out", lambda: len(broker.said("flood", "actor-patterns")) >= 2)
        lines = broker.said("flood", "actor-patterns")
        assert lines[0][0] == 1000 and lines[0][2].startswith("at=tcp://") and "cut off" in lines[0][2]
        assert re.match(r"door=fanout from=127.0.0.1: again in \d+ s", lines[1][2]), lines
        created = set()
        while len(created) < 200:
            topic = calm.recv_multipart()[0]
            created |= {topic} if topic.startswith(b"case:created:hse:") else set()
        assert not cut_calm.poll(0), "the other was disconnected"
        broker.watcher("calm")  # and may come again
        assert broker.refused() >= 2
        assert broker.asker("flood").code("heads") == "ok"  # it is fan-out that he is kept out of
        while flood.poll(0):
            flood.recv_multipart()
        broker.reload("actor-patterns = 0\n")
        assert flood.poll(20000), "not let in again once there is no limit"


def connections_are_so_many_a_minute_until_that_changes():
    with Limited(config="actor-connections = 10\n") as broker:
        askers = [broker.asker("flood") for _ in range(10)]
        assert [asker.code("heads") for asker in askers] == ["ok"] * 10
        late = broker.asker("flood")
        assert late.ask("heads", patience=0.5) is None
        assert broker.asker("calm").code("heads") == "ok"
        value, _, where = broker.said("flood", "actor-connections")[0]
        assert value == 10 and where == "door=query from=127.0.0.1" and broker.refused() >= 1
        broker.reload("actor-connections = 0\n")
        within(10, lambda: msgpack.unpackb(late.socket.recv_multipart()[-1])["result"],
               "let in once there is no limit")


def a_limit_changes_while_it_runs():
    with Limited(config="actor-requests = 1\n") as broker:
        asker = broker.asker("flood")
        asker.code("heads")
        assert asker.code("heads") == "limited"
        broker.reload("actor-requests = 1000\n")
        assert [asker.code("heads") for _ in range(20)] == ["ok"] * 20
        broker.reload("")  # its default again
        assert [asker.code("heads") for _ in range(20)] == ["ok"] * 20


def without_keys_local_has_limits_too():
    with Broker("--actor-requests", "5", "--actor-connections", "1", "--actor-patterns", "1") as broker:
        clients = [broker.client() for _ in range(10)]
        answers = [client.ask("heads").get("error", {}).get("code") for client in clients]
        assert set(answers) == {None, "limited"} and answers[:5] == [None] * 5, answers


def what_was_decided_is_said_by_who_made_it_durable():
    with Limited() as broker:
        reports = broker.publisher("calm")
        for name, date in (("A", "2001-01-01"), ("B", "2002-02-02")):
            data = {"offender": {"name": name}, "offence_action_date": date}
            reports.send_multipart([b"case:scraped:hse:1:", msgpack.packb({"v": 1, "data": data})])
        boss = broker.asker("boss")
        rows = await_("in quarantine", lambda: boss.ask("quarantine.list")["result"]["rows"])
        assert boss.code("quarantine.accept", quarantine=rows[0]["quarantine"]) == "ok"
        done = [line for line in broker.audit() if " done " in line]
        assert len(done) == 1 and done[0].endswith(
            "audit [bus] done actor=boss op=quarantine.accept on=hse:1"), done


main([a_publisher_over_its_rate_is_slowed_and_loses_nothing, what_its_poll_says,
      a_flood_of_reports_is_dropped_and_counted_to_the_last_and_hurts_nobody,
      requests_over_the_rate_are_limited_and_those_of_others_are_not,
      requests_that_cannot_be_read_count_too, so_many_requests_of_an_actor_wait, who_subscribes_to_too_much_is_cut_off_and_kept_out,
      connections_are_so_many_a_minute_until_that_changes, a_limit_changes_while_it_runs,
      without_keys_local_has_limits_too, what_was_decided_is_said_by_who_made_it_durable])
