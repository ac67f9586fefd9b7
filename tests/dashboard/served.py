"""A real dashboard of a real broker, and reading its pages and API without a browser."""
import html.parser
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

for folder in ("system", "ledger"):
    sys.path.insert(0, os.path.join(os.environ.get("CASEBUS_SRC", "."), "tests", folder))

import casebus


class Dashboard:
    """Started on a free port; again on the same one."""

    def __init__(self, broker, *flags):
        self.broker, self.flags = broker, flags
        self.http = "127.0.0.1:0"
        self.log = open(os.path.join(broker.dir, "dashboard.log"), "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(casebus.BIN, "casebus-dashboard"), "--http", self.http,
             "--fanout", self.broker.fanout, "--query", self.broker.query, *self.flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        found = re.search(r"ready on (http://(\S+)/)", self.process.stdout.readline())
        assert found, "the dashboard did not become ready: " + self.read_log()
        self.url, self.http = found.group(1), found.group(2)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        assert code == 0, "the dashboard left with %d: %s" % (code, self.read_log())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def read_log(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()[-4000:]

    def get(self, path):
        """The text of a page of ours; its status too."""
        try:
            with urllib.request.urlopen(self.url + path.lstrip("/"), timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def api(self, path):
        status, text = self.get(path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            sys.stderr.write("the dashboard's log:\n" + self.read_log())
        if self.process.poll() is None:
            self.stop() if kind is None else self.kill()
        self.log.close()


VOID = {"meta", "link", "input", "br", "hr", "img"}
DRAWN = {"path", "rect", "circle", "line", "polyline"}  # of SVG, which may close themselves
LABELLED = {"input", "select", "textarea"}


class Checker(html.parser.HTMLParser):
    """What can be told of a page without a browser: elements are balanced, ids are unique and those
    referred to are there, each control has a name, nothing is inline that the policy forbids."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.ids, self.wanted = [], [], [], []
        self.labels, self.controls, self.headings = set(), [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if len(given) != len(attrs):
            self.say("an attribute twice in <%s>" % tag)
        if tag not in VOID:
            self.open.append(tag)
        self.look_at(tag, given)

    def handle_startendtag(self, tag, attrs):
        if tag not in VOID | DRAWN:
            self.say("<%s/> does not close" % tag)
        self.look_at(tag, dict(attrs))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.say("</%s> closes another element" % tag)

    def look_at(self, tag, given):
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self.wanted += given.get(name, "").split()
        if tag == "label":
            self.labels.add(given.get("for"))
        if tag in LABELLED and given.get("type") != "hidden" and "aria-label" not in given:
            self.controls.append(given.get("id"))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "style" or "style" in given or any(name.startswith("on") for name in given):
            self.say("inline style or handler in <%s>" % tag)
        if tag == "script" and "src" not in given:
            self.say("inline script")
        if tag == "th" and "scope" not in given:
            self.say("a <th> without scope")

    def say(self, words):
        self.wrong.append("line %d: %s" % (self.getpos()[0], words))

    def finish(self):
        self.close()
        self.wrong += ["not closed: " + tag for tag in self.open]
        self.wrong += ["id twice: " + one for one in set(self.ids) if self.ids.count(one) > 1]
        self.wrong += ["no such id: " + one for one in self.wanted if one not in self.ids]
        self.wrong += ["no label: %s" % one for one in self.controls if one not in self.labels]
        if self.headings[:1] != [1] or self.headings.count(1) != 1:
            self.wrong.append("not one h1, and first")
        self.wrong += ["h%d after h%d" % (after, before) for before, after in
                       zip(self.headings, self.headings[1:]) if after > before + 1]
        return self.wrong


def check_html(text):
    """What is wrong with a page; nothing: an empty list."""
    checker = Checker()
    checker.feed(text)
    wrong = checker.finish()
    for left in re.findall(r"\{\{\w*\}\}", text):
        wrong.append("a slot was left: " + left)
    if not text.lower().startswith("<!doctype html>"):
        wrong.append("no doctype")
    return wrong
