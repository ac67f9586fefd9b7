"""Real workers and a real broker: who is asked to stop, who is killed, who goes on where another
has left, and who has nothing to say for a while (an argument: for so many seconds)."""
import json
import os
import signal
import sys
import threading
import time

import msgpack
import zmq

from casebus import Broker, await_, main

LEASE = 10  # seconds
LATE = 0.3  # of a busy machine: a tick may be so late
QUIET = float(sys.argv[1]) if len(sys.argv) > 1 else LEASE + 2
PATIENCE = 60


def session_of(client, session, agency="hse"):
    reply = client.ask("session.get", agency=agency, session_id=session)
    return reply["result"]["session"] if "result" in reply else {}


def events(client, *patterns):
    found, after = [], 0
    while True:
        reply = client.ask("log.replay", after=after, patterns=list(patterns))
        found += [msgpack.unpackb(body) for _, body in reply["result"]["events"]]
        after = reply["result"]["through"]
        if after == reply["seq"]:
            return found


def session_events(client, session, kind):
    return events(client, "session:%s:hse:%s" % (kind, session))


def lines(first, last, name="", agencies=("hse",), page=True):
    """Records by number, ten of each agency a page; of one worker's own by its name."""
    text = ""
    for i in range(first, last + 1):
        for agency in agencies:
            record = {"agency": agency, "regulator_id": name + str(i), "offender": {"name": "N"}}
            if page:
                record["source"] = {"page": (i - 1) // 10 + 1}
            text += json.dumps(record) + "\n"
    return text


def write(broker, name, text):
    path = os.path.join(broker.dir, name)
    with open(path, "w") as file:
        file.write(text)
    return path


class Heartbeats(threading.Thread):
    """Stands between workers and the broker's query endpoint: when did each session's last poll
    pass?"""

    def __init__(self, broker):
        super().__init__(daemon=True)
        context = zmq.Context.instance()
        self.last, self.count, self.over = {}, {}, threading.Event()
        self.front, self.back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
        self.front.linger = self.back.linger = 0
        self.endpoint = "ipc://%s/heartbeats" % broker.dir
        self.front.bind(self.endpoint)
        self.back.connect(broker.query)
        self.start()

    def run(self):
        poller = zmq.Poller()
        poller.register(self.front, zmq.POLLIN)
        poller.register(self.back, zmq.POLLIN)
        while not self.over.is_set():
            ready = dict(poller.poll(100))
            if self.front in ready:
                frames = self.front.recv_multipart()
                for named in msgpack.unpackb(frames[-1]).get("sessions", []):
                    self.last[named["session_id"]] = time.time()
                    self.count[named["session_id"]] = self.count.get(named["session_id"], 0) + 1
                self.back.send_multipart(frames)
            if self.back in ready:
                self.front.send_multipart(self.back.recv_multipart())

    def end(self):
        self.over.set()
        self.join()
        self.front.close()
        self.back.close()


class Worker:
    """A casebus-publish that reads what it is given, and whose end is awaited."""

    def __init__(self, broker, *args, source="-", query=None):
        more = ["--query", query] if query else []
        self.process = broker.start_program("casebus-publish", *args, *more, source,
                                            stdin=-1)  # a pipe

    def give(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self, code):
        """Without the end of its input, where that is a pipe nobody closed."""
        assert self.process.wait(PATIENCE) == code, (self.process.returncode, self.process.communicate())
        self.process.stdin.close()
        out, err = self.process.stdout.read(), self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return {k: int(v) for k, v in (pair.split("=") for pair in out.split())}, err

    def finish(self):
        self.process.stdin.close()
        self.process.stdin = open(os.devnull)
        return self.end(0)


# --- asked to stop ----------------------------------------------------------------------------

def a_worker_that_is_asked_to_stop_ends_its_session():
    with Broker() as broker:
        client = broker.client()
        source = write(broker, "many.ndjson", lines(1, 3000))
        worker = Worker(broker, "--session", "s", "--rate", 100, source=source)
        await_("thirty cases", lambda: session_of(client, "s").get("cases_found", 0) >= 30)
        since = time.monotonic()
        said = broker.run("casebus-ctl", "session", "stop", "hse:s")
        assert said.stdout == "hse:s: stopping\n", said.stdout
        counts, err = worker.end(4)
        took = time.monotonic() - since
        assert took < 3, took
        assert "hse:s was asked to stop" in err, err
        session = session_of(client, "s")
        assert (session["status"], session["end_reason"]) == ("stopped", "asked to stop"), session
        assert 30 <= counts["sent"] == counts["confirmed"] == session["cases_found"] < 3000, (counts, session)
        # Page n is done when n + 1 has begun.
        assert session["pages_processed"] == (counts["sent"] - 1) // 10, (counts, session)
        assert [e["payload"]["status"] for e in session_events(client, "s", "stopping")] == ["stopping"]
        cannot_be_stopped(broker)
        assert client.verify() == []


def cannot_be_stopped(broker):
    for words, code in ((("hse:s",), 1), (("hse:nobody",), 1), (("nobody",), 2), ((), 2),
                        (("hse", "s", "t"), 2), (("hse:s", "--cases"), 2)):
        said = broker.run("casebus-ctl", "session", "stop", *words, code=code)
        assert said.stdout == "" and said.stderr.startswith("casebus-ctl: "), said
    said = broker.run("casebus-ctl", "session", "stop", "hse:s", code=1)
    assert "has ended" in said.stderr, said.stderr


def a_worker_without_input_stops_too():
    with Broker() as broker:
        client = broker.client()
        worker = Worker(broker, "--session", "s")
        worker.give(lines(1, 3))
        await_("three cases", lambda: session_of(client, "s").get("cases_found") == 3)
        result = json.loads(broker.run("casebus-ctl", "session", "stop", "--json", "hse", "s").stdout)
        assert result["session"]["status"] == "stopping", result
        counts, _ = worker.end(4)  # its input is still open
        assert counts["confirmed"] == 3 and session_of(client, "s")["status"] == "stopped"


def of_two_sessions_the_other_goes_on():
    with Broker() as broker:
        client = broker.client()
        worker = Worker(broker, "--new-session")
        worker.give(lines(1, 20, agencies=("hse", "ea")))
        await_("forty cases", lambda: client.result("broker.status")["store"]["cases"] == 40)
        ids = {row["agency"]: row["session_id"] for row in client.result("session.list")["rows"]}
        broker.run("casebus-ctl", "session", "stop", "ea:" + ids["ea"])
        await_("stopped", lambda: session_of(client, ids["ea"], "ea")["status"] == "stopped")
        worker.give(lines(21, 30, agencies=("hse", "ea")))
        worker.process.stdin.close()
        worker.process.stdin = open(os.devnull)
        counts, _ = worker.end(4)
        assert counts["created"] == 50, counts
        assert session_of(client, ids["hse"])["status"] == "completed"
        assert session_of(client, ids["hse"])["pages_processed"] == 3
        assert session_of(client, ids["ea"], "ea")["cases_found"] == 20


# --- silence ----------------------------------------------------------------------------------

def killed_frozen_and_silent_workers():
    """Side by side, because each takes ten seconds."""
    with Broker() as broker:
        heartbeats = Heartbeats(broker)
        names = ("killed", "left", "frozen", "silent")
        workers = {name: Worker(broker, "--session", name, query=heartbeats.endpoint) for name in names}
        slow = Worker(broker, "--session", "slow", "--rate", 1 / QUIET,
                      source=write(broker, "slow.ndjson", lines(1, 2, page=False)))
        client = broker.client()
        for name, worker in workers.items():
            worker.give(lines(1, 34, name))
        since = time.monotonic()
        for name in names:
            await_("three pages", lambda: session_of(client, name).get("pages_processed") == 3)
            assert session_of(client, name)["cases_found"] == 34
        polls = dict(heartbeats.count)
        for name in names:  # only they tell now that a worker lives
            await_("a heartbeat", lambda: heartbeats.count[name] >= polls[name] + 2)
        workers["killed"].kill()
        workers["left"].kill()
        workers["frozen"].process.send_signal(signal.SIGSTOP)
        for name in names[:3]:
            lost, = await_(name + " lost", lambda: session_events(client, name, "lost"))
            silence = lost["at"] / 1e6 - heartbeats.last[name]
            print("      %s: lost after %.2f s" % (name, silence))
            assert LEASE - 0.05 <= silence <= LEASE + 1 + LATE, (name, silence)
        goes_on_where_it_was_left(broker, client)
        stopped_while_lost(broker)
        comes_back(client, workers["frozen"])
        while time.monotonic() < since + QUIET:  # nothing else would show that it is not lost
            time.sleep(0.1)
        is_alive(client, workers["silent"], slow)
        heartbeats.end()
        assert client.verify() == []


def goes_on_where_it_was_left(broker, client):
    """Page 4 was not done: it goes again, and its four records are as before."""
    path = write(broker, "whole.ndjson", lines(1, 60, "killed"))
    counts = broker.publish("--resume-session", "killed", path)
    assert "hse:killed goes on behind page 3" in counts["stderr"], counts
    assert (counts["sent"], counts["created"], counts["synced"]) == (30, 26, 4), counts
    session = session_of(client, "killed")
    assert (session["status"], session["pages_processed"]) == ("completed", 6), session
    assert (session["cases_found"], session["cases_created"], session["cases_existing"]) == (64, 60, 4), session
    assert len(session_events(client, "killed", "resumed")) == 1
    log = [e for e in events(client, "case") if e.get("session") == "killed"]
    for kind, counter in (("created", "cases_created"), ("updated", "cases_updated"), ("synced", "cases_existing")):
        assert sum(e["event"] == kind for e in log) == session[counter], (kind, session)
    refused = broker.publish("--resume-session", "killed", path, code=2)
    assert "it has ended" in refused["stderr"] and refused["sent"] == 0, refused
    refused = broker.publish("--resume-session", "nobody", path, code=2)
    assert "no such session" in refused["stderr"] and refused["sent"] == 0, refused


def stopped_while_lost(broker):
    """There is no worker to ask."""
    said = broker.run("casebus-ctl", "session", "stop", "hse:left")
    assert said.stdout == "hse:left: stopped, stopped by local while lost\n", said.stdout


def comes_back(client, worker):
    worker.process.send_signal(signal.SIGCONT)
    await_("resumed", lambda: session_events(client, "frozen", "resumed"))
    assert session_of(client, "frozen")["status"] == "running"
    worker.give(lines(35, 36, "frozen"))
    worker.finish()
    assert session_of(client, "frozen")["status"] == "completed"


def is_alive(client, silent, slow):
    """Neither a quiet source nor a low rate is a sign of death."""
    assert session_of(client, "silent")["status"] == "running"
    silent.give(lines(35, 36, "silent"))
    silent.finish()
    slow.end(0)
    for name in ("silent", "slow"):
        assert session_of(client, name)["status"] == "completed"
        assert session_events(client, name, "lost") == []


def a_record_without_a_page_is_not_resumed():
    with Broker() as broker:
        client = broker.client()
        first = broker.publish("--session", "s", "--keep-open", write(broker, "a.ndjson", lines(1, 20)))
        assert first["created"] == 20 and session_of(client, "s")["pages_processed"] == 2, first
        path = write(broker, "b.ndjson", lines(21, 22, page=False) + lines(23, 24))
        counts = broker.publish("--resume-session", "s", path, code=1)
        assert (counts["created"], counts["rejected"]) == (2, 2), counts
        assert "b.ndjson:1: source.page: " in counts["stderr"], counts
        for options in (("--resume-session", "s", "--session", "s"), ("--resume-session", "s", "--new-session"),
                        ("--resume-session", "a:b")):
            broker.run("casebus-publish", *options, path, code=2)


main([a_worker_that_is_asked_to_stop_ends_its_session, a_worker_without_input_stops_too,
      of_two_sessions_the_other_goes_on, a_record_without_a_page_is_not_resumed, killed_frozen_and_silent_workers])
