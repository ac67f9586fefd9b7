"""One bit of the data file is flipped: either `casebus-ctl verify` reports it, or records,
indexes, log and heads are as they were, which a digest says that knows nothing of casebus but
LMDB. A broker on such a file gives the right answer or an error, never a wrong record.

    flips.py COUNT   flips, from seeds 1 to COUNT; every fifth is served too"""
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading

import lmdb
import msgpack

from faults import DATA, Broker, CasebusError, Publisher, Query, main, remove, scratch, verify

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 60
SERVED_EVERY = 5
SECONDS = 20                                    # for what may hang
PAGE = 4096


# --- the store --------------------------------------------------------------------------------

def fill(broker):
    """About 2,000 events of every kind, refusals, quarantine in every state."""
    for name, code in (("register", 0), ("corrections", 0), ("older", 0), ("colliding", None),
                       ("refused", 1)):
        broker.publish("--new-session", os.path.join(DATA, name + ".ndjson"), code=code)
    query = Query(broker.query)
    p = Publisher(broker.ingest, query)
    for n in range(1000):
        p.report("case:scraped:ea:F/%d:" % n, {
            "offender": {"name": "Flip %d Ltd" % (n % 50), "postcode": "AB1 %dCD" % (n % 9)},
            "offence_action_date": "2023-%02d-10" % (1 + n % 12), "offence_fine_pence": n * 100,
            "offence_breaches": "Guards were absent. " * (n % 31 * 8 if n % 40 else 300)})
    for n in range(0, 1000, 4):
        p.report("case:edited:ea:F/%d:" % n, {"offence_costs_pence": n})
    for n in range(0, 1000, 25):
        p.report("case:deleted:ea:F/%d:" % n)
        p.report("case:redacted:ea:F/%d:" % (n + 1))
        p.report("case:scraped:ea:F/%d:" % (n + 2), {
            "offender": {"name": "Another"}, "offence_action_date": "2020-01-01"})
        p.report("case:edited:ea:unknown-%d:" % n, {})
    p.settle()
    rows = list(query.pages("quarantine.list", agency="ea"))
    for n, row in enumerate(rows):
        if n % 3:
            decision = "quarantine.accept" if n % 3 == 1 else "quarantine.reject"
            query(decision, quarantine=row["quarantine"])
    p.report("case:edited:ea:unknown:", {})     # one that is refused and not taken yet
    while query("publisher.confirm", publisher=p.publisher, after=p.decided)["decided"] < p.sent:
        p.resend(p.sent)
    p.close()
    query.close()


def records_of(query):
    """Every case that was ever heard of, as it is answered, and the whole log."""
    answers = {}
    log, after = [], 0
    while True:
        result = query("log.replay", after=after, patterns=["case", "session"], limit=2000)
        log += result["events"]
        after = result["through"]
        if after >= query.reply["seq"]:
            break
    ids = sorted({":".join(topic.split(":")[2:4]) for topic, _ in log if topic.startswith("case:")})
    for case in ids:
        try:
            answers[case] = query("case.get", id=case, load=["agency", "offender", "history"])
        except CasebusError as error:
            answers[case] = error.code
    return answers, log


# --- a digest of its own ----------------------------------------------------------------------

def digest(folder):
    """Of every key and value of every tree, each also found by its key."""
    env = lmdb.open(folder, readonly=True, lock=False, max_dbs=64)
    whole = hashlib.blake2b()
    with env.begin() as txn:
        for name in [bytes(key) for key, _ in txn.cursor()]:
            tree = env.open_db(name, txn=txn, create=False)
            whole.update(b"%d %s" % (len(name), name))
            for key, value in txn.cursor(tree):
                whole.update(b"%d %d " % (len(key), len(value)) + key + value)
                if txn.get(key, db=tree) != value:
                    whole.update(b"not found by its key")
    return whole.hexdigest()


def digest_apart(folder):
    """In a process of its own, which a damaged file may end."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            os.write(theirs, digest(folder).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return found or "none"


# --- a flip -----------------------------------------------------------------------------------

def choose(rng, size):
    """A byte anywhere; of every fourth flip one in the head of a page, where structure is."""
    at = rng.randrange(size)
    if rng.randrange(4) == 0:
        at = at // PAGE * PAGE + rng.randrange(64)
    return at, 1 << rng.randrange(8)


def damage(data, folder, seed):
    at, bit = choose(random.Random(seed), len(data))
    image = bytearray(data)
    image[at] ^= bit
    remove(folder)
    os.mkdir(folder)
    with open(os.path.join(folder, "data.mdb"), "wb") as out:
        out.write(image)
    return "seed %d, byte %d (page %d + %d), bit %02x" % (seed, at, at // PAGE, at % PAGE, bit)


def verdict(folder):
    """good, reported, or crashed: LMDB did not survive the walk."""
    try:
        said, code = verify(folder)
    except subprocess.TimeoutExpired:
        return "crashed"
    assert code in (0, 1) or code < 0 or code > 128, (code, said)
    return {0: "good", 1: "reported"}.get(code, "crashed")


def serve(broker, folder, good, answers, log, where):
    """Right answers, or errors; where verify saw nothing wrong, right answers only."""
    broker.store = folder
    timer = threading.Timer(SECONDS, lambda: broker.process.kill())
    timer.start()
    query = None
    try:
        if not broker.launch():
            assert not good, "the broker does not start: " + where
            return
        query = Query(broker.query, timeout=2, tries=1)
        compare(query, broker, good, answers, log, where)
    finally:
        timer.cancel()
        if query:
            query.close()
        if broker.process.poll() is None:
            broker.process.kill()
        broker.process.wait()


def compare(query, broker, good, answers, log, where):
    for case, right in answers.items():
        try:
            answer = query("case.get", id=case, load=["agency", "offender", "history"])
        except CasebusError as error:
            if error.code == "unreachable":
                assert not good, "the broker does not answer: " + where
                return
            assert not good or error.code == right, (where, case, error.code)
            continue
        assert answer == right, "a wrong record: %s: %s: %s" % (
            where, case, [key for key in right if answer.get(key) != right[key]])
    replayed(query, good, {msgpack.unpackb(event[1])["seq"]: event for event in log}, where)


def replayed(query, good, log, where):
    after = 0
    while True:
        try:
            result = query("log.replay", after=after, patterns=["case", "session"], limit=500)
        except CasebusError as error:
            assert not good, (where, error)
            return
        for event in result["events"]:
            seq = msgpack.unpackb(event[1])["seq"]
            assert event == log[seq], "a wrong event: %s: %d" % (where, seq)
        after = result["through"]
        if after >= query.reply["seq"]:
            return


def a_flipped_bit_is_reported_or_means_nothing():
    folder = scratch()
    image = os.path.join(folder, "image")
    broker = Broker(ipc=True)
    try:
        fill(broker)
        query = Query(broker.query)
        answers, log = records_of(query)
        query.close()
        assert broker.client().verify() == []
        broker.stop()
        store = broker.store
        data = open(os.path.join(store, "data.mdb"), "rb").read()
        right = digest_apart(store)
        counts = {"good": 0, "reported": 0, "crashed": 0}
        failed = []
        for seed in range(1, COUNT + 1):
            where = damage(data, image, seed)
            said = verdict(image)
            counts[said] += 1
            if said == "good" and digest_apart(image) != right:
                failed.append(where)
            if seed % SERVED_EVERY == 0:
                serve(broker, image, said == "good", answers, log, where)
        print("%d bytes, %d events: %s" % (len(data), len(log), counts), flush=True)
        assert not failed, "not reported: %s" % failed
        broker.store = store
        broker.start()
    finally:
        broker.close()
        remove(folder)


main([a_flipped_bit_is_reported_or_means_nothing])
