"""Measures casebus, and beside it whatever of its peers is installed, and writes what came out.

    bench.py [--quick] [--rounds N] [--only WORD] [--out FOLDER]

The peers take turns within each round, so that a slow minute of the machine hurts all of them;
figures are medians of the rounds, and what means something is a ratio within one run. --quick
takes under two minutes: fewer messages, one round, no large stores. --only runs the measures whose
name contains the word. Into FOLDER (the build folder) go bench.json, one object a measure; a
table, bench.txt, which is printed too; and a chart, bench.svg.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from statistics import median

import chart

BIN = os.path.abspath(os.environ["CASEBUS_BIN"])
ROUND = os.path.join(BIN, "casebus-round")
RAW, CASEBUS = "zmq_proxy", "casebus"


class Measure:
    """One thing that is measured: rounds of each peer, and the figure taken from them."""

    def __init__(self, name, shape, messages, against, figure="per_s", unit="messages/s",
                 options=(), base_options=None, peers=None, quick=True):
        self.name, self.shape, self.messages = name, shape, messages
        self.figure, self.unit, self.against = figure, unit, against
        self.options, self.base_options = list(options), base_options
        self.peers, self.quick = peers, quick

    def runs(self, installed):
        """(label, peer, options): casebus, and what it is compared with."""
        yield CASEBUS, CASEBUS, self.options
        if self.base_options is not None:
            yield self.against, CASEBUS, list(self.base_options)
        for peer in self.peers or ():
            if peer in installed:
                yield peer, peer, [o for o in self.options if o not in ("-o",)]


def measures(quick):
    scale = 10 if quick else 1
    peers = (RAW, "redis-streams", "jetstream")
    made = []
    for shape, messages in (("1,1", 1000000), ("4,4", 300000), ("1,16", 100000),
                            ("16,16", 60000)):
        made.append(Measure("throughput", shape, messages // scale, RAW, peers=peers))
    for kind in ("synced", "updated"):
        made.append(Measure(f"throughput, {kind}", "1,1", 300000 // scale, "new cases",
                            options=["-c", kind], base_options=()))
    made.append(Measure("throughput, outbox", "1,1", 300000 // scale, "no outbox",
                        options=["-o"], base_options=()))
    for filled, messages in ((100000, 200000), (1000000, 300000), (10000000, 300000)):
        made.append(Measure(f"throughput, {filled:,} cases in the store", "1,1", messages,
                            "an empty store", options=["-f", str(filled)], base_options=(),
                            quick=False))
    for rate, shape in ((1000, "1,1"), (5000, "1,1"), (20000, "1,1"), (20000, "1,16")):
        made.append(Measure(f"latency at {rate:,}/s", shape, rate * (1 if quick else 5), RAW,
                            figure="p50_us", unit="us", options=["-r", str(rate)], peers=peers))
    return [m for m in made if m.quick or not quick]


def one_round(peer, measure, options):
    publishers, subscribers = measure.shape.split(",")
    command = [ROUND, peer, "-p", publishers, "-s", subscribers, "-n", str(measure.messages)]
    run = subprocess.run(command + options, stdout=subprocess.PIPE, text=True, timeout=1800)
    if run.returncode != 0:
        print(f"bench: a round of {peer} failed: {measure.name} {measure.shape}", file=sys.stderr)
        return None
    return json.loads(run.stdout)


def take_turns(measure, installed, rounds, say):
    """Results of all rounds by label."""
    results = defaultdict(list)
    for n in range(rounds):
        for label, peer, options in measure.runs(installed):
            say(f"{measure.name} {measure.shape}, round {n + 1} of {rounds}: {label}")
            result = one_round(peer, measure, options)
            if result:
                results[label].append(result)
    return results


def figures_of(measure):
    """What is taken of a round: (suffix of the name, member, unit)."""
    if measure.figure == "p50_us":
        return [("p50", "p50_us", "us"), ("p99", "p99_us", "us"), ("p99.9", "p999_us", "us")]
    return [("", "per_s", "messages/s"), ("server cpu", "server_cpu_us", "us a message"),
            ("server memory", "server_memory_kib", "KiB")]


def judge(measure, results):
    """The objects of bench.json."""
    found = []
    for suffix, member, unit in figures_of(measure):
        name = f"{measure.name}, {suffix}" if suffix else measure.name
        own = [r[member] for r in results.get(CASEBUS, [])]
        for label, rows in results.items():
            values = [r[member] for r in rows]
            if not values:
                continue
            value = median(values)
            entry = {"name": name, "shape": measure.shape, "peer": label, "value": value,
                     "unit": unit, "rounds": len(values)}
            if label != CASEBUS and own and value:
                entry["against"] = label
                entry["ratio"] = round(median(own) / value, 3)
            found.append(entry)
    return found


def table(entries):
    lines = [f"{'measure':44} {'shape':>6} {'peer':16} {'value':>12} {'unit':13} casebus is"]
    for e in entries:
        ratio = f"{e['ratio']:.2f} x" if "ratio" in e else ""
        lines.append(f"{e['name']:44} {e['shape']:>6} {e['peer']:16} {e['value']:12,.0f} "
                     f"{e['unit']:13} {ratio}")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each measure (5; quick: 1)")
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--out", default=os.path.dirname(BIN), help="folder for the results")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    peers = dict(line.split("\t") for line in
                 subprocess.run([ROUND], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.splitlines())
    shown = sys.stderr.isatty()

    def say(text):
        if shown:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    entries, failed = [], False
    for measure in measures(arguments.quick):
        if arguments.only in measure.name:
            results = take_turns(measure, peers, rounds, say)
            failed = failed or not results.get(CASEBUS)
            entries += judge(measure, results)
    say("")
    text = table(entries)
    print(text, end="")
    document = {"machine": {"cpus": os.cpu_count(), "kernel": platform.release(),
                            "processor": platform.processor() or platform.machine()},
                "rounds": rounds, "promises": peers, "measures": entries}
    with open(os.path.join(arguments.out, "bench.json"), "w") as file:
        json.dump(document, file, indent=1)
    with open(os.path.join(arguments.out, "bench.txt"), "w") as file:
        file.write(text)
    with open(os.path.join(arguments.out, "bench.svg"), "w") as file:
        file.write(chart.bars(entries))
    return 1 if failed or not entries else 0


sys.exit(main())
