"""What must be shown: the floor and the goal of each figure, in one table.

A figure is a ratio where `against` names what it is compared with, else a value. A row without a
shape stands for every shape that was measured."""

LOWER, HIGHER = "at most", "at least"

# name, shape, against, sense, floor, goal
MUST = [
    ("throughput", "1,1", "zmq_proxy", HIGHER, 0.30, 0.60),
    ("throughput, 10 million events", "1,1", "zmq_proxy", HIGHER, 0.20, 0.40),
    ("throughput", "4,4", "zmq_proxy", HIGHER, 0.75, 0.85),
    ("throughput", "1,16", "zmq_proxy", HIGHER, 0.85, 0.95),
    ("throughput", "1,1", "redis-streams", HIGHER, 3, 5),
    ("throughput", "4,4", "redis-streams", HIGHER, 1.3, 2),
    ("throughput", "16,16", "redis-streams", HIGHER, 1, 1.5),
    ("throughput", "1,1", "jetstream", HIGHER, 4, 8),
    ("throughput", "4,4", "jetstream", HIGHER, 3, 5),
    ("throughput, all synced", "1,1", "new cases", HIGHER, 0.8, 1.0),
    ("throughput, half updated", "1,1", "new cases", HIGHER, 0.6, 0.8),
    ("throughput, 10,000,000 cases in the store", "1,1", "an empty store", HIGHER, 0.5, 0.7),
    ("throughput, outbox", "1,1", "no outbox", HIGHER, 0.4, 0.6),
    ("latency at 5,000/s, p50", "1,1", "redis-streams", LOWER, 2.5, 1.2),
    ("latency at 5,000/s, p99", "1,1", "redis-streams", LOWER, 2.5, 1.5),
    ("latency at 20,000/s, p99", "1,16", "zmq_proxy + 2 fsync", LOWER, 4, 2),
    ("requests, get, lock-step", None, "bare REQ/REP", HIGHER, 0.88, 0.95),
    ("requests, get, pipelined", None, "bare ROUTER", HIGHER, 0.7, 0.85),
    ("requests, get_many(50), pipelined", None, "bare ROUTER", HIGHER, 0.6, 0.75),
    ("throughput, readers saturate requests", "1,1", "no readers", HIGHER, 0.6, 0.8),
    ("opening after kill -9", "10,000,000 events", None, LOWER, 2, 0.5),
    ("throughput, server memory", None, None, LOWER, 192, 96),
    ("throughput, server memory, second half to first", None, None, LOWER, 1.1, 1.05),
    ("throughput, 10 million events, server memory", None, None, LOWER, 192, 96),
    ("throughput, 10 million events, server memory, second half to first", None, None, LOWER, 1.1,
     1.05),
    ("bytes on disk, per event of 512 bytes", None, None, LOWER, 1200, 800),
    ("bytes on disk, per case beside its events", None, None, LOWER, 400, 250),
]


def verdict(value, sense, floor, goal):
    def reached(bar):
        return value >= bar if sense == HIGHER else value <= bar
    return "goal" if reached(goal) else "floor" if reached(floor) else "missed"


def judge(entries, only_measured):
    """A row for each figure; `value` and `verdict` are None where it was not measured."""
    rows = []
    for name, shape, against, sense, floor, goal in MUST:
        found = [e for e in entries if e["name"] == name and shape in (None, e["shape"])
                 and e.get("against") == against]
        for e in found or ([] if only_measured else [None]):
            value = None if e is None else e["ratio"] if against else e["value"]
            rows.append({"name": name, "shape": e["shape"] if e else shape or "", "against": against,
                         "unit": "x" if against or e is None else e["unit"], "sense": sense,
                         "floor": floor, "goal": goal, "value": value,
                         "verdict": None if value is None else verdict(value, sense, floor, goal)})
    return rows
