"""What depends on how much is in a store: bytes on disk, opening after a kill, verify."""

import os
import signal
import subprocess
import sys
import time

import lmdb

from run import BIN, ROUND

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from casebus import Broker, await_  # noqa: E402

LOAD_REPORTS = 200000
LOADED_EVENTS = 2000  # seen before the kill


class StoreBroker(Broker):
    """A broker on a store that stays, or on a new one."""

    def __init__(self, path=None):
        super().__init__("--map-size", "64G", start=False)
        self.store = path or self.store

    def attached(self):
        """The option that makes a round use it."""
        return ["-e", ",".join((str(self.process.pid), self.ingest, self.fanout, self.query))]


# --- bytes -----------------------------------------------------------------------------------------

def tree_bytes(path):
    """(bytes of its pages, entries) by tree."""
    with lmdb.open(path, readonly=True, lock=False, max_dbs=64, map_size=1 << 40) as env:
        with env.begin() as txn:
            names = [bytes(key) for key in txn.cursor().iternext(values=False)]
        found = {}
        for name in names:
            tree = env.open_db(name, create=False)
            with env.begin() as txn:
                s = txn.stat(tree)
            pages = s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]
            found[name.decode()] = (pages * s["psize"], s["entries"])
    return found


def measure_bytes(run, cases):
    shape, path = f"{cases:,} cases", run.store(cases).path
    trees = tree_bytes(path)
    log, events = trees.pop("log")
    run.add("bytes on disk, per event of 512 bytes", shape, "bytes", [log / events])
    run.add("bytes on disk, per case beside its events", shape, "bytes",
            [sum(size for size, _ in trees.values()) / trees["case"][1]])
    file = os.stat(os.path.join(path, "data.mdb")).st_blocks * 512
    run.add("bytes on disk, the whole file, per case with its event", shape, "bytes",
            [file / trees["case"][1]])


# --- opening ---------------------------------------------------------------------------------------

def kill_under_load(broker, store):
    """While reports come in and are committed."""
    client = broker.client()
    before = client.ask("heads")["seq"]
    load = subprocess.Popen([ROUND, "casebus", "-n", str(LOAD_REPORTS), *broker.attached(),
                             "-f", str(store.take(LOAD_REPORTS))], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        await_("heard of the load", lambda: client.ask("heads")["seq"] > before + LOADED_EVENTS)
        broker.kill()
    finally:
        os.killpg(load.pid, signal.SIGKILL)
        load.wait()


def opening_seconds(run, store):
    with StoreBroker(store.path) as broker:
        broker.start()
        kill_under_load(broker, store)
        begun = time.monotonic()
        broker.start()
        return time.monotonic() - begun


# --- verify ----------------------------------------------------------------------------------------

def verify_seconds(run, store):
    begun = time.monotonic()
    run.program([os.path.join(BIN, "casebus-ctl"), "verify", store.path])
    return time.monotonic() - begun


def measure(run):
    for cases in run.store_sizes():
        shape = f"{cases:,} events"
        if run.wants("bytes on disk"):
            run.attempt(f"bytes on disk, {shape}", lambda cases=cases: measure_bytes(run, cases))
        for name, seconds, rounds in (("verify", verify_seconds, 1 if cases > 1000000 else run.rounds),
                                      ("opening after kill -9", opening_seconds, run.rounds)):
            if run.wants(name):
                times = run.take_turns(f"{name}, {shape}", [
                    (name, lambda seconds=seconds, cases=cases: seconds(run, run.store(cases)))], rounds)
                run.add(name, shape, "s", times[name])
