"""casebus-watch's tables: on a terminal, in a pipe, and as JSON."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import unittest

from commands import PATIENCE, Watch, WithBroker, case, own_files, program

MOVES = re.compile(r"\x1b\[(\d*)([FJHm])")


class Screen:
    """A terminal: what is on it, line by line, after what a program has written."""

    def __init__(self, arguments, rows=10, columns=80, **environment):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(arguments, stdout=slave, stderr=subprocess.DEVNULL,
                                        env={**clean, "TERM": "xterm", **environment})
        os.close(slave)
        self.lines, self.written, self.at = [""], "", 0

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def move(self, count, kind):
        if kind == "F":
            self.at -= int(count)
            assert self.at >= 0, "above what it has drawn"
        elif kind == "H":
            self.at = 0
        elif kind == "J":
            del self.lines[self.at:]
            self.lines.append("")

    def add(self, text):
        for place, part in enumerate(text.split("\r\n")):
            if place > 0:
                self.at += 1
                self.lines[self.at:] = [""]
            self.lines[self.at] += part

    def until(self, *words, lines=None):
        """Reads until all words are on it, and it has so many lines; its lines."""
        while not (all(word in "\n".join(self.lines) for word in words) and
                   len(self.lines) == (lines or len(self.lines))):
            text = os.read(self.master, 65536).decode()
            self.written += text
            at = 0
            for move in MOVES.finditer(text):
                self.add(text[at:move.start()])
                self.move(*move.groups())
                at = move.end()
            self.add(text[at:])
        assert "\x1b" not in "".join(self.lines), self.lines
        return self.lines

    def end(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        os.close(self.master)
        return code


class TablesTest(WithBroker):
    endpoints = staticmethod(own_files)

    def screen(self, *arguments, **more):
        screen = Screen([program("watch"), *self.broker.options, *arguments], **more)
        self.addCleanup(screen.process.kill)
        return screen

    def test_an_empty_list_shows_its_first_row_and_it_is_drawn_over(self):
        screen = self.screen("--recent")
        lines = screen.until("live, complete through #0")
        self.assertEqual(len(lines), 3)
        self.broker.publish(case(1))
        lines = screen.until("hse:1", "live, complete through #1")
        self.assertEqual(len(lines), 4)
        self.assertIn("£1,000.00", lines[1])
        self.broker.publish(case(1, offence_fine_pence=7), case(2))
        lines = screen.until("£0.07", "hse:2")
        self.assertEqual(len(lines), 5)
        self.assertEqual(screen.end(), 0)

    def test_what_a_screen_has_no_room_for_is_left_out(self):
        self.broker.publish(*(case(n, offender={"name": "A very long name " * 9}) for n in range(30)))
        screen = self.screen("--recent", "--limit", "25", rows=8, columns=72)
        lines = screen.until("hse:29", "live, complete")
        self.assertEqual(len(lines), 8)
        self.assertTrue(all(len(line) <= 72 for line in lines), lines)
        self.assertTrue(lines[6].startswith("live"), lines)
        screen.resize(6, 40)
        screen.process.send_signal(signal.SIGWINCH)
        screen.until("CASE", "live, complete", lines=6)
        self.assertTrue(all(len(line) <= 40 for line in screen.lines), screen.lines)
        self.assertIn("\x1b[H\x1b[2J", screen.written)
        self.assertEqual(screen.end(), 0)

    def test_colour_is_for_terminals_that_want_it(self):
        for environment, wanted in ({}, True), ({"NO_COLOR": "1"}, False):
            screen = self.screen("--recent", **environment)
            screen.until("live, complete")
            self.assertEqual("\x1b[1m" in screen.written, wanted)
            self.assertEqual(screen.end(), 0)

    def test_elsewhere_a_table_is_printed_again(self):
        watch = Watch(self.broker, "--recent", "--count", "2", live=False)
        watch.err.until("live, complete through #0")
        self.broker.publish(case(1))
        lines = watch.out.rest()
        self.assertEqual([line.split()[:1] for line in lines], [["CASE"], [], ["CASE"], ["hse:1"]])
        self.assertNotIn("\x1b", "".join(lines))
        self.assertEqual(watch.wait(), 0)

    def test_json_gives_each_difference(self):
        watch = Watch(self.broker, "--recent", "--json", "--limit", "2", live=False)
        first = json.loads(watch.out.next())
        self.assertEqual((first["reset"], first["order"], first["view"]), (True, [], "recent"))
        order = []
        self.broker.publish(case(1), case(2), case(3))
        while order != ["hse:3", "hse:2"]:
            line = json.loads(watch.out.next())
            self.assertFalse(line["reset"])
            self.assertTrue(set(row["key"] for row in line["rows"]) <= set(line["order"]))
            order = line["order"]
        self.assertEqual(watch.end(), 0)

    def test_patterns_say_what_makes_it_look(self):
        watch = Watch(self.broker, "--recent", "--json", "case:deleted:*", live=False)
        self.assertEqual(json.loads(watch.out.next())["order"], [])
        self.broker.publish(case(1), case(2))
        self.broker.publish({"agency": "hse", "regulator_id": "1"}, options=["--deleted"])
        self.assertEqual(json.loads(watch.out.next())["order"], ["hse:2"])
        self.assertEqual(watch.end(), 0)

    def test_sessions_and_their_cases(self):
        sessions = Watch(self.broker, "--sessions", "--json", live=False)
        new = Watch(self.broker, "--session", "new", "--json", live=False)
        screen = self.screen("--session", "new")
        self.assertEqual(json.loads(sessions.out.next())["order"], [])
        new.err.until("live")
        screen.until("waiting for a session to start")
        self.broker.publish(case(1, source={"page": 3}), case(2), options=["--session", "s1"])
        shown = {}
        while shown.get("cases") != ["hse:2", "hse:1"] or shown.get("session") != ["hse:s1"]:
            line = json.loads(new.out.next())
            shown[line["view"]] = line["order"]
        while json.loads(sessions.out.next())["order"] != ["hse:s1"]:
            pass
        lines = screen.until("hse:s1  completed", "hse:2", "live, complete")
        self.assertIn("2 found: 2 created", lines[0])
        self.assertTrue(lines[1].startswith("OUTCOME"), lines)
        again = Watch(self.broker, "--session", "hse:s1", "--count", "1", live=False)
        self.assertTrue(any("created" in line for line in again.out.rest()))
        self.assertEqual([again.wait(), new.end(), sessions.end(), screen.end()], [0, 0, 0, 0])

    def test_it_says_when_it_is_stale_and_returns(self):
        watch = Watch(self.broker, "--recent", "--json", live=False)
        watch.err.until("live")
        self.broker.stop()
        self.assertIn("the broker does not answer", watch.err.until("stale since"))
        self.broker = self.broker.again()
        watch.err.until("live, complete")
        self.assertEqual(watch.end(), 0)

    def test_where_no_broker_is_it_says_that_it_waits(self):
        self.broker.stop()
        watch = Watch(self.broker, "--recent", live=False)
        watch.err.until("waiting for a broker at ")
        self.broker = self.broker.again()
        watch.err.until("live, complete")
        watch.end()

    def test_a_session_that_is_not_there_is_said_and_awaited(self):
        watch = Watch(self.broker, "--session", "hse:s9", "--count", "1", live=False)
        self.assertIn("hse:s9: there is no such session", watch.err.next())
        self.broker.publish(case(1), options=["--session", "s9"])
        self.assertEqual(watch.wait(), 0)

    def test_what_does_not_go_together_is_refused(self):
        for arguments, word in (
                (["--recent", "--sessions"], "one of them"), (["--recent", "--after", "3"], "--after"),
                (["--session", "hse:1", "case"], "no PATTERN"), (["--limit", "3", "case"], "for tables"),
                (["--recent", "--limit", "501"], "1 to 500"), (["--session", "nonsense"], "AGENCY:ID"),
                (["--recent", "case:scraped"], "kind of report"),
                (["--fanout", "foo", "case"], "--fanout foo: must be an endpoint, tcp://"),
                (["--recent", "--audience", "nosuch"], "no audience of this name")):
            done = subprocess.run([program("watch"), *self.broker.options, *arguments],
                                  text=True, capture_output=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
