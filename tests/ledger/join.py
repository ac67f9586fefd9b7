"""Views that join in the middle of a burst (P4), one every few milliseconds of a second, each
as PROTOCOL.md says: with subscription, heads, snapshot and what comes after. Each ends equal to
the store.

    join.py [--joins N] [--bursts N] [--seed S]

With several bursts the joins of one fall between those of the others: 40 bursts of 25 joins
have one in every millisecond. A burst goes on until the last has joined."""
import glob
import os
import subprocess

from ledger import read_lines
from trial import BIN, PATIENCE, Trial, arguments, main

ARGS = arguments(__doc__, joins=25, bursts=1)
SECOND_MS = 1000
RATE = 400                           # reports a second, of each of two workers


def start_joiner(trial, burst):
    every = SECOND_MS // ARGS.joins
    return subprocess.Popen(
        [os.path.join(BIN, "ledger-joiner"), "--folder", trial.folder, "--fanout", trial.fanout,
         "--query", trial.query, "--count", str(ARGS.joins), "--every", str(every), "--after",
         str(burst * every // ARGS.bursts)],
        stdout=subprocess.PIPE, stderr=trial.broker.log, text=True)


def join(trial, burst):
    """One burst, with views that join all through it."""
    workers = [trial.worker(name, rate=RATE, cases=150, seed=trial.seed + burst)
               for name in ("w1", "w2")]
    trial.await_seq(1)
    joiner = start_joiner(trial, burst)
    assert joiner.stdout.readline() == "all joined\n", trial.broker.read_log()
    trial.await_seq(trial.seq() + 100)
    for worker in workers:
        worker.stop()
    joiner.terminate()
    assert joiner.wait(timeout=PATIENCE) == 0, trial.broker.read_log()


def joined_in_the_burst(trial):
    snapshots = [line["snapshot"] for path in glob.glob(os.path.join(trial.folder, "*.reader"))
                 for line in read_lines(path) if "snapshot" in line]
    seq = trial.seq()
    print("   %d joined between seq %d and %d of %d"
          % (len(snapshots), min(snapshots), max(snapshots), seq))
    assert len(snapshots) == ARGS.joins and 0 < min(snapshots) and max(snapshots) < seq


def views_end_equal_to_the_store():
    for burst in range(ARGS.bursts):
        with Trial("join, burst %d" % burst, ARGS.seed) as trial:
            join(trial, burst)
            joined_in_the_burst(trial)
            trial.finish()


main([views_end_equal_to_the_store])
