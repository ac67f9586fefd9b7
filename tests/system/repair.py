"""Nothing is missed and nothing comes twice: readers that are stopped, too slow, killed, or
before a broker that is.

   repair.py [CASES [KILLS]]        more cases than by default: also what takes long by itself"""
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

import msgpack

from casebus import BIN, Broker, main

CASES_DEFAULT = 20000
CASES = int(sys.argv[1]) if len(sys.argv) > 1 else CASES_DEFAULT
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
PATIENCE = 120  # seconds: a limit, not a wait
TEXT = "Guards were absent from the conveyor and nobody had been told. " * 16  # queues of bytes are full soon


def write_cases(broker, name, first, count, text=TEXT):
    path = os.path.join(broker.dir, name)
    with open(path, "w") as file:
        for i in range(first, first + count):
            file.write(json.dumps({"agency": ("hse", "ea", "orr")[i % 3], "regulator_id": "r%06d" % (i // 2),
                                   "offence_breaches": text, "offence_fine_pence": i,
                                   "offender": {"name": "Offender %d Ltd" % (i // 6)}}) + "\n")
    return path


def seqs_of(client, patterns):
    """Of all events of the patterns, from the log."""
    seqs, after = [], 0
    while True:
        reply = client.ask("log.replay", after=after, patterns=patterns, limit=2000)
        seqs += [msgpack.unpackb(body)["seq"] for _, body in reply["result"]["events"]]
        after = reply["result"]["through"]
        if after == reply["seq"]:
            return seqs


class Program:
    """A reader whose lines go to a file, as they would in life."""

    def __init__(self, broker, command, name):
        self.path = os.path.join(broker.dir, name)
        self.out = open(self.path, "w")
        self.process = subprocess.Popen(command, stdout=self.out, stderr=subprocess.PIPE, text=True)

    def lines(self):
        with open(self.path) as file:
            return file.read().split("\n")[:-1]

    def await_(self, what, found):
        """Until its lines satisfy `found`."""
        deadline = time.monotonic() + PATIENCE
        while not found(self.lines()):
            assert self.process.poll() is None, "it ended: " + self.process.stderr.read()
            assert time.monotonic() < deadline, "%s: never %s: %d lines, the last: %s" % (
                self.path, what, len(self.lines()), self.lines()[-1:])
            time.sleep(0.05)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        self.send(number)
        code = self.process.wait(timeout=PATIENCE)
        self.stderr = self.process.stderr.read()
        self.process.stderr.close()
        self.out.close()
        return code


class Reader(Program):
    """tests/system/reader.c"""

    def __init__(self, broker, name, patterns, *options):
        self.patterns = patterns
        self.ordered = "-u" not in options
        super().__init__(broker, [os.path.join(BIN, "casebus-test-reader"), *options, broker.fanout, broker.query,
                                  *patterns], name)
        self.await_("joined", lambda lines: lines)

    def seqs(self):
        return [int(line.split()[0]) for line in self.lines()[1:] if line[0].isdigit()]

    def await_all(self, client):
        wanted = seqs_of(client, self.patterns)
        self.await_("complete", lambda lines: sum(line[0].isdigit() for line in lines) >= len(wanted))
        assert self.end() == 0, self.stderr
        got = self.seqs()
        assert (got if self.ordered else sorted(got)) == wanted, "%s: %d events, %d wanted" % (
            self.path, len(got), len(wanted))
        self.stats = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.lines()[-1])}
        assert self.stats["lost"] == 0 and self.stats["received"] == len(wanted), self.stats
        return self.stats


def start_watch(broker, name, *arguments):
    return Program(broker, broker.command("casebus-watch", "--json", *arguments), name)


def watched(program):
    return [json.loads(line)["seq"] for line in program.lines()]


def those_that_were_stopped_come_back_complete():
    """Far more passes than all queues hold."""
    with Broker() as broker:
        client = broker.client()
        readers = [
            Reader(broker, "ordered", ["case", "session"], "-w", "16"),
            Reader(broker, "held-little", ["case:created:hse", "case:created:ea"], "-w", "16", "-e", "50"),
            Reader(broker, "unordered", ["case"], "-w", "16", "-u"),
            Reader(broker, "one", ["case:created:ea"], "-w", "16"),
            Reader(broker, "topics", ["case:updated:hse:r000003", "case:created:hse:r000300", "session"],
                   "-w", "16"),
        ]
        watch = start_watch(broker, "watch", "case", "session")
        assert "watching" in watch.process.stderr.readline()
        for program in [*readers, watch]:
            program.send(signal.SIGSTOP)
        # Of this size a bundle has one of them.
        cases = CASES * 5 // 8
        counts = broker.publish("--new-session", write_cases(broker, "cases", 0, cases, text=8 * TEXT + TEXT[:200]))
        assert counts["confirmed"] >= cases, counts
        for program in [*readers, watch]:
            program.send(signal.SIGCONT)
        stats = {os.path.basename(reader.path): reader.await_all(client) for reader in readers}
        assert stats["ordered"]["repaired"] > 0 and stats["unordered"]["repaired"] > 0, stats
        # What had waited for it was not lost, however long that took: the queues are full.
        assert stats["ordered"]["received"] - stats["ordered"]["repaired"] > CASES_DEFAULT // 8, stats
        wanted = seqs_of(client, ["case", "session"])
        watch.await_("complete", lambda lines: len(lines) >= len(wanted))
        assert watch.end() == 0
        assert watched(watch) == wanted
        assert re.search(r"repaired=[1-9]\d* lost=0", watch.stderr), watch.stderr


def readers_do_not_notice_that_the_broker_was_killed():
    rng = random.Random(5)
    with Broker(ipc=True) as broker:
        client = broker.client()
        readers = [Reader(broker, "ordered", ["case", "session"]),
                   Reader(broker, "unordered", ["case", "session"], "-u"),
                   Reader(broker, "one", ["case:created:ea"]),
                   Reader(broker, "tiny", ["case"], "-w", "4", "-e", "50")]
        path = write_cases(broker, "cases", 0, CASES // 3)
        publisher = broker.start_program("casebus-publish", "--timeout", 60, "--rate", 3000, path)
        for _ in range(KILLS // 2):
            seen = client.ask("heads")["seq"]
            target = seen + rng.randrange(1, CASES // (2 * KILLS))
            while publisher.poll() is None and client.ask("heads")["seq"] < target:
                pass
            broker.kill()
            broker.start()
            client = broker.client()
        out, err = publisher.communicate(timeout=PATIENCE)
        assert publisher.returncode == 0, err
        for reader in readers:
            reader.await_all(client)


def a_watch_that_is_killed_goes_on_from_its_cursor():
    """At most its last lines come again, with the same seqs, and none is skipped."""
    rng = random.Random(3)
    with Broker() as broker:
        client = broker.client()
        cursor = os.path.join(broker.dir, "cursor")
        path = write_cases(broker, "cases", 0, CASES // 4)
        publisher = broker.start_program("casebus-publish", "--timeout", 60, "--rate", 3000, path)
        printed = []
        for n in range(KILLS + 1):
            watch = start_watch(broker, "watch-%d" % n, "--from-start", "--cursor", cursor, "case")
            if n < KILLS:
                some = rng.randrange(1, CASES // (4 * KILLS))
                watch.await_("some lines", lambda lines: len(lines) >= some)
                watch.end(signal.SIGKILL)
            else:
                assert publisher.wait(timeout=PATIENCE) == 0
                last = seqs_of(client, ["case"])[-1]
                watch.await_("all", lambda lines: lines and json.loads(lines[-1])["seq"] == last)
                assert watch.end() == 0
            seqs = watched(watch)
            if printed and seqs:
                assert printed[-1] - seqs[0] < 1000, "more than the last lines came again"
                assert seqs[0] <= printed[-1] + 1, "%d to %d were skipped" % (printed[-1] + 1, seqs[0] - 1)
                printed = [seq for seq in printed if seq < seqs[0]]
            printed += seqs
        publisher.communicate()
        assert printed == seqs_of(client, ["case"])
        with open(cursor) as file:
            assert int(file.read().split()[3]) == printed[-1]


def a_cursor_of_another_history_is_told_and_left():
    with Broker(ipc=True) as broker:
        cursor = os.path.join(broker.dir, "cursor")
        broker.publish(write_cases(broker, "cases", 0, 30))
        first = broker.run("casebus-watch", "--json", "--cursor", cursor, "--from-start", "--count", 20, "case")
        assert len(first.stdout.splitlines()) == 20
        broker.stop()
        os.rename(broker.store, broker.store + ".old")
        broker.start()
        broker.publish(write_cases(broker, "cases", 0, 8))
        watch = broker.start_program("casebus-watch", "--json", "--cursor", cursor, "--count", 2, "case")
        while "epoch changed" not in watch.stderr.readline():
            assert watch.poll() is None
        assert "from seq 8" in watch.stderr.readline()
        broker.publish(write_cases(broker, "more", 100, 2))
        out, _ = watch.communicate(timeout=PATIENCE)
        assert [json.loads(line)["seq"] for line in out.splitlines()] == [9, 10]
        epoch = broker.client().ask("heads")["epoch"]
        with open(cursor) as file:
            assert file.read() == "casebus-cursor 3 %s 10\ncase\n" % epoch.hex()


def a_connection_that_is_silent_is_made_again():
    """Ten heads messages that do not come are enough."""
    with Broker() as broker, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        silent = "tcp://127.0.0.1:%d" % listener.getsockname()[1]
        watch = subprocess.Popen([os.path.join(BIN, "casebus-watch"), "--fanout", silent, "--query", broker.query,
                                  "case"], stderr=subprocess.DEVNULL)
        connections = [listener.accept() for _ in range(2)]
        watch.terminate()
        assert watch.wait(timeout=PATIENCE) == 0
        for connection, _ in connections:
            connection.close()


main([those_that_were_stopped_come_back_complete, readers_do_not_notice_that_the_broker_was_killed,
      a_watch_that_is_killed_goes_on_from_its_cursor, a_cursor_of_another_history_is_told_and_left]
     + ([a_connection_that_is_silent_is_made_again] if CASES > CASES_DEFAULT else []))
