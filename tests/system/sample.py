"""The sample register, as a user would send it: twice, then the corrections, older fetches, a
collision and records that must be refused; and what watchers of it see."""
import json
import os
import subprocess

from casebus import DATA, Broker, main


def data(name):
    return os.path.join(DATA, name)


def records(name):
    return [json.loads(line) for line in open(data(name))]


def unique_ids(name):
    return {"%s:%s" % (r["agency"], r["regulator_id"]) for r in records(name)}


def ctl(broker, *args, code=0):
    return json.loads(broker.run("casebus-ctl", *args, "--json", code=code).stdout)


def watch_lines(watch, timeout=60):
    out, err = watch.communicate(timeout=timeout)
    return [json.loads(line) for line in out.splitlines()], err


def start_watch(broker, *args):
    """Waits until every pattern is live."""
    watch = broker.start_program("casebus-watch", "--json", *args)
    patterns = sum(str(a).startswith(("case", "session")) for a in args)
    for _ in range(patterns):
        line = watch.stderr.readline()
        while line and not line.startswith("watching "):
            line = watch.stderr.readline()
        assert line, "watch ended"
    return watch


def created_is_the_number_of_unique_cases_then_all_synced():
    with Broker() as broker:
        unique = len(unique_ids("register.ndjson"))
        first = broker.publish("--new-session", data("register.ndjson"))
        assert first["created"] == unique and first["rejected"] == 0, first
        second = broker.publish(data("register.ndjson"))
        assert second["synced"] == second["sent"] and second["created"] == 0, second
        assert broker.client().verify() == []


def corrections_change_exactly_the_corrected_fields():
    with Broker() as broker:
        broker.publish(data("register.ndjson"))
        watch = start_watch(broker, "case:updated", "--count", len(records("corrections.ndjson")),
                            "--timeout", 30)
        counts = broker.publish(data("corrections.ndjson"))
        assert counts["updated"] == counts["sent"], counts
        lines, _ = watch_lines(watch)
        seen = set()
        for event in lines:
            for change in event["changed"]:
                seen.add((event["payload"]["id"], change["field"], str(change.get("old", "-")),
                          str(change.get("new", "-"))))
        expected = {tuple(line.rstrip("\n").split("\t")) for line in open(data("corrections.expected"))
                    if line.strip() and not line.startswith("#")}
        assert seen == expected, seen ^ expected


def older_fetches_change_nothing():
    with Broker() as broker:
        broker.publish(data("register.ndjson"))
        ids = sorted(unique_ids("older.ndjson"))
        before = [ctl(broker, "get", i) for i in ids]
        counts = broker.publish(data("older.ndjson"))
        assert counts["synced"] == counts["sent"], counts
        kept = ("last_synced_at", "seen_count")
        after = [ctl(broker, "get", i) for i in ids]
        for a, b in zip(before, after):
            assert {k: v for k, v in a.items() if k not in kept} == {
                k: v for k, v in b.items() if k not in kept}
            assert b["seen_count"] == a["seen_count"] + 1


def one_reference_two_records_are_two_cases():
    by_reference = {}
    for r in records("register.ndjson"):
        if "case_reference" in r:
            by_reference.setdefault((r["agency"], r["case_reference"]), set()).add(r["regulator_id"])
    pairs = [(agency, ids) for (agency, _), ids in by_reference.items() if len(ids) == 2]
    assert pairs
    with Broker() as broker:
        broker.publish(data("register.ndjson"))
        for agency, ids in pairs:
            for i in ids:
                assert ctl(broker, "get", "%s:%s" % (agency, i))["regulator_id"] == i


def a_collision_waits_in_quarantine_and_accept_applies_it():
    with Broker() as broker:
        broker.publish(data("register.ndjson"))
        record = records("colliding.ndjson")[0]
        case = "%s:%s" % (record["agency"], record["regulator_id"])
        assert broker.publish(data("colliding.ndjson"))["conflict"] == 1
        assert ctl(broker, "get", case)["offender"]["name"] != record["offender"]["name"]
        rows = ctl(broker, "quarantine")["rows"]
        assert [row["id"] for row in rows] == [case]
        broker.run("casebus-ctl", "quarantine", "accept", rows[0]["quarantine"])
        assert ctl(broker, "get", case)["offender"]["name"] == record["offender"]["name"]
        assert ctl(broker, "quarantine")["rows"] == []
        assert broker.client().verify() == []


def refused_records_are_refused_for_their_field():
    with Broker() as broker:
        broker.publish(data("register.ndjson"))
        counts = broker.publish(data("refused.ndjson"), code=1)
        expected = [line.rstrip("\n").split("\t") for line in open(data("refused.expected"))]
        assert counts["rejected"] == len(expected), counts
        said = {}
        for line in counts["stderr"].splitlines():
            if line.startswith(data("refused.ndjson")):
                number, field = line[len(data("refused.ndjson")) + 1:].split(": ")[:2]
                assert number not in said, "two lines for one record: " + line
                said[number] = field
        for number, field in expected:
            got = said[number]
            assert got == field or got.startswith((field + ".", field + "[")) or (
                field == "offender" and got == "offender.name"), (number, field, got)
        assert broker.client().result("broker.status")["store"]["cases"] == len(
            unique_ids("register.ndjson"))


def csv_and_foreign_headers_are_read():
    with Broker() as broker:
        counts = broker.publish("--format", "csv", data("ea.csv"))
        assert counts["created"] == counts["sent"] > 10, counts
        headers = open(data("orr-headers.csv")).readline().strip().split(",")
        fields = {"Case No": "regulator_id", "Defendant": "offender.name", "Fine": "offence_fine",
                  "Date of offence": "offence_action_date"}
        maps = [a for h in headers if h.strip('"') in fields
                for a in ("--map", "%s=%s" % (h.strip('"'), fields[h.strip('"')]))]
        counts = broker.publish("--format", "csv", "--agency", "orr", *maps, data("orr-headers.csv"))
        assert counts["created"] == 5, counts


def each_pattern_sees_exactly_its_events():
    with Broker() as broker:
        register = records("register.ndjson")
        hse = sum(r["agency"] == "hse" for r in register)
        marker = '{"agency": "zz", "regulator_id": "end", "offender": {"name": "End"}}\n'
        watches = {
            "case:created:*": len(register) + 1, "case:created": len(register) + 1,
            "case:created:hse": hse, "case:created:hse:4812345": 1, "case:created:hse:48": 0}
        # The marker is the last event of all: whoever also watches it knows that nothing more comes.
        running = {p: start_watch(broker, p, "case:created:zz:end", "--count",
                                  n + (not p.startswith(("case:created:*",)) and p != "case:created"),
                                  "--timeout", 60) for p, n in watches.items()}
        broker.publish(data("register.ndjson"))
        subprocess.run(broker.command("casebus-publish", "-"), input=marker, text=True, check=True,
                       capture_output=True)
        for pattern, watch in running.items():
            lines, err = watch_lines(watch)
            assert watch.returncode == 0, (pattern, len(lines), err)
            assert lines[-1]["topic"] == "case:created:zz:end:", (pattern, lines[-1]["topic"])
            prefix = pattern.rstrip("*").rstrip(":") + ":"
            assert all(e["topic"].startswith(prefix) or e["topic"].startswith("case:created:zz:")
                       for e in lines), pattern
            seqs = [e["seq"] for e in lines]
            assert seqs == sorted(set(seqs))


def an_impossible_pattern_is_refused_with_the_reason():
    with Broker() as broker:
        for pattern in ("case:scraped", "cases", "case:created:HSE", "case:*:hse", "case:created:hse:1:2"):
            done = broker.run("casebus-watch", "--timeout", 1, pattern, code=2)
            assert len(done.stderr.strip()) > 20, done.stderr


def from_start_is_a_replay_then_live():
    with Broker() as broker:
        broker.publish(data("register.ndjson"))
        n = len(unique_ids("register.ndjson"))
        watch = start_watch(broker, "--from-start", "case", "--count", 2 * n, "--timeout", 30)
        broker.publish(data("register.ndjson"))
        lines, err = watch_lines(watch)
        assert watch.returncode == 0, err
        assert [e["seq"] for e in lines] == list(range(1, 2 * n + 1))


main([created_is_the_number_of_unique_cases_then_all_synced,
      corrections_change_exactly_the_corrected_fields,
      older_fetches_change_nothing,
      one_reference_two_records_are_two_cases,
      a_collision_waits_in_quarantine_and_accept_applies_it,
      refused_records_are_refused_for_their_field,
      csv_and_foreign_headers_are_read,
      each_pattern_sees_exactly_its_events,
      an_impossible_pattern_is_refused_with_the_reason,
      from_start_is_a_replay_then_live])
