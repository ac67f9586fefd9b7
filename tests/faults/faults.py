"""What the fault tests share: a broker on a failing disk, a load that remembers what it was
told, and the comparison of that with a store."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

import zmq

SRC = os.environ.get("CASEBUS_SRC", ".")
sys.path[:0] = [os.path.join(SRC, "tests", "system"), os.path.join(SRC, "tests", "stranger")]

from casebus import BIN, DATA, Broker, main  # noqa: E402,F401 (the tests import them from here)
from client import CasebusError, Publisher, Query, unpack  # noqa: E402,F401

EXIT_START, EXIT_STORE = 3, 4                   # the broker: it cannot start; its store failed
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


def scratch():
    """A folder in memory, for images that are opened by the hundred."""
    return tempfile.mkdtemp(prefix="casebus-", dir=MEMORY)


def failing(fail=None, trace=None):
    """The environment of a broker whose disk fails, or is recorded; see disk.c."""
    env = {"LD_PRELOAD": os.path.join(BIN, "casebus-disk.so")}
    if fail:
        env["CASEBUS_DISK_FAIL"] = fail
    if trace:
        env["CASEBUS_DISK_TRACE"] = trace
    return env


def verify(folder):
    """casebus-ctl verify of a folder: what it says and its exit code."""
    done = subprocess.run([os.path.join(BIN, "casebus-ctl"), "verify", folder], capture_output=True,
                          text=True, errors="replace", timeout=120,
                          env={**os.environ, "PATH": BIN + ":" + os.environ["PATH"]})
    return done.stdout + done.stderr, done.returncode


class Gone(Exception):
    """The broker has ended."""


class Load:
    """Publishers that number their reports and a subscriber. What they were told is kept, each
    with the size of the trace at that moment: promises that the store has to keep."""

    def __init__(self, broker, seed, publishers=2, trace=None):
        self.broker, self.trace = broker, trace
        self.rng = random.Random(seed)
        self.query = Query(broker.query, timeout=0.25, tries=1)
        self.publishers = [Publisher(broker.ingest, self.query) for _ in range(publishers)]
        self.promises = []                      # (trace's size, publisher's index or -1, number or seq)
        self.published = {}                     # seq: topic and body, as received
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.set(zmq.RCVHWM, 0)
        self.socket.set(zmq.LINGER, 0)
        self.socket.connect(broker.fanout)
        self.socket.subscribe("case:")
        self.socket.subscribe("sys:heads:all:")
        while self.socket.poll(10000) and not self.take(self.socket.recv_multipart()):
            pass                                # heads: all subscriptions are in place

    def close(self):
        for part in (*self.publishers, self.query, self.socket):
            part.close()

    def now(self):
        return os.path.getsize(self.trace) if self.trace else 0

    @staticmethod
    def case_of(publisher, number):
        """Every fourth report is of the case before it, with another fine."""
        return "p%d-%06d" % (publisher, number - 1 if number % 4 == 3 else number)

    def report(self, index):
        p = self.publishers[index]
        number = p.sent + 1
        case = self.case_of(index, number)
        p.report("case:scraped:hse:%s:" % case, {
            "offender": {"name": "Offender %d Ltd" % (int(case[-2:]) % 40)},
            "offence_action_date": "2024-01-%02d" % (1 + int(case[-2:]) % 28),
            "offence_fine_pence": number,
            "offence_breaches": "Nobody had been told. " * (self.rng.randrange(160) ** 2 // 160)})

    def take(self, message):
        """One message of the fan-out; true: heads."""
        topic, body = message
        event = unpack(body)
        if topic.startswith(b"sys:"):
            return True
        assert event["seq"] not in self.published, "an event came twice: %d" % event["seq"]
        self.published[event["seq"]] = topic, body
        self.promises.append((self.now(), -1, event["seq"]))
        return False

    def drain(self, wait_ms=0):
        while self.socket.poll(wait_ms):
            self.take(self.socket.recv_multipart())

    def confirm(self, index, wait_ms=100):
        p = self.publishers[index]
        before = p.decided
        try:
            p.confirm(wait_ms)
        except CasebusError as error:
            if error.code not in ("unreachable", "io"):  # io: its disk has failed, it will end
                raise
            if self.broker.process.poll() is not None:
                raise Gone()
        if p.decided > before:
            self.promises.append((self.now(), index, p.decided))
        return p.decided > before

    def step(self, most=20):
        """A burst of one publisher, mostly waited for."""
        index = self.rng.randrange(len(self.publishers))
        for _ in range(self.rng.randrange(1, most + 1)):
            self.report(index)
        self.drain()
        if self.rng.random() < 0.8:
            self.settle(index)

    def settle(self, index):
        p = self.publishers[index]
        while p.decided < p.sent:
            if not self.confirm(index):
                p.resend(p.decided + 1)
        self.drain()

    def settle_all(self):
        for index in range(len(self.publishers)):
            self.settle(index)

    def run_until_gone(self, steps):
        """Steps until the broker has ended; what it has sent is taken in. False: it lives."""
        try:
            for _ in range(steps):
                self.step()
        except Gone:
            self.drain(100)                     # what it sent before it ended is in the queue
            return True
        return False

    # --- the comparison ----------------------------------------------------------------------

    def log_of(self):
        """The whole log as it is replayed: seq to topic and body."""
        events, after = {}, 0
        query = Query(self.broker.query)
        while True:
            result = query("log.replay", after=after, patterns=["case"], limit=2000)
            for topic, body in result["events"]:
                events[unpack(body)["seq"]] = topic.encode(), body
            after = result["through"]
            if after >= query.reply["seq"]:
                query.close()
                return events

    def compare(self):
        """Told is a part of stored: of reports by the publishers' own progress (a store that
        knows less, or another history, raises), of events byte for byte."""
        for index in range(len(self.publishers)):
            confirmed = self.publishers[index].decided
            while not self.confirm(index, 0) and self.query.reply is None:
                pass
            assert self.publishers[index].decided >= confirmed
        log = self.log_of()
        for seq, told in self.published.items():
            assert log.get(seq) == told, "event %d was published and is not stored" % seq

    def compare_in_full(self):
        """After everything was confirmed: each report had its effect, once."""
        found = {}
        for topic, _ in self.log_of().values():
            kind, case = topic.split(b":")[1:4:2]
            found[kind, case] = found.get((kind, case), 0) + 1
        expected = {}
        for index, p in enumerate(self.publishers):
            for number in range(1, p.sent + 1):
                case = self.case_of(index, number).encode()
                kinds = (b"updated", b"synced") if number % 4 == 3 else (b"created",)
                for kind in kinds:
                    expected[kind, case] = expected.get((kind, case), 0) + 1
        differ = set(found.items()) ^ set(expected.items())
        assert not differ, "lost or doubled: %s" % sorted(differ)[:4]


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
