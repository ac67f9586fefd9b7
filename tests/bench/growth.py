"""How figures grow with what there is: measured at several sizes, and the factor per tenfold taken
from a line through the logarithms. What a message costs may grow as log n does."""

from dataclasses import dataclass, field
from math import log10
from statistics import median

from run import CASEBUS

# From 10 to 100 a logarithm doubles, from 10^5 to 10^6 it grows by 1.2; and times are noisy.
LOG_N, LINEAR = 1.4, 11.0


@dataclass
class Axis:
    """One cost against one size; `options` of the round at a size, `cost` of its result."""
    name: str
    along: str
    unit: str
    sizes: list
    options: callable
    cost: callable
    messages: callable = lambda n: 100000
    allowed: float = LOG_N


@dataclass
class Found:
    """The same from figures that were measured before: entries of a name, by the size at the
    beginning of `take` of them."""
    name: str
    along: str
    unit: str
    prefix: str
    size: callable
    cost: callable
    allowed: float = LOG_N
    points: list = field(default_factory=list)


def shapes(publishers=1, subscribers=1):
    return ["-p", publishers, "-s", subscribers]


def cpu(result):
    return result["server_cpu_us"]


def busy_cpu(result):
    """Without what it uses when nothing comes, which is for the heads."""
    return cpu(result) - result["server_quiet_cpu_us_per_s"] / result["per_s"]


def axes(run):
    few = (lambda sizes: sizes[:2]) if run.quick else (lambda sizes: sizes)
    return [
        Axis("broker CPU", "publishers", "us/message", few([1, 4, 16, 64]),
             lambda n: shapes(publishers=n), cpu),
        Axis("broker CPU", "subscribers", "us/delivered", few([1, 4, 16, 64]),
             lambda n: shapes(subscribers=n), lambda r: cpu(r) / int(r["shape"].split(",")[1]),
             lambda n: 100000 // n + 2000),
        Axis("broker CPU", "idle subscribers", "us/message", few([1, 100, 1000, 10000]),
             lambda n: ["-i", n], busy_cpu),
        Axis("broker CPU while nothing comes", "idle subscribers", "ms/s", few([100, 1000, 10000]),
             lambda n: ["-i", n], lambda r: r["server_quiet_cpu_us_per_s"] / 1000, lambda n: 20000,
             LINEAR),
        Axis("broker memory", "idle subscribers", "MiB", few([100, 1000, 10000]),
             lambda n: ["-i", n], lambda r: r["server_memory_kib"] / 1024,
             lambda n: 20000, LINEAR),
        Axis("broker CPU", "streams (agencies)", "us/message", few([1, 4, 16, 64, 256]),
             lambda n: ["-a", n], cpu),
        Axis("broker CPU", "patterns of a subscriber", "us/message", few([1, 4, 16, 64]),
             lambda n: ["-k", n], cpu),
        Axis("broker CPU", "record size", "us/message", few([512, 1600, 5000, 15000]),
             lambda n: ["-b", n], cpu, lambda n: 100000 * 512 // n, allowed=LINEAR),
        Axis("broker CPU", "events in one run", "us/message",
             [10000, 30000] if run.quick else [30000, 100000, 300000, 1000000],
             lambda n: [], cpu, lambda n: n),
    ]


def number(text):
    """The one in a text, like "throughput, 10,000 cases in the store"."""
    return int("".join(c for c in text if c.isdigit()) or 0)


def founds():
    in_store = " cases in the store"
    return [
        Found("broker CPU", "cases in the store", "us/message",
              "throughput, ", lambda e: number(e["name"]) if in_store + ", server cpu" in e["name"] else 0,
              lambda e: e["value"]),
        Found("opening after kill -9", "events", "s", "opening", lambda e: number(e["shape"]),
              lambda e: e["value"]),
        Found("verify", "events", "s", "verify", lambda e: number(e["shape"]),
              lambda e: e["value"], LINEAR),
    ] + [Found(way, "cases in the store", "us/request", f"requests, {way}",
               lambda e: number(e["shape"]), lambda e: 1e6 / e["value"])
         for way in ("get, pipelined", "get_many(50), pipelined", "recent(100), pipelined",
                     "list(50), pipelined", "replay(500), pipelined")]


def factor(points):
    """By how much it grows where the size is ten times as large: least squares on logarithms."""
    xs, ys = [log10(x) for x, _ in points], [log10(y) for _, y in points]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    return 10 ** (sum((x - x0) * (y - y0) for x, y in zip(xs, ys)) / sum((x - x0) ** 2 for x in xs))


def keep(run, one, points):
    points = [(x, y) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in points}) < 2:
        return
    grows = factor(points)
    run.growth.append({"name": one.name, "along": one.along, "unit": one.unit, "points": points,
                       "per_tenfold": round(grows, 3), "allowed": one.allowed,
                       "fine": grows <= one.allowed})


def take(run, axis):
    points = []
    rounds = [(n, lambda n=n: axis.cost(run.round(CASEBUS, "-n", axis.messages(n), *axis.options(n))))
              for n in axis.sizes]
    results = run.take_turns(f"growth, {axis.name} by {axis.along}", rounds, min(run.rounds, 3))
    for n in axis.sizes:
        if results[n]:
            points.append((n, median(results[n])))
    keep(run, axis, points)


def measure(run):
    if not run.wants("growth"):
        return
    for axis in axes(run):
        take(run, axis)


def gather(run):
    """From what has been measured before."""
    for one in founds():
        keep(run, one, [(one.size(e), one.cost(e)) for e in run.entries
                        if e["name"].startswith(one.prefix)])
