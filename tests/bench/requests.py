"""Requests a second, on stores of several sizes: beside a REP that only sends something back, and a
ROUTER that only looks keys up."""

import json
from collections import defaultdict

from run import ASKS, CASEBUS


def ask(run, cases):
    """Requests a second by way of asking and server."""
    store = run.store(cases)
    lines = run.program([ASKS, store.path, str(cases), "0.1" if run.quick else "1", str(run.rounds)])
    found = defaultdict(lambda: defaultdict(list))
    for result in map(json.loads, lines.splitlines()):
        found[result["name"]][result["peer"]].append(result["per_s"])
    return found


def measure(run):
    if not run.wants("requests"):
        return
    for cases in [0] + run.store_sizes():
        ways = run.attempt(f"requests, {cases:,} cases", lambda cases=cases: ask(run, cases)) or {}
        for way, rates in ways.items():
            bare = [(peer, values) for peer, values in rates.items() if peer != CASEBUS and cases > 0]
            for peer, values in bare or [(None, None)]:
                run.add(f"requests, {way}", f"{cases:,} cases", "1/s", rates[CASEBUS], peer, values)
