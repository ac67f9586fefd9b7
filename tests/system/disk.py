"""The disk says no: a full map, a full file system. Nothing is confirmed that is not there, reads go on, publishers
are told, and what was held is stored as soon as there is space."""
import json
import os
import subprocess
import time

import msgpack
import zmq

from casebus import Broker, main

TEXT = "Guards were absent from the conveyor and nobody had been told. " * 120


def register(path, cases):
    with open(path, "w") as out:
        for n in range(cases):
            out.write(json.dumps({"agency": "hse", "regulator_id": "D%06d" % n, "offence_breaches": TEXT,
                                  "offender": {"name": "Full Disk %d Ltd" % n}}) + "\n")
    return path


def state(client):
    return client.result("broker.status")["state"]


def await_state(client, word):
    """A status is one request: asked until it says so, or the client's own time is up."""
    for _ in range(100000):
        if state(client).startswith(word):
            return
    raise AssertionError("the broker never said " + word)


def stored(client):
    return client.result("broker.status")["store"]["cases"]


def unnumbered(broker, client):
    """Reports without a number, sent until the broker has counted one as not stored."""
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.linger = 0
    socket.connect(broker.ingest)
    body = msgpack.packb({"v": 1, "data": {"offender": {"name": "A"}, "offence_breaches": TEXT}})
    for n in range(100000):
        socket.send_multipart([b"case:scraped:hse:lost%d:" % n, body])
        if client.result("broker.status")["unstored"] > 0:
            break
    socket.close()


def a_waiting_poll_is_told(broker, client):
    """Of a report that has arrived and is held; not only when its time is up."""
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.linger = 0
    socket.connect(broker.ingest)
    publisher = os.urandom(16)
    body = msgpack.packb({"v": 1, "publisher": publisher, "number": 1, "check": bytes(8),
                          "data": {"offender": {"name": "A"}, "ext": {"large": TEXT * 30}}})
    begun = time.monotonic()
    client.socket.send(msgpack.packb({"v": 1, "op": "publisher.confirm", "publisher": publisher, "after": 0}))
    while not client.socket.poll(20):
        socket.send_multipart([b"case:scraped:hse:held:", body])
    result = msgpack.unpackb(client.socket.recv())["result"]
    assert result["held"].startswith("read-only: ") and "want" not in result, result
    assert time.monotonic() - begun < 2.5, "the poll waited for its time"
    socket.close()


def heads(broker):
    """The next heads message."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.connect(broker.fanout)
    socket.subscribe(b"sys:heads:all:")
    assert socket.poll(10000)
    body = msgpack.unpackb(socket.recv_multipart()[1])
    socket.close()
    return body


def a_full_map_holds_and_a_larger_one_goes_on():
    with Broker("--map-size", "16M", ipc=True) as broker:
        file = register(os.path.join(broker.dir, "cases.ndjson"), 2000)
        counts = broker.publish("--timeout", 4, file, code=3)
        client = broker.client()
        assert "read-only: no space" in counts["stderr"], counts
        assert state(client).startswith("read-only: "), state(client)
        assert 0 < counts["created"] == counts["confirmed"] == stored(client) < 2000, counts
        assert client.result("case.get", id="hse:D000000")["case"]["version"] == 1
        assert "error" in client.ask("case.get", id="hse:D001999")
        unnumbered(broker, client)
        a_waiting_poll_is_told(broker, client)
        assert heads(broker)["held"] == state(client)
        reply = client.ask("broker.status")["result"]
        assert reply["held"] > 0 and reply["unstored"] > 0, reply
        assert client.verify() == []
        broker.stop()
        broker.flags = ["--map-size", "1G"]
        broker.start()
        assert "held" not in heads(broker)
        again = broker.publish(file)
        assert again["created"] + again["synced"] == 2000, again
        assert again["synced"] == counts["created"], (again, counts)
        assert broker.client().verify() == []


def said_of_space(broker):
    """What the log says of it, in order."""
    words = ("no space is left", "there is space")
    return [word for line in broker.read_log().splitlines() for word in words if word in line]


def await_line(process, words):
    """Reads what it says on stderr until a line has these words."""
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError("it never said " + words)


class SmallDisk:
    """The broker's store on a file system of its own, with so much of it left. `there`: it
    could be mounted."""

    def __init__(self, broker, left):
        self.broker, self.left = broker, left
        self.dir = os.path.join(broker.dir, "small")

    def __enter__(self):
        self.broker.stop()
        os.mkdir(self.dir)
        self.there = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", self.dir],
                                    capture_output=True).returncode == 0
        if self.there:
            with open(os.path.join(self.dir, "other"), "wb") as other:
                other.write(bytes((96 << 20) - self.left))
            self.broker.store = os.path.join(self.dir, "store")
        else:
            print("skipped: mounting a small file system needs root")
        self.broker.start()
        return self

    def make_room(self):
        os.unlink(os.path.join(self.dir, "other"))

    def __exit__(self, *error):
        if self.there:
            if self.broker.process.poll() is None:
                self.broker.process.terminate()
                self.broker.process.wait()
            subprocess.run(["umount", "-l", self.dir], check=True)
            self.broker.store = os.path.join(self.broker.dir, "store")
            self.broker.start()


def a_full_disk_holds_and_resumes_by_itself():
    with Broker(ipc=True) as broker, SmallDisk(broker, 16 << 20) as disk:
        if not disk.there:
            return
        client = broker.client()
        file = register(os.path.join(broker.dir, "cases.ndjson"), 2000)
        watching = broker.start_program("casebus-watch", "session")
        publishing = broker.start_program("casebus-publish", "--timeout", 60, file)
        await_state(client, "read-only: ")
        at = stored(client)
        assert 0 < at < 2000, "the space there was is used"
        assert publishing.poll() is None
        small = os.path.join(broker.dir, "small.ndjson")
        with open(small, "w") as out:
            out.write('{"agency": "ea", "regulator_id": "1", "offender": {"name": "A"}}\n')
        tried = broker.publish("--timeout", 3, small, code=3)  # no small one ends it
        assert tried["confirmed"] == 0 and "read-only: no space" in tried["stderr"], tried
        assert said_of_space(broker) == ["no space is left"], broker.read_log()
        if at > 0:
            assert client.result("case.get", id="hse:D000000")["case"]["version"] == 1
        assert stored(client) == at, "stored while there was no space"
        disk.make_room()
        out, err = publishing.communicate(timeout=120)
        assert publishing.returncode == 0, err
        assert " created=2000 " in out, out
        assert state(client) == "serving"
        assert stored(client) == 2000
        assert client.verify() == []
        assert said_of_space(broker) == ["no space is left", "there is space"], broker.read_log()
        await_line(watching, "the broker stores nothing for now: read-only: no space is left")
        await_line(watching, "reports are stored again")
        watching.kill()
        watching.communicate()
        broker.stop()
        broker.start()


def a_full_disk_is_met_before_a_commit_whatever_its_records_hold():
    """Quarantined reports are large and make small events."""
    with Broker(ipc=True) as broker, SmallDisk(broker, 20 << 20) as disk:
        if not disk.there:
            return
        client = broker.client()
        socket = zmq.Context.instance().socket(zmq.XPUB)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.connect(broker.ingest)
        socket.recv()

        def report(name, date, **ext):
            data = {"offender": {"name": name}, "offence_action_date": date, "ext": ext}
            socket.send_multipart([b"case:scraped:hse:1:", msgpack.packb({"v": 1, "data": data})])

        report("Acme", "2024-01-02")
        for n in range(60):
            report("Bolt %d" % n, "2020-01-02", text="x" * 470000)
        await_state(client, "read-only: ")
        assert 0 < len(client.result("quarantine.list", limit=1)["rows"])
        disk.make_room()
        await_state(client, "serving")
        report("Acme", "2024-01-02")
        while client.result("broker.status")["applied"]["synced"] == 0:
            pass
        assert client.verify() == []
        socket.close(linger=0)
        broker.stop()
        broker.start()


if __name__ == "__main__":
    main([a_full_map_holds_and_a_larger_one_goes_on, a_full_disk_holds_and_resumes_by_itself,
          a_full_disk_is_met_before_a_commit_whatever_its_records_hold])
