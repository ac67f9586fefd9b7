"""A run of the benchmarks: what was asked for, the programs, the filled stores, and what came out.

A failure of a program ends nothing: it is kept with the reason, and the figure is missing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from statistics import median

BIN = os.path.abspath(os.environ["CASEBUS_BIN"])
ROUND, ASKS = os.path.join(BIN, "casebus-round"), os.path.join(BIN, "casebus-asks")
CASEBUS, RAW, REDIS, JETSTREAM = "casebus", "zmq_proxy", "redis-streams", "jetstream"
PATIENCE_S = 1800


class Failed(Exception):
    """A program failed, or did not end; says why."""


class Store:
    """A filled store that stays. Cases 0 to `cases` are there, without a hole; from `next` on none
    is, and whoever puts cases in moves it."""

    def __init__(self, path, cases):
        self.path, self.cases, self.next = path, cases, cases

    def take(self, count):
        """The first of so many cases that are not there."""
        first = self.next
        self.next += count
        return first


class Run:
    def __init__(self, quick, large, rounds, only, shown):
        self.quick, self.large, self.only, self.shown = quick, large, only, shown
        self.rounds = rounds or (1 if quick else 5)
        self.entries, self.growth, self.failures, self.stores = [], [], [], {}
        self.scratch = tempfile.mkdtemp(prefix="casebus-bench-")
        os.environ["TMPDIR"] = tempfile.tempdir = self.scratch
        self.peers = dict(line.split("\t") for line in self.program([ROUND]).splitlines())

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def say(self, text):
        """What is at hand: in place on a terminal, a line in a file."""
        if self.shown:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif text:
            print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)

    def wants(self, name):
        return self.only in name

    # programs

    def program(self, command):
        """What it prints."""
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  errors="replace", timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{os.path.basename(command[0])} did not end in {PATIENCE_S} s") from None
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()
            raise Failed(f"{os.path.basename(command[0])} left with {done.returncode}: "
                         f"{'; '.join(why[-3:]) or 'without a word'}")
        return done.stdout

    def round(self, peer, *options):
        return json.loads(self.program([ROUND, peer, *map(str, options)]))

    def attempt(self, what, do):
        """What do() gives; None where it failed."""
        self.say(what)
        try:
            return do()
        except Exception as error:  # one measure failed: the next ones still run
            self.failures.append({"what": what, "why": str(error) or type(error).__name__})
            self.say("")
            print(f"bench: failed: {what}: {self.failures[-1]['why']}", file=sys.stderr)
            return None

    def take_turns(self, what, contestants, rounds=None):
        """Runs each (label, function) once a round, so that a slow minute hurts all; the results of
        each label."""
        results = defaultdict(list)
        for n in range(rounds or self.rounds):
            for label, do in contestants:
                result = self.attempt(f"{what}, round {n + 1}: {label}", do)
                if result is not None:
                    results[label].append(result)
        return results

    # stores

    def fill(self, cases, *options):
        """Makes a store of so many cases anew, by a round, whose result this is."""
        path = os.path.join(self.scratch, f"store-{cases}")
        self.stores.pop(cases, None)
        shutil.rmtree(path, ignore_errors=True)
        result = self.round(CASEBUS, "-n", cases, "-d", path, *options) if cases > 0 else None
        self.stores[cases] = Store(path, cases)
        return result

    def store(self, cases):
        """One that is filled; by whoever asks first."""
        if cases not in self.stores:
            self.say(f"filling a store with {cases:,} cases")
            self.fill(cases)
        return self.stores[cases]

    def store_sizes(self):
        return [size for size, wanted in ((10000, True), (100000, True), (1000000, not self.quick),
                                          (10000000, self.large)) if wanted]

    # results

    def add(self, name, shape, unit, values, against=None, against_values=None):
        """A figure: the median of the rounds; and its ratio to the median of another's, where there
        is one. Nothing where there are no values."""
        if not values or (against and not against_values):
            return
        value = median(values)
        entry = {"name": name, "shape": shape, "value": value, "unit": unit, "rounds": len(values),
                 "low": min(values), "high": max(values)}
        if against:
            other = median(against_values)
            entry.update(against=against, against_value=other,
                         ratio=round(value / other, 4) if other else None)
        self.entries.append(entry)

    def find(self, name, shape=None):
        return [e for e in self.entries if e["name"] == name and shape in (None, e["shape"])]
