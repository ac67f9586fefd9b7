"""The checker's own test: ledgers and stores of a real run, tampered with, one thing at a time.
Each must turn the number it stands for, and only numbers it may touch, into something else than
zero."""
import json
import os
import shutil
import struct
import subprocess
import sys

import lmdb
import msgpack

import store
from trial import Trial, main

HERE = os.path.dirname(os.path.abspath(__file__))


def leb128(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


class Copy:
    """Ledgers and store of the run, to be spoilt."""

    def __init__(self, trial, number):
        self.dir = os.path.join(trial.broker.dir, "copy-%s" % number)
        self.ledgers, self.store = os.path.join(self.dir, "ledgers"), os.path.join(self.dir, "store")
        shutil.copytree(trial.folder, self.ledgers)
        os.mkdir(self.store)
        shutil.copy(os.path.join(trial.broker.store, "data.mdb"), self.store)

    def check(self):
        """(exit code, numbers) of the checker."""
        done = subprocess.run([sys.executable, os.path.join(HERE, "check.py"), self.ledgers,
                               self.store], capture_output=True, text=True)
        lines = done.stdout.splitlines()
        assert lines, done.stderr
        return done.returncode, {name: int(n) for name, n in
                                 (pair.split("=") for pair in lines[-1].split())}

    def edit(self, ledger, change):
        """Replaces the lines of a ledger by change(lines), each as its object."""
        path = os.path.join(self.ledgers, ledger)
        with open(path) as file:
            lines = [json.loads(line) for line in file if line.strip()]
        with open(path, "w") as file:
            for line in change(lines):
                file.write(json.dumps(line) + "\n")

    def write(self, tree, change):
        """change(txn, handle) on a tree of the store; checksums are not kept, the checker
        leaves them to verify."""
        with lmdb.open(self.store, max_dbs=64, map_size=1 << 32) as env:
            with env.begin(write=True) as txn:
                change(txn, env.open_db(store.place_of(tree)[0], txn, create=False))

    def rewrite(self, tree, change):
        """Makes every value of a tree change(value)."""
        with lmdb.open(self.store, max_dbs=64, map_size=1 << 32) as env:
            with env.begin(write=True) as txn:
                handle, rows = store.stored(env, txn, tree)
                for key, value in rows:
                    txn.put(key, change(value), db=handle)


def put_event(txn, handle, seq, topic, content):
    body = msgpack.packb(content)
    txn.put(struct.pack(">Q", seq), leb128(0) + leb128(len(topic)) + topic + leb128(len(body)) +
            body + bytes(8), db=handle)


def get_event(txn, handle, seq):
    value, at, parts = txn.get(struct.pack(">Q", seq), db=handle), 0, []

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte, at = value[at], at + 1
            n |= (byte & 0x7f) << shift
            if byte < 0x80:
                return n
            shift += 7
    number()
    for _ in range(2):
        size = number()
        parts.append(bytes(value[at:at + size]))
        at += size
    return parts[0], msgpack.unpackb(parts[1])


def first_events(lines):
    """Where the first two events follow each other in a reader's ledger."""
    return next(n for n in range(len(lines)) if "digest" in lines[n] and "digest" in lines[n + 1])


# --- what is done to them; each gives what may be found besides -------------------------------

def confirmed_and_nowhere(copy):
    def change(lines):
        last = [line for line in lines if "taken" in line][-1]
        row, number = last["taken"] + 1, last["number"] + 1
        return lines + [{"intend": row, "topic": "case:scraped:hse:nowhere:", "data": {}},
                        {"taken": row, "number": number}, {"confirmed": number}]
    copy.edit("w1.worker", change)


def two_reports_one_number(copy):
    def change(lines):
        last = [line for line in lines if "taken" in line][-1]
        return lines + [{"intend": 100000, "topic": "case:scraped:hse:w1-c1:", "data": {}},
                        dict(last, taken=100000)]
    copy.edit("w1.worker", change)


def forgotten_by_the_outbox(copy):
    def change(lines):
        sent = max(line.get("number", 0) for line in lines)
        return lines + [dict(lines[0], outbox=True, sent=sent - 1)]
    copy.edit("w1.worker", change)


def progress_put_back(copy):
    copy.rewrite("publisher", lambda _: leb128(3) + bytes(8) + leb128(0) * 2 + leb128(3) + leb128(0) * 8 + bytes(8))


def case_removed(copy):
    def change(txn, handle):
        cursor = txn.cursor(db=handle)
        cursor.first()
        txn.delete(bytes(cursor.key()), db=handle)
    copy.write("case", change)


def session_counts(more):
    def change(value):
        entry = store.decode("session", value)
        entry["existing"] += more
        return b"".join(leb128(entry[name]) for name, _ in store.LAYOUTS["session"]) + bytes(8)
    return change


def session_counts_less(copy):
    copy.rewrite("session", session_counts(-1))


def session_counts_more(copy):
    copy.rewrite("session", session_counts(1))


def session_of_nobody(copy):
    copy.edit("w1.worker", lambda lines: [line for line in lines if line.get("intend") != 0 and
                                          line.get("taken") != 0])


def field_changed(copy):
    def change(txn, handle):
        topic, content = get_event(txn, handle, 5)
        content["payload"]["offence_action_date"] = "2024-01-03"
        put_event(txn, handle, 5, topic, content)
    copy.write("log", change)
    copy.edit("r1.reader", lambda lines: lines[:2])
    return {"missed"}


def bytes_changed_on_the_way(copy):
    def change(lines):
        at = first_events(lines)
        lines[at]["digest"] = "0" * 32
        return lines
    copy.edit("r1.reader", change)


def handed_over_twice(copy):
    def change(lines):
        at = first_events(lines)
        return lines[:at + 1] + lines[at:]
    copy.edit("r1.reader", change)


def decided_twice(copy):
    """The last report's event once more, with a seq and chains that fit."""
    def change(txn, handle):
        last = txn.stat(handle)["entries"]
        seq = next(n for n in range(last, 0, -1)
                   if get_event(txn, handle, n)[0].startswith(b"case:synced:"))
        for n in range(seq + 1, last + 1):
            txn.delete(struct.pack(">Q", n), db=handle)
        topic, content = get_event(txn, handle, seq)
        content.update(seq=seq + 1, prev=seq, prev_topic=seq, version=content["version"])
        put_event(txn, handle, seq + 1, topic, content)
    copy.write("log", change)
    return {"gapped", "missed", "lost", "phantom", "changed"}


def event_removed(copy):
    copy.write("log", lambda txn, handle: txn.delete(struct.pack(">Q", 7), db=handle))
    return {"lost", "phantom", "changed", "doubled"}


def chain_broken(copy):
    def change(txn, handle):
        topic, content = get_event(txn, handle, 9)
        content["prev"] += 1
        put_event(txn, handle, 9, topic, content)
    copy.write("log", change)
    copy.edit("r1.reader", lambda lines: lines[:2])
    return {"missed"}


def head_moved(copy):
    copy.write("head", lambda txn, handle: txn.put(
        store.place_of("head")[1] + b"case:created:hse:", leb128(2) + bytes(8), db=handle))


def line_of_a_reader_removed(copy):
    def change(lines):
        del lines[first_events(lines) + 1]
        return lines
    copy.edit("r1.reader", change)


def lines_of_a_reader_swapped(copy):
    def change(lines):
        at = first_events(lines)
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
        return lines
    copy.edit("r1.reader", change)


def rows_swapped(copy):
    """The worker meant 20 before 10, and so did not send them in this order."""
    def swapped(row):
        return 30 - row if row in (10, 20) else row

    def change(lines):
        for line in lines:
            for word in ("intend", "taken"):
                if word in line:
                    line[word] = swapped(line[word])
        return lines
    copy.edit("w1.worker", change)

    def swap(txn, handle):
        for seq in range(1, txn.stat(handle)["entries"] + 1):
            topic, content = get_event(txn, handle, seq)
            source = content["payload"].get("source")
            if source and source["parser"] == "w1":
                source["row"] = swapped(source["row"])
                put_event(txn, handle, seq, topic, content)
    copy.write("log", swap)
    copy.edit("r1.reader", lambda lines: lines[:2])
    return {"missed"}


def meant_by_nobody(copy):
    copy.edit("w1.worker", lambda lines: [line for line in lines if line.get("intend") != 12 and
                                          line.get("taken") != 12])


def delivered_from_nowhere(copy):
    def change(lines):
        return lines + [dict(lines[-1] if "digest" in lines[-1] else
                             next(line for line in lines if "digest" in line), seq=999999)]
    copy.edit("r1.reader", change)


def view_row(copy, change):
    """A reader with a view, right but for one row."""
    versions = {}

    def collect(txn, handle):
        for seq in range(1, txn.stat(handle)["entries"] + 1):
            topic, content = get_event(txn, handle, seq)
            if topic.startswith(b"case:"):
                versions[b":".join(topic.split(b":")[2:4]).decode()] = content["version"]
            epoch.append(content["epoch"].hex())
    epoch = []
    copy.write("log", collect)
    change(versions)
    with open(os.path.join(copy.ledgers, "v1.reader"), "w") as file:
        for line in ({"run": 1, "reader": "v1", "patterns": ["case:*"]},
                     {"joined": 3, "epoch": epoch[0]}, {"view": versions, "seq": 9}):
            file.write(json.dumps(line) + "\n")


def told_that_it_is_gone(copy):
    """A line is missing, and the reader was told; and a process was killed in the middle of a
    line."""
    def change(lines):
        at = first_events(lines) + 1
        lines[at] = {"gone": lines[at]["seq"], "after": lines[at]["seq"] - 1, "stream": ""}
        return lines
    copy.edit("r1.reader", change)
    with open(os.path.join(copy.ledgers, "w1.worker"), "a") as file:
        file.write('{"intend": 10')


def view_as_it_should_be(copy):
    view_row(copy, lambda versions: None)


def view_without_a_row(copy):
    view_row(copy, lambda versions: versions.pop(sorted(versions)[0]))


def view_with_an_old_row(copy):
    view_row(copy, lambda versions: versions.update({sorted(versions)[0]: 0}))


def view_with_a_row_too_many(copy):
    view_row(copy, lambda versions: versions.update({"hse:nobody": 1}))


TAMPERED = [
    ("lost", confirmed_and_nowhere), ("lost", two_reports_one_number),
    ("lost", forgotten_by_the_outbox), ("lost", progress_put_back), ("lost", case_removed),
    ("lost", session_counts_less),
    ("changed", field_changed), ("changed", bytes_changed_on_the_way),
    ("changed", view_with_an_old_row), ("doubled", handed_over_twice), ("doubled", decided_twice),
    ("doubled", session_counts_more),
    ("gapped", event_removed), ("gapped", chain_broken), ("gapped", head_moved),
    ("missed", line_of_a_reader_removed), ("missed", view_without_a_row),
    ("reordered", lines_of_a_reader_swapped), ("reordered", rows_swapped),
    ("phantom", meant_by_nobody), ("phantom", session_of_nobody),
    ("phantom", delivered_from_nowhere),
    ("phantom", view_with_a_row_too_many)]


def tampering_is_found():
    with Trial("tampered", 1) as trial:
        trial.reader("r1")
        trial.worker("w1", count=400, cases=60)
        trial.worker("w2", count=100, cases=20)
        trial.finish()
        for harmless in (view_as_it_should_be, told_that_it_is_gone):
            copy = Copy(trial, harmless.__name__)
            harmless(copy)
            code, numbers = copy.check()
            assert code == 0 and not any(numbers.values()), (harmless.__name__, numbers)
        for number, (name, tamper) in enumerate(TAMPERED, 1):
            copy = Copy(trial, number)
            besides = tamper(copy) or set()
            code, numbers = copy.check()
            others = {other for other, n in numbers.items() if n} - besides - {name}
            print("%-10s %-26s %s" % (name, tamper.__name__, numbers))
            assert code == 1 and numbers[name] > 0 and not others, (name, tamper.__name__, numbers)


main([tampering_is_found])
