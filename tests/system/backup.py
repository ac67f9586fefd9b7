"""Backups of a broker at work, and restoring them: what is copied is the store as it was at one
seq, without a byte of what was redacted; killed at any moment, there is a whole backup or none,
the old store or the new one."""
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys

import msgpack
import zmq

from casebus import BIN, DATA, Broker, main
from raw import TREES, Raw, decode, number_key

LONG = len(sys.argv) > 1 and sys.argv[1] == "long"
CASES = 60000 if LONG else 4000
KILLS = 200 if LONG else 5


def write_cases(path, count, prefix="b"):
    with open(path, "w") as out:
        for n in range(count):
            out.write(json.dumps({"agency": "hse", "regulator_id": "%s%06d" % (prefix, n),
                                  "offence_action_date": "2024-02-%02d" % (1 + n % 28), "offence_fine_pence": n,
                                  "offence_breaches": "Guards were absent. " * 10,
                                  "offender": {"name": "Backup %d Ltd" % (n // 3)}}) + "\n")
    return path


def program(name, *args):
    return subprocess.run([os.path.join(BIN, name), *args], capture_output=True, text=True, errors="replace",
                          timeout=120)


def restore(folder, backup, code=0):
    done = program("casebus-broker", "--data", folder, "--restore", backup)
    assert done.returncode == code, done
    return done


def filled(broker, count=CASES):
    broker.publish(write_cases(os.path.join(broker.dir, "cases.ndjson"), count))


def backed_up(client, **arguments):
    """Asks for a backup, or about one, and waits for its end."""
    run = client.result("store.backup", **arguments)
    while run["state"] == "running":
        run = client.result("store.backup", run=run["run"])
    return run


def there(broker):
    """What is in the broker's folder beside its log and its endpoints."""
    return sorted(set(os.listdir(broker.dir)) - {"log", "ingest", "fanout", "query"})


def dump(folder):
    with Raw(folder) as raw:
        return raw.dump()


def state_of(dumped):
    return decode("meta", dumped["meta"][b"state"][:-8])


def without_epoch(stored, epoch):
    assert stored[:-8].count(epoch) == 1
    return stored[:-8].replace(epoch, bytes(8))


# --- while everything goes on -----------------------------------------------------------------

def a_backup_is_the_store_at_one_seq_while_reports_come():
    with Broker(ipc=True) as broker:
        client, other = broker.client(), broker.client()
        filled(broker)
        more = write_cases(os.path.join(broker.dir, "more.ndjson"), 4 * CASES, "m")
        publishing = broker.start_program("casebus-publish", more)
        before = first = client.ask("broker.status")["seq"]
        while before == first:
            before = client.ask("broker.status")["seq"]
        folder = os.path.join(broker.dir, "backup")
        run = client.result("store.backup", dir=folder, wait_ms=0)
        seen = set()
        while run["state"] == "running":
            seen.add(other.ask("broker.status")["seq"])
            assert other.result("case.get", id="hse:b000000")["case"]["version"] == 1
            run = client.result("store.backup", dir=folder, run=run["run"], wait_ms=50)
        assert run["state"] == "passed", run
        assert len(seen) > 2 or publishing.poll() is not None, "nothing was committed meanwhile"
        assert before <= run["seq"] and run["events"] == run["seq"], (before, run)
        assert there(broker) == ["backup", "cases.ndjson", "more.ndjson", "store"], there(broker)
        assert os.listdir(folder) == ["data.mdb"] and os.path.getsize(folder + "/data.mdb") == run["bytes"]
        publishing.kill()
        publishing.wait()
        broker.stop()
        live, copied = dump(broker.store), dump(folder)
        assert state_of(copied)["epoch"] == state_of(live)["epoch"] == run["epoch"]
        assert state_of(copied)["seq"] == run["seq"] and state_of(copied)["cases"] == run["cases"]
        keys = [number_key(seq) for seq in range(1, run["seq"] + 1)]
        assert list(copied["log"]) == keys
        assert all(copied["log"][key] == live["log"][key] for key in keys)
        broker.start()


def restored_it_serves_the_same_under_a_new_epoch():
    with Broker(ipc=True) as broker:
        client = broker.client()
        broker.publish("--new-session", os.path.join(DATA, "register.ndjson"))
        broker.publish("--new-session", os.path.join(DATA, "corrections.ndjson"))
        folder = os.path.join(broker.dir, "backup")
        line = broker.run("casebus-ctl", "backup", "backup", cwd=broker.dir).stdout  # relative: made absolute
        assert line.startswith(folder + ": 337 cases, ") and line.count("\n") == 1, line
        assert "audit [backup] done actor=local op=store.backup on=%s\n" % folder in broker.read_log(), broker.read_log()
        recent, epoch = client.result("case.recent", limit=500)["rows"], client.ask("heads")["epoch"]
        heads = client.result("heads")["heads"]
        assert epoch.hex() in line
        filled(broker, 50)  # what came after the backup goes aside with the store
        done = restore(broker.store, folder, code=3)
        assert "another casebus-broker runs" in done.stderr, done
        broker.stop()
        before, copied = dump(broker.store), dump(folder)
        said = restore(broker.store, folder).stdout
        aside = [name for name in os.listdir(broker.store) if name.startswith("replaced-")]
        assert len(aside) == 1 and aside[0] in said and "new epoch" in said, said
        assert dump(os.path.join(broker.store, aside[0])) == before
        after = dump(broker.store)
        new = state_of(after)["epoch"]
        assert new != epoch and new.hex() in said
        for tree in TREES:
            if tree in ("log", "meta"):
                assert {k: without_epoch(v, new) for k, v in after[tree].items()} == \
                    {k: without_epoch(v, epoch) for k, v in copied[tree].items()}
            else:
                assert after[tree] == copied[tree], tree
        broker.start()
        client = broker.client()
        assert client.ask("heads")["epoch"] == new and client.result("heads")["heads"] == heads
        assert client.result("case.recent", limit=500)["rows"] == recent
        assert client.verify() == []
        replayed = client.result("log.replay", after=0, patterns=["case", "session"], limit=2000)["events"]
        assert {msgpack.unpackb(body)["epoch"] for _, body in replayed} == {new}
        counts = broker.publish(os.path.join(DATA, "register.ndjson"))
        assert counts["confirmed"] == counts["synced"] + counts["updated"] == 337, counts


def a_store_is_restored_where_there_was_none():
    with Broker(ipc=True) as broker:
        filled(broker, 20)
        folder, fresh = (os.path.join(broker.dir, name) for name in ("backup", "fresh"))
        broker.run("casebus-ctl", "backup", folder)
        restore(fresh, folder)
        assert sorted(os.listdir(fresh)) == ["broker.lock", "data.mdb"], os.listdir(fresh)
        assert dump(fresh)["case"] == dump(folder)["case"]


# --- redaction --------------------------------------------------------------------------------

SECRET = ["Quentin Zyxwright", "Obliterated Lane", "Xylostoma", "QZ9 9ZQ"]


def unnumbered(broker, topic, done, **data):
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.linger = 0
    socket.connect(broker.ingest)
    while not done():
        socket.send_multipart([topic, msgpack.packb({"v": 1, **data})])
    socket.close()


def a_backup_has_no_byte_of_a_redacted_record():
    with Broker(ipc=True) as broker:
        client = broker.client()
        secret = {"agency": "hse", "regulator_id": "hidden", "offence_breaches": SECRET[1] * 3,
                  "offence_action_date": "2024-03-01", "ext": {"note": SECRET[2]},
                  "offender": {"name": SECRET[0], "postcode": SECRET[3]}}
        path = os.path.join(broker.dir, "secret.ndjson")
        for change in ({}, {"offence_fine_pence": 77}, {"offence_breaches": SECRET[1] * 400},
                       {"offence_action_date": "2025-01-01", "offender": {"name": "Other " + SECRET[0]}}):
            with open(path, "w") as out:
                out.write(json.dumps({**secret, **change}) + "\n")
            broker.publish("--new-session", path)
        filled(broker, 200)
        assert holds(broker.store)
        unnumbered(broker, b"case:redacted:hse:hidden:",
                   lambda: client.ask("case.get", id="hse:hidden").get("error", {}).get("code") == "redacted")
        folder = os.path.join(broker.dir, "backup")
        broker.run("casebus-ctl", "backup", folder)
        assert holds(folder) == [], holds(folder)
        restored = os.path.join(broker.dir, "restored")
        restore(restored, folder)
        assert holds(restored) == []


def holds(folder):
    with open(os.path.join(folder, "data.mdb"), "rb") as file:
        data = file.read().lower()
    return [word for word in SECRET for form in (word, word.replace(" ", "")) if form.lower().encode() in data]


# --- what goes wrong --------------------------------------------------------------------------

def what_cannot_be_backed_up_says_why_and_leaves_nothing():
    with Broker(ipc=True) as broker:
        client = broker.client()
        filled(broker, 400)
        taken = os.path.join(broker.dir, "taken")
        os.mkdir(taken)
        open(os.path.join(taken, "file"), "w").close()
        done = broker.run("casebus-ctl", "backup", taken, code=1)
        assert "not empty" in done.stderr and taken in done.stderr, done
        done = broker.run("casebus-ctl", "backup", "/", code=1)
        assert "/: dir: is there already and not empty" in done.stderr, done
        assert client.ask("store.backup", dir=taken)["error"] == {"code": "bad_value", "field": "dir", "text":
                                                                  "dir: is there already and not empty"}
        done = broker.run("casebus-ctl", "backup", os.path.join(broker.dir, "no/such/parent"), code=1)
        assert "failed: %s/no/such/parent: its parent folder is not there" % broker.dir in done.stdout, done
        audit = [line.split(" audit ")[1] for line in broker.read_log().splitlines() if "store.backup" in line]
        assert len(audit) == 2 and audit[0].startswith("[backup] began actor=local op=store.backup on=%s/no/" % broker.dir), audit
        assert audit[1].startswith("[backup] failed actor=local op=store.backup on=") and "its parent folder" in audit[1], audit
        broker.stop()
        with Raw(broker.store) as raw:
            raw.spoil("case", b"hse:b000003")
        broker.start()
        done = broker.run("casebus-ctl", "backup", os.path.join(broker.dir, "bad"), code=1)
        assert "case hse:b000003: bytes do not match their checksum" in done.stdout, done
        assert there(broker) == ["cases.ndjson", "store", "taken"], there(broker)


def one_backup_at_a_time_and_the_same_one_is_joined():
    with Broker(ipc=True) as broker:
        client = broker.client()
        filled(broker)
        one, two = (os.path.join(broker.dir, name) for name in ("one", "two"))
        run = client.result("store.backup", dir=one, wait_ms=0)
        assert run["state"] == "running"
        assert client.ask("store.backup", dir=two, wait_ms=0)["error"]["code"] == "busy"
        assert client.result("store.backup", dir=one, wait_ms=0)["run"] == run["run"]
        run = backed_up(client, run=run["run"])
        assert run["state"] == "passed" and run["dir"] == one and not os.path.exists(two)
        assert client.result("store.backup", dir=one, run=run["run"]) == run
        said = [line.split("] ")[-1] for line in broker.read_log().splitlines() if " audit " in line]
        assert sorted(said) == ["%s actor=local op=store.backup on=%s" % (word, one) for word in ("began", "done", "joined")], said


def a_run_of_before_a_restart_is_not_somebody_elses():
    with Broker(ipc=True) as broker:
        mine, theirs = (os.path.join(broker.dir, name) for name in ("mine", "theirs"))
        before = backed_up(broker.client(), dir=mine)
        shutil.rmtree(mine)  # as if the broker had been killed before it was complete
        broker.kill()
        broker.start()
        client = broker.client()
        other = backed_up(client, dir=theirs)
        assert (other["run"], other["dir"], other["state"]) == (before["run"], theirs, "passed"), other
        made = backed_up(client, dir=mine, run=before["run"])
        assert (made["dir"], made["state"]) == (mine, "passed") and os.path.exists(mine), made


def a_disk_too_small_for_it_is_said():
    with Broker(ipc=True) as broker:
        filled(broker)
        small = os.path.join(broker.dir, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small],
                          capture_output=True).returncode != 0:
            print("skipped: mounting a small file system needs root")
            return
        try:
            done = broker.run("casebus-ctl", "backup", os.path.join(small, "backup"), code=1)
            assert "less space" in done.stdout, done
            assert os.listdir(small) == []
            assert broker.client().result("broker.status")["state"] == "serving"
        finally:
            subprocess.run(["umount", small], check=True)


def a_backup_that_is_not_good_is_not_restored():
    with Broker(ipc=True) as broker:
        filled(broker, 20)
        folder = os.path.join(broker.dir, "backup")
        broker.run("casebus-ctl", "backup", folder)
        broker.stop()
        before = dump(broker.store)
        with Raw(folder) as raw:
            raw.remove("date", raw.keys("date")[3])
        done = restore(broker.store, folder, code=1)
        assert "nothing was restored" in done.stderr and "date" in done.stdout, done
        done = restore(broker.store, os.path.join(broker.dir, "nowhere"), code=3)
        assert "nowhere: there is no such backup" in done.stderr, done
        assert dump(broker.store) == before
        assert not [name for name in os.listdir(broker.store) if name.startswith("re")], os.listdir(broker.store)
        broker.start()


def who_stops_waiting_is_told_that_it_goes_on_and_where_to_look():
    """The broker that was asked does not answer at all, or says that it is at it."""
    with Broker(ipc=True) as broker, zmq.Context.instance().socket(zmq.ROUTER) as silent:
        endpoint = "ipc://%s/silent" % broker.dir
        silent.linger, silent.rcvtimeo = 0, 60000
        silent.bind(endpoint)
        running = {"v": 1, "epoch": bytes(8), "seq": 1, "entry": 1, "result": {
            "run": 1, "state": "running", "dir": "/b", "done": 1, "total": 2, "checked": 1, "findings": []}}
        for answer, said in ((None, "time is up and the broker has not answered; perhaps the backup goes on: "),
                             (running, "time is up and still the backup goes on: ")):
            asking = subprocess.Popen([os.path.join(BIN, "casebus-ctl"), "--query", endpoint, "--timeout", "2",
                                       "backup", "/b"], stderr=subprocess.PIPE, text=True)
            *way, body = silent.recv_multipart()
            assert msgpack.unpackb(body)["op"] == "store.backup"
            while answer and asking.poll() is None:
                silent.send_multipart([*way, msgpack.packb(answer)])
                if silent.poll(100):
                    *way, _ = silent.recv_multipart()
            err = asking.communicate(timeout=60)[1]
            assert asking.returncode == 3 and said in err and "a key" not in err, err
            assert "the same command joins it; DIR appears when it is complete" in err, err


# --- killed -----------------------------------------------------------------------------------

def a_broker_killed_while_it_makes_a_backup_leaves_none():
    with Broker(ipc=True) as broker:
        filled(broker)
        folder = os.path.join(broker.dir, "backup")
        for _ in range(3):
            client = broker.client()
            run = client.result("store.backup", dir=folder, wait_ms=0)
            while run["state"] == "running" and run["done"] == 0:
                run = client.result("store.backup", dir=folder, run=run["run"], wait_ms=0)
            assert run["state"] == "running", run
            broker.kill()
            assert not os.path.exists(folder) and os.path.isdir(folder + ".partial")
            assert program("casebus-broker", "--data", os.path.join(broker.dir, "x"), "--restore",
                           folder).returncode == 3
            broker.start()
        broker.run("casebus-ctl", "backup", folder)
        assert not os.path.exists(folder + ".partial")
        assert program("casebus-ctl", "verify", folder).returncode == 0


def a_broker_stopped_while_it_makes_a_backup_leaves_nothing():
    with Broker(ipc=True) as broker:
        filled(broker)
        folder = os.path.join(broker.dir, "backup")
        assert broker.client().result("store.backup", dir=folder, wait_ms=0)["state"] == "running"
        broker.stop()
        assert not os.path.exists(folder) and not os.path.exists(folder + ".partial")
        broker.start()


def a_store_that_is_called_partial_is_no_unfinished_backup():
    with Broker(ipc=True) as broker:
        filled(broker, 20)
        store, folder = os.path.join(broker.dir, "other.partial"), os.path.join(broker.dir, "other")
        broker.run("casebus-ctl", "backup", store)
        done = broker.run("casebus-ctl", "backup", folder, code=1)
        assert "other.partial: is there already and not empty" in done.stdout, done
        assert program("casebus-ctl", "verify", store).returncode == 0


def size_of(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def a_restore_killed_at_any_moment_leaves_the_old_store_or_the_new():
    rng = random.Random(3)
    with Broker(ipc=True) as broker:
        filled(broker)
        folder, place = os.path.join(broker.dir, "backup"), os.path.join(broker.dir, "place")
        broker.run("casebus-ctl", "backup", folder)
        restore(place, folder)
        seen = {state_of(dump(place))["epoch"]}
        for n in range(KILLS):
            before = state_of(dump(place))["epoch"]
            process = subprocess.Popen([os.path.join(BIN, "casebus-broker"), "--data", place, "--restore", folder],
                                       stdout=subprocess.DEVNULL)
            if n % 4 == 3:  # at the step itself, or right behind it
                while process.poll() is None and not os.path.exists(os.path.join(place, "restoring", "data.mdb")):
                    pass
            else:
                target = rng.randrange(size_of(os.path.join(folder, "data.mdb")))
                while process.poll() is None and \
                        size_of(os.path.join(place, "restoring", "new", "data.mdb")) <= target:
                    pass
            process.kill()
            process.wait()
            locked_no_longer(place)
            assert program("casebus-broker", "--verify", place).returncode == 0, os.listdir(place)
            after = state_of(dump(place))["epoch"]
            assert after == before or after not in seen, "an epoch came back"
            seen.add(after)
        done = restore(place, folder)
        assert not os.path.exists(os.path.join(place, "restoring")), os.listdir(place)
        for name in os.listdir(place):
            if name.startswith("replaced-"):  # whatever was set aside is a whole store
                assert program("casebus-broker", "--verify", os.path.join(place, name)).returncode == 0, (name, done)


def locked_no_longer(place):
    """The killed program's child goes with it, a moment later, and its lock with it."""
    with open(os.path.join(place, "broker.lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


if __name__ == "__main__":
    main([a_backup_is_the_store_at_one_seq_while_reports_come, restored_it_serves_the_same_under_a_new_epoch,
          a_store_is_restored_where_there_was_none, a_backup_has_no_byte_of_a_redacted_record,
          what_cannot_be_backed_up_says_why_and_leaves_nothing, one_backup_at_a_time_and_the_same_one_is_joined,
          a_run_of_before_a_restart_is_not_somebody_elses,
          a_disk_too_small_for_it_is_said, a_backup_that_is_not_good_is_not_restored,
          who_stops_waiting_is_told_that_it_goes_on_and_where_to_look,
          a_broker_killed_while_it_makes_a_backup_leaves_none,
          a_broker_stopped_while_it_makes_a_backup_leaves_nothing,
          a_store_that_is_called_partial_is_no_unfinished_backup,
          a_restore_killed_at_any_moment_leaves_the_old_store_or_the_new])
