"""Yesterday's backup is restored under connected subscribers and publishers. Every one of them
notices the new epoch, nothing of one history is taken for the other, and each history by itself
ends in seven zeros: the old one, kept beside, with all that was confirmed; the new one with
what was confirmed before the backup and since the restore.

    restore.py [--rounds N] [--seed S]"""
import glob
import json
import os
import shutil
import subprocess

from ledger import read_folder, read_lines
from store import Store
from trial import BIN, Trial, arguments, await_true, main

ARGS = arguments(__doc__, rounds=1)


def note(trial, **line):
    """A line in the ledger of every worker, whole, between two of its own."""
    for worker in trial.workers:
        with open(worker.ledger, "ab", buffering=0) as file:
            file.write((json.dumps(line) + "\n").encode())


def await_quiet(trial):
    """The broker is gone: until each worker has meant some more, and so taken in what had
    come."""
    for worker in trial.workers:
        size = os.path.getsize(worker.ledger)
        await_true(lambda: os.path.getsize(worker.ledger) > size + 5000, worker.name + " goes on")


def ledgers_now(trial, name):
    """The ledgers of workers as they are, to be read beside those that readers have at the
    end."""
    folder = os.path.join(trial.broker.dir, name)
    os.mkdir(folder)
    for path in glob.glob(os.path.join(trial.folder, "*.worker")):
        shutil.copy(path, folder)
    return folder


def restore(trial, backup):
    """Puts the backup in the store's place; the folder of the old store."""
    before = set(glob.glob(os.path.join(trial.broker.store, "replaced-*")))
    done = subprocess.run([os.path.join(BIN, "casebus-broker"), "--data", trial.broker.store,
                           "--restore", backup], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return (set(glob.glob(os.path.join(trial.broker.store, "replaced-*"))) - before).pop()


def work_on(trial, events):
    trial.await_seq(trial.seq() + events)


def one_restore(trial, number):
    """Backup, an hour's work, restore, in the middle of everything. (ledgers, old store)."""
    work_on(trial, 300)
    backup = os.path.join(trial.broker.dir, "backup-%d" % number)
    note(trial, backup=number)
    trial.broker.run("casebus-ctl", "backup", backup)
    work_on(trial, 500 + trial.random.randrange(500))
    trial.broker.kill()
    await_quiet(trial)
    ledgers = ledgers_now(trial, "ledgers-%d" % number)
    trial.readers[1].kill()
    old = restore(trial, backup)
    note(trial, undone=number)
    trial.broker.start()
    trial.readers[1].start()
    work_on(trial, 300)
    return ledgers, old


def everybody_notices(trial, epochs):
    for reader in trial.readers:
        seen = [line["epoch"] for line in read_lines(reader.ledger) if "joined" in line]
        assert [epoch for epoch in epochs if epoch in seen] == epochs, (reader.name, seen, epochs)
    for worker in read_folder(trial.folder)[1]:
        assert len(worker.base) == len(epochs), \
            "%s has had %d ids in %d histories" % (worker.name, len(worker.base), len(epochs))


def restored_under_everybody():
    with Trial("restore", ARGS.seed) as trial:
        trial.worker("w1", outbox=True, rate=600, cases=200)
        trial.worker("w2", outbox=True, rate=600, cases=200)
        trial.reader("r1")
        trial.reader("r2", flags=("--from-start", "--cursor", trial.cursor("r2")))
        trial.reader("r3", "case:updated", "case:synced:hse", flags=())
        history = [one_restore(trial, number) for number in range(ARGS.rounds)]
        trial.finish()
        for ledgers, old in history:
            for path in glob.glob(os.path.join(trial.folder, "*.reader")):
                shutil.copy(path, ledgers)
            trial.judge(ledgers, old, ", the old history")
        epochs = [Store(folder).epoch for _, folder in history] + [Store(trial.broker.store).epoch]
        assert len(set(epochs)) == len(epochs)
        everybody_notices(trial, epochs)


main([restored_under_everybody])
