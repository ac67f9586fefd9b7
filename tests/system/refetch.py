"""Whoever asks for a case because of an event finds it, never older than the event said."""
import collections
import json
import os
import time

import msgpack
import zmq

from casebus import Broker, main

CASES = 5000
IN_FLIGHT = 500  # a broker keeps up to 1,000 replies for a socket that does not read


def a_refetch_finds_at_least_what_the_event_said():
    with Broker() as broker:
        path = os.path.join(broker.dir, "cases.ndjson")
        with open(path, "w") as file:
            for fine in (1, 2):
                for i in range(CASES):
                    file.write(json.dumps({"agency": "hse", "regulator_id": "r%05d" % i,
                                           "offender": {"name": "O %d" % (i // 4)},
                                           "offence_fine_pence": fine}) + "\n")
        context = zmq.Context.instance()
        events = context.socket(zmq.SUB)
        events.rcvhwm = 0
        events.connect(broker.fanout)
        for topic in (b"case:created:", b"case:updated:", b"sys:heads:all:"):
            events.subscribe(topic)
        assert events.poll(10000) and events.recv_multipart()[0] == b"sys:heads:all:"
        requests = context.socket(zmq.DEALER)
        requests.connect(broker.query)
        publisher = broker.start_program("casebus-publish", path)
        waiting, asked, answered = collections.deque(), {}, 0
        poller = zmq.Poller()
        poller.register(events, zmq.POLLIN)
        poller.register(requests, zmq.POLLIN)
        moved = time.monotonic()
        while answered < 2 * CASES:
            ready = dict(poller.poll(1000))
            assert time.monotonic() < moved + 30, "nothing came for 30 s, %d answered" % answered
            if events in ready:
                topic, body = events.recv_multipart()
                if not topic.startswith(b"sys:"):
                    waiting.append(msgpack.unpackb(body))
            while waiting and len(asked) < IN_FLIGHT:
                event = waiting.popleft()
                key = b"%d" % event["seq"]
                asked[key] = (event["payload"]["id"], event["version"])
                requests.send_multipart([key, b"", msgpack.packb(
                    {"v": 1, "op": "case.get", "id": event["payload"]["id"]})])
            if requests in ready:
                key, _, body = requests.recv_multipart()
                case, version = asked.pop(key)
                reply = msgpack.unpackb(body)
                assert "result" in reply, (case, reply)
                assert reply["result"]["case"]["version"] >= version, (case, version, reply)
                assert reply["seq"] >= int(key)
                answered += 1
                moved = time.monotonic()
        assert publisher.wait(60) == 0


main([a_refetch_finds_at_least_what_the_event_said])
