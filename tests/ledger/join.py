"""Views that join in the middle of a burst of a second (P4): one every few milliseconds, each
as PROTOCOL.md says, with subscription, heads, snapshot and what comes after. Each ends equal to
the store.

    join.py [--joins N] [--bursts N] [--seed S]

With several bursts the joins of one fall between those of the others: 40 bursts of 25 joins
have one in every millisecond."""
import glob
import os
import subprocess

from ledger import read_lines
from trial import BIN, PATIENCE, Trial, arguments, main

ARGS = arguments(__doc__, joins=25, bursts=1)
BURST_MS = 1000
RATE = 1500                          # reports a second, of each of two workers


def join(trial, burst):
    """One burst, with views that join all through it."""
    workers = [trial.worker("w%d-%d" % (burst, n), outbox=None, count=RATE * BURST_MS // 1000,
                            rate=RATE, cases=150, seed=trial.seed + burst) for n in (1, 2)]
    every = BURST_MS // ARGS.joins
    joiner = subprocess.Popen(
        [os.path.join(BIN, "ledger-joiner"), "--folder", trial.folder, "--prefix", "b%d-v" % burst,
         "--fanout", trial.fanout, "--query", trial.query, "--count", str(ARGS.joins), "--every",
         str(every), "--after", str(burst * every // ARGS.bursts)], stderr=trial.broker.log)
    for worker in workers:
        assert worker.process.wait(timeout=PATIENCE) == 0
    joiner.terminate()
    assert joiner.wait(timeout=PATIENCE) == 0, trial.broker.read_log()
    snapshots = [line["snapshot"]
                 for path in glob.glob(os.path.join(trial.folder, "b%d-v*.reader" % burst))
                 for line in read_lines(path) if "snapshot" in line]
    seq = trial.seq()
    assert len(snapshots) == ARGS.joins
    print("   %d joined between seq %d and %d of %d"
          % (len(snapshots), min(snapshots), max(snapshots), seq))
    assert sum(0 < snapshot < seq for snapshot in snapshots) > ARGS.joins / 2, "not in the burst"


def views_end_equal_to_the_store():
    for burst in range(ARGS.bursts):
        with Trial("join, burst %d" % burst, ARGS.seed) as trial:
            join(trial, burst)
            trial.finish()


main([views_end_equal_to_the_store])
