"""How figures grow with what there is: measured at several sizes, and the factor per tenfold taken
from a line through the logarithms; and from the two largest alone, where a cost that is small at
first would show. What a message costs may grow as log n does."""

from dataclasses import dataclass
from math import log10
from statistics import median

from run import CASEBUS

# From 10 to 100 a logarithm doubles, from 10^5 to 10^6 it grows by 1.2; and times are noisy.
LOG_N, LINEAR = 1.4, 11.0


@dataclass
class Cost:
    """A figure of a round's result; `allowed` is the factor per tenfold that is fine, None for what
    is not ours and only stands beside it."""
    name: str
    unit: str
    of: callable
    allowed: float | None = LOG_N


@dataclass
class Axis:
    """Rounds at several sizes; `options` and `messages` of the round at each."""
    along: str
    sizes: list
    options: callable
    costs: list
    messages: callable = lambda n: 100000


@dataclass
class Found:
    """From figures that were measured before: of entries whose name begins so, the size (0: not
    one of these) and the cost."""
    along: str
    prefix: str
    size: callable
    cost: Cost


def cpu(result):
    return result["server_cpu_us"]


def busy_cpu(result):
    """Without what it uses when nothing comes, which is for the heads."""
    return cpu(result) - result["server_quiet_cpu_us_per_s"] / result["per_s"]


CPU = Cost("broker CPU", "us/message", cpu)
DELIVERED = Cost("broker CPU", "us/delivered", lambda r: cpu(r) / int(r["shape"].split(",")[1]))
BY_SIZE = Cost("broker CPU", "us/message", cpu, LINEAR)
IDLE = [Cost("broker CPU", "us/message", busy_cpu),
        Cost("broker CPU at rest", "ms/s",
             lambda r: r["server_quiet_cpu_us_per_s"] / 1000, LINEAR),
        Cost("broker memory", "MiB", lambda r: r["server_memory_kib"] / 1024, LINEAR)]


def axes(run):
    few = (lambda sizes: sizes[:2]) if run.quick else (lambda sizes: sizes)
    return [
        Axis("publishers", few([1, 4, 16, 64]), lambda n: ["-p", n], [CPU]),
        Axis("subscribers", few([1, 4, 16, 64]), lambda n: ["-s", n], [DELIVERED],
             lambda n: 100000 // n + 2000),
        Axis("idle subscribers", few([1, 100, 1000, 10000]), lambda n: ["-i", n], IDLE),
        Axis("streams (agencies)", few([1, 4, 16, 64, 256]), lambda n: ["-a", n], [CPU]),
        Axis("patterns of a subscriber", few([1, 4, 16, 64]), lambda n: ["-k", n], [CPU]),
        Axis("record size", few([512, 1600, 5000, 15000]), lambda n: ["-b", n], [BY_SIZE],
             lambda n: 100000 * 512 // n),
        Axis("events in one run", [10000, 30000] if run.quick else [30000, 100000, 300000, 1000000],
             lambda n: [], [CPU], lambda n: n),
    ]


def number(text):
    """The one in a text, like "throughput, 10,000 cases in the store"."""
    return int("".join(c for c in text if c.isdigit()) or 0)


def in_store(entry):
    return number(entry["name"]) if " cases in the store, server cpu" in entry["name"] else 0


def value(entry):
    return entry["value"]


def by_shape(entry):
    return number(entry["shape"])


FOUND = [
    Found("cases in the store", "throughput, ", in_store, Cost("broker CPU", "us/message", value)),
    Found("events", "opening after kill -9", by_shape, Cost("opening after kill -9", "s", value)),
    Found("events", "verify", by_shape, Cost("verify", "s", value, LINEAR)),
] + [
    Found("cases in the store", f"requests, {way}", by_shape,
          Cost(way, "us/request", lambda e: 1e6 / e["value"]))
    for way in ("get, pipelined", "get_many(50), pipelined", "recent(100), pipelined",
                "list(50), pipelined", "replay(500), pipelined")
] + [
    Found("cases in the store", f"requests, {way}", by_shape,
          Cost(f"{way}, of a bare ROUTER", "us/request", lambda e: 1e6 / e["against_value"], None))
    for way in ("get, pipelined", "get_many(50), pipelined")]


def factor(points):
    """By how much it grows where the size is ten times as large: least squares on logarithms."""
    xs, ys = [log10(x) for x, _ in points], [log10(y) for _, y in points]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    return 10 ** (sum((x - x0) * (y - y0) for x, y in zip(xs, ys)) / sum((x - x0) ** 2 for x in xs))


def keep(run, along, cost, points):
    points = sorted({(x, y) for x, y in points if x > 0 and y > 0})
    if len({x for x, _ in points}) < 2:
        return
    grows, at_last = factor(points), factor(points[-2:])
    run.growth.append({"name": cost.name, "along": along, "unit": cost.unit, "points": points,
                       "per_tenfold": round(grows, 3), "at_last": round(at_last, 3),
                       "allowed": cost.allowed,
                       "fine": cost.allowed is None or max(grows, at_last) <= cost.allowed})


def take(run, axis):
    rounds = [(n, lambda n=n: run.round(CASEBUS, "-n", axis.messages(n), *axis.options(n)))
              for n in axis.sizes]
    results = run.take_turns(f"growth by {axis.along}", rounds, min(run.rounds, 3))
    for cost in axis.costs:
        keep(run, axis.along, cost, [(n, median(map(cost.of, results[n])))
                                     for n in axis.sizes if results[n]])


def measure(run):
    for axis in axes(run):
        if run.wants(f"growth by {axis.along}"):
            take(run, axis)


def gather(run):
    """From what has been measured before."""
    for one in FOUND:
        keep(run, one.along, one.cost, [(one.size(e), one.cost.of(e)) for e in run.entries
                                        if e["name"].startswith(one.prefix) and one.size(e) > 0])
