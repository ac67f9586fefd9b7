"""Retention: the floor moves behind the log's end; what was trimmed is said to be gone, cases
stay, the store proves itself."""
import json
import os
import random
import signal
import sys

import msgpack

from casebus import Broker, main

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
EVENTS = 1000


def write_cases(path, count, agency="hse", first=0, name="Offender"):
    with open(path, "w") as file:
        for i in range(first, first + count):
            file.write(json.dumps({
                "agency": agency, "regulator_id": "r%06d" % i,
                "offender": {"name": "%s %d Ltd" % (name, i // 4)},
                "offence_action_date": "2024-01-02", "offence_fine_pence": i}) + "\n")
    return path


def store_of(client):
    return client.result("broker.status")["store"]


def await_store(client, condition):
    """A status is one request: asked until the condition holds, or the test's own time is
    up."""
    while True:
        store = store_of(client)
        if condition(store):
            return store


def replay(client, patterns, after=0):
    """All the events above `after`, as (topic, event), and what the first reply says is
    gone."""
    events, gone = [], None
    while True:
        reply = client.ask("log.replay", after=after, patterns=patterns, limit=2000)
        result = reply["result"]
        events += [(topic, msgpack.unpackb(body)) for topic, body in result["events"]]
        gone = gone or result.get("gone")
        after = result["through"]
        if after >= reply["seq"]:
            return events, gone


def check_replays(client, floor):
    """What is there begins at the floor; what is gone is exactly what was."""
    everything, gone = replay(client, ["case", "session"])
    assert gone == floor - 1, (gone, floor)
    assert everything[0][1]["seq"] == floor
    assert replay(client, ["case", "session"], after=floor - 1)[1] is None
    assert replay(client, ["case", "session"], after=floor - 2)[1] == floor - 1
    for stream in {":".join(topic.split(":")[:3]) for topic, _ in everything}:
        events, gone = replay(client, [stream])
        prev = events[0][1]["prev"]
        assert gone == (prev or None), (stream, gone, prev)
        if prev:
            assert replay(client, [stream], after=prev)[1] is None
            assert replay(client, [stream], after=prev - 1)[1] == prev


def check_topics(client, floor):
    """Of a single topic exactly its own loss counts, whatever else its stream has lost."""
    first = client.result("case.history", id="hse:r001000", limit=500)
    assert first["floor"] == floor and all(e["seq"] >= floor for e in first["events"])
    created = client.result("case.get", id="hse:r001000")["case"]["created_seq"]
    assert created < floor
    assert replay(client, ["case:created:hse:r001000"]) == ([], created)
    assert replay(client, ["case:created:hse:r001000"], after=created) == ([], None)
    assert replay(client, ["case:updated:hse:r001000"]) == ([], None)
    assert replay(client, ["case:created:hse:nobody"]) == ([], None)
    assert replay(client, ["case:created:hse"], after=created)[1] > created


def the_log_is_trimmed_and_says_so():
    with Broker("--retain-events", str(EVENTS), ipc=True) as broker:
        client = broker.client()
        path = os.path.join(broker.dir, "cases.ndjson")
        broker.publish("--new-session", write_cases(path, 2000))
        before = {i: client.result("case.get", id="hse:r%06d" % i)["case"] for i in range(0, 2000, 400)}
        broker.publish("--new-session", write_cases(path, 700, agency="ea"))
        broker.publish(write_cases(path, 100, name="Other"))  # of hse: a new version of some
        store = await_store(client, lambda s: s["retained_events"] <= EVENTS)
        assert store["retained_events"] == EVENTS and store["cases"] == 2700, store
        check_replays(client, store["floor"])
        check_topics(client, store["floor"])
        for i, case in before.items():
            now = client.result("case.get", id="hse:r%06d" % i)["case"]
            assert i == 0 or now == case, (now, case)
            assert now["offender"]["name"] == ("Other 0 Ltd" if i == 0 else case["offender"]["name"])
        oldest = client.result("session.list", limit=10)["rows"][-1]
        assert oldest["cases_created"] == 2000, oldest
        cases = client.result("session.cases", agency="hse", session_id=oldest["session_id"])
        assert cases["floor"] == store["floor"] and all(r["seq"] >= store["floor"] for r in cases["rows"])
        listed = client.result("case.list", agency="hse", session=oldest["session_id"])
        assert listed["floor"] == store["floor"]
        history = broker.run("casebus-ctl", "history", "hse:r000000")
        name = "hse:" + oldest["session_id"]
        for said in (history, broker.run("casebus-ctl", "session", name, "--cases", "--limit", 500),
                     broker.run("casebus-ctl", "list", "--agency", "hse", "--session", oldest["session_id"], "--limit", 500)):
            assert "the log begins at seq %d" % store["floor"] in said.stderr, said.stderr
        watch = broker.run("casebus-watch", "--session", name, "--count", "1")
        assert "what it met before #%d is not kept" % store["floor"] in watch.stdout, watch.stdout
        assert client.verify() == []
        broker.stop()
        assert broker.run("casebus-ctl", "verify", broker.store).returncode == 0
        broker.start()


def a_reload_changes_what_is_kept():
    with Broker(ipc=True) as broker:
        config = os.path.join(broker.dir, "settings")
        open(config, "w").write("retain-events = 0\n")
        broker.stop()
        broker.flags += ["--config", config]
        broker.start()
        client = broker.client()
        path = os.path.join(broker.dir, "cases.ndjson")
        broker.publish(write_cases(path, 1500))
        store = store_of(client)
        assert store["retained_events"] == 1500 and store["floor"] == 0, store
        for line, condition in (
                ("retain-events = 900", lambda s: s["retained_events"] == 900),
                ("retain-bytes = 100K", lambda s: s["retained_bytes"] <= 100 << 10)):
            open(config, "w").write(line + "\n")
            broker.process.send_signal(signal.SIGHUP)
            store = await_store(client, condition)
        assert store["retained_bytes"] > 99 << 10 and store["retained_events"] < 900, store
        assert store["floor"] == 1501 - store["retained_events"], store
        assert client.verify() == []


def a_small_map_lasts():
    """Many times its size goes through the log; what was trimmed makes room for what comes."""
    with Broker("--map-size", "24M", "--retain-bytes", "2M", ipc=True) as broker:
        client = broker.client()
        path = os.path.join(broker.dir, "cases.ndjson")
        for turn in range(16):
            with open(path, "w") as file:
                for i in range(150):
                    file.write(json.dumps({
                        "agency": "hse", "regulator_id": "m%d" % i, "offender": {"name": "A"},
                        "offence_breaches": "%06d" % turn + " of a machine without a guard" * 200}) + "\n")
            counts = broker.publish("--timeout", 60, path)
            assert counts["created" if turn == 0 else "updated"] == 150, counts
        status = client.result("broker.status")
        assert status["state"] == "serving" and status["held"] == 0, status
        assert status["store"]["floor"] > 1 and status["store"]["retained_bytes"] <= 8 << 20, status
        assert client.verify() == []
        store = await_store(client, lambda s: s["retained_bytes"] <= 2 << 20)
        assert store["cases"] == 150, store


def killed_while_trimming():
    rng = random.Random(11)
    with Broker("--retain-events", str(EVENTS), ipc=True) as broker:
        client = broker.client()
        count = 2500 * ROUNDS
        path = write_cases(os.path.join(broker.dir, "cases.ndjson"), count)
        publisher = broker.start_program("casebus-publish", "--timeout", 60, "--rate", 4000, path)
        for _ in range(ROUNDS):
            target = store_of(client)["floor"] + rng.randrange(1, 1200)
            while publisher.poll() is None and store_of(client)["floor"] < target:
                pass
            broker.kill()
            broker.start()
            client = broker.client()
            assert client.verify() == []
        out, err = publisher.communicate(timeout=120)
        assert publisher.returncode == 0, err
        assert " confirmed=%d " % count in out and " created=%d " % count in out, out
        store = await_store(client, lambda s: s["retained_events"] <= EVENTS)
        assert store["cases"] == count, store
        check_replays(client, store["floor"])
        ids = ["hse:r%06d" % i for i in range(count)]
        for i in range(0, count, 200):
            rows = client.result("case.get_many", ids=ids[i:i + 200])["rows"]
            assert [row["case"]["offence_fine_pence"] for row in rows] == list(
                range(i, min(i + 200, count)))
        assert client.verify() == []


if __name__ == "__main__":
    main([the_log_is_trimmed_and_says_so, a_reload_changes_what_is_kept, a_small_map_lasts,
          killed_while_trimming])
