"""A subscriber stopped (SIGSTOP) while events pass, with our default high-water mark: it comes
back complete, the broker's memory stays bounded, and the fast subscriber beside it does not
notice.

    slow.py [--events N] [--pairs N] [--rate REPORTS_PER_SECOND] [--seed S]

With --pairs each pair is a run in which nobody stops and one in which one does; the median of
the pairs' ratios of the fast subscriber's p99 is at most 1.5."""
import os
import signal
import statistics
import time

from ledger import Reader, read_lines
from trial import BIN, Trial, arguments, await_true, last_seq, main

ARGS = arguments(__doc__, events=20000, pairs=0, rate=3000)
RATIO = 1.5
SAMPLE = 0.01                        # seconds between looks at the memory
AGENCIES = 200                       # so many that a commit has one event of a stream, and bundles too
# What the broker may take more while a subscriber does not read: its queue of 10,240 messages,
# and batches that grew. A sanitizer keeps freed memory, so there it is more.
GROWTH_KIB = 128 << 10
GROWTH_SANITIZED_KIB = 640 << 10


def is_sanitized():
    with open(os.path.join(BIN, "casebus-broker"), "rb") as file:
        return b"__asan_init" in file.read()


def p99(path, first, last):
    """Of how late events arrived, in milliseconds."""
    late = sorted(line["late"] for line in read_lines(path)
                  if "late" in line and first < line["seq"] <= last)
    return late[len(late) * 99 // 100] / 1000


def run(stops):
    """One run; the fast subscriber's p99."""
    name = "slow, %d events, %s" % (ARGS.events, "one stopped" if stops else "nobody stopped")
    with Trial(name, ARGS.seed) as trial:
        fast, slow = trial.reader("fast"), trial.reader("slow")
        trial.worker("w1", rate=ARGS.rate, cases=2000, agencies=AGENCIES, seed=ARGS.seed)
        for reader in (fast, slow):
            await_true(lambda: last_seq(reader.ledger) > 2000, "both read")
        first, before = trial.seq(), trial.broker.anonymous_kib()
        peak = before
        if stops:
            slow.signal(signal.SIGSTOP)
        client = trial.broker.client()
        while (seq := client.ask("heads")["seq"]) < first + ARGS.events:
            peak = max(peak, trial.broker.anonymous_kib())
            time.sleep(SAMPLE)
        slow.signal(signal.SIGCONT)
        trial.finish()
        assert peak - before < (GROWTH_SANITIZED_KIB if is_sanitized() else GROWTH_KIB), \
            "the broker grew from %d to %d KiB" % (before, peak)
        taken = p99(fast.ledger, first, seq)
        print("   p99 of the fast one %.1f ms; the broker's memory from %d to at most %d KiB"
              % (taken, before, peak))
        if stops:
            reader = Reader("slow")
            reader.read(slow.ledger)
            print("   of the stopped one: %s" % reader.runs[-1].stats)
            assert reader.runs[-1].stats["repaired"] > 0, "nothing was dropped: more events"
        return taken


def comes_back_complete():
    run(stops=True)


def told_what_is_gone():
    """The log is trimmed past a stopped subscriber, and past one that was killed and comes back
    with its cursor: each is told the range, and goes on behind it."""
    with Trial("slow, and the log trimmed", ARGS.seed, "--retain-events", "2000") as trial:
        slow = trial.reader("slow")
        killed = trial.reader("killed", flags=("--from-start", "--cursor", trial.cursor("killed")))
        trial.reader("fast")
        trial.worker("w1", rate=ARGS.rate, cases=500, agencies=AGENCIES, seed=ARGS.seed)
        for reader in trial.readers:
            await_true(lambda: last_seq(reader.ledger) > 200, "all read")
        killed.kill()
        slow.signal(signal.SIGSTOP)
        trial.await_seq(trial.seq() + ARGS.events)
        slow.signal(signal.SIGCONT)
        killed.start()
        trial.finish()
        for reader in (slow, killed):
            gone = [line for line in read_lines(reader.ledger) if "gone" in line]
            print("   %s: %s" % (reader.name, gone))
            assert gone, "%s was told of nothing" % reader.name


def nobody_notices():
    ratios = []
    for _ in range(ARGS.pairs):
        ratios.append((lambda baseline: run(stops=True) / baseline)(run(stops=False)))
    print("   ratios %s, median %.2f" % (["%.2f" % ratio for ratio in ratios],
                                         statistics.median(ratios)))
    assert statistics.median(ratios) <= RATIO


main([nobody_notices] if ARGS.pairs else [comes_back_complete, told_what_is_gone])
