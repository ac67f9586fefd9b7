"""Measures casebus, and beside it whatever of its peers is installed, and writes what came out.

    bench.py [--quick | --large] [--rounds N] [--only WORD] [--out FOLDER] [--into DOCUMENT]
    bench.py --render BENCH.JSON --into DOCUMENT

The peers take turns within each round, so that a slow minute of the machine hurts all of them;
figures are medians of the rounds, and what means something is a ratio within one run. --quick
takes under two minutes: fewer messages, one round, no large stores. --large measures 10 million
events and cases too; it needs 45 GB of disk in $TMPDIR and an hour more. --only runs the measures
whose name contains the word. Into FOLDER (the build folder) go bench.json, one object a measure;
the tables, bench.txt, which is printed too; and pictures, bench.svg and growth.svg. --into puts
tables and pictures into a document, between two marks: docs/performance.md.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time

import growth
import measures
import must
import report
import requests
import sizes
import views
from run import BIN, Run

LARGE_BYTES = 45 * 10 ** 9


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--large", action="store_true", help="10 million events and cases too")
    parser.add_argument("--rounds", type=int, help="rounds of each measure (5; quick: 1)")
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--out", default=os.path.dirname(BIN), help="folder for the results")
    parser.add_argument("--into", help="a document that gets tables and pictures")
    parser.add_argument("--render", help="measure nothing: take this bench.json")
    arguments = parser.parse_args()
    if arguments.quick and arguments.large:
        parser.error("--quick and --large exclude each other")
    if arguments.render and not arguments.into:
        parser.error("--render needs --into")
    try:
        os.makedirs(arguments.out, exist_ok=True)  # not found out after an hour
    except OSError as error:
        parser.error(f"--out: {error}")
    return arguments


# First what needs stores of just the size they are named by: rounds fill them further.
PARTS = (requests.measure, sizes.measure, measures.measure, views.measure, growth.measure,
         growth.gather)


def document_of(run, facts, begun):
    return {**facts, "minutes": (time.time() - begun) / 60, "promises": run.peers,
            "measures": run.entries, "must": must.judge(run.entries, bool(run.only)), "growth": run.growth,
            "failures": run.failures}


def measure(arguments):
    """Everything that is asked for; what there is by then is written after each part."""
    begun = time.time()
    run = Run(arguments.quick, arguments.large, arguments.rounds, arguments.only, sys.stderr.isatty())
    try:
        if arguments.large and shutil.disk_usage(run.scratch).free < LARGE_BYTES:
            sys.exit("bench: --large needs 45 GB in $TMPDIR")
        facts = {"begun": time.strftime("%Y-%m-%d %H:%M"), "machine": report.machine(run.scratch),
                 "asked": {"quick": run.quick, "large": run.large, "rounds": run.rounds}}
        for part in PARTS:
            run.attempt(part.__module__, lambda part=part: part(run))
            report.write_all(document_of(run, facts, begun), arguments.out)
        run.say("")
        return document_of(run, facts, begun)
    finally:
        run.close()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))  # and the scratch is removed
    arguments = read_arguments()
    if arguments.render:
        with open(arguments.render) as file:
            document = json.load(file)
    else:
        document = measure(arguments)
        print(report.text(document), end="")
        print(f"written: bench.json, bench.txt, bench.svg and growth.svg in {arguments.out}")
    if arguments.into:
        report.render_into(arguments.into, document)
    return 1 if document["failures"] or not document["measures"] + document["growth"] else 0


sys.exit(main())
