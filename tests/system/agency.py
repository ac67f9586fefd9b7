"""What people set of an agency, through casebus-ctl: who may, what stays, and what outlives restarts,
backups and repairs."""
import json
import os
import re
import subprocess

from casebus import BIN, Broker, main
from guarded import Guarded
from raw import Raw

HSE = ["--name", "Health & Safety <Executive>", "--url", "https://resources.hse.example/convictions/"]


def agency(broker, *args, code=0):
    return broker.run("casebus-ctl", "agency", *args, code=code)


def shown(broker, code):
    return json.loads(agency(broker, code, "--json").stdout)


def scrape(broker, code, regulator_id="1"):
    path = os.path.join(broker.dir, "records.ndjson")
    with open(path, "w") as out:
        json.dump({"agency": code, "regulator_id": regulator_id, "offender": {"name": "Acme Ltd"},
                   "offence_fine_pence": 500}, out)
    return broker.publish(path)


def it_is_set_and_shown():
    with Broker() as broker:
        scrape(broker, "hse")
        assert shown(broker, "hse") == {"code": "hse", "enabled": True, "cases": 1, "fine_pence": 500}
        record = {"code": "hse", "name": HSE[1], "base_url": HSE[3], "enabled": False, "cases": 1, "fine_pence": 500}
        said = agency(broker, "hse", *HSE, "--disable", "--json").stdout
        assert json.loads(said) == record == shown(broker, "hse"), said
        assert json.loads(broker.run("casebus-ctl", "agencies", "--json").stdout)["rows"] == [record]
        title, row = broker.run("casebus-ctl", "agencies").stdout.splitlines()
        assert re.split(r"\s{2,}", title.strip()) == ["AGENCY", "NAME", "ENABLED", "CASES", "FINES", "BASE URL"], title
        assert re.split(r"\s{2,}", row.strip()) == ["hse", HSE[1], "false", "1", "£5.00", HSE[3]], row
        lines = dict(re.split(r"\s{2,}", line) for line in agency(broker, "hse").stdout.splitlines())
        assert lines == {"code": "hse", "name": HSE[1], "base_url": HSE[3], "enabled": "false", "cases": "1",
                         "fine": "£5.00"}, lines
        assert agency(broker, "hse", "--enable", "--name", "").stdout == agency(broker, "hse").stdout
        assert shown(broker, "hse") == {**{k: v for k, v in record.items() if k != "name"}, "enabled": True}
        assert broker.client().verify() == []


def one_that_is_disabled_is_reported_for_all_the_same():
    with Broker() as broker:
        agency(broker, "ea", "--disable")
        counts = scrape(broker, "ea")
        assert counts["created"] == 1, counts
        assert shown(broker, "ea") == {"code": "ea", "enabled": False, "cases": 1, "fine_pence": 500}


def what_is_wrong_is_said_and_changes_nothing():
    with Broker() as broker:
        agency(broker, "hse", *HSE)
        before = broker.client().result("agency.list")
        for args, code, said in (
                (["nobody"], 1, "no agency nobody"),
                (["hse", "--enable", "--disable"], 2, "--enable or --disable, not both"),
                (["HSE", "--name", "x"], 2, "agency: is not an agency code"),
                (["hse", "--name", "x" * 257], 2, "name: the value is longer"),
                (["hse", "--url", "hse.example"], 2, "base_url: must begin with http:// or https://"),
                (["new", "--name", "New", "--url", "ftp://x"], 2, "base_url: must begin with http:// or https://"),
                (["hse", "ea"], 2, "too many operands"), ([], 2, "agency needs CODE"),
                (["hse", "--limit", "5"], 2, "agency has no option --limit")):
            done = agency(broker, *args, code=code)
            assert said in done.stderr and not done.stdout, (args, done)
        assert broker.client().result("agency.list") == before
        told = agency(broker, "--help").stdout
        assert all(word in told for word in ("--name TEXT", "--url URL", "--enable", "--disable")), told


def as_many_as_there_may_be_can_be_set():
    with Broker() as broker:
        client = broker.client()
        for i in range(256):
            client.result("agency.set", agency="a%d" % i, enabled=True)
        error = client.ask("agency.set", agency="another", enabled=True)["error"]
        assert (error["code"], error["field"]) == ("too_many", "agency"), error
        assert client.result("agency.set", agency="a7", name="x")["agency_record"]["name"] == "x"
        assert len(client.result("agency.list")["rows"]) == 256 and client.verify() == []


def broker_program(*args, code=0):
    done = subprocess.run([os.path.join(BIN, "casebus-broker"), *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done
    return done.stdout


def it_outlives_restarts_backups_and_repairs():
    with Broker(ipc=True) as broker:
        scrape(broker, "hse")
        scrape(broker, "ea")
        agency(broker, "hse", *HSE, "--disable")
        agency(broker, "orr", "--name", "Rail")  # neither cases nor sessions
        rows = broker.client().result("agency.list")["rows"]
        assert [row["code"] for row in rows] == ["ea", "hse", "orr"], rows

        def unchanged():
            broker.start()
            assert broker.client().result("agency.list")["rows"] == rows and broker.client().verify() == []
        broker.kill()
        unchanged()
        copy = os.path.join(broker.dir, "backup")
        broker.run("casebus-ctl", "backup", copy)
        broker.stop()
        broker_program("--repair", broker.store)
        unchanged()
        broker.stop()
        broker_program("--data", broker.store, "--restore", copy)
        unchanged()


def what_a_repair_cannot_read_it_names():
    with Broker(ipc=True) as broker:
        scrape(broker, "hse")
        agency(broker, "hse", *HSE)
        agency(broker, "orr", "--name", "Rail")
        broker.stop()
        for code in ("hse", "orr"):
            with Raw(broker.store) as raw:
                raw.spoil("agency", code.encode())
            said = broker_program("--repair", broker.store)
            assert "agency %s: cannot be read, its name, base_url and enabled are to be set again" % code in said, said
        broker.start()
        rows = broker.client().result("agency.list")["rows"]
        assert rows == [{"code": "hse", "enabled": True, "cases": 1, "fine_pence": 500}], rows
        assert broker.client().verify() == []


ACTORS = "boss {boss} admin\ncurator {curator} curator\nclerk {clerk} clerk\n"


def who_may_is_said_by_the_verb_and_has_his_audit_line():
    with Guarded(ACTORS, config="role.clerk = ask@hse, agencies@hse\n") as broker:
        broker.run_as("clerk", "casebus-ctl", "agency", "hse", "--disable")
        broker.run_as("boss", "casebus-ctl", "agency", "ea", "--name", "Environment")
        for who, code, said in (("curator", "hse", "curator lacks agencies of hse"),
                                ("clerk", "ea", "clerk lacks agencies of ea")):
            refused = broker.run_as(who, "casebus-ctl", "agency", code, "--name", "x", code=1)
            assert said in refused.stderr, refused
        said = [line.split(" audit ")[1] for line in broker.audit()]
        assert said == ["[bus] done actor=clerk op=agency.set on=hse", "[bus] done actor=boss op=agency.set on=ea",
                        "[queries] denied actor=curator op=agency.set: curator lacks agencies of hse",
                        "[queries] denied actor=clerk op=agency.set: clerk lacks agencies of ea"], said
        clerk = json.loads(broker.run_as("clerk", "casebus-ctl", "agencies", "--json").stdout)["rows"]
        assert clerk == [{"code": "hse", "enabled": False, "cases": 0, "fine_pence": 0}], clerk


main([it_is_set_and_shown, one_that_is_disabled_is_reported_for_all_the_same,
      what_is_wrong_is_said_and_changes_nothing, as_many_as_there_may_be_can_be_set,
      it_outlives_restarts_backups_and_repairs, what_a_repair_cannot_read_it_names,
      who_may_is_said_by_the_verb_and_has_his_audit_line])
