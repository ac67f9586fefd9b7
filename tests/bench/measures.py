"""Rounds: throughput and latency of casebus, beside its peers or beside itself under other
conditions."""

import os
import time

from run import CASEBUS, JETSTREAM, RAW, REDIS

PEERS = (RAW, REDIS, JETSTREAM)
SLOW_PEER_MESSAGES = 200000  # of the durable peers, which take a minute for what takes others seconds
SYNC_BYTES, SYNCS = 4096, 500


class Measure:
    """One thing that is measured, and with what it is compared: peers, or casebus without the
    options, which goes by the name `against`. On a new store, unless `store` (and of what it is
    compared with, `base_store`) says how many cases are in one. `keeps`: the store of the last round
    serves others. `flat`: memory shall not grow."""

    def __init__(self, name, shape, messages, options=(), peers=(), against=None, store=None,
                 base_store=None, keeps=False, flat=False):
        self.name, self.shape, self.messages = name, shape, messages
        self.options, self.peers, self.against = options, peers, against
        self.store, self.base_store, self.keeps, self.flat = store, base_store, keeps, flat

    def arguments(self, messages=None):
        publishers, subscribers = self.shape.split(",")
        return ["-p", publishers, "-s", subscribers, "-n", messages or self.messages]

    def casebus(self, run, options, cases):
        if self.keeps:
            return run.fill(self.messages, *options)
        if cases is None:
            return run.round(CASEBUS, *self.arguments(), *options)
        store = run.store(cases)
        return run.round(CASEBUS, *self.arguments(), *options, "-d", store.path,
                         "-f", store.take(self.messages), "-w", store.cases)

    def peer(self, run, name):
        messages = self.messages if name == RAW else min(self.messages, SLOW_PEER_MESSAGES)
        return run.round(name, *self.arguments(messages), *self.options)

    def contestants(self, run):
        found = [(CASEBUS, lambda: self.casebus(run, self.options, self.store))]
        if self.against:
            found.append((self.against, lambda: self.casebus(run, (), self.base_store)))
        return found + [(name, lambda name=name: self.peer(run, name))
                        for name in self.peers if name in run.peers]

    def figures(self):
        """(suffix of the name, member of a round's result, unit)."""
        return [("", "per_s", "messages/s"), (", server cpu", "server_cpu_us", "us/message")]

    def take(self, run):
        results = run.take_turns(f"{self.name} {self.shape}", self.contestants(run))
        own = results.pop(CASEBUS, [])
        for suffix, member, unit in self.figures():
            values = [r[member] for r in own]
            if not results:
                run.add(self.name + suffix, self.shape, unit, values)
            for label, rows in results.items():
                run.add(self.name + suffix, self.shape, unit, values, label, [r[member] for r in rows])
        self.take_more(run, own)

    def take_more(self, run, own):
        run.add(self.name + ", server memory", self.shape, "MiB",
                [r["server_memory_kib"] / 1024 for r in own])
        if self.flat:
            run.add(self.name + ", server memory, second half to first", self.shape, "x",
                    [r["server_memory_growth"] for r in own])
        if "-q" in self.options:
            run.add(self.name + ", answers", self.shape, "1/s", [r["answers_per_s"] for r in own])


class Latency(Measure):
    """At a rate, beside the peers; with `syncs` also beside a bare proxy to whose time two syncs of
    the disk, measured in the same round, are added."""

    def __init__(self, rate, shape, seconds, syncs=False):
        super().__init__(f"latency at {rate:,}/s", shape, rate * seconds, options=["-r", rate],
                         peers=PEERS)
        self.syncs = syncs

    def figures(self):
        return [(", p50", "p50_us", "us"), (", p99", "p99_us", "us"), (", p99.9", "p999_us", "us")]

    def contestants(self, run):
        found = super().contestants(run)
        if self.syncs:
            found.append((f"{RAW} + 2 fsync", lambda: with_two_syncs(run, self.peer(run, RAW))))
        return found

    def take_more(self, run, own):
        pass


def sync_times(run):
    """Microseconds of each of some syncs of 4 KiB in a row, rising."""
    times, path = [], os.path.join(run.scratch, "sync")
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for n in range(SYNCS):
            os.pwrite(file, bytes([n % 256]) * SYNC_BYTES, n * SYNC_BYTES)
            begun = time.monotonic()
            os.fdatasync(file)
            times.append((time.monotonic() - begun) * 1e6)
    finally:
        os.close(file)
        os.unlink(path)
    return sorted(times)


def with_two_syncs(run, raw):
    times = sync_times(run)
    at = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999}
    return {member: raw[member] + 2 * times[int(share * SYNCS)] for member, share in at.items()}


def throughput(run):
    scale = 10 if run.quick else 1
    made = [Measure("throughput", "1,1", 1000000 // scale, peers=PEERS, keeps=True, flat=True)]
    if run.large:
        made.append(Measure("throughput, 10 million events", "1,1", 10000000, peers=(RAW,),
                            keeps=True, flat=True))
    for shape, messages in (("4,4", 300000), ("1,16", 100000), ("16,16", 60000)):
        made.append(Measure("throughput", shape, messages // scale, peers=PEERS))
    return made


def conditions(run):
    """Casebus under one condition beside casebus without it."""
    scale = 10 if run.quick else 1
    made = [Measure(f"throughput, {word}", "1,1", 300000 // scale, ["-c", kind], against="new cases")
            for kind, word in (("synced", "all synced"), ("updated", "half updated"))]
    made.append(Measure("throughput, outbox", "1,1", 300000 // scale, ["-o"], against="no outbox"))
    made.append(Measure("throughput, ids in no order", "1,1", 1000000 // scale, ["-x"],
                        against="register order"))
    for cases in run.store_sizes():
        made.append(Measure(f"throughput, {cases:,} cases in the store", "1,1", 300000 // scale,
                            against="an empty store", store=cases))
    made.append(Measure("throughput, readers saturate requests", "1,1", 300000 // scale, ["-q", 1],
                        against="no readers", store=100000, base_store=100000))
    return made


def latencies(run):
    seconds = 1 if run.quick else 5
    return [Latency(rate, "1,1", seconds) for rate in (1000, 5000, 20000)] + [
        Latency(20000, "1,16", seconds, syncs=True)]


def measure(run):
    for one in throughput(run) + conditions(run) + latencies(run):
        if run.wants(one.name):
            one.take(run)
    if run.wants("disk, fdatasync of 4 KiB"):
        times = run.attempt("fdatasync", lambda: sync_times(run)) or []
        for word, share in (("p50", 0.5), ("p99", 0.99)) if times else ():
            run.add(f"disk, fdatasync of 4 KiB, {word}", "", "us", [times[int(share * SYNCS)]])
