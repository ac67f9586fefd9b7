"""Peers that ask for too much: each is bounded, and nobody beside them notices."""
import os
import re
import time

import msgpack
import zmq
from zmq.utils.monitor import recv_monitor_message

from casebus import Broker, main

HEADS = b"sys:heads:all:"


def connect(kind, endpoint):
    socket = zmq.Context.instance().socket(kind)
    socket.linger = 0
    socket.sndhwm = 0
    socket.connect(endpoint)
    return socket


def polls_that_wait_are_bounded_in_bytes():
    def poll(pad):
        return [b"", msgpack.packb(
            {"v": 1, "op": "publisher.confirm", "publisher": os.urandom(16), "pad": b"x" * pad})]

    def code_of(message):
        return msgpack.unpackb(message[1]).get("error", {}).get("code")

    with Broker("--actor-waiting", "0") as broker:
        dealer = connect(zmq.DEALER, broker.query)
        dealer.send_multipart(poll(33000))
        assert code_of(dealer.recv_multipart()) == "too_large"
        for n in range(2600):
            dealer.send_multipart(poll(32000))
        codes = [code_of(dealer.recv_multipart()) for n in range(2600)]
        assert "busy" in codes and set(codes) <= {"busy", None}, "some 2,090 of them at a time are 64 MiB"
        # Those who waited have been answered, and their place is free again.
        assert "result" in broker.client().ask("publisher.confirm", publisher=bytes(16), wait_ms=10)
        dealer.close()


def a_subscription_longer_than_any_topic_cuts_its_peer_off():
    with Broker() as broker:
        sub = connect(zmq.SUB, broker.fanout)
        monitor = sub.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        sub.subscribe(b"x" * 900)
        sub.subscribe(HEADS)
        sub.recv_multipart()
        assert not monitor.poll(0)
        sub.subscribe(b"x" * 2000)
        assert monitor.poll(10000), "the peer was not cut off"
        recv_monitor_message(monitor)
        sub.disable_monitor()
        sub.close()


def a_flood_of_subscriptions_stalls_and_floods_nobody():
    with Broker() as broker:
        watcher = connect(zmq.SUB, broker.fanout)
        watcher.subscribe(HEADS)
        watcher.recv_multipart()
        flood = connect(zmq.XSUB, broker.fanout)
        began, heads = time.monotonic(), 0
        while time.monotonic() < began + 3:
            for _ in range(50):
                flood.send(b"\x01" + HEADS)
                flood.send(b"\x00" + HEADS)
            while watcher.poll(0):
                watcher.recv_multipart()
                heads += 1
        assert 1 <= heads <= 3 * 50 + 10, heads
        flood.close()
        watcher.close()


def refused_reports_one_by_one_are_few_heads():
    """Whoever follows events has nothing of them: heads name them at most every 20 ms."""
    with Broker() as broker:
        sub, publisher, client = connect(zmq.SUB, broker.fanout), connect(zmq.XPUB, broker.ingest), broker.client()
        sub.subscribe(b"sys:heads:")
        assert sub.poll(10000) and publisher.poll(10000)
        status = begun = client.result("broker.status")
        since = time.monotonic()
        while status["batches"] < begun["batches"] + 200:
            publisher.send_multipart([b"case:edited:hse:1:", msgpack.packb({"v": 1, "data": {}})])
            batches = status["batches"]
            while status["batches"] == batches:
                status = client.result("broker.status")
        entry, heads, batch_heads = client.ask("heads")["entry"], {}, 0
        while heads.get("quiet", 0) < entry:
            assert sub.poll(10000), "the last one was not named"
            topic, body = sub.recv_multipart()
            heads = msgpack.unpackb(body)
            batch_heads += topic == b"sys:heads:batch:"
        assert 0 < batch_heads <= (time.monotonic() - since) / 0.02 + 1, (batch_heads, time.monotonic() - since)
        assert heads["quiet"] == entry and heads["heads"] == {} and heads["seq"] == 0, heads
        sub.close()
        publisher.close()


def drained(dealer):
    """How many replies were there."""
    count = 0
    while dealer.poll(0):
        dealer.recv_multipart()
        count += 1
    return count


def costly_requests_hold_up_no_poll():
    with Broker() as broker:
        reports = connect(zmq.XPUB, broker.ingest)
        reports.recv()
        body = msgpack.packb({"v": 1, "data": {"offender": {"name": "Acme"}}})
        for _ in range(20000):
            reports.send_multipart([b"case:scraped:hse:1:", body])
        client = broker.client()
        while client.ask("heads")["seq"] < 20000:
            pass
        dealer = connect(zmq.DEALER, broker.query)
        longest = msgpack.packb({"v": 1, "op": "case.history", "id": "hse:1", "limit": 500})
        for _ in range(150):
            dealer.send_multipart([b"", longest])
        client.ask("broker.status")  # they are being answered
        drained(dealer)
        began = time.monotonic()
        client.result("publisher.confirm", publisher=bytes(16), wait_ms=1)
        waited = time.monotonic() - began
        answered = drained(dealer)
        assert answered < 50, (answered, waited)
        dealer.close()
        reports.close()


def answers_side_by_side_come_in_order_and_never_from_an_older_commit():
    with Broker() as broker:
        reports = connect(zmq.XPUB, broker.ingest)
        reports.recv()
        body = msgpack.packb({"v": 1, "data": {"offender": {"name": "Acme"}}})
        dealer = connect(zmq.DEALER, broker.query)
        answered, seen = 0, []
        while answered < 10000:
            reports.send_multipart([b"case:scraped:hse:%d:" % answered, body])
            asked = ["hse:%d" % (n * 7919 % (answered + 1)) for n in range(200)]
            for n, case_id in enumerate(asked):
                request = {"v": 1, "op": "case.get", "id": case_id}
                if n % 8 == 0:  # costly ones among them
                    request = {"v": 1, "op": "log.replay", "after": 0, "patterns": ["case"], "limit": 500}
                dealer.send_multipart([b"", msgpack.packb(request)])
            for n, case_id in enumerate(asked):
                reply = msgpack.unpackb(dealer.recv_multipart()[1])
                if n % 8 == 0:
                    assert "events" in reply["result"], reply
                else:
                    assert "error" in reply or reply["result"]["case"]["id"] == case_id, (case_id, reply)
                assert not seen or reply["seq"] >= seen[-1], (reply["seq"], seen[-1])
                seen.append(reply["seq"])
            answered += len(asked)
        assert seen[-1] > seen[0]
        dealer.close()
        reports.close()


def polls_without_end_leave_room_for_what_others_ask():
    """While a commit takes its time each of them would tell it the same."""
    publisher = os.urandom(16)
    with Broker(ipc=True) as broker:
        reports = connect(zmq.XPUB, broker.ingest)
        reports.recv()
        reports.send_multipart([b"case:deleted:hse:nobody:", msgpack.packb(
            {"v": 1, "publisher": publisher, "number": 1, "check": bytes(8)})])
        client = broker.client()
        while client.result("publisher.confirm", publisher=publisher, after=0, wait_ms=100)["decided"] == 0:
            pass
        broker.restart_with_stuck_sync()
        dealer = connect(zmq.DEALER, broker.query)
        poll = msgpack.packb({"v": 1, "op": "publisher.confirm", "publisher": publisher, "after": 1, "wait_ms": 0})
        for _ in range(50):
            for _ in range(100):
                dealer.send_multipart([b"", poll])
            for _ in range(100):
                assert "result" in msgpack.unpackb(dealer.recv_multipart()[1])
        for request in ({"op": "quarantine.reject", "quarantine": 1}, {"op": "heads"}):
            dealer.send_multipart([b"", msgpack.packb({"v": 1, **request})])
        first = msgpack.unpackb(dealer.recv_multipart()[1])
        assert "heads" in first.get("result", {}), first  # the decision waits for the disk
        broker.kill()
        dealer.close()
        reports.close()


def reports_of_ever_new_publishers_hold_up_no_request():
    """Each is ahead of what is decided of its publisher, so there is no end of them, and of whom to tell."""
    bundles = 300
    with Broker() as broker:
        reports, client = connect(zmq.XPUB, broker.ingest), broker.client()
        reports.recv()
        for _ in range(bundles):
            bodies = [msgpack.packb({"v": 1, "publisher": os.urandom(16), "number": 2, "check": bytes(8)})
                      for _ in range(300)]
            reports.send_multipart([b"bundle:", msgpack.packb(
                {"v": 1, "messages": [["case:scraped:hse:1:", body] for body in bodies]})])
        ahead, longest = 0, 0
        while ahead < bundles * 300:
            began = time.monotonic()
            ahead = client.result("broker.status")["ahead"]
            longest = max(longest, time.monotonic() - began)
        began = time.monotonic()
        client.result("publisher.confirm", publisher=bytes(16), wait_ms=1)
        longest = max(longest, time.monotonic() - began)
        assert longest < 1, longest
        reports.close()


def signals_are_the_main_threads():
    """A system call of another thread would be cut short by one, a frame or a reserve with
    it."""
    with Broker() as broker:
        tasks = "/proc/%d/task" % broker.process.pid
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "status")) as status:
                blocked = int(re.search(r"SigBlk:\s+(\w+)", status.read()).group(1), 16)
            main_thread = int(task) == broker.process.pid
            for number in (1, 2, 15):  # HUP, INT, TERM
                assert bool(blocked >> number - 1 & 1) != main_thread, (task, number, hex(blocked))


main([polls_that_wait_are_bounded_in_bytes, a_subscription_longer_than_any_topic_cuts_its_peer_off,
      a_flood_of_subscriptions_stalls_and_floods_nobody,
      refused_reports_one_by_one_are_few_heads, costly_requests_hold_up_no_poll,
      answers_side_by_side_come_in_order_and_never_from_an_older_commit]
     + ([] if os.environ.get("CASEBUS_WRAP") else  # valgrind's are its own
        [polls_without_end_leave_room_for_what_others_ask, reports_of_ever_new_publishers_hold_up_no_request,
         signals_are_the_main_threads]))
