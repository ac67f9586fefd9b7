"""casebus-publish against a real broker: what it counts, refuses, survives and says."""
import fcntl
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import msgpack
import zmq

BIN = os.environ["CASEBUS_BIN"]
DATA = os.path.join(os.environ["CASEBUS_SRC"], "tests", "data")
PATIENCE = 60


def data(name):
    return os.path.join(DATA, name)


def until(condition, what):
    """Waits for what is true sooner or later."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError("in vain: " + what)


def unread(pipe):
    """How many bytes nobody has read from it yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))[0]


class Broker:
    """A broker on endpoints of its own, which keeps them and its store when it starts again."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="casebus-publish-")
        self.store_folder = os.path.join(self.folder, "store")
        # Not TCP: a port of a broker that is down may be given to somebody else.
        self.endpoints = {name: "ipc://%s/%s" % (self.folder, name)
                          for name in ("ingest", "fanout", "query")}
        self.start()

    def start(self):
        command = [os.path.join(BIN, "casebus-broker"), "--data", self.store_folder]
        for name, endpoint in self.endpoints.items():
            command += ["--" + name, endpoint]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if "ready" not in line:
            raise AssertionError("the broker did not start: " + line)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def forget(self):
        """Throws its store away."""
        shutil.rmtree(self.store_folder)

    def end(self):
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def ask(self, op, **arguments):
        socket = zmq.Context.instance().socket(zmq.REQ)
        socket.linger = 0
        try:
            socket.connect(self.endpoints["query"])
            socket.send(msgpack.packb({"v": 1, "op": op, **arguments}))
            if not socket.poll(PATIENCE * 1000):
                raise AssertionError("the broker does not answer " + op)
            return msgpack.unpackb(socket.recv())
        finally:
            socket.close()

    def case(self, case_id):
        return self.ask("case.get", id=case_id)["result"]["case"]

    def sessions(self):
        return self.ask("session.list")["result"]["rows"]

    def store(self):
        return self.ask("broker.status")["result"]["store"]


class LossyRelay(threading.Thread):
    """Passes messages of reports on to a broker, but loses some of them."""

    def __init__(self, ingest, one_in):
        super().__init__(daemon=True)
        self.random = random.Random(1)
        self.one_in = one_in
        self.lost = 0
        context = zmq.Context.instance()
        self.publishers = context.socket(zmq.XSUB)
        self.broker = context.socket(zmq.XPUB)
        self.stop, self.stopped = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        for socket in (self.publishers, self.broker, self.stop, self.stopped):
            socket.linger = 0
        self.publishers.rcvhwm = self.broker.sndhwm = 0
        port = self.publishers.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = "tcp://127.0.0.1:%d" % port
        self.broker.connect(ingest)
        self.stopped.bind("inproc://stop-%d" % id(self))
        self.stop.connect("inproc://stop-%d" % id(self))
        self.start()

    def run(self):
        poller = zmq.Poller()
        for socket in (self.publishers, self.broker, self.stopped):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self.stopped in ready:
                return
            if self.broker in ready:
                self.publishers.send(self.broker.recv())
            if self.publishers in ready:
                message = self.publishers.recv_multipart()
                if self.random.randrange(self.one_in) == 0:
                    self.lost += 1
                else:
                    self.broker.send_multipart(message)

    def end(self):
        self.stop.send(b"")
        self.join()
        for socket in (self.publishers, self.broker, self.stop, self.stopped):
            socket.close()


class NotNow(threading.Thread):
    """Passes requests on to a broker, but answers those for a session itself, so many times."""

    def __init__(self, query, folder, times):
        super().__init__(daemon=True)
        context = zmq.Context.instance()
        self.times, self.refused, self.over = times, 0, threading.Event()
        self.front, self.back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
        self.front.linger = self.back.linger = 0
        self.endpoint = "ipc://%s/not-now" % folder
        self.front.bind(self.endpoint)
        self.back.connect(query)
        self.start()

    def refuse(self, frames):
        codes = "limited", "busy", "behind"
        reply = {"v": 1, "epoch": b"12345678", "seq": 0, "entry": 0,
                 "error": {"code": codes[self.refused % 3], "text": "no more than 1 a second"}}
        self.refused += 1
        self.front.send_multipart(frames[:-1] + [msgpack.packb(reply)])

    def run(self):
        poller = zmq.Poller()
        poller.register(self.front, zmq.POLLIN)
        poller.register(self.back, zmq.POLLIN)
        while not self.over.is_set():
            ready = dict(poller.poll(100))
            if self.front in ready:
                frames = self.front.recv_multipart()
                if msgpack.unpackb(frames[-1])["op"] == "session.get" and self.refused < self.times:
                    self.refuse(frames)
                else:
                    self.back.send_multipart(frames)
            if self.back in ready:
                self.front.send_multipart(self.back.recv_multipart())

    def end(self):
        self.over.set()
        self.join()
        self.front.close()
        self.back.close()


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.counts = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", out)}

    def __repr__(self):
        return "exit %d\n%s%s" % (self.code, self.out, self.err)


class PublishTest(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.scratch = tempfile.mkdtemp(prefix="casebus-publish-")

    def tearDown(self):
        code = self.broker.end()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.assertEqual(code, 0)

    # --- running it -------------------------------------------------------------------------

    def command(self, *arguments):
        endpoints = self.broker.endpoints
        return [os.path.join(BIN, "casebus-publish"), "--ingest", endpoints["ingest"],
                "--query", endpoints["query"], *arguments]

    def begin(self, *arguments):
        return subprocess.Popen(self.command(*arguments), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        out, err = process.communicate(timeout=PATIENCE)
        return Outcome(process.returncode, out, err)

    def publish(self, *arguments):
        return self.finish(self.begin(*arguments))

    def write(self, records):
        path = os.path.join(self.scratch, "records.ndjson")
        with open(path, "w", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return path

    def csv(self, *lines):
        path = os.path.join(self.scratch, "records.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        return path

    def many(self, count):
        return self.write({"agency": "hse", "regulator_id": str(i), "offender": {"name": "N"}}
                          for i in range(count))

    def check(self, outcome, code, **counts):
        self.assertEqual(outcome.code, code, outcome)
        for name, count in counts.items():
            self.assertEqual(outcome.counts[name], count, outcome)

    # --- counts ----------------------------------------------------------------------------

    def test_new_cases_are_created(self):
        self.check(self.publish(data("register.ndjson")), 0, sent=337, confirmed=337,
                   created=337, updated=0, synced=0, conflict=0, rejected=0)

    def test_the_same_cases_are_synced(self):
        self.publish(data("register.ndjson"))
        self.check(self.publish(data("register.ndjson")), 0, sent=337, confirmed=337,
                   created=0, synced=337)

    def test_corrections_update_what_they_name(self):
        self.publish(data("register.ndjson"))
        with open(data("corrections.ndjson"), encoding="utf-8") as file:
            count = len(file.readlines())
        self.check(self.publish(data("corrections.ndjson")), 0, updated=count, synced=0)

    def test_a_case_that_was_read_can_be_published_without_what_help_names(self):
        self.publish(data("register.ndjson"))
        done = subprocess.run([os.path.join(BIN, "casebus-ctl"), "get", "hse:4812345", "--json", "--query",
                               self.broker.endpoints["query"]], stdout=subprocess.PIPE, check=True)
        case = json.loads(done.stdout)
        outcome = self.publish(self.write([case]))
        self.check(outcome, 1, rejected=1)
        self.assertIn("records.ndjson:1: id: only the broker sets this; leave it out (--help", outcome.err)
        (names,) = re.findall(r"jq -c 'del\((.*)\)'", self.publish("--help").out)
        for name in names.split(","):
            del case[name[1:]]
        self.check(self.publish(self.write([case])), 0, synced=1)

    def test_older_fetches_change_nothing(self):
        self.publish(data("register.ndjson"))
        before = self.broker.case("hse:4812345")
        self.check(self.publish(data("older.ndjson")), 0, updated=0, conflict=0, rejected=0)
        after = self.broker.case("hse:4812345")
        self.assertEqual(before["version"], after["version"])

    def test_a_collision_is_told_with_its_place_in_quarantine(self):
        self.publish(data("register.ndjson"))
        outcome = self.publish(data("colliding.ndjson"))
        self.check(outcome, 0, conflict=1, rejected=0)
        rows = self.broker.ask("quarantine.list")["result"]["rows"]
        self.assertEqual(len(rows), 1)
        self.assertIn("quarantine as %d" % rows[0]["quarantine"], outcome.err)

    def test_each_bad_record_is_refused_by_line_and_field(self):
        outcome = self.publish(data("refused.ndjson"))
        with open(data("refused.expected"), encoding="utf-8") as file:
            expected = dict(line.split() for line in file)
        said = {}
        for line in outcome.err.splitlines():
            found = re.fullmatch(r"%s:(\d+): (\S+): (.+)" % re.escape(data("refused.ndjson")),
                                 line)
            self.assertIsNotNone(found, line)
            self.assertNotIn(found[1], said)
            said[found[1]] = found[2]
        self.assertEqual(set(said), set(expected))
        for line, field in expected.items():
            self.assertEqual(re.split(r"[.\[]", said[line])[0], re.split(r"[.\[]", field)[0])
            self.assertTrue(said[line].startswith(field), (line, said[line], field))
        self.check(outcome, 1, rejected=len(expected), created=0)
        self.assertEqual(self.broker.store()["cases"], 0)

    def test_thousands_of_refusals_are_each_told_once(self):
        path = self.write({"agency": "hse", "regulator_id": str(i)} for i in range(3500))
        outcome = self.publish(path)
        self.check(outcome, 1, sent=3500, confirmed=3500, rejected=3500)
        lines = re.findall(r"^%s:(\d+): offender" % re.escape(path), outcome.err, re.M)
        self.assertEqual([int(line) for line in lines], list(range(1, 3501)))

    def test_a_record_that_is_too_large_is_refused_here(self):
        path = self.write([{"agency": "hse", "regulator_id": "1", "offender": {"name": "N"},
                            "ext": {"x": "y" * 600000}}])
        self.check(self.publish(path), 1, sent=0, rejected=1)

    def test_a_deleted_case_is_counted(self):
        path = self.many(2)
        self.publish(path)
        self.check(self.publish("--deleted", path), 0, deleted=2, created=0)

    def test_of_a_redacted_case_only_the_id_stays(self):
        path = self.many(2)
        self.publish(path)
        self.check(self.publish("--redacted", path), 0, redacted=2, created=0)
        self.check(self.publish(path), 1, created=0, rejected=2)

    def test_an_edit_of_an_unknown_case_is_refused(self):
        outcome = self.publish("--edited", self.many(1))
        self.check(outcome, 1, sent=1, confirmed=1, rejected=1)
        self.assertRegex(outcome.err, "records.ndjson:1: .*: there is no such case that could be corrected")

    def test_a_dry_run_sends_nothing(self):
        self.check(self.publish("--dry-run", data("register.ndjson")), 0, sent=0, rejected=0)
        self.assertEqual(self.broker.store()["cases"], 0)

    # --- CSV -------------------------------------------------------------------------------

    def test_csv_becomes_cases(self):
        outcome = self.publish(data("ea.csv"))
        self.check(outcome, 0, rejected=0)
        self.assertGreater(outcome.counts["created"], 0)
        case = self.broker.case("ea:EA/2025/9001")
        self.assertEqual(case["offender"]["name"], "Fenmarrow Ponds, Lakes & Fisheries Ltd")
        self.assertEqual(case["offence_fine_pence"], 125000)
        self.assertEqual(case["source"]["page"], 1)

    def test_another_registers_columns_become_cases(self):
        outcome = self.publish("--agency", "orr", "--map", "Case No=regulator_id", "--map",
                               "Defendant=offender.name", "--map",
                               "Date of offence=offence_action_date", "--map",
                               "Fine=offence_fine", data("orr-headers.csv"))
        self.check(outcome, 0, created=5)
        self.assertEqual(self.broker.case("orr:ORR-P-2025.101")["offence_fine_pence"], 1250000)

    def test_a_header_without_an_id_is_told_of_once(self):
        outcome = self.publish("--agency", "hse", self.csv("Case No,Who", "1,N", "2,N"))
        self.check(outcome, 2)
        self.assertEqual(outcome.err.count("\n"), 1)
        self.assertIn("--map COLUMN=regulator_id", outcome.err)
        self.assertIn("there are: Case No, Who", outcome.err)

    def test_another_separator_is_guessed_whatever_is_asked_of_the_header(self):
        path = self.csv("Case No;Who", "1;N")
        for arguments in ([], ["--map", "Case No=regulator_id"]):
            outcome = self.publish("--agency", "hse", *arguments, path)
            self.check(outcome, 2)
            self.assertIn("the columns seem to be separated by ';'", outcome.err)

    def test_a_quote_that_is_never_closed_says_how_much_it_took(self):
        path = self.csv('regulator_id,offender.name', '1,N', '2,"N', *("%d,N" % i for i in range(3, 900)))
        outcome = self.publish("--agency", "hse", path)
        self.check(outcome, 1, created=1, rejected=1)
        self.assertIn("%s:3: offender.name: the quote that opens here is never closed: "
                      "all up to line 900 (898 lines)" % path, outcome.err)

    def test_of_empty_files_only_a_csv_lacks_something(self):
        outcome = self.publish(self.csv())
        self.check(outcome, 2)
        self.assertEqual(outcome.err, "casebus-publish: %s/records.csv: is empty: the first line "
                                      "must name the columns\n" % self.scratch)
        self.check(self.publish(self.csv("agency,regulator_id")), 0, sent=0, rejected=0)
        self.check(self.publish(self.write([])), 0, sent=0, rejected=0)

    def test_a_file_of_any_path_is_named_once(self):
        path = "/nowhere/" + "at/all/" * 20
        self.assertEqual(self.publish(path).err.count("/nowhere/"), 1)

    def test_an_unknown_column_is_told_of_once(self):
        path = os.path.join(self.scratch, "extra.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("regulator_id,offender.name,mood\n1,N,good\n2,N,bad\n")
        outcome = self.publish("--agency", "hse", path)
        self.check(outcome, 0, created=2)
        self.assertEqual(outcome.err.count("mood"), 1)
        self.assertEqual(self.broker.case("hse:2")["mood"], "bad")

    # --- sessions --------------------------------------------------------------------------

    def test_each_agency_gets_a_session(self):
        self.check(self.publish("--new-session", data("register.ndjson")), 0, sent=337,
                   confirmed=337, created=337)
        sessions = self.broker.sessions()
        self.assertEqual({s["agency"] for s in sessions}, {"hse", "ea", "orr"})
        self.assertEqual({s["status"] for s in sessions}, {"completed"})
        self.assertEqual(sum(s["cases_created"] for s in sessions), 337)

    def test_a_session_says_how_many_pages_it_may_have(self):
        self.check(self.publish("--new-session", "--max-pages", "6", "--max-pages", "hse=10",
                                "--max-pages", "ea=4", data("register.ndjson")), 0, created=337)
        self.assertEqual({s["agency"]: (s["pages_processed"], s["max_pages"])
                          for s in self.broker.sessions()},
                         {"hse": (10, 10), "ea": (4, 4), "orr": (6, 6)})

    def test_a_named_session_is_started_and_ended(self):
        self.check(self.publish("--session", "mine", self.many(3)), 0, created=3)
        (session,) = self.broker.sessions()
        self.assertEqual((session["session_id"], session["status"]), ("mine", "completed"))
        self.assertEqual(session["cases_created"], 3)

    def test_a_session_kept_open_is_gone_on_with(self):
        path = self.many(3)
        self.check(self.publish("--session", "mine", "--keep-open", path), 0)
        self.assertEqual(self.broker.sessions()[0]["status"], "running")
        self.check(self.publish("--session", "mine", path), 0)
        (session,) = self.broker.sessions()
        self.assertEqual(session["status"], "completed")
        self.assertEqual(session["cases_found"], 6)

    def test_a_broker_that_cannot_say_now_where_a_session_stands_is_asked_again(self):
        relay = NotNow(self.broker.endpoints["query"], self.scratch, 3)
        try:
            outcome = self.publish("--query", relay.endpoint, "--session", "mine", self.many(3))
        finally:
            relay.end()
        self.check(outcome, 0, created=3, rejected=0)
        self.assertEqual(relay.refused, 3)
        self.assertEqual(self.broker.sessions()[0]["status"], "completed")

    def test_a_broker_that_never_says_where_a_session_stands_is_given_up(self):
        relay = NotNow(self.broker.endpoints["query"], self.scratch, 1000)
        try:
            outcome = self.publish("--query", relay.endpoint, "--timeout", "1.2", "--resume-session", "mine",
                                   self.many(3))
        finally:
            relay.end()
        self.check(outcome, 3, sent=0, rejected=0)
        self.assertGreater(relay.refused, 1)
        self.assertEqual(outcome.err, "casebus-publish: for 1.2 s nobody could say where session mine stands; "
                                      "the broker says: no more than 1 a second\n")

    def test_a_session_is_of_one_agency(self):
        path = self.write({"agency": agency, "regulator_id": "1", "offender": {"name": "N"}}
                          for agency in ("hse", "ea"))
        outcome = self.publish("--session", "mine", path)
        self.check(outcome, 1, created=1, rejected=1)
        self.assertIn("records.ndjson:2: agency: ", outcome.err)

    def test_no_session_is_opened_for_what_is_refused(self):
        self.check(self.publish("--new-session", data("refused.ndjson")), 1)
        # One record passes the local checks: a new case without an offender.
        found = [(s["agency"], s["cases_found"]) for s in self.broker.sessions()]
        self.assertEqual(found, [("hse", 1)])

    # --- what goes wrong -------------------------------------------------------------------

    def test_without_a_broker_it_gives_up(self):
        self.broker.kill()
        outcome = self.publish("--timeout", "0.5", data("register.ndjson"))
        self.check(outcome, 3, sent=337, confirmed=0)
        self.assertIn("no broker at", outcome.err)
        self.broker.start()

    def test_a_broker_that_comes_later_is_waited_for(self):
        self.broker.kill()
        process = self.begin(self.many(10))
        self.broker.start()
        self.check(self.finish(process), 0, confirmed=10, created=10)

    def test_a_killed_broker_is_caught_up_with(self):
        process = self.begin("--rate", "3000", self.many(6000))
        for some in (500, 3000):
            until(lambda: self.broker.store()["cases"] > some, "%d cases" % some)
            self.broker.kill()
            self.broker.start()
        self.check(self.finish(process), 0, sent=6000, confirmed=6000, created=6000)
        self.assertEqual(self.broker.store()["cases"], 6000)

    def test_a_broker_that_has_forgotten_gets_the_rest_under_a_fresh_id(self):
        process = self.begin("--rate", "1000", self.many(3000))
        until(lambda: self.broker.store()["cases"] > 100, "100 cases")
        self.broker.kill()
        self.broker.forget()
        self.broker.start()
        outcome = self.finish(process)
        self.check(outcome, 0, sent=3000, confirmed=3000, created=3000)
        self.assertIn("fresh id", outcome.err)
        self.assertGreater(self.broker.store()["cases"], 0)

    def test_lost_reports_are_sent_again(self):
        relay = LossyRelay(self.broker.endpoints["ingest"], 3)
        try:
            outcome = self.publish("--ingest", relay.endpoint, self.many(2000))
        finally:
            relay.end()
        self.check(outcome, 0, sent=2000, confirmed=2000, created=2000, synced=0)
        self.assertGreater(relay.lost, 5)

    def test_ctrl_c_ends_the_session_as_stopped(self):
        process = self.begin("--new-session", "-")
        for i in range(5):
            process.stdin.write('{"agency":"hse","regulator_id":"%d",'
                                '"offender":{"name":"N"}}\n' % i)
        process.stdin.flush()
        until(lambda: self.broker.store()["cases"] == 5, "5 cases")
        process.send_signal(signal.SIGINT)
        process.wait(30)  # its input is still open: this is not the end of the file
        outcome = self.finish(process)
        self.check(outcome, 130, sent=5, confirmed=5, created=5)
        self.assertEqual(self.broker.sessions()[0]["status"], "stopped")

    def test_ctrl_c_names_the_last_line_that_was_taken(self):
        self.broker.kill()
        process = self.begin("-")
        fit = 76  # of such records into the window of 16 MiB
        for i in range(fit + 1):
            process.stdin.write('{"agency":"hse","regulator_id":"%d","ext":{"x":"%s"}}\n' % (i, "x" * 219000))
        process.stdin.flush()
        until(lambda: not unread(process.stdin), "the last one is read")
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        outcome = self.finish(process)
        self.check(outcome, 130, sent=fit)
        self.assertIn("-:%d: note: stopped reading behind this line" % fit, outcome.err)
        self.broker.start()

    def test_two_signals_at_once_are_one(self):
        process = self.begin("--new-session", "-")
        process.stdin.write('{"agency":"hse","regulator_id":"1","offender":{"name":"N"}}\n')
        process.stdin.flush()
        until(lambda: self.broker.store()["cases"] == 1, "a case")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        self.check(self.finish(process), 130, sent=1, confirmed=1, created=1)
        self.assertEqual(self.broker.sessions()[0]["status"], "stopped")

    def test_a_second_ctrl_c_waits_for_nobody(self):
        process = self.begin("--new-session", "-")
        process.stdin.write('{"agency":"hse","regulator_id":"1","offender":{"name":"N"}}\n')
        process.stdin.flush()
        until(lambda: self.broker.store()["cases"] == 1, "a case")
        self.broker.process.send_signal(signal.SIGSTOP)
        try:
            # The first asks it to end its session, which nobody confirms now.
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.05)
            self.assertEqual(self.finish(process).code, 130)
        finally:
            self.broker.process.send_signal(signal.SIGCONT)

    def test_a_pipe_that_is_silent_is_no_stall(self):
        process = self.begin("--timeout", "0.3", "-")
        line = '{"agency":"hse","regulator_id":"%d","offender":{"name":"N"}}\n'
        process.stdin.write(line % 1)
        process.stdin.flush()
        until(lambda: self.broker.store()["cases"] == 1, "a case")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(1)
        process.stdin.write(line % 2)
        self.check(self.finish(process), 0, created=2)

    def test_an_outbox_takes_what_comes_however_long_the_broker_is_away(self):
        self.broker.kill()
        box = os.path.join(self.scratch, "box")
        process = self.begin("--outbox", box, "--timeout", "0.3", "-")
        line = '{"agency":"hse","regulator_id":"%d","offender":{"name":"N"}}\n'
        process.stdin.write(line % 1)
        process.stdin.flush()
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.stdin.write(line % 2)
        outcome = self.finish(process)
        self.check(outcome, 3, sent=2, confirmed=0)
        self.assertIn("2 reports stay in " + box, outcome.err)
        self.broker.start()
        self.check(self.publish("--outbox", box, "--resume"), 0, confirmed=2, created=2)

    def test_a_rate_is_kept_to(self):
        begin = time.monotonic()
        self.check(self.publish("--rate", "100", self.many(50)), 0, created=50)
        self.assertGreater(time.monotonic() - begin, 0.45)

    def test_usage_and_unreadable_input_are_two(self):
        self.check(self.publish("--no-such-option", "-"), 2)
        self.check(self.publish(), 2)
        self.check(self.publish("/nowhere/at/all"), 2)
        self.check(self.publish("--agency", "HSE", "-"), 2)
        self.check(self.publish("--session", "a", "--new-session", "-"), 2)
        for pages in ("0", "-1", "2.5", "1e3", "", "hse=", "HSE=3", "=3", "1000000001"):
            self.check(self.publish("--new-session", "--max-pages", pages, "-"), 2)
        self.check(self.publish("--max-pages", "3", "-"), 2)
        self.check(self.publish("--resume-session", "a", "--max-pages", "3", "-"), 2)
        self.check(self.publish("--map", "a=no_such_field", data("ea.csv")), 2)
        self.check(self.publish("--map", "No=url", data("ea.csv")), 2)
        self.check(self.publish("--redacted", "--deleted", data("ea.csv")), 2)
        self.check(self.publish("--outbox", data("no-such-folder"), "--resume"), 2)

    def test_an_endpoint_that_is_none_is_named(self):
        for option in "--ingest", "--query":
            for value, fault in ("foo", "must be an endpoint, tcp://"), \
                    ("tcp://127.0.0.1:99999", "has a port above 65535"):
                outcome = self.publish(option, value, data("ea.csv"))
                self.check(outcome, 2)
                self.assertIn("casebus-publish: %s %s: %s" % (option, value, fault), outcome.err)

    def test_output_that_fails_says_so_and_all_is_there(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.command(data("register.ndjson")), stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("casebus-publish: cannot write its output: No space left on device", done.stderr)
        self.check(self.publish(data("register.ndjson")), 0, confirmed=337, synced=337)

    def test_nobody_reading_its_counts_is_said(self):
        with self.begin(self.many(10)) as process:
            process.stdout.close()
            err = process.stderr.read()
        self.assertEqual(process.returncode, 1, err)
        self.assertIn("casebus-publish: cannot write its output: Broken pipe", err)
        self.assertEqual(self.broker.store()["cases"], 10)

    def test_nobody_reading_what_it_refuses_stops_no_upload(self):
        records = ({"agency": "hse", "regulator_id": str(i), "offender": {"name": "N" if i >= 10 else 1}}
                   for i in range(20))
        with self.begin("--new-session", self.write(records)) as process:
            process.stderr.close()
            out = process.stdout.read()
        self.check(Outcome(process.returncode, out, ""), 1, created=10, rejected=10)
        self.assertEqual(self.broker.sessions()[0]["status"], "completed")

    def test_a_note_that_nobody_reads_is_output_lost(self):
        record = {"agency": "hse", "regulator_id": "1", "offender": {"name": "N"}, "mood": "good"}
        with self.begin(self.write([record])) as process:
            process.stderr.close()
            out = process.stdout.read()
        self.check(Outcome(process.returncode, out, ""), 1, created=1)

    def test_a_column_without_a_name_is_told_once_where_it_has_a_value(self):
        path = self.csv("regulator_id,offender.name,", "1,A,", "2,B,important", "3,C,too")
        outcome = self.publish("--agency", "hse", path)
        self.check(outcome, 0, created=3)
        notes = [line for line in outcome.err.splitlines() if "note: " in line]
        self.assertEqual(len(notes), 1, outcome.err)
        self.assertIn("records.csv:3: note: column 3 has no name", notes[0])

    def test_help_names_every_option(self):
        outcome = self.publish("--help")
        self.check(outcome, 0)
        for name in ("agency", "format", "map", "session", "new-session", "keep-open", "max-pages", "edited",
                     "deleted", "redacted", "dry-run", "rate", "timeout", "ingest", "query", "version"):
            self.assertIn("--" + name, outcome.out)


if __name__ == "__main__":
    unittest.main()
