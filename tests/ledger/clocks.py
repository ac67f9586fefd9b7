"""Clocks that are days apart, and that jump while everything runs: publisher ten days ahead,
broker right, subscriber ten days behind; then each of them somewhere else, every moment. Order
and delivery are what they always are, and the broker's `at` never goes back.

    clocks.py [--jumps N] [--seed S]

The clocks are libfaketime's; it does not go with sanitizers."""
import glob
import os
import sys

from store import Store
from trial import Trial, arguments, main

ARGS = arguments(__doc__, jumps=25)
DAYS = 10
LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


class Clock:
    """The wall clock of one process; its monotonic clock is left alone, as by a real jump."""

    def __init__(self, folder, name, days):
        self.path = os.path.join(folder, "clock-" + name)
        self.set(days * 86400)
        self.env = {"LD_PRELOAD": LIBRARY[0], "FAKETIME_TIMESTAMP_FILE": self.path,
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        with open(self.path + ".next", "w") as file:
            file.write("%+d\n" % seconds)
        os.rename(self.path + ".next", self.path)   # it is read at any moment


def clocks_apart_and_jumping():
    with Trial("clocks", ARGS.seed) as trial:
        clocks = [Clock(trial.broker.dir, name, days)
                  for name, days in (("worker", DAYS), ("broker", 0), ("reader", -DAYS))]
        trial.broker.stop()
        trial.broker.env = clocks[1].env
        trial.broker.start()
        trial.worker("w1", outbox=True, rate=800, cases=200, env=clocks[0].env)
        trial.worker("w2", outbox=True, rate=800, cases=200)
        trial.reader("r1", env=clocks[2].env)
        trial.reader("r2", "case:synced", flags=("--from-start", "--cursor", trial.cursor("r2")))
        trial.await_seq(200)
        for _ in range(ARGS.jumps):
            trial.random.choice(clocks).set(trial.random.randrange(-DAYS, DAYS + 1) * 86400)
            trial.await_seq(trial.seq() + trial.random.randrange(1, 200))
        trial.finish()
        times = [event.content["at"] for event in Store(trial.broker.store).events]
        assert times == sorted(times)
        assert max(times) - min(times) > 86400 * 1000000, "no jump reached the broker"


if not LIBRARY:
    sys.exit("libfaketime is not there (Debian: libfaketime)")
main([clocks_apart_and_jumping])
