"""EIO (and its kin) at the Nth write, sync, meta page and write ahead of the store: the broker ends
with its own exit code, having told nobody anything that is not stored; the next start is clean, and
the publishers go on.

    eio.py COUNT     a seeded sample of COUNT
    eio.py all       every N up to 200 of each kind, 10 ahead"""
import random
import sys

from faults import EXIT_START, EXIT_STORE, Broker, Load, failing, main, verify

MOST = {"write": 200, "sync": 200, "meta": 200, "ahead": 10}
STEPS = 2000                                    # enough to come to the 200th of anything


def variants(rng, kind, number):
    """How it fails: the error, how much happened first, and whether it goes on failing."""
    how = rng.choice(["EIO", "EIO", *(["ENOSPC"] if kind != "ahead" else []),
                      *(["short"] if kind in ("write", "meta") else [])])
    part = rng.choice(["none", "whole"] if kind == "sync" else ["none", "half", "whole"])
    if how == "short" and part == "whole":
        part = "half"                           # a write that is whole has not failed
    return ":".join([kind, str(number), how, part, *(["on"] if rng.random() < 0.5 else [])])


def plan(count):
    rng = random.Random(5)
    kinds = tuple(MOST)
    if count == "all":
        pairs = [(kind, number) for kind in kinds for number in range(1, MOST[kind] + 1)]
    else:                                       # the first ones: while the store is made and opened
        pairs = [(kinds[i % 4], 1 + i // 4 if i < 12 else rng.randrange(4, MOST[kinds[i % 4]] + 1))
                 for i in range(int(count))]
    return [variants(rng, *pair) for pair in pairs]


def one(fail, seed):
    broker = Broker(ipc=True, env=failing(fail), start=False)
    load = None
    codes, words = (EXIT_STORE,), ("input or output failed", "Input/output error")
    try:
        if broker.launch():
            load = Load(broker, seed)
            assert load.run_until_gone(STEPS), "the disk never failed"
        elif "ENOSPC" in fail:                  # no space to make a store in: the disk is in order
            codes, words = (EXIT_START, EXIT_STORE), (*words, "No space left", "no space is left")
        code = broker.process.wait(30)
        assert code in codes, "exit code %d: %s" % (code, broker.read_log())
        assert any(word in broker.read_log() for word in words), broker.read_log()
        broker.env = {}
        broker.start()
        if load is None:
            load = Load(broker, seed)
        load.compare()
        said, code = verify(broker.store)
        assert code == 0, said
        load.step()
        load.settle_all()
        load.compare_in_full()
        assert broker.client().verify() == []
        return len(load.promises)
    except BaseException:
        print("at", fail, flush=True)
        if broker.process.poll() is None:
            broker.process.kill()
            broker.process.wait()
        raise
    finally:
        if load:
            load.close()
        broker.close()


def a_disk_that_fails_ends_the_broker_and_nothing_told_is_lost():
    promises = 0
    fails = plan(sys.argv[1] if len(sys.argv) > 1 else "12")
    for seed, fail in enumerate(fails):
        promises += one(fail, seed)
        if seed % 50 == 49:
            print("%d of %d" % (seed + 1, len(fails)), flush=True)
    print("%d failures, %d confirmations and events kept" % (len(fails), promises))


def a_write_ahead_that_finds_no_space_loses_nothing_and_ends_nothing():
    fails = ("ahead:2:ENOSPC", "ahead:3:ENOSPC:half", "ahead:1:short:half", "ahead:2:short")
    for seed, fail in enumerate(fails):
        broker = Broker(ipc=True, env=failing(fail))
        load = Load(broker, seed)
        for _ in range(100):
            load.step()
        load.settle_all()
        load.compare_in_full()
        assert broker.client().verify() == [], fail
        load.close()
        broker.stop()
        broker.close()


def a_broker_killed_while_it_writes_ahead_has_its_store():
    for seed, fail in enumerate(("ahead:1:kill", "ahead:2:kill:half", "ahead:3:kill:whole")):
        broker = Broker(ipc=True, env=failing(fail))
        load = Load(broker, seed)
        assert load.run_until_gone(STEPS), "the disk never failed"
        broker.process.wait()
        broker.env = {}
        broker.start()
        load.compare()
        load.settle_all()
        load.compare_in_full()
        assert broker.client().verify() == [], fail
        load.close()
        broker.close()


main([a_disk_that_fails_ends_the_broker_and_nothing_told_is_lost,
      a_write_ahead_that_finds_no_space_loses_nothing_and_ends_nothing,
      a_broker_killed_while_it_writes_ahead_has_its_store])
