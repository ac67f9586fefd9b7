"""casebus-watch and casebus-ctl against a broker, as people and scripts use them."""
import atexit
import fcntl
import json
import os
import pty
import queue
import re
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import unittest

BIN = os.environ["CASEBUS_BIN"]
PATIENCE = 60  # seconds: a limit, not a wait
READY = re.compile(r"ingest=(\S+) fanout=(\S+) query=(\S+)")
SCRATCH = tempfile.mkdtemp(prefix="casebus-commands-")
atexit.register(shutil.rmtree, SCRATCH, True)
ANY_PORTS = ("tcp://127.0.0.1:*",) * 3


def program(name):
    return os.path.join(BIN, "casebus-" + name)


class Lines:
    """The lines of a pipe, each as soon as it is there."""

    def __init__(self, pipe):
        self.queue = queue.Queue()
        self.pipe = pipe
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.pipe:
            self.queue.put(line.rstrip("\n"))
        self.queue.put(None)

    def next(self):
        return self.queue.get(timeout=PATIENCE)

    def until(self, words):
        while True:
            line = self.next()
            if line is None:
                raise AssertionError(f"ended before: {words}")
            if words in line:
                return line

    def rest(self):
        lines = []
        while (line := self.next()) is not None:
            lines.append(line)
        return lines

    def close(self):
        """When the program has ended: nobody closes a pipe that another thread still reads."""
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise AssertionError("the program has ended, its pipe is held open")
        self.pipe.close()


def new_folder():
    return tempfile.mkdtemp(dir=SCRATCH)


def own_files():
    """Endpoints that nobody else can take while the broker is away, as ports can be."""
    folder = new_folder()
    return tuple(f"ipc://{folder}/{name}" for name in ("ingest", "fanout", "query"))


class Broker:
    def __init__(self, data=None, endpoints=ANY_PORTS):
        self.data = data or new_folder()
        self.process = subprocess.Popen(
            [program("broker"), "--data", self.data, "--ingest", endpoints[0], "--fanout",
             endpoints[1], "--query", endpoints[2], "--log-level", "error"],
            stdout=subprocess.PIPE, text=True)
        ready = READY.search(self.process.stdout.readline())
        self.ingest, self.fanout, self.query = ready.groups()
        self.options = ["--ingest", self.ingest, "--fanout", self.fanout, "--query", self.query]

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def again(self, data=None):
        return Broker(data or self.data, (self.ingest, self.fanout, self.query))

    def publish(self, *records, options=(), codes=(0,)):
        done = subprocess.run(
            [program("publish"), "--ingest", self.ingest, "--query", self.query, *options, "-"],
            input="".join(json.dumps(record) + "\n" for record in records), text=True,
            capture_output=True, timeout=PATIENCE)
        if done.returncode not in codes:
            raise AssertionError(done.stderr + done.stdout)

    def ctl(self, *arguments, text=None):
        return subprocess.run([program("ctl"), *self.options, *arguments], input=text,
                              text=True, capture_output=True, timeout=PATIENCE)

    def json(self, *arguments):
        done = self.ctl(*arguments, "--json")
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)


class Watch:
    def __init__(self, broker, *arguments, live=True):
        self.process = subprocess.Popen(
            [program("watch"), *broker.options, *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        if live:
            self.err.until("watching ")

    def events(self):
        return [json.loads(line) for line in self.out.rest()]

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(PATIENCE)
        self.out.close()
        self.err.close()
        return code


def case(number, agency="hse", **fields):
    return {"agency": agency, "regulator_id": str(number), "offender": {"name": "Acme Ltd"},
            "offence_fine_pence": 100000, **fields}


def hostile(number):
    """A case whose text would move a cursor, turn the writing around or begin a new line."""
    return case(number, offender={"name": "\x9b31m\u202e\x7f\r\n"}, ext={"\x1b[1m": "\x1b[2J"})


HOSTILE = "\x1b\x9b\u202e\x7f\r"


def run_on_terminal(arguments, columns=80, **environment):
    """What a program writes on a terminal of so many columns, and its exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(arguments, stdout=slave, stderr=subprocess.DEVNULL,
                               env={**clean, "TERM": "xterm", **environment})
    os.close(slave)
    written = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        written += part
    os.close(master)
    return written.decode(), process.wait(PATIENCE)


class WithBroker(unittest.TestCase):
    endpoints = staticmethod(lambda: ANY_PORTS)

    def setUp(self):
        self.broker = Broker(endpoints=self.endpoints())
        self.addCleanup(lambda: self.broker.stop())


class WatchTest(WithBroker):
    def topics(self, *patterns, records=()):
        """What a watch of the patterns sees of the records, and of one more at the end."""
        watch = Watch(self.broker, "--json", *patterns, "case:deleted")
        self.broker.publish(*records, case("last"))
        self.broker.publish({"agency": "hse", "regulator_id": "last"}, options=["--deleted"])
        topics = []
        while "case:deleted:hse:last:" not in topics:
            topics.append(json.loads(watch.out.next())["topic"])
        watch.end()
        return topics[:-1]

    def test_a_pattern_of_all_created_sees_them_all(self):
        for number, pattern in enumerate(["case:created", "case:created:*"]):
            with self.subTest(pattern):
                records = [case(number), case(number, "ea"), case(number, "ea")]
                self.assertEqual(self.topics(pattern, records=records),
                                 [f"case:created:hse:{number}:", f"case:created:ea:{number}:",
                                  "case:created:hse:last:"])

    def test_a_pattern_of_an_agency_sees_no_other(self):
        self.assertEqual(self.topics("case:created:ea", records=[case(1), case(2, "ea")]),
                         ["case:created:ea:2:"])

    def test_a_pattern_of_a_case_sees_no_other_that_begins_alike(self):
        self.assertEqual(self.topics("case:created:hse:48",
                                   records=[case(48), case(4812345), case(4)]),
                         ["case:created:hse:48:"])

    def test_overlapping_patterns_show_an_event_once(self):
        self.assertEqual(self.topics("case", "case:created", "case:created:hse:7",
                                   records=[case(7)]),
                         ["case:created:hse:7:", "case:created:hse:last:"])

    def test_it_says_from_where_it_watches_each_pattern(self):
        self.broker.publish(case(1))
        watch = Watch(self.broker, "case:created", "session", live=False)
        self.assertEqual(watch.err.next(), "watching case:created from seq 1")
        self.assertEqual(watch.err.next(), "watching session from seq 1")
        watch.end()

    def test_an_impossible_pattern_is_refused_with_the_reason(self):
        watch = Watch(self.broker, "case:scraped", live=False)
        reason = watch.err.next()
        self.assertEqual(watch.wait(), 2)
        self.assertIn("case:scraped", reason)
        self.assertIn("report", reason)

    def test_no_pattern_is_usage(self):
        self.assertEqual(Watch(self.broker, live=False).wait(), 2)

    def test_count_reached_is_0(self):
        watch = Watch(self.broker, "--count", "2", "--json", "case:created")
        self.broker.publish(case(1), case(2), case(3))
        self.assertEqual(len(watch.out.rest()), 2)
        self.assertEqual(watch.wait(), 0)

    def test_time_up_before_the_count_is_3(self):
        watch = Watch(self.broker, "--count", "2", "--timeout", "0.5", "case", live=False)
        self.assertEqual(watch.wait(), 3)

    def test_time_up_without_a_count_is_0(self):
        watch = Watch(self.broker, "--timeout", "0.5", "case", live=False)
        self.assertEqual(watch.wait(), 0)

    def test_interrupted_is_0(self):
        for number in signal.SIGINT, signal.SIGTERM:
            with self.subTest(number):
                self.assertEqual(Watch(self.broker, "case").end(number), 0)

    def test_the_log_comes_first_without_hole_or_double(self):
        records = [case(i) for i in range(2000)]
        publisher = threading.Thread(target=self.broker.publish, args=records)
        publisher.start()
        watches = []
        for after in 0, 100:
            watch = Watch(self.broker, "--json", "--count", str(2000 - after), "--timeout",
                          str(PATIENCE), "--after", str(after), "case:created", live=False)
            watches.append((after, watch))
        for after, watch in watches:
            seqs = [event["seq"] for event in watch.events()]
            self.assertEqual(seqs, list(range(after + 1, 2001)))
            self.assertEqual(watch.wait(), 0)
        publisher.join()

    def test_json_has_what_the_protocol_says(self):
        self.broker.publish(case(1))
        self.broker.publish(case(1, offence_fine_pence=200000))
        watch = Watch(self.broker, "--json", "--from-start", "--count", "1", "case:updated")
        event, = watch.events()
        self.assertEqual(event["changed"],
                         [{"field": "offence_fine_pence", "old": 100000, "new": 200000}])
        self.assertEqual(len(event["epoch"]), 16)
        self.assertEqual(event["payload"]["id"], "hse:1")
        self.assertNotIn("session", event)
        watch.wait()

    def test_a_line_says_what_changed(self):
        self.broker.publish(case(1))
        self.broker.publish(case(1, offence_fine_pence=200000))
        watch = Watch(self.broker, "--from-start", "--count", "1", "case:updated")
        self.assertRegex(watch.out.next(),
                         r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  updated     hse:1  Acme Ltd  "
                         r"£2,000.00  offence_fine £1,000.00 → £2,000.00$")
        watch.wait()

    def test_hostile_text_is_never_raw(self):
        self.broker.publish(hostile(1))
        for options in [], ["--json"]:
            with self.subTest(options):
                watch = Watch(self.broker, *options, "--from-start", "--count", "1", "case")
                line, = watch.out.rest()
                for character in HOSTILE:
                    self.assertNotIn(character, line)
                watch.wait()

    def test_colour_is_for_terminals_that_want_it(self):
        self.broker.publish(case(1))
        command = [program("watch"), *self.broker.options, "--from-start", "--count", "1",
                   "case"]
        self.assertIn("\x1b[", run_on_terminal(command)[0])
        self.assertNotIn("\x1b", run_on_terminal(command, NO_COLOR="1")[0])
        self.assertNotIn("\x1b", run_on_terminal(command, TERM="dumb")[0])
        self.assertNotIn("\x1b", run_on_terminal(command + ["--json"])[0])


class CursorTest(WithBroker):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(new_folder(), "cursor")
        self.output = os.path.join(new_folder(), "output")
        self.broker.publish(*[case(i) for i in range(9)])

    def text(self):
        with open(self.file) as file:
            return file.read()

    def seqs(self, *arguments):
        watch = Watch(self.broker, "--json", "--cursor", self.file, *arguments, "case", live=False)
        seqs = [event["seq"] for event in watch.events()]
        self.assertEqual(watch.wait(), 0)
        return seqs

    def test_a_file_goes_before_where_to_begin(self):
        self.assertEqual(self.seqs("--after", "1", "--count", "3"), [2, 3, 4])
        self.assertEqual(self.seqs("--from-start", "--count", "2"), [5, 6])
        self.assertEqual(self.seqs("--count", "3"), [7, 8, 9])
        self.assertEqual(os.listdir(os.path.dirname(self.file)), ["cursor"])

    def test_it_is_written_before_anything_has_happened(self):
        watch = Watch(self.broker, "--cursor", self.file, "--timeout", "0.5", "case")
        self.assertEqual(watch.wait(), 0)
        self.broker.publish(case("next"))
        self.assertEqual(self.seqs("--count", "1"), [10])

    def test_two_do_not_keep_it(self):
        first = Watch(self.broker, "--cursor", self.file, "case")
        second = Watch(self.broker, "--cursor", self.file, "case", live=False)
        self.assertIn("another casebus-watch keeps this cursor", second.err.next())
        self.assertEqual(second.wait(), 2)
        first.process.kill()
        first.wait()
        self.assertEqual(self.seqs("--timeout", "0.5"), [])
        self.assertEqual(os.listdir(os.path.dirname(self.file)), ["cursor"])

    def test_what_matches_nothing_moves_it_too(self):
        watch = Watch(self.broker, "--cursor", self.file, "session")
        self.broker.publish(case("next"))
        while not self.text().endswith(" 10\nsession\n"):
            self.assertIsNone(watch.process.poll())
        self.assertEqual(watch.end(), 0)

    def test_a_file_that_holds_none_is_refused_and_kept(self):
        for text in "", "nonsense\n", "casebus-cursor 2 0123456789abcdef 5\ncase\n", \
                "casebus-cursor 3 0123456789abcdeF 5\ncase\n", "casebus-cursor 3 0123456789abcdef -5\ncase\n", \
                "casebus-cursor 3 0123456789abcdef 5", "casebus-cursor 3 0123456789abcdef 5\n", \
                "casebus-cursor 3 0123456789abcdef 5 \ncase\n", "casebus-cursor 3 0123456789abcdef 5x\ncase\n", \
                "casebus-cursor 3 0123456789abcdef 5 press\n", "casebus-cursor 3 0123456789abcdef 5\ncase":
            with self.subTest(text):
                with open(self.file, "w") as file:
                    file.write(text)
                watch = Watch(self.broker, "--cursor", self.file, "case", live=False)
                self.assertIn("holds no cursor", watch.err.next())
                self.assertEqual(watch.wait(), 2)
                self.assertEqual(self.text(), text)

    def test_it_is_of_its_patterns_and_refused_for_others(self):
        Watch(self.broker, "--cursor", self.file, "--timeout", "0.5", "case", "session:ended").wait()
        kept = self.text()
        self.assertTrue(kept.endswith("\ncase\nsession:ended\n"), kept)
        for others in ["case"], ["case", "session"], ["case", "session:ended", "session:lost"]:
            with self.subTest(others):
                watch = Watch(self.broker, "--cursor", self.file, *others, live=False)
                self.assertIn("a cursor of other patterns: case session:ended.", watch.err.next())
                self.assertEqual(watch.wait(), 2)
                self.assertEqual(self.text(), kept)
        same = Watch(self.broker, "--cursor", self.file, "--timeout", "0.5", "session:ended:*", "case:*", "case")
        self.assertEqual(same.wait(), 0)

    def test_where_it_cannot_be_written_watching_ends(self):
        watch = Watch(self.broker, "--cursor", "/nonexistent/cursor", "case", live=False)
        watch.err.until("/nonexistent/cursor: ")
        self.assertEqual(watch.wait(), 1)

    def limited(self, out, limit=resource.RLIM_INFINITY):
        """Runs a watch of all nine whose files take so many bytes, as on a full disk."""
        def set_limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.run([program("watch"), *self.broker.options, "--json", "--cursor", self.file, "--from-start",
                               "--count", "9", "case"], stdout=out, stderr=subprocess.PIPE, text=True,
                              timeout=PATIENCE, preexec_fn=set_limit, restore_signals=False)

    def append(self, mode="ab", **limit):
        with open(self.output, mode) as out:
            return self.limited(out, **limit)

    def lines(self):
        with open(self.output) as file:
            return file.read().splitlines(True)

    def test_where_it_does_not_fit_nothing_is_left_beside_it(self):
        full = self.limited(subprocess.DEVNULL, limit=20)
        self.assertEqual(full.returncode, 1)
        self.assertIn(self.file + ": ", full.stderr)
        self.assertEqual(os.listdir(os.path.dirname(self.file)), [])

    def test_a_symbolic_link_is_followed_and_stays(self):
        real = os.path.join(new_folder(), "real")
        os.symlink(real, self.file + "-link")
        os.symlink("cursor-link", self.file)
        self.assertEqual(self.seqs("--from-start", "--count", "4"), [1, 2, 3, 4])
        self.assertEqual(self.seqs("--count", "5"), [5, 6, 7, 8, 9])
        self.assertTrue(os.path.islink(self.file) and os.path.islink(self.file + "-link"))
        self.assertEqual(os.listdir(os.path.dirname(real)), ["real"])
        self.assertFalse(os.path.islink(real))

    def test_what_a_full_disk_took_of_a_line_is_taken_back(self):
        self.append()
        lines = self.lines()
        for mode in "ab", "wb":
            with self.subTest(mode):
                os.remove(self.file)
                os.truncate(self.output, 0)
                full = self.append(mode, limit=len("".join(lines[:4])) + 99)
                self.assertEqual(full.returncode, 1)
                self.assertIn("cannot write its output: File too large", full.stderr)
                self.assertEqual(self.lines(), lines[:4])
        self.append()
        self.assertEqual(self.lines(), lines[:4] + lines)

    def test_what_it_cannot_take_back_it_leaves(self):
        """Somebody else's bytes stand behind it."""
        self.append()
        lines = self.lines()
        os.remove(self.file)
        whole = os.path.getsize(self.output)
        self.append("r+b", limit=whole - 99)
        self.assertEqual(os.path.getsize(self.output), whole)
        self.assertEqual(self.lines(), lines)

    def test_a_line_that_was_cut_stands_alone(self):
        with open(self.output, "w") as file:
            file.write('{"seq": 1, "to')
        self.append()
        cut, *lines = self.lines()
        self.assertEqual(cut, '{"seq": 1, "to\n')
        self.assertEqual([json.loads(line)["seq"] for line in lines], list(range(1, 10)))
        os.remove(self.file)
        self.append()
        self.assertEqual(self.lines(), [cut] + lines + lines)

    def stand_still(self, *arguments, blocking=True):
        """A watch that has written all that its pipe takes, and is within the line of a case."""
        out, pipe = os.pipe()
        self.addCleanup(os.close, out)
        os.set_blocking(pipe, blocking)
        size = fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        self.broker.publish(case("large", offence_breaches="x" * size))
        watch = subprocess.Popen([program("watch"), *self.broker.options, "--json", "--cursor", self.file,
                                  *arguments, "case"], stdout=pipe)
        self.addCleanup(watch.kill)
        os.close(pipe)
        while struct.unpack("i", fcntl.ioctl(out, termios.FIONREAD, bytes(4)))[0] < size:
            self.assertIsNone(watch.poll())
        return watch, out

    def test_one_signal_ends_it_where_its_reader_stands_still(self):
        self.assertEqual(self.seqs("--from-start", "--count", "9"), list(range(1, 10)))
        for blocking in True, False:
            with self.subTest(blocking):
                watch, _ = self.stand_still(blocking=blocking)
                watch.terminate()
                self.assertEqual(watch.wait(PATIENCE), 0)
                self.assertTrue(self.text().endswith(" 9\ncase\n"), self.text())
        self.assertEqual(self.seqs("--count", "1"), [10])

    def test_it_waits_for_room_where_its_output_does_not_block(self):
        self.assertEqual(self.seqs("--from-start", "--count", "9"), list(range(1, 10)))
        watch, out = self.stand_still("--count", "1", blocking=False)
        text = b"".join(iter(lambda: os.read(out, 65536), b""))
        self.assertEqual(watch.wait(PATIENCE), 0)
        self.assertEqual([json.loads(line)["seq"] for line in text.splitlines()], [10])

    def test_without_order_there_is_none(self):
        watch = Watch(self.broker, "--cursor", self.file, "--unordered", "case", live=False)
        self.assertIn("order", watch.err.next())
        self.assertEqual(watch.wait(), 2)

    def test_unordered_sees_the_same(self):
        watch = Watch(self.broker, "--json", "--unordered", "--from-start", "--count", "9", "case")
        self.assertEqual(sorted(event["seq"] for event in watch.events()), list(range(1, 10)))
        self.assertEqual(watch.wait(), 0)


class RestartTest(WithBroker):
    endpoints = staticmethod(own_files)

    def test_verify_passes_running_and_as_a_folder(self):
        self.broker.publish(case(1), case(2))
        self.assertEqual(self.broker.json("verify")["state"], "passed")
        self.assertEqual(self.broker.ctl("verify", self.broker.data).returncode, 0)
        self.broker.stop()
        self.assertEqual(self.broker.ctl("verify", self.broker.data).returncode, 0)
        self.broker = self.broker.again()

    def test_it_waits_for_a_broker_and_says_so(self):
        self.broker.stop()
        watch = Watch(self.broker, "--json", "--count", "1", "case", live=False)
        watch.err.until("waiting for a broker")
        self.broker = self.broker.again()
        watch.err.until("watching case from seq 0")
        self.broker.publish(case(1))
        self.assertEqual(json.loads(watch.out.next())["seq"], 1)
        self.assertEqual(watch.wait(), 0)

    def test_a_broker_that_goes_is_told_and_waited_for(self):
        watch = Watch(self.broker, "--json", "--count", "1", "case")
        self.broker.stop()
        watch.err.until("nothing comes from the broker any more")
        self.broker = self.broker.again()
        watch.err.until("casebus-watch: live")
        self.broker.publish(case(1))
        self.assertEqual(json.loads(watch.out.next())["seq"], 1)
        self.assertEqual(watch.wait(), 0)

    def test_who_does_not_answer_is_named(self):
        self.broker.publish(case(1))
        nobody = "ipc://%s/nobody" % tempfile.gettempdir()
        watch = Watch(self.broker, "--query", nobody, "--from-start", "case")
        self.assertIn(nobody, watch.err.until("nobody answers"))
        self.assertEqual(watch.end(), 0)

    def test_what_is_missed_while_it_sleeps_is_fetched(self):
        watch = Watch(self.broker, "--json", "--count", "4", "case:created", "case:updated")
        self.broker.publish(case(1))
        self.assertEqual(json.loads(watch.out.next())["seq"], 1)
        watch.process.send_signal(signal.SIGSTOP)
        self.broker.stop()
        self.broker = self.broker.again()
        self.broker.publish(case(2), case(3))
        watch.process.send_signal(signal.SIGCONT)
        self.assertEqual([json.loads(watch.out.next())["seq"] for _ in range(2)], [2, 3])
        self.broker.publish(case(4))
        self.assertEqual(json.loads(watch.out.next())["seq"], 4)
        self.assertIn("lost=0", watch.err.until("repaired="))
        self.assertEqual(watch.wait(), 0)

    def test_another_history_is_told(self):
        self.broker.publish(case(1))
        watch = Watch(self.broker, "--json", "--count", "1", "case:created")
        self.broker.stop()
        self.broker = self.broker.again(new_folder())
        watch.err.until("epoch changed")
        watch.err.until("watching case:created from seq 0")
        self.broker.publish(case(2))
        self.assertEqual(json.loads(watch.out.next())["topic"], "case:created:hse:2:")
        self.assertEqual(watch.wait(), 0)


class CtlTest(WithBroker):
    def test_get_prints_the_flat_record(self):
        self.broker.publish(case("T/H/2005/257487/02", offender={"name": "Siân & Co"}))
        record = self.broker.json("get", "hse:T/H/2005/257487/02")
        self.assertEqual(record["offender"], {"name": "Siân & Co"})
        self.assertEqual((record["id"], record["version"]), ("hse:T/H/2005/257487/02", 1))

    def test_what_cannot_be_loaded_is_named(self):
        done = self.broker.ctl("get", "hse:1", "--load", "history,frob")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--load history,frob: agency, offender and history can be loaded",
                      done.stderr)

    def test_get_loads_beside_the_fields(self):
        self.broker.publish(case(1))
        record = self.broker.json("get", "hse:1", "--load", "agency,offender,history")
        self.assertEqual(record["agency_record"]["code"], "hse")
        self.assertEqual(record["offender_record"]["cases"], 1)
        self.assertEqual([event["event"] for event in record["history"]], ["created"])
        self.assertEqual(record["id"], "hse:1")

    def test_options_stand_before_and_behind_the_command(self):
        self.broker.publish(case(1))
        before = self.broker.ctl("--json", "get", "hse:1")
        behind = self.broker.ctl("get", "hse:1", "--json")
        self.assertEqual((before.returncode, before.stdout), (0, behind.stdout))

    def test_not_found_is_1(self):
        for command, what in (["get", "hse:1"], "case hse:1"), (["history", "hse:1"], "case hse:1"), \
                (["session", "hse:1"], "session hse:1"), (["session", "hse", "1"], "session hse:1"), \
                (["offender", "hse", "Acme"], "offender Acme"), (["can", "nobody", "ask"], "actor nobody"), \
                (["quarantine", "accept", "99999"], "quarantined report 99999"):
            with self.subTest(command):
                done = self.broker.ctl(*command)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertEqual(done.stderr, f"casebus-ctl: no {what}\n")

    def test_a_deleted_case_is_not_found(self):
        self.broker.publish(case(1))
        self.broker.publish({"agency": "hse", "regulator_id": "1"}, options=["--deleted"])
        self.assertEqual(self.broker.ctl("get", "hse:1").returncode, 1)

    def test_usage_is_2(self):
        for command in [], ["nosuch"], ["get"], ["get", "nonsense"], ["get", "hse:1", "b"], \
                ["recent", "--order", "date"], ["recent", "--limit", "0"], \
                ["recent", "--limit", "501"], ["recent", "--next", "zz"], ["--nosuch"], \
                ["list", "--from", "2024-02-01", "--to", "2024-01-31"], ["replay", "--limit", "0"], \
                ["list", "--from", "yesterday"], ["quarantine", "accept", "x"], \
                ["replay", "case:scraped"], ["replay", "sys:heads"], ["verify", "a", "b"], \
                ["backup"], ["backup", ""], \
                ["recent", "--query", "nonsense"]:
            with self.subTest(command):
                self.assertEqual(self.broker.ctl(*command).returncode, 2)

    def test_a_wrong_value_is_named_with_what_it_can_be(self):
        rows = "must be a whole number from 1 to 500"
        for command, words in (["recent", "--limit", "x"], "--limit x: " + rows), \
                (["recent", "--limit", "501"], "--limit 501: " + rows), \
                (["replay", "--limit", "0"], "--limit 0: " + rows + ", of a replay from 1 on"), \
                (["recent", "--timeout", "soon"], "--timeout soon: must be a number of seconds"), \
                (["recent", "--query", ""], "--query : must be an endpoint, tcp://"), \
                (["recent", "--query", "foo"], "--query foo: must be an endpoint, tcp://"), \
                (["recent", "--query", "tcp://127.0.0.1:99999"], "has a port above 65535"), \
                (["can", "local", "frob"], "verb: frob is no verb: report.scraped, watch"), \
                (["recent", "--session", ""], "--session : must not be empty"):
            with self.subTest(command):
                done = self.broker.ctl(*command)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr)

    def test_recent_pages_hold_every_case_once_newest_first(self):
        self.broker.publish(*[case(i) for i in range(25)])
        ids, page, options = [], None, []
        while page is None or "next" in page:
            page = self.broker.json("recent", "--limit", "10", *options)
            ids += [row["id"] for row in page["rows"]]
            options = ["--as-of", str(page["as_of"]), "--next", page.get("next", "")]
            self.broker.publish(case(f"later {len(ids)}"))
        self.assertEqual(ids, [f"hse:{i}" for i in reversed(range(25))])

    def test_pages_of_sessions_and_quarantine_are_of_one_moment(self):
        other = {"offender": {"name": "Somebody Else"}, "offence_action_date": "2021-02-03"}

        def publish(number):
            self.broker.publish(case(number, offence_action_date="2020-01-01"), case(number, **other),
                                options=["--session", f"S{number}"])

        for number in range(3):
            publish(number)
        lists = {"sessions": "session_id", "quarantine": "id"}
        first = {command: self.broker.json(command, "--limit", "2") for command in lists}
        publish(3)
        for command, key in lists.items():
            with self.subTest(command):
                page = first[command]
                rest = self.broker.json(command, "--next", page["next"], "--as-of", str(page["as_of"]))
                self.assertEqual([row[key][-1] for row in page["rows"] + rest["rows"]], ["2", "1", "0"])
                self.assertEqual((page["newer"], rest["newer"]), (0, 1))

    def test_list_is_by_agency_and_dates(self):
        self.broker.publish(case(1, offence_action_date="2019-12-31"),
                            case(2, offence_action_date="2020-01-01"),
                            case(3, offence_action_date="2020-12-31"),
                            case(4, "ea", offence_action_date="2020-06-01"))
        page = self.broker.json("list", "--agency", "hse", "--order", "date", "--from",
                                "2020-01-01", "--to", "2020-12-31")
        self.assertEqual([row["id"] for row in page["rows"]], ["hse:3", "hse:2"])
        self.assertEqual(set(page), {"as_of", "rows", "newer"})
        self.assertEqual(page, self.broker.json("list", "--agency", "hse", "--from", "2020-01-01",
                                                "--to", "2020-12-31"))

    def test_list_is_by_session(self):
        self.broker.publish(case(1), options=["--session", "S1"])
        self.broker.publish(case(2), options=["--session", "S2"])
        page = self.broker.json("list", "--agency", "hse", "--session", "S2")
        self.assertEqual([row["id"] for row in page["rows"]], ["hse:2"])

    def test_history_is_newest_first(self):
        self.broker.publish(case(1))
        self.broker.publish(case(1))
        events = self.broker.json("history", "hse:1")["events"]
        self.assertEqual([event["event"] for event in events], ["synced", "created"])

    def test_known_takes_arguments_and_input(self):
        self.broker.publish(*[case(i) for i in range(1500)])
        done = self.broker.ctl("known", "hse:1", "hse:nope", "hse:2")
        self.assertEqual((done.returncode, done.stdout), (0, "hse:1\nhse:2\n"))
        done = self.broker.ctl("known", "-", text="hse:1\n\nhse\n")
        self.assertIn("line 3: hse: not a case id", done.stderr)
        done = self.broker.ctl("known", "-", text="".join(f"hse:{i}\r\n" for i in range(2000)))
        self.assertEqual(done.stdout.split(), [f"hse:{i}" for i in range(1500)])

    def test_replay_prints_as_watch_does(self):
        self.broker.publish(case(1), case(2))
        watch = Watch(self.broker, "--json", "--from-start", "--count", "2", "case")
        self.assertEqual(self.broker.ctl("replay", "--json", "case").stdout.splitlines(),
                         watch.out.rest())
        watch.wait()
        after = self.broker.ctl("replay", "--json", "--after", "1").stdout
        self.assertEqual([json.loads(line)["seq"] for line in after.splitlines()], [2])

    def test_heads_name_every_stream(self):
        self.broker.publish(case(1), case(2, "ea"))
        self.assertEqual(self.broker.json("heads")["heads"],
                         {"case:created:ea:": 2, "case:created:hse:": 1})

    def test_a_session_is_shown_with_its_cases(self):
        self.broker.publish(case(1), case(2), options=["--session", "S1"])
        rows = self.broker.json("sessions", "--agency", "hse")["rows"]
        self.assertEqual([(row["session_id"], row["cases_created"]) for row in rows],
                         [("S1", 2)])
        session = self.broker.json("session", "hse:S1")["session"]
        self.assertEqual(session["status"], "completed")
        cases = self.broker.json("session", "hse", "S1", "--cases")["rows"]
        self.assertEqual([row["id"] for row in cases], ["hse:2", "hse:1"])

    def collide(self):
        self.broker.publish(case(1, offence_action_date="2020-01-01"))
        self.broker.publish(case(1, offence_action_date="2021-01-01",
                                 offender={"name": "Somebody else"}), codes=(0, 1))
        row, = self.broker.json("quarantine")["rows"]
        return str(row["quarantine"])

    def test_quarantine_accepted_is_applied(self):
        number = self.collide()
        self.assertEqual(self.broker.json("quarantine", "accept", number),
                         {"outcome": "updated", "id": "hse:1"})
        self.assertEqual(self.broker.json("get", "hse:1")["offender"]["name"], "Somebody else")
        self.assertEqual(self.broker.json("quarantine", "list")["rows"], [])

    def test_quarantine_accepted_as_another_case_is_stored_there(self):
        number = self.collide()
        accepted = self.broker.json("quarantine", "accept", number, "--as", "hse:1b")
        self.assertEqual(accepted["id"], "hse:1b")
        self.assertEqual(self.broker.json("get", "hse:1")["offender"]["name"], "Acme Ltd")

    def test_quarantine_rejected_is_gone(self):
        number = self.collide()
        self.assertEqual(self.broker.ctl("quarantine", "reject", number).returncode, 0)
        self.assertEqual(self.broker.json("quarantine")["rows"], [])

    def test_rejects_have_rows_and_counts(self):
        document = self.broker.json("rejects")
        self.assertEqual(document["rows"], [])
        self.assertIn("counts", document)

    def test_status_finds_the_endpoints_by_itself(self):
        done = subprocess.run(
            [program("ctl"), "status", "--query", self.broker.query, "--json"],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual(document["endpoints"]["fanout"], self.broker.fanout)
        self.assertEqual((document["seq"], document["state"]), (0, "serving"))

    def test_the_last_hour_of_a_status_is_a_line_a_minute(self):
        self.broker.publish(case(1), case(2), options=["--session", "S1"])
        lines = [line for line in self.broker.ctl("status").stdout.splitlines() if " session:" in line or " case:" in line]
        self.assertIn(len(lines), (1, 2), lines)  # a minute may have ended meanwhile
        for line in lines:
            self.assertRegex(line, r"^events of the minute  +\d{4}-\d\d-\d\d \d\d:\d\d:00  (, )?([a-z]+:[a-z]+ \d(, )?)+$")

    def test_status_is_3_where_one_endpoint_is_not_served(self):
        for option in "--fanout", "--ingest":
            with self.subTest(option):
                done = self.broker.ctl("status", option, "tcp://127.0.0.1:1", "--timeout", "1")
                self.assertEqual(done.returncode, 3)
                self.assertEqual([line.split()[1] for line in done.stderr.splitlines()], [option[2:]], done.stderr)

    def test_verify_of_no_store_fails(self):
        self.assertNotEqual(self.broker.ctl("verify", "/nonexistent").returncode, 0)

    def test_a_table_fits_its_terminal(self):
        self.broker.publish(case(1, offender={"name": "A very long name " * 5},
                                 offence_result="A very long result " * 5))
        written, code = run_on_terminal([program("ctl"), *self.broker.options, "recent"], 100)
        self.assertEqual(code, 0)
        self.assertIn("…", written)
        self.assertLessEqual(max(len(line) for line in written.split("\r\n")), 100)

    def test_hostile_text_is_never_raw(self):
        self.broker.publish(hostile(1))
        for command in ["get", "hse:1"], ["recent"], ["recent", "--json"], ["replay"]:
            with self.subTest(command):
                written = self.broker.ctl(*command).stdout
                for character in HOSTILE:
                    self.assertNotIn(character, written)


class WithoutBroker(unittest.TestCase):
    def test_not_reached_is_3(self):
        for command in ["get", "hse:1"], ["recent"], ["status"], ["verify"], ["replay"], \
                ["known", "hse:1"]:
            with self.subTest(command):
                done = subprocess.run(
                    [program("ctl"), *command, "--timeout", "0.2", "--query",
                     "tcp://127.0.0.1:1"], capture_output=True, timeout=PATIENCE)
                self.assertEqual(done.returncode, 3)

    def test_help_and_version_need_none(self):
        for name in "watch", "ctl":
            for option in "--help", "--version":
                with self.subTest([name, option]):
                    done = subprocess.run([program(name), option], capture_output=True,
                                          text=True, timeout=PATIENCE)
                    self.assertEqual(done.returncode, 0)
                    self.assertIn("casebus-" + name, done.stdout)

    def test_help_names_every_command_and_option(self):
        done = subprocess.run([program("ctl"), "--help"], capture_output=True, text=True)
        for word in "get recent list history known replay heads sessions session quarantine " \
                    "rejects status verify backup --json --timeout --query".split():
            self.assertIn(word, done.stdout)

    def test_help_names_the_options_of_one_command_under_it(self):
        done = subprocess.run([program("ctl"), "--help"], capture_output=True, text=True)
        (options,) = re.findall(r"\n  list .*\n      (--.*)\n  history", done.stdout)
        self.assertEqual(options.split(), ["--agency", "--session", "--offender", "--from", "--to", "--order",
                                           "--limit", "--next", "--as-of"])


if __name__ == "__main__":
    unittest.main()
