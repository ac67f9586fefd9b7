"""Live views while cases come in as fast as they go: how many events a second one keeps up with,
and how many refetches it does not make."""

import os
import sys
import time

import sizes
from run import CASEBUS

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "subscriber"))
from viewing import Viewer  # noqa: E402

WINDOW_MS = 200


def absorb(run, views, cases):
    """(events a second until every view shows the last, requests, requests without sharing)."""
    with sizes.StoreBroker() as broker:
        broker.start()
        with Viewer(broker.fanout, broker.query) as viewer:
            for n in range(views):
                viewer.open(f"v{n}", "recent", window=WINDOW_MS, limit=100)
            viewer.settle(broker.client().ask("heads"))
            before = viewer.stats()
            rate = run.round(CASEBUS, "-n", cases, *broker.attached())["per_s"]
            ended = time.monotonic()
            viewer.settle(broker.client().ask("heads"))
            seconds = cases / rate + time.monotonic() - ended
            after = viewer.stats()
    requests = after["requests"] - before["requests"]
    return cases / seconds, requests, requests + after["saved"] - before["saved"]


def measure(run):
    if not run.wants("views"):
        return
    cases = 30000 if run.quick else 300000
    for views in (1, 10, 100):
        shape = f"{views} view{'s' if views > 1 else ''}"
        found = run.take_turns(f"views, {shape}", [(shape, lambda views=views: absorb(
            run, views, cases))])[shape]
        run.add("views, events absorbed", shape, "events/s", [rate for rate, _, _ in found])
        run.add("views, events for one request", shape, "events",
                [cases / requests for _, requests, _ in found])
        run.add("views, refetches saved of one a view and event", shape, "%",
                [100 * (1 - requests / (views * cases)) for _, requests, _ in found])
        run.add("views, refetches saved by sharing", shape, "%",
                [100 * (1 - requests / alone) for _, requests, alone in found if alone])
