"""What the system tests share: a broker on free ports, the programs, and requests."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import msgpack
import zmq

BIN = os.environ.get("CASEBUS_BIN", "build/bin")
SRC = os.environ.get("CASEBUS_SRC", ".")
DATA = os.path.join(SRC, "tests", "data")


def cpu_s(pid):
    """Processor time a process has used so far, by all its threads."""
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Broker:
    """A real broker, on free TCP ports; or on ipc endpoints, which nobody else can take while it is
    down between two starts."""

    def __init__(self, *flags, ipc=False, env=None, start=True, program="casebus-broker"):
        self.dir = tempfile.mkdtemp(prefix="casebus-")
        self.store = os.path.join(self.dir, "store")
        self.flags = ["--map-size", "4G", *flags]
        self.program = program
        self.ingest, self.fanout, self.query = (
            "ipc://%s/%s" % (self.dir, name) if ipc else "tcp://127.0.0.1:*"
            for name in ("ingest", "fanout", "query"))
        self.env = env or {}
        self.process = None
        self.log = open(os.path.join(self.dir, "log"), "ab")
        if start:
            self.start()

    def start(self):
        """Where it was before its port may be taken, by a connection of somebody who then got it."""
        await_("its port is free again", self.is_launched, patience=30)

    def is_launched(self):
        """False: its port is taken."""
        if self.launch():
            return True
        self.process.wait()
        log = self.read_log()
        assert "Address already in use" in log[-400:], "the broker did not become ready: " + log
        return False

    def launch(self):
        """Starts it; False: it ended before it was ready."""
        wrap = os.environ.get("CASEBUS_WRAP", "").split()  # valgrind and its options
        command = [*wrap, os.path.join(BIN, self.program), "--data", self.store, "--ingest", self.ingest,
                   "--fanout", self.fanout, "--query", self.query, *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, **self.env})
        self.ready = self.process.stdout.readline()
        found = dict(re.findall(r"(\w+)=(\S+)", self.ready))
        if "query" in found:
            self.ingest, self.fanout, self.query = found["ingest"], found["fanout"], found["query"]
        return "query" in found

    def restart_with_stuck_sync(self):
        """Its commits now wait at their sync until the fifo returned is opened for writing and
        closed, then fail."""
        fifo = os.path.join(self.dir, "sync")
        more = {"LD_PRELOAD": os.path.join(BIN, "stuck-sync.so"), "CASEBUS_STUCK_SYNC": fifo,
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        before = dict(os.environ)
        self.stop()
        os.environ.update(more)
        try:
            self.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        os.mkfifo(fifo)
        return fifo

    def read_log(self):
        self.log.flush()
        return open(self.log.name, errors="replace").read()[-4000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        assert code == 0, "the broker left with %d: %s" % (code, self.read_log())

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def anonymous_kib(self):
        """Memory of its own, without the mapped store."""
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def thread(self, name):
        """Its folder of /proc."""
        tasks = "/proc/%d/task/" % self.process.pid
        return next(tasks + task for task in os.listdir(tasks) if open(tasks + task + "/comm").read().strip() == name)

    def cpu_s(self):
        return cpu_s(self.process.pid)

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.log.close()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            sys.stderr.write("the broker's log:\n" + self.read_log())
            self.process.kill()
            self.process.wait()
        self.close()

    # the programs

    def command(self, program, *args):
        flags = {"casebus-publish": ["--ingest", self.ingest, "--query", self.query],
                 "casebus-watch": ["--fanout", self.fanout, "--query", self.query],
                 "casebus-ctl": ["--ingest", self.ingest, "--fanout", self.fanout,
                                 "--query", self.query]}[program]
        return [os.path.join(BIN, program), *flags, *map(str, args)]

    def run(self, program, *args, code=0, **more):
        done = subprocess.run(self.command(program, *args), capture_output=True, text=True,
                              errors="replace", timeout=120, **more)
        assert code is None or done.returncode == code, "%s %s: %d, expected %d\n%s%s" % (
            program, args, done.returncode, code, done.stdout, done.stderr)
        return done

    def publish(self, *args, code=0):
        """The counts of the summary line."""
        done = self.run("casebus-publish", *args, code=code)
        counts = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", done.stdout)}
        counts["stderr"] = done.stderr
        return counts

    def start_program(self, program, *args, **more):
        return subprocess.Popen(self.command(program, *args), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def client(self):
        return Client(self.query)


class Client:
    """Requests, as in PROTOCOL.md."""

    def __init__(self, query):
        self.socket = zmq.Context.instance().socket(zmq.REQ)
        self.socket.linger = 0
        self.socket.rcvtimeo = 30000
        self.socket.setsockopt(zmq.REQ_RELAXED, 1)
        self.socket.setsockopt(zmq.REQ_CORRELATE, 1)
        self.socket.connect(query)

    def ask(self, op, **args):
        self.socket.send(msgpack.packb({"v": 1, "op": op, **args}))
        return msgpack.unpackb(self.socket.recv())

    def result(self, op, **args):
        reply = self.ask(op, **args)
        assert "result" in reply, reply
        return reply["result"]

    def verify(self):
        """Runs store.verify to its end; the findings."""
        result = self.result("store.verify")
        while result["state"] == "running":
            result = self.result("store.verify", run=result["run"])
        return result["findings"] if result["state"] != "passed" else []


def await_(what, found, patience=60):
    """Until found() gives something true, which is returned."""
    deadline = time.monotonic() + patience
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, "never " + what
        time.sleep(0.02)  # a condition is awaited, on another process


def main(tests):
    """Runs each test function; says how many passed."""
    failed = 0
    for test in tests:
        try:
            test()
            print("ok   ", test.__name__, flush=True)
        except Exception as error:  # a test failed: the next ones still run
            failed += 1
            print("FAILED", test.__name__, type(error).__name__, error, flush=True)
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    sys.exit(1 if failed else 0)
