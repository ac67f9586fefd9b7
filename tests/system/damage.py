"""A store with something taken out of it or changed in it: verify names it, the next start
refuses what it would build on, --repair rebuilds what is derived and nothing else. A page that
brings LMDB down is a finding, not a crash."""
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

import lmdb
import msgpack
import zmq

from casebus import BIN, DATA, Broker, main
from raw import TREES, Raw, decode, encode, number_key

LONG = len(sys.argv) > 1 and sys.argv[1] == "long"
DERIVED = ("created", "date", "offender", "agency", "started", "head", "conflict", "actor", "active")
WORK = tempfile.mkdtemp(prefix="casebus-damage-")
WHOLE = os.path.join(WORK, "whole")


# --- a store with everything in it ------------------------------------------------------------

def refused_by_number(broker, client):
    """A publisher that was refused and never asked: its refusal waits for it."""
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.linger = 0
    socket.connect(broker.ingest)
    head = {"v": 1, "publisher": b"P" * 16, "number": 1, "check": bytes(8)}
    while not client.result("broker.status")["refused"].get("unknown_case"):
        socket.send_multipart([b"case:deleted:hse:nobody:", msgpack.packb(head)])
    socket.close()


def unnumbered(broker, topic, done):
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.linger = 0
    socket.connect(broker.ingest)
    while not done():
        socket.send_multipart([topic, msgpack.packb({"v": 1})])
    socket.close()


def ids_file(broker, *ids):
    path = os.path.join(broker.dir, "ids.ndjson")
    with open(path, "w") as out:
        for agency, regulator_id in ids:
            out.write(json.dumps({"agency": agency, "regulator_id": regulator_id,
                                  "offender": {"name": "Again Ltd"}}) + "\n")
    return path


def make():
    with Broker(ipc=True) as broker:
        client = broker.client()
        broker.publish("--new-session", os.path.join(DATA, "register.ndjson"))
        broker.publish("--new-session", os.path.join(DATA, "corrections.ndjson"))
        broker.publish(os.path.join(DATA, "colliding.ndjson"))
        unnumbered(broker, b"session:started:hse:open:",
                   lambda: client.result("session.list", status="active")["rows"])
        rows = [case["regulator_id"] for case in client.result("case.list", agency="hse", limit=4)["rows"]]
        broker.publish("--deleted", ids_file(broker, *(("hse", row) for row in rows[:2])))
        broker.publish(ids_file(broker, ("hse", rows[0])))
        unnumbered(broker, b"case:redacted:hse:%s:" % rows[2].encode(),
                   lambda: client.ask("case.get", id="hse:" + rows[2]).get("error", {}).get("code") == "redacted")
        refused_by_number(broker, client)
        assert client.verify() == []
        broker.stop()
        os.mkdir(WHOLE)
        shutil.copy(os.path.join(broker.store, "data.mdb"), WHOLE)
        broker.start()


def copy(name="store"):
    folder = os.path.join(WORK, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    shutil.copy(os.path.join(WHOLE, "data.mdb"), folder)
    return folder


def run(program, *args):
    return subprocess.run([os.path.join(BIN, program), *args], capture_output=True, text=True, errors="replace",
                          timeout=120)


def findings(folder):
    done = run("casebus-broker", "--verify", folder)
    assert done.returncode in (0, 1), done
    lines = done.stdout.splitlines()
    assert lines and (" findings, seq " in lines[-1]) == (done.returncode == 1), done
    return lines[:-1]


def repair(folder, code=0):
    """It ends with a check of its own: 0 says that verify finds nothing now."""
    done = run("casebus-broker", "--repair", folder)
    assert done.returncode == code, done
    return done.stdout


def damaged(change):
    folder = copy()
    with Raw(folder) as raw:
        change(raw)
    return folder


def shown(tree, key):
    if tree in ("log", "created", "started", "reject", "conflict"):
        return str(struct.unpack(">Q", key)[0])
    try:
        text = key.decode()
        return "".join(c if c >= " " and c != "\x7f" else "|%02x" % ord(c) for c in text)
    except UnicodeDecodeError:
        return "".join(chr(b) if 32 <= b < 127 else "|%02x" % b for b in key)


def names(found, *words):
    return any(all(word in line for word in words) for line in found)


def chosen(keys):
    return sorted({keys[0], keys[len(keys) // 3], keys[len(keys) // 2], keys[-1]} if LONG else {keys[len(keys) // 2]})


# --- what is missing --------------------------------------------------------------------------

def an_index_entry_that_is_missing_is_named_and_rebuilt():
    with Raw(WHOLE) as raw:
        before, keys = raw.dump(), {tree: raw.keys(tree) for tree in DERIVED}
    stale = stale_created(before)
    for tree in DERIVED:
        for key in chosen([k for k in keys[tree] if not (tree == "created" and k in stale)]):
            folder = damaged(lambda raw: raw.remove(tree, key))
            found = findings(folder)
            said = shown(tree, key)
            assert names(found, tree, said), (tree, key, found)
            repair(folder)
            with Raw(folder) as raw:
                same_but_for_stale(raw.dump(), before, stale)


def stale_created(dump):
    """Rows of cases created again since: they stay behind, and a repair does not make them
    up."""
    newest = {decode("case", value[:-8])["created_seq"] for value in dump["case"].values()}
    return {key for key in dump["created"] if struct.unpack(">Q", key)[0] not in newest}


def same_but_for_stale(after, before, stale):
    for tree in TREES:
        if tree != "created":
            assert after[tree] == before[tree], tree
    assert set(after["created"]) == set(before["created"]) - stale


def a_whole_store_is_repaired_into_itself():
    with Raw(WHOLE) as raw:
        before = raw.dump()
    folder = copy()
    seq = decode("meta", before["meta"][b"state"][:-8])["seq"]
    assert run("casebus-ctl", "verify", folder).stdout == folder + ": good, %d records, seq %d\n" % (
        sum(len(before[tree]) for tree in TREES[1:]), seq)
    said = repair(folder)
    assert "rebuilt and good" in said and "is now in" in said, said
    with Raw(folder) as raw:
        after = raw.dump()
    for tree in DERIVED:
        assert "%s: %d entries rebuilt" % (tree, len(after[tree])) in said.splitlines(), (tree, said)
    stale = stale_created(before)
    assert stale, "the store has no case that was created again"
    same_but_for_stale(after, before, stale)
    assert [name for name in os.listdir(folder) if name.startswith("replaced-")], os.listdir(folder)
    replaced = os.path.join(folder, next(n for n in os.listdir(folder) if n.startswith("replaced-")))
    with Raw(replaced) as raw:
        assert raw.dump() == before


def a_kept_entry_that_is_missing_is_named_and_not_made_up():
    with Raw(WHOLE) as raw:
        cases = [key for tree in ("log", "case", "session", "publisher", "refusal", "reject", "quarantine")
                 for key in ((tree, k) for k in chosen(raw.keys(tree)))]
    for tree, key in cases:
        folder = damaged(lambda raw: raw.remove(tree, key))
        found = findings(folder)
        assert names(found, tree), (tree, key, found)
        if tree in ("log", "case", "session"):
            assert names(found, shown(tree, key)), (tree, key, found)
    for tree, key in [(t, k) for t, k in cases if t in ("log", "case", "quarantine")]:
        folder = damaged(lambda raw: raw.remove(tree, key))
        repair(folder, code=1)
        with Raw(folder) as raw:
            assert raw.raw(tree, key) is None


# --- what is wrong ----------------------------------------------------------------------------

def a_counter_that_is_wrong_is_named():
    with Raw(WHOLE) as raw:
        agency, head = raw.keys("agency")[0], raw.keys("head")[0]
        offender = next(k for k in raw.keys("offender") if k.endswith(b"\0"))
        session = raw.keys("session")[-1]
        publisher = raw.keys("publisher")[0]
        refused = next(k for k in raw.keys("publisher") if k.endswith(b"P" * 16))
        case = next(k for k in raw.keys("case") if decode("case", raw.value("case", k))["flags"] == 0)
    state = [("meta", b"state", name, by) for by in ((1, -1) if LONG else (1,))
             for name in "seq cases offenders sessions agencies rejects quarantined publishers running".split()]
    for tree, key, name, by in state + [
            ("meta", b"state", "at", -10**12), ("meta", b"state", "entry", -10**6 + 1),
            ("head", head, "seq", 1), ("head", head, "seq", -1), ("actor", b"local", "publishers", 1),
            ("actor", b"local", "sessions", 1), ("session", b"hse:open", "lease", 9),
            ("session", b"hse:open", "stop_asked", 1), ("session", b"hse:open", "status", 2),
            ("meta", b"state", "ticks", 10**6),
            ("agency", agency, "cases", 1), ("agency", agency, "fine_pence", 1), ("agency", agency, "created_seq", 1),
            ("offender", offender, "cases", 1), ("offender", offender, "fine_pence", 100),
            ("session", session, "created", 1), ("session", session, "updated", 1), ("session", session, "existing", 1),
            ("session", session, "errors", 1), ("session", session, "pages_processed", 1),
            ("session", session, "newest", -1), ("session", session, "last7", 1), ("session", session, "started_seq", 1),
            ("publisher", publisher, "decided", 1), ("publisher", publisher, "outcome2", 1),
            ("publisher", refused, "outcome6", -1), ("publisher", refused, "acked", 5),
            ("case", case, "seen_count", 1), ("case", case, "version", 1), ("case", case, "created_seq", 1),
            ("case", case, "record_seq", 1), ("case", case, "updated_seq", 1), ("case", case, "last0", 1),
            ("case", case, "updated_at", 1)]:
        def change(raw):
            value = decode(tree, raw.value(tree, key))[name]
            raw.change(tree, key, name, max(by, -value))
        with Raw(WHOLE) as raw:
            if decode(tree, raw.value(tree, key))[name] + by < 0 and name != "entry":
                continue
        folder = damaged(change)
        found = findings(folder)
        words = {"meta": {"seq": ("log", "state says"), "rejects": ("reject",), "publishers": ("publisher",),
                          "ticks": ("session hse:open", "lease")},
                 "session": {"status": ("active hse:open", "has ended")}}
        said = words.get(tree, {}).get(name, (tree, shown(tree, key) if tree != "meta" else "state"))
        if (tree, name) in (("agency", "created_seq"), ("session", "newest"), ("session", "last7")):
            said = (tree,)
        if (tree, name) == ("session", "started_seq"):
            said = ("started",)
        assert names(found, *said), (tree, name, by, found)
        repairs = tree in ("meta", "agency", "offender") and name not in ("seq", "rejects", "ticks") or tree == "head"
        if repairs and (LONG or name in ("cases", "seq", "created_seq")):
            repair(folder)


def an_entry_that_does_not_belong_is_named_and_dropped():
    def strange(tree, value):
        key = {"date": b"hse\x002001-01-01\x00nobody", "offender": b"hse\x00nobody\x00\x00nobody",
               "created": number_key(10**6), "started": number_key(10**6), "head": b"case:created:zzz:",
               "active": b"hse:nobody",
               "conflict": number_key(10**6), "agency": b"zzz"}[tree]
        folder = damaged(lambda raw: raw.set(tree, key, value))
        found = findings(folder)
        assert names(found, tree, shown(tree, key)), (tree, found)
        repair(folder)
    for tree, value in (("date", b""), ("offender", b""), ("created", b"\x00\x03x:1"), ("started", b"hse:none"),
                        ("active", b""), ("conflict", b"hse:1\x00" + bytes(16))):
        strange(tree, value)


def a_byte_that_is_wrong_is_named_by_its_key():
    for tree in TREES[1:]:
        with Raw(WHOLE) as raw:
            key = raw.keys(tree)[-1]
        folder = damaged(lambda raw: raw.spoil(tree, key))
        assert names(findings(folder), tree, shown(tree, key), "checksum"), (tree, key)
        said = repair(folder, code=0 if tree in DERIVED else 1)
        if tree not in DERIVED:
            assert names(said.splitlines(), tree, shown(tree, key), "left out"), said
            with Raw(folder) as raw, Raw(WHOLE) as whole:
                assert raw.raw(tree, key)[1:] == whole.raw(tree, key)[1:]  # as it was, and still no answer
            assert names(findings(folder), tree, shown(tree, key), "checksum"), tree


def a_store_of_another_layout_is_not_repaired():
    folder = damaged(lambda raw: raw.change("meta", b"state", "schema", 1))
    with Raw(folder) as raw:
        before = raw.value("meta", b"state")
    done = run("casebus-broker", "--repair", folder)
    assert done.returncode not in (0, 1) and "another layout version" in done.stderr, done
    with Raw(folder) as raw:
        assert raw.value("meta", b"state") == before


def a_state_that_cannot_be_read_begins_an_epoch():
    folder = damaged(lambda raw: raw.spoil("meta", b"state"))
    assert findings_of_no_state(folder)
    said = repair(folder)
    assert "a new epoch begins" in said, said
    assert findings(folder) == []
    with Raw(folder) as raw, Raw(WHOLE) as whole:
        now, then = (decode("meta", r.value("meta", b"state")) for r in (raw, whole))
    assert now["epoch"] != then["epoch"]
    told = ("seq", "cases", "offenders", "sessions", "running", "agencies", "publishers", "quarantined")
    assert {k: now[k] for k in told} == {k: then[k] for k in told}
    with Raw(folder) as raw:
        lease = decode("session", raw.value("session", b"hse:open"))["lease"]
    assert now["ticks"] + 1 >= lease > 0, (now["ticks"], lease)


def findings_of_no_state(folder):
    done = run("casebus-ctl", "verify", folder)
    return done.returncode == 1 and "checksum" in done.stderr


# --- starting on it ---------------------------------------------------------------------------

def started(folder):
    """The exit code and what was logged, of a broker that was asked to stop once it served."""
    process = subprocess.Popen([os.path.join(BIN, "casebus-broker"), "--data", folder, "--map-size", "1G",
                                *(a for f in ("--ingest", "--fanout", "--query") for a in (f, "tcp://127.0.0.1:*"))],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ready = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    return process.returncode if ready else process.returncode or 3, log


def a_start_refuses_what_it_would_build_on():
    assert started(copy())[0] == 0
    with Raw(WHOLE) as raw:
        log = raw.keys("log")
        last = struct.unpack(">Q", log[-1])[0]
        state = decode("meta", raw.value("meta", b"state"))
    assert state["seq"] == last
    head = b"case:redacted:hse:"
    with Raw(WHOLE) as raw:
        redacted = next(k for k in raw.keys("case") if decode("case", raw.value("case", k))["flags"] == 2)
    for change in (lambda raw: raw.remove("log", log[-1]), lambda raw: raw.remove("log", log[-3]),
                   lambda raw: raw.spoil("log", log[-2]), lambda raw: raw.remove("head", head),
                   lambda raw: raw.change("head", head, "seq", -1), lambda raw: raw.change("head", head, "seq", 1),
                   lambda raw: raw.change("meta", b"state", "seq", -1), lambda raw: raw.remove("case", redacted),
                   lambda raw: raw.change("case", redacted, "last5", -1)):
        folder = damaged(change)
        code, log_text = started(folder)
        assert code == 3 and "--verify" in log_text and "--repair" in log_text, (code, log_text)
    folder = damaged(lambda raw: raw.remove("head", head))
    repair(folder)
    assert started(folder)[0] == 0


def a_file_that_is_cut_short_ends_a_start_with_a_sentence():
    folder = copy()
    os.truncate(os.path.join(folder, "data.mdb"), 3 * 4096)
    code, log = started(folder)
    assert code != 0 and "cannot be read" in log and f"--verify {folder}" in log, (code, log)


def a_folder_that_is_none_cannot_start():
    path = os.path.join(WORK, "file")
    open(path, "w", encoding="utf-8").close()
    assert started(path)[0] == 3


# --- asked for --------------------------------------------------------------------------------

def a_damaged_case_is_no_trouble_of_others():
    with Raw(WHOLE) as raw:
        cases = {key: decode("case", raw.value("case", key)) for key in raw.keys("case")}
    there = [key.decode() for key, case in cases.items() if not case["flags"]]
    damaged_one = min(there, key=lambda key: cases[key.encode()]["record_seq"])
    seq = cases[damaged_one.encode()]["record_seq"]
    folder = damaged(lambda raw: raw.spoil("log", number_key(seq)))
    with Broker(ipc=True, start=False) as broker:
        broker.store = folder
        broker.start()
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(broker.query)
        asked = [damaged_one, *there[:50]] * 4  # many of them in one turn
        for key in asked:
            socket.send_multipart([b"", msgpack.packb({"v": 1, "op": "case.get", "id": key})])
        for key in asked:
            assert socket.poll(60000), "no answer"
            reply = msgpack.unpackb(socket.recv_multipart()[1])
            said = reply.get("error", {}).get("code") or reply["result"]["case"]["id"]
            assert said == ("corrupt" if key == damaged_one else key), (key, said)
        socket.close()


# --- pages ------------------------------------------------------------------------------------

def a_tree_that_is_missing_is_told_with_what_to_do():
    folder = copy()
    with lmdb.open(folder, max_dbs=32) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(b"shared", txn=txn, create=False))
    for mode, code in (("--verify", 1), ("--repair", 3)):
        done = run("casebus-broker", mode, folder)
        assert done.returncode == code and "tree shared: missing" in done.stderr, done
        assert mode == "--verify" or "--restore" in done.stderr, done


PAGE = 4096
BRANCH = 1


class Pages:
    """LMDB's file by its pages (broker/pages.c says how they are laid out)."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "data.mdb")
        with open(self.path, "rb") as file:
            self.data = bytearray(file.read())

    def number(self, at, code="<Q"):
        return struct.unpack_from(code, self.data, at)[0]

    def nodes(self, page):
        """(key, where its value or the page below is) of each."""
        base = page * PAGE
        for slot in range(base + 16, base + self.number(base + 12, "<H"), 2):
            node = base + self.number(slot, "<H")
            size = self.number(node + 6, "<H")
            yield bytes(self.data[node + 8:node + 8 + size]), node + 8 + size, node

    def leaves(self, page):
        if not self.number(page * PAGE + 10, "<H") & BRANCH:
            return [page]
        below = [self.number(node, "<I") | self.number(node + 4, "<H") << 32 for _, _, node in self.nodes(page)]
        return [leaf for each in below for leaf in self.leaves(each)]

    def leaves_of(self, name):
        meta = max((0, PAGE), key=lambda at: self.number(at + 144))
        for leaf in self.leaves(self.number(meta + 128)):
            for key, value, _ in self.nodes(leaf):
                if key == name:
                    return self.leaves(self.number(value + 40))

    def put_over(self, page, other):
        """As where a write went astray: the page has the other's content under its own number."""
        self.data[page * PAGE + 8:(page + 1) * PAGE] = self.data[other * PAGE + 8:(other + 1) * PAGE]
        with open(self.path, "wb") as file:
            file.write(self.data)


def crowded(raw):
    """Many agencies and publishers, as many as would be counted."""
    state = decode("meta", raw.value("meta", b"state"))
    agency = dict(decode("agency", raw.value("agency", b"hse")), cases=0, fine_pence=0, created_seq=0)
    for n in range(300):
        raw.set("agency", b"a%03d" % n, encode("agency", agency))
    refused = {key[:-8] for key in raw.keys("refusal")}
    some = next(key for key in raw.keys("publisher") if key not in refused)
    entry, name = decode("publisher", raw.value("publisher", some)), some[:-17]
    for n in range(400):
        raw.set("publisher", name + b"\0" + b"%016d" % n, raw.value("publisher", some))
    raw.change("actor", name, "publishers", 400)
    state.update(agencies=state["agencies"] + 300, publishers=state["publishers"] + 400,
                 entry=state["entry"] + 400 * entry["decided"])
    raw.set("meta", b"state", encode("meta", state))


def a_page_of_another_tree_is_no_end_of_one():
    for tree, code in (("agency", 0), ("publisher", 3)):
        folder = damaged(crowded)
        assert not findings(folder), "the test itself has made a store that does not agree"
        with Raw(folder) as raw:
            before = {each: raw.keys(each) for each in ("agency", "publisher", "session")}
        pages = Pages(folder)
        ours = [leaf for leaf in pages.leaves_of(b"shared")
                if {key[0] for key, _, _ in pages.nodes(leaf)} == {TREES.index(tree)}]
        pages.put_over(ours[len(ours) // 2], pages.leaves_of(b"shared")[-1])
        assert names(findings(folder), tree, "cannot be read"), tree
        if tree == "agency":
            with Broker(ipc=True, start=False) as broker:
                shutil.copytree(folder, broker.store)
                broker.start()
                assert broker.client().ask("agency.list")["error"]["code"] == "corrupt"
        done = run("casebus-broker", "--repair", folder)
        assert done.returncode == code, (tree, done)
        if code == 0:
            assert names(done.stdout.splitlines(), "agency: cannot be read to its end"), done
            with Raw(folder) as raw:
                assert len(raw.keys("agency")) < len(before["agency"])
                assert all(raw.keys(each) == before[each] for each in ("publisher", "session"))
        else:
            assert "keys are out of order" in done.stderr and "--restore" in done.stderr, done


def a_page_that_brings_lmdb_down_is_a_finding():
    rng, crashed = random.Random(11), 0
    for n in range(400 if LONG else 12):
        folder = copy()
        path = os.path.join(folder, "data.mdb")
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            if n % 4 == 0:
                file.truncate(rng.randrange(3, size // 4096) * 4096)
            else:
                file.seek(rng.randrange(2, size // 4096) * 4096 + 8)
                file.write(rng.randbytes(4088 if n % 4 == 1 else 16))
        done = run("casebus-ctl", "verify", folder, "--timeout", "60")
        assert done.returncode in (0, 1), done
        if done.returncode == 1 and "crashed" in done.stdout:
            crashed += 1
            assert names(done.stdout.splitlines(), "reading the store crashed"), done
        done = run("casebus-broker", "--repair", folder)
        assert done.returncode in (0, 1, 3), done
        assert done.returncode != 3 or "--restore" in done.stderr, done
    assert crashed > 0, "no page brought LMDB down: the test shows nothing"


try:
    make()
    main([an_index_entry_that_is_missing_is_named_and_rebuilt, a_whole_store_is_repaired_into_itself,
          a_kept_entry_that_is_missing_is_named_and_not_made_up, a_counter_that_is_wrong_is_named,
          an_entry_that_does_not_belong_is_named_and_dropped, a_byte_that_is_wrong_is_named_by_its_key,
          a_store_of_another_layout_is_not_repaired, a_state_that_cannot_be_read_begins_an_epoch,
          a_start_refuses_what_it_would_build_on, a_file_that_is_cut_short_ends_a_start_with_a_sentence,
          a_folder_that_is_none_cannot_start, a_damaged_case_is_no_trouble_of_others,
          a_tree_that_is_missing_is_told_with_what_to_do, a_page_of_another_tree_is_no_end_of_one,
          a_page_that_brings_lmdb_down_is_a_finding])
finally:
    shutil.rmtree(WORK)
