"""What the dashboard's tests share: a real dashboard on a free port, requests and streams."""
import functools
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import msgpack
import zmq

SRC = os.environ.get("CASEBUS_SRC", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "system"))

from casebus import BIN, DATA, Broker, await_, cpu_s, main  # noqa: E402,F401

PATIENCE = 30  # seconds for what must become true


def quote(piece):
    return urllib.parse.quote(piece, safe="")


class Publisher:
    """Sends unnumbered reports, as in PROTOCOL.md; none before the broker has subscribed."""

    def __init__(self, broker):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)  # as PUB, and hears of subscriptions
        self.socket.linger = 5000
        self.socket.sndhwm = 100000
        self.socket.rcvtimeo = PATIENCE * 1000
        self.socket.connect(broker.ingest)
        self.socket.recv()

    def send(self, topic, data=None, session=None):
        body = {"v": 1, "data": data or {}}
        if session is not None:
            body["session"] = session
        self.socket.send_multipart([topic.encode(), msgpack.packb(body)])

    def start(self, session, **data):
        self.send("session:started:hse:%s:" % session, data, session)

    def end(self, session):
        self.send("session:ended:hse:%s:" % session, {"status": "completed"}, session)

    def case(self, number, session=None, **more):
        self.send("case:scraped:hse:%d:" % number,
                  {"offender": {"name": "Acme %d Ltd" % number}, "offence_fine_pence": number, **more}, session)

    def close(self):
        self.socket.close()


@functools.lru_cache(maxsize=512)
def parse_event(event):
    """Its fields, with `data` decoded; the same event comes to many streams."""
    fields = {}
    for line in event.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.lstrip(" ")
    if "data" in fields:
        fields["data"] = json.loads(fields["data"])
    return fields


class Dashboard:
    """A real dashboard for a broker (or for endpoints where none is)."""

    def __init__(self, broker=None, *flags, fanout=None, query=None):
        self.flags = ["--fanout", fanout or broker.fanout, "--query", query or broker.query, *map(str, flags)]
        self.log = tempfile.TemporaryFile("w+", errors="replace")
        self.port = 0
        self.start()

    def start(self):
        """On a free port; again on the same one."""
        wrap = os.environ.get("CASEBUS_WRAP", "").split()
        # freed memory that a sanitizer holds back is not to be measured
        asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        self.process = subprocess.Popen(
            [*wrap, os.path.join(BIN, "casebus-dashboard"), "--http", "127.0.0.1:%d" % self.port, *self.flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, "ASAN_OPTIONS": asan.lstrip(":")})
        line = self.process.stdout.readline()
        found = re.search(r"ready on http://127\.0\.0\.1:(\d+)/", line)
        assert found, "not ready: %r %s" % (line, self.read_log())
        self.port = int(found.group(1))
        self.host = "127.0.0.1:%d" % self.port
        self.url = "http://%s/" % self.host

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def request(self, method, path, body=None, headers=None):
        """Status, headers, text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read().decode()
        finally:
            connection.close()

    def get(self, path, status=200, headers=None):
        got, _, text = self.request("GET", path, headers=headers)
        assert got == status, "GET %s: %d, expected %d: %s" % (path, got, status, text[:500])
        return text

    def json(self, path, status=200):
        return json.loads(self.get(path, status))

    def post(self, path, value, status=200, **more):
        """As one of the dashboard's own pages would."""
        headers = {"Origin": "http://" + self.host, "Content-Type": "application/json", **more}
        got, _, text = self.request("POST", path, json.dumps(value), headers)
        assert got == status, "POST %s: %d, expected %d: %s" % (path, got, status, text)
        return json.loads(text)

    def stream(self, *views, last=None, small=False, cookie=None):
        return Stream(self, views, last, small, cookie)

    def resume(self, stream):
        """What a page does whose stream broke off: it goes on with what it has."""
        stream.close()
        fresh = Stream(self, list(stream.rows), stream.last)
        fresh.rows, fresh.order = stream.rows, stream.order
        return fresh

    def raw(self, data, patience=PATIENCE):
        """Sends bytes; all that comes back until the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as peer:
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it did not want to hear all of it
            answer = b""
            try:
                while chunk := peer.recv(65536):
                    answer += chunk
            except ConnectionResetError:
                pass
            return answer

    def memory_kib(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1))

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        assert code == 0, "the dashboard left with %d: %s" % (code, self.read_log())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.process.kill()
            sys.stderr.write(self.read_log())
        elif self.process.poll() is None:
            self.stop()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Stream:
    """A page's stream of events, and what a page makes of it."""

    def __init__(self, dashboard, views, last=None, small=False, cookie=None):
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", dashboard.port))
        path = "/events?" + "&".join("view=" + quote(view) for view in views)
        lines = ["GET %s HTTP/1.1" % path, "Host: " + dashboard.host]
        if last is not None:
            lines.append("Last-Event-ID: " + last)
        if cookie is not None:
            lines.append("Cookie: " + cookie)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.raw = b""  # not yet taken out of its chunks
        self.text = b""
        self.status = None
        self.ended = False  # in order, though the connection may stay
        self.last = last
        self.rows = {view: {} for view in views}
        self.order = {view: None for view in views}
        self.states, self.sessions, self.newer = {}, {}, {}
        self.lists = dict.fromkeys(views, 0)  # how often a view's rows came
        self.resets = self.events = self.comments = 0

    def fileno(self):
        return self.socket.fileno()

    def take(self):
        """Reads what is there (waits for something); False at the end."""
        data = self.socket.recv(262144)
        if not data:
            return False
        self.raw += data
        if self.status is None and b"\r\n\r\n" in self.raw:
            head, self.raw = self.raw.split(b"\r\n\r\n", 1)
            self.status = int(head.split()[1])
        if self.status == 200:
            self.unchunk()
            while b"\n\n" in self.text:
                event, self.text = self.text.split(b"\n\n", 1)
                self.see(event.decode())
        return not self.ended

    def unchunk(self):
        while b"\r\n" in self.raw:
            size, rest = self.raw.split(b"\r\n", 1)
            size = int(size, 16)
            self.ended = size == 0
            if len(rest) < size + 2:
                return
            self.text += rest[:size]
            self.raw = rest[size + 2:]

    def see(self, event):
        fields = parse_event(event)
        if "id" in fields:
            self.last = fields["id"]
        if "data" not in fields:
            self.comments += "" in fields
            return
        self.events += 1
        data = fields["data"]
        view = data["view"]
        if fields["event"] == "state":
            self.states[view] = data
        elif fields["event"] == "session":
            self.sessions[view] = data["session"]
        elif fields["event"] == "rows":
            self.see_rows(view, data)

    def see_rows(self, view, data):
        if data["reset"]:
            self.resets += 1
            self.rows[view] = {}
        fresh = {row["key"]: row["row"] for row in data["rows"]}
        known = {**self.rows[view], **fresh}
        missing = [key for key in data["order"] if key not in known]
        assert not missing, "%s: rows that were never sent: %s" % (view, missing)
        assert len(set(data["order"])) == len(data["order"]), "a row twice"
        self.rows[view] = {key: known[key] for key in data["order"]}
        self.order[view] = data["order"]
        self.newer[view] = data["newer"]
        self.lists[view] += 1

    def until(self, check, what):
        """Reads until check(self) is true."""
        deadline = time.monotonic() + PATIENCE
        while not check(self):
            assert time.monotonic() < deadline, "did not happen: " + what
            assert self.take(), "the stream has ended before: " + what
        return self

    def until_shown(self, *views):
        return self.until(lambda s: all(s.order[v] is not None for v in views or s.order),
                          "first rows")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
