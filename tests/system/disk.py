"""The disk says no: a full map, a full file system. Nothing is confirmed that is not there, reads go on, publishers
are told, and what was held is stored as soon as there is space."""
import json
import os
import subprocess

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


def a_full_map_holds_and_a_larger_one_goes_on():
    with Broker("--map-size", "16M") as broker:
        file = register(os.path.join(broker.dir, "cases.ndjson"), 2000)
        counts = broker.publish("--timeout", 4, file, code=3)
        client = broker.client()
        assert "read-only: no space" in counts["stderr"], counts
        assert state(client).startswith("read-only: "), state(client)
        assert 0 < counts["created"] == counts["confirmed"] == stored(client) < 2000, counts
        assert client.result("case.get", id="hse:D000000")["case"]["version"] == 1
        assert "error" in client.ask("case.get", id="hse:D001999")
        unnumbered(broker, client)
        reply = client.ask("broker.status")["result"]
        assert reply["held"] > 0 and reply["unstored"] > 0, reply
        assert client.verify() == []
        broker.stop()
        broker.flags = ["--map-size", "1G"]
        broker.start()
        again = broker.publish(file)
        assert again["created"] + again["synced"] == 2000, again
        assert again["synced"] == counts["created"], (again, counts)
        assert broker.client().verify() == []


def a_full_disk_holds_and_resumes_by_itself():
    with Broker() as broker:
        broker.stop()
        small = os.path.join(broker.dir, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", small],
                          capture_output=True).returncode != 0:
            print("skipped: mounting a small file system needs root")
            broker.start()
            return
        try:
            with open(os.path.join(small, "other"), "wb") as other:
                other.write(bytes(80 << 20))
            broker.store = os.path.join(small, "store")
            broker.start()
            client = broker.client()
            file = register(os.path.join(broker.dir, "cases.ndjson"), 2000)
            publishing = broker.start_program("casebus-publish", "--timeout", 60, file)
            await_state(client, "read-only: ")
            at = stored(client)
            assert at < 2000
            assert publishing.poll() is None
            if at > 0:
                assert client.result("case.get", id="hse:D000000")["case"]["version"] == 1
            assert stored(client) == at, "stored while there was no space"
            os.unlink(os.path.join(small, "other"))
            out, err = publishing.communicate(timeout=120)
            assert publishing.returncode == 0, err
            assert " created=2000 " in out, out
            assert state(client) == "serving"
            assert stored(client) == 2000
            assert client.verify() == []
            broker.stop()
            broker.start()  # so that leaving stops it again
        finally:
            if broker.process.poll() is None:
                broker.process.terminate()
                broker.process.wait()
            subprocess.run(["umount", "-l", small], check=True)
            broker.store = os.path.join(broker.dir, "store")
            broker.start()


if __name__ == "__main__":
    main([a_full_map_holds_and_a_larger_one_goes_on, a_full_disk_holds_and_resumes_by_itself])
