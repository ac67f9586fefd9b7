"""What the fault tests share: a broker, workers and readers with ledgers, and the checker at
the end.

    with Trial("kill", seed) as trial:
        trial.worker("w1", count=1000, rate=500)
        trial.reader("r1", "case:*", "session:*")
        ...                              # the faults
        trial.finish()                   # all confirmed, all delivered, seven zeros
"""
import argparse
import json
import os
import random
import subprocess
import sys
import time

import msgpack
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import check  # noqa: E402
from casebus import BIN, SRC, Broker, main  # noqa: E402,F401

EVERYTHING = ("case:*", "session:*")
PATIENCE = 120                       # seconds for what takes one at most


def arguments(text, **defaults):
    """The arguments of a fault test: a seed, and numbers with their defaults."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("modes", nargs="*")
    for name, value in defaults.items():
        parser.add_argument("--" + name, type=type(value), default=value)
    return parser.parse_args()


def await_true(condition, what, seconds=PATIENCE):
    """Until it is true; asked often, because faults want to hit work that runs."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "not within %d s: %s" % (seconds, what)
        time.sleep(0.002)


def last_seq(path, epoch=None):
    """The newest event or position of a reader's ledger; 0 where that is of another history than `epoch`."""
    newest = 0
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 65536))
        for line in reversed(file.read().split(b"\n")):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if not isinstance(entry, dict):
                continue
            newest = newest or entry.get("at", entry.get("seq", 0))
            if newest and not epoch:
                break
            if epoch and "epoch" in entry:
                return newest if entry["epoch"] == epoch else 0
    return newest


class Program:
    """A worker or a reader, which can be killed and started again."""

    def __init__(self, trial, name, command, env=None):
        self.trial, self.name, self.command = trial, name, command
        self.env = dict(os.environ, **env) if env else None
        self.ledger = command[command.index("--ledger") + 1]
        self.start()

    def start(self):
        self.before = os.path.getsize(self.ledger) if os.path.exists(self.ledger) else 0
        self.process = subprocess.Popen(self.command, env=self.env, stdout=self.trial.broker.log,
                                        stderr=self.trial.broker.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self):
        """SIGTERM, once it has begun: before that it does not know what the signal means."""
        await_true(lambda: not self.running() or (os.path.exists(self.ledger) and
                                                  os.path.getsize(self.ledger) > self.before),
                   self.name + " begins")
        self.process.terminate()

    def stop(self):
        self.terminate()
        code = self.process.wait(timeout=PATIENCE)
        assert code == 0, "%s left with %d" % (self.name, code)

    def running(self):
        return self.process.poll() is None


class Trial:
    def __init__(self, name, seed, *flags, ipc=True):
        self.name, self.seed = name, seed
        self.random = random.Random(seed)
        self.broker = Broker(*flags, ipc=ipc)
        self.folder = os.path.join(self.broker.dir, "ledgers")
        os.mkdir(self.folder)
        self.workers, self.readers = [], []
        self.ingest, self.fanout, self.query = (self.broker.ingest, self.broker.fanout,
                                                self.broker.query)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for program in self.workers + self.readers:
            if program.running():
                program.kill()
        if kind is not None:
            seed = [] if "--seed" in sys.argv else ["--seed", str(self.seed)]
            print("again: CASEBUS_BIN=%s CASEBUS_SRC=%s python3 %s"
                  % (BIN, SRC, " ".join(sys.argv + seed)), flush=True)
        self.broker.__exit__(kind, value, trace)

    def worker(self, name, outbox=None, env=None, **options):
        """outbox: True for one of its own, or a folder. Without a count it works until
        settle()."""
        command = [os.path.join(BIN, "ledger-worker"), "--ledger",
                   os.path.join(self.folder, name + ".worker"), "--name", name, "--ingest",
                   self.ingest, "--query", self.query]
        if outbox:
            command += ["--outbox", self.outbox(name) if outbox is True else outbox]
        for option, value in options.items():
            command += ["--" + option, str(value)]
        self.workers.append(Program(self, name, command, env))
        return self.workers[-1]

    def outbox(self, name):
        return os.path.join(self.broker.dir, "outbox-" + name)

    def cursor(self, name):
        return os.path.join(self.broker.dir, "cursor-" + name)

    def reader(self, name, *patterns, env=None, flags=("--from-start",)):
        command = [os.path.join(BIN, "ledger-reader"), "--ledger",
                   os.path.join(self.folder, name + ".reader"), "--name", name, "--fanout",
                   self.fanout, "--query", self.query, *flags, *(patterns or EVERYTHING)]
        self.readers.append(Program(self, name, command, env))
        return self.readers[-1]

    def seq(self):
        return self.broker.client().ask("heads")["seq"]

    def await_seq(self, seq):
        client = self.broker.client()
        await_true(lambda: client.ask("heads")["seq"] >= seq, "the broker at seq %d" % seq)

    def end_sessions(self):
        """Workers leave theirs open: the broker would go on telling of them."""
        client, socket = self.broker.client(), zmq.Context.instance().socket(zmq.PUB)
        socket.linger = 0
        socket.connect(self.broker.ingest)

        def ended():
            rows = client.result("session.list", status="active", limit=500)["rows"]
            for row in rows:
                socket.send_multipart([("session:ended:%s:%s:" % (row["agency"], row["session_id"])).encode(),
                                       msgpack.packb({"v": 1, "data": {"status": "completed"}})])
            return not rows
        await_true(ended, "no session is open")
        socket.close()

    def settle(self, seconds=PATIENCE):
        """Workers end with everything confirmed, readers have all there is."""
        for worker in self.workers:
            if "--count" not in worker.command and worker.running():
                worker.terminate()
        for worker in self.workers:
            code = worker.process.wait(timeout=seconds)
            assert code == 0, "worker %s left with %d: %s" % (worker.name, code,
                                                              self.broker.read_log())
        self.end_sessions()
        heads = self.broker.client().ask("heads")
        seq, epoch = heads["seq"], heads["epoch"].hex()
        for reader in self.readers:
            await_true(lambda: not reader.running() or last_seq(reader.ledger, epoch) >= seq,
                       "reader %s at seq %d" % (reader.name, seq), seconds)
            reader.stop()

    def finish(self, seconds=PATIENCE):
        """The end of every trial: seven zeros, and a store that agrees with itself."""
        self.settle(seconds)
        self.broker.stop()
        self.judge()
        self.verify()

    def verify(self):
        self.broker.run("casebus-ctl", "verify", self.broker.store)

    def judge(self, ledgers=None, store=None, what=""):
        found = check.check(ledgers or self.folder, store or self.broker.store)
        print("%s%s (seed %d): " % (self.name, what, self.seed), end="")
        found.report()
        sys.stdout.flush()
        assert found.clean(), found.line()
        assert found.confirmed and not found.idle, "nothing was confirmed, or handed over to %s" % \
            found.idle
