"""A peer that sends more than is taken, and leaves in the middle, ends nobody but itself."""
import subprocess
import sys
import time

from casebus import Broker, main

SECONDS = 5  # libzmq's heartbeats, where there are some, are due within two

ASKS_MUCH = """
import msgpack, os, sys, zmq
socket = zmq.Context().socket(zmq.DEALER)
socket.sndhwm, socket.rcvhwm = 0, 1  # replies it has not read make its end an error
socket.connect(sys.argv[1])
for _ in range(30000):
    socket.send_multipart([b"", msgpack.packb({"v": 1, "op": "log.replay", "after": 0, "limit": 2000,
                                               "patterns": ["session:ended:hse:none"]})])
print("sent", flush=True)
sys.stdin.readline()
os._exit(0)
"""


def a_client_that_asks_much_and_leaves():
    with Broker() as broker:
        cases = "".join('{"agency": "hse", "regulator_id": "k%d", "offender": {"name": "A"}}\n' % i
                        for i in range(9000))
        broker.run("casebus-publish", "-", input=cases)
        peer = subprocess.Popen([sys.executable, "-c", ASKS_MUCH, broker.query], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        assert peer.stdout.readline() == "sent\n"
        client = broker.client()
        assert client.ask("heads")["seq"] == 9000  # it is at work on the others'
        peer.communicate("leave\n")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert client.ask("heads")["seq"] == 9000


main([a_client_that_asks_much_and_leaves])
