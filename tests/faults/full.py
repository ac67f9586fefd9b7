"""A start on a disk that is full already: what is there can be read, publishers are held,
nothing ends by a signal, and the broker resumes by itself. Needs a small file system, so
root."""
import json
import os
import subprocess

from faults import EXIT_START, Broker, main


def register(path, prefix, count):
    with open(path, "w") as out:
        for n in range(count):
            out.write(json.dumps({"agency": "hse", "regulator_id": "%s%05d" % (prefix, n),
                                  "offender": {"name": "Full Disk Ltd"},
                                  "offence_breaches": "Nobody had been told. " * 200}) + "\n")
    return path


def fill(path):
    """Until not a byte is left."""
    with open(path, "ab", buffering=0) as out:
        for size in (1 << 20, 4096, 1):
            try:
                while out.write(bytes(size)) == size:
                    pass
            except OSError:
                pass


def until(asked, word):
    """Asks until the answer begins so."""
    for _ in range(100000):
        if asked().startswith(word):
            return
    raise AssertionError("the broker never said " + word)


def starts_on_a_full_disk(broker, small):
    other = os.path.join(small, "other")
    broker.publish(register(os.path.join(broker.dir, "before"), "a", 200))
    fill(other)
    client = broker.client()
    publishing = broker.start_program("casebus-publish", "--timeout", 100,
                                      register(os.path.join(broker.dir, "load"), "b", 5000))
    until(lambda: client.result("broker.status")["state"], "read-only: ")
    assert "no space is left for the store in " + broker.store in broker.read_log()
    broker.kill()
    fill(other)
    broker.start()
    client = broker.client()
    assert client.result("case.get", id="hse:a00199")["case"]["version"] == 1
    until(lambda: client.result("broker.status")["state"], "read-only: ")
    until(lambda: client.result("publisher.confirm", publisher=bytes(16), after=0,
                                wait_ms=0).get("held", ""), "read-only: ")
    assert client.verify() == []
    broker.stop()
    os.unlink(os.path.join(broker.store, "lock.mdb"))
    fill(other)                                 # not even the table of readers has room
    assert not broker.launch()
    assert broker.process.wait(30) == EXIT_START, broker.read_log()
    assert "No space left" in broker.read_log(), broker.read_log()
    assert publishing.poll() is None
    os.unlink(other)
    broker.start()
    out, err = publishing.communicate(timeout=120)
    assert publishing.returncode == 0 and " created=5000 " in out, out + err
    assert broker.client().verify() == []
    broker.stop()


def a_start_on_a_full_disk_serves_what_is_there():
    broker = Broker(ipc=True, start=False)
    small = os.path.join(broker.dir, "small")
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", small],
                      capture_output=True).returncode != 0:
        print("skipped: mounting a small file system needs root")
        return
    broker.store = os.path.join(small, "store")
    try:
        broker.start()
        starts_on_a_full_disk(broker, small)
    finally:
        if broker.process.poll() is None:
            broker.process.kill()
            broker.process.wait()
        subprocess.run(["umount", "-l", small], check=True)
        broker.close()


main([a_start_on_a_full_disk_serves_what_is_there])
