"""A casebus client in ten lines: report a case, receive its event, ask for the case.

    ten_lines.py [INGEST FANOUT QUERY]      without endpoints it starts a broker of its own
"""
import os
import subprocess
import sys
import tempfile

import msgpack
import zmq


def ten_lines(ingest, fanout, query):
    pub, sub, req = (zmq.Context.instance().socket(kind) for kind in (zmq.PUB, zmq.SUB, zmq.REQ))
    sub.subscribe("case:"), sub.subscribe("sys:heads:all:"), sub.connect(fanout)
    pub.connect(ingest), req.connect(query)
    report = msgpack.packb({"v": 1, "data": {"offender": {"name": "Acme Ltd"}}})
    topic, body = sub.recv_multipart()              # heads: the subscription is in place
    while not topic.endswith(b":hse:4812345:"):     # what leaves before pub is connected is lost
        pub.send_multipart([b"case:scraped:hse:4812345:", report])
        topic, body = sub.recv_multipart() if sub.poll(100) else (topic, body)
    req.send(msgpack.packb({"v": 1, "op": "case.get", "id": "hse:4812345"}))
    return topic, msgpack.unpackb(body), msgpack.unpackb(req.recv())


def main():
    if len(sys.argv) == 4:
        print(*ten_lines(*sys.argv[1:]), sep="\n")
        return
    zmq.Context.instance().linger = 0
    with tempfile.TemporaryDirectory() as data:
        free = "tcp://127.0.0.1:*"
        broker = subprocess.Popen(
            [os.path.join(os.environ.get("CASEBUS_BIN", "build/release/bin"), "casebus-broker"),
             "--data", data, "--ingest", free, "--fanout", free, "--query", free,
             "--map-size", "1G"], stdout=subprocess.PIPE, text=True)
        try:
            ready = dict(w.split("=", 1) for w in broker.stdout.readline().split() if "=" in w)
            topic, event, reply = ten_lines(ready["ingest"], ready["fanout"], ready["query"])
        finally:
            broker.terminate()
            assert broker.wait() == 0
    print(topic, event, reply, sep="\n")
    assert topic == b"case:created:hse:4812345:" and event["event"] == "created"
    case = reply["result"]["case"]
    assert case["offender"] == {"name": "Acme Ltd"} and reply["seq"] >= event["seq"]


if __name__ == "__main__":
    main()
