"""A broker with a long log, killed at random moments under load, is ready again within a
second, and goes on from what it had.

    reopen.py EVENTS ROUNDS"""
import json
import os
import random
import sys
import time

from faults import Broker, main

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
P99_SECONDS = 1.0
CASES = min(EVENTS, 100000)


def write_cases(path, prefix, count):
    with open(path, "w") as out:
        for n in range(count):
            out.write(json.dumps({"agency": "hse", "regulator_id": "%s%06d" % (prefix, n),
                                  "offender": {"name": "Offender %d Ltd" % (n % 5000)},
                                  "offence_action_date": "2024-01-%02d" % (1 + n % 28),
                                  "offence_fine_pence": n}) + "\n")
    return path


def fill(broker):
    """As many events as asked for: cases created, then seen again and again."""
    path = write_cases(os.path.join(broker.dir, "cases"), "c", CASES)
    began = time.monotonic()
    client = broker.client()
    while client.ask("heads")["seq"] < EVENTS:
        broker.publish(path)
    seconds = time.monotonic() - began
    print("%d events in %.1f s" % (client.ask("heads")["seq"], seconds), flush=True)


def reopened_within_a_second_after_every_kill():
    rng = random.Random(9)
    times = []
    with Broker(ipc=True) as broker:
        fill(broker)
        reports = ROUNDS * 4000
        path = write_cases(os.path.join(broker.dir, "load"), "r", reports)
        load = broker.start_program("casebus-publish", "--timeout", 120, "--rate", 4000, path)
        for _ in range(ROUNDS):
            client = broker.client()
            before = client.ask("heads")["seq"]
            target = before + rng.randrange(1, 2000)
            while load.poll() is None and client.ask("heads")["seq"] < target:
                pass
            assert load.poll() is None, "the load ended before the last kill"
            broker.kill()
            began = time.monotonic()
            broker.start()
            times.append(time.monotonic() - began)
            assert broker.client().ask("heads")["seq"] >= target
        out, err = load.communicate(timeout=300)
        assert load.returncode == 0, err
        assert " created=%d " % reports in out, out
        assert broker.client().verify() == []
    times.sort()
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    print("ready again after: median %.0f ms, p99 %.0f ms, most %.0f ms of %d kills" % (
        times[len(times) // 2] * 1000, p99 * 1000, times[-1] * 1000, len(times)), flush=True)
    assert p99 < P99_SECONDS


main([reopened_within_a_second_after_every_kill])
