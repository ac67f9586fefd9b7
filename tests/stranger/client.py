"""A complete casebus client, written from proto/PROTOCOL.md and nothing else.

    query = Query("tcp://127.0.0.1:7403")
    publisher = Publisher("tcp://127.0.0.1:7401", query)
    publisher.report("case:scraped:hse:4812345:", {"offender": {"name": "Acme Ltd"}})
    refusals = publisher.settle()
    subscriber = Subscriber("tcp://127.0.0.1:7402", query, ["case:created:hse"])
    for event in subscriber.events(): ...

Each takes keys=(public, secret, server) where the broker has keys, as 40 characters of Z85.
"""
import hashlib
import os
import time

import msgpack
import zmq

HIGH_WATER = 10240
WINDOW = 8192
RESEND_AFTER = 0.1                              # seconds for a resend to arrive before the next


class CasebusError(Exception):
    """An error reply: its code, and the field at fault where there is one."""

    def __init__(self, code, text="", field=None):
        super().__init__(f"{code}: {text}" + (f" ({field})" if field else ""))
        self.code, self.text, self.field = code, text, field


class HistoryChanged(CasebusError):
    """The other side's epoch is not the one we know: start again from a snapshot."""


def pack(value):
    return msgpack.packb(value)


def unpack(body):
    return msgpack.unpackb(body, max_map_len=1 << 20, max_array_len=1 << 20)


def socket_of(kind, keys):
    socket = zmq.Context.instance().socket(kind)
    socket.set(zmq.LINGER, 0)
    if keys:
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = keys
    return socket


class Query:
    """Requests; a silent broker is asked again, which every operation allows."""

    def __init__(self, endpoint, timeout=5.0, tries=3, keys=None):
        self.socket = socket_of(zmq.REQ, keys)
        self.socket.set(zmq.REQ_CORRELATE, 1)
        self.socket.set(zmq.REQ_RELAXED, 1)
        self.socket.connect(endpoint)
        self.timeout, self.tries = timeout, tries
        self.reply = None                       # the last one, whole: epoch, seq, entry

    def __call__(self, op, **arguments):
        """The result of an operation; `from` and `as` are written from_ and as_."""
        request = {"v": 1, "op": op}
        request.update((key.rstrip("_"), value) for key, value in arguments.items())
        return self.raw(pack(request))

    def raw(self, request):
        for _ in range(self.tries):
            self.socket.send(request)
            if self.socket.poll(self.timeout * 1000):
                break
        else:
            raise CasebusError("unreachable", "no answer")
        self.reply = unpack(self.socket.recv())
        if self.reply["v"] != 1:
            raise CasebusError("bad_version", "a reply of another version", "v")
        if "error" in self.reply:
            raise CasebusError(**self.reply["error"])
        return self.reply["result"]

    def pages(self, op, rows="rows", **arguments):
        """The rows of every page. A page may be empty and still have a next."""
        while True:
            result = self(op, **arguments)
            yield from result[rows]
            if "next" not in result:
                return
            arguments["next"] = result["next"]
            if "as_of" in result:
                arguments["as_of"] = result["as_of"]

    def close(self):
        self.socket.close()


def blake(data):
    return hashlib.blake2b(data, digest_size=16).digest()


def report_body(data=None, session=None, sent_at=None, void=None, numbered=None, **more):
    """A report's body. numbered: (publisher, number, check), which have to come first."""
    body = {"v": 1}
    if numbered:
        body["publisher"], body["number"], body["check"] = numbered
    for key, value in (("session", session), ("sent_at", sent_at), ("data", data),
                       ("void", void)):
        if value is not None:
            body[key] = value
    body.update(more)
    return pack(body)


def report_hash(topic, body, check):
    return blake(topic + body.replace(b"\xa5check\xc4\x08" + check, b"", 1))


def bundle(*reports):
    """The frames of one message with several reports, each topic and body."""
    messages = [[topic.decode(), body] for topic, body in reports]
    return [b"bundle:", pack({"v": 1, "messages": messages})]


class Publisher:
    """Numbers reports, keeps each until it is confirmed, sends again what got lost."""

    def __init__(self, ingest, query, publisher=None, keys=None):
        self.socket = socket_of(zmq.PUB, keys)
        self.socket.set(zmq.SNDHWM, HIGH_WATER)
        self.socket.connect(ingest)
        self.query = query
        self.fresh(publisher)

    def fresh(self, publisher=None):
        self.publisher = publisher or os.urandom(16)
        self.sent = self.decided = 0            # highest number made, highest decided
        self.checks = {1: bytes(8)}             # of decided + 1 up to sent + 1
        self.kept = {}                          # number: (topic, body), until decided
        self.last = {}                          # epoch and entry of the last confirm
        self.counts = {}
        self.refusals = []

    def report(self, topic, data=None, send=True, **keys):
        """Makes the next report and sends it; its number."""
        number = self.sent + 1
        check = self.checks[number]
        topic = topic.encode()
        body = report_body(data, numbered=(self.publisher, number, check), **keys)
        hash_ = keys["void"]["hash"] if keys.get("void") else report_hash(topic, body, check)
        self.checks[number + 1] = blake(check + hash_)[:8]
        self.kept[number] = topic, body
        self.sent = number
        if send:
            self.send(number)
        return number

    def send(self, number):
        if number <= self.decided + WINDOW:     # beyond it the broker takes nothing
            self.socket.send_multipart(self.kept[number])

    def void(self, number, reason):
        """Withdraws a report that is not decided yet; its hash stays in the chain."""
        topic, body = self.kept[number]
        check = self.checks[number]
        void = {"reason": reason, "hash": report_hash(topic, body, check)}
        body = report_body(void=void, numbered=(self.publisher, number, check))
        self.kept[number] = topic, body
        self.send(number)

    def resend(self, first):
        for number in range(first, self.sent + 1):
            self.send(number)

    def confirm(self, wait_ms=3000, sessions=()):
        """One long poll. Takes its refusals and drops what is decided; the result."""
        arguments = dict(self.last)
        if sessions:
            arguments["sessions"] = list(sessions)
        after, refusals = self.decided, []
        while True:
            result = self.query("publisher.confirm", publisher=self.publisher, after=after,
                                wait_ms=wait_ms, **arguments)
            reply = self.query.reply
            if reply["epoch"] == self.last.get("epoch") and reply["entry"] < self.last["entry"]:
                raise CasebusError("behind", "ask again")
            refusals += result["refusals"]
            if not result.get("more"):
                break
            after = refusals[-1]["number"]
        decided = result["decided"]
        if self.checks.get(decided + 1) != result["check"]:
            raise CasebusError("diverged", "go on with a fresh publisher id")
        self.last = {"epoch": reply["epoch"], "entry": reply["entry"]}
        for number in range(self.decided + 1, decided + 1):
            self.kept.pop(number, None)
            self.checks.pop(number, None)
        self.decided = decided
        self.counts = result["counts"]
        self.refusals += refusals
        return result

    def settle(self, timeout=20.0):
        """Until all is decided; the refusals since the last call."""
        end = time.monotonic() + timeout
        resent, at = 0, 0.0                     # from which number, when
        while self.decided < self.sent:
            now = time.monotonic()
            if now > end:
                raise CasebusError("timed_out", f"{self.decided} of {self.sent} decided")
            before = self.decided
            result = self.confirm(wait_ms=100)
            if "want" in result and result["want"] == resent and now < at + RESEND_AFTER:
                time.sleep(0.01)                # on its way, and no poll waits until then
            elif "want" in result or self.decided == before:
                resent, at = self.decided + 1, now
                self.resend(resent)             # wanted, or nothing moved for a while
        taken, self.refusals = self.refusals, []
        return taken

    def close(self):
        self.socket.close()


def stream_of(topic):
    return ":".join(topic.split(":")[:3]) + ":"


def prefix_of(pattern):
    if pattern.endswith(":*"):
        pattern = pattern[:-2]
    return pattern + ":"


class Subscriber:
    """Events of patterns, each once, in order within a stream, holes filled by log.replay."""

    def __init__(self, fanout, query, patterns, keys=None):
        self.query = query
        prefixes = [prefix_of(pattern) for pattern in patterns]
        self.topics = [p for p in prefixes if p.count(":") == 4]      # exactly one topic each
        self.wide = [p for p in prefixes if p.count(":") < 4]         # whole streams
        self.have, self.base = {}, 0            # what is not in have is at base
        self.asked = {}                         # topic: when log.replay was last asked
        self.gone = 0                           # events up to it may be missing
        self.repairs = 0
        self.backlog = []
        self.socket = socket_of(zmq.SUB, keys)
        self.socket.set(zmq.RCVHWM, HIGH_WATER)
        self.socket.connect(fanout)
        for prefix in prefixes:
            self.socket.subscribe(prefix)
        self.socket.subscribe("sys:heads:all:")                       # heads last
        self.socket.subscribe("sys:heads:batch:")
        self.join()

    def join(self, timeout=10.0):
        """Waits for a heads message: from its seq on nothing is missed."""
        end = time.monotonic() + timeout
        while self.socket.poll(max(0, end - time.monotonic()) * 1000):
            topic, body = self.socket.recv_multipart()
            message = unpack(body)
            if topic.startswith(b"sys:heads:"):
                self.epoch = message["epoch"]
                return self.start(message["seq"])
        raise CasebusError("unreachable", "no heads")

    def start(self, seq):
        """The position in everything covered, say the seq of a query's reply."""
        self.base = seq
        self.have.clear()

    def position(self, key):
        return self.have.get(key, self.base)

    def covers(self, stream):
        return any(stream.startswith(prefix) for prefix in self.wide)

    def events(self, timeout=1.0):
        """What arrives until nothing has for `timeout`; each as (topic, event)."""
        while self.socket.poll(timeout * 1000):
            yield from self.receive()

    def wait_for(self, condition, timeout=10.0):
        """The first event that satisfies condition(topic, event)."""
        end = time.monotonic() + timeout
        while True:
            while self.backlog:
                topic, event = self.backlog.pop(0)
                if condition(topic, event):
                    return event
            if not self.socket.poll(max(0, end - time.monotonic()) * 1000):
                raise CasebusError("timed_out", "no such event")
            self.backlog += self.receive()

    def receive(self):
        topic, body = self.socket.recv_multipart()
        return self.take(topic.decode(), unpack(body))

    def take(self, topic, message):
        """One message, as it was received or made up; the events it brings."""
        if message["epoch"] != self.epoch:
            raise HistoryChanged("epoch", "start again from a snapshot")
        if topic.startswith("sys:heads:"):
            return self.take_heads(message["heads"])
        stream = stream_of(topic)
        if self.covers(stream):
            key, prev = stream, message["prev"]
        else:
            key, prev = topic, message["prev_topic"]
        have = self.position(key)
        if message["seq"] <= have:
            return []                           # a duplicate
        if prev > have:
            return self.repair(key)
        self.have[key] = message["seq"]
        return [(topic, message)]

    def take_heads(self, heads):
        events = []
        for stream, seq in heads.items():
            if self.covers(stream):
                if seq > self.position(stream):
                    events += self.repair(stream)
                continue
            for topic in self.topics:
                now = time.monotonic()
                if stream_of(topic) == stream and seq > self.position(topic) \
                        and now - self.asked.get(topic, -1) >= 1:
                    self.asked[topic] = now
                    events += self.repair(topic)
        return events

    def repair(self, key):
        """The events of a stream or topic above our position, from the log."""
        self.repairs += 1
        events = []
        while True:
            result = self.query("log.replay", after=self.position(key), patterns=[key[:-1]])
            if self.query.reply["epoch"] != self.epoch:
                raise HistoryChanged("epoch", "start again from a snapshot")
            self.gone = max(self.gone, result.get("gone", 0))
            events += [(topic, unpack(body)) for topic, body in result["events"]]
            self.have[key] = max(self.position(key), result["through"])
            if result["through"] >= self.query.reply["seq"]:
                return events

    def close(self):
        self.socket.close()


class OrderedSubscriber(Subscriber):
    """The same in the order of seq over all patterns: what is taken waits until it is
    proved."""

    def start(self, seq):
        super().start(seq)
        self.claim = self.cursor = seq          # heads named; all handed over; up to here
        self.heads, self.waiting = {}, []

    def take(self, topic, message):
        self.waiting += super().take(topic, message)
        if topic.startswith("sys:heads:"):
            for stream, seq in message["heads"].items():
                self.heads[stream] = max(seq, self.heads.get(stream, 0))
            if message.get("before", 0) <= self.claim:
                self.claim = max(self.claim, message["seq"])
        self.cursor = max(self.cursor, min([self.claim, *self.lacking()]))
        self.waiting.sort(key=lambda event: event[1]["seq"])
        ready = [event for event in self.waiting if event[1]["seq"] <= self.cursor]
        self.waiting = self.waiting[len(ready):]
        return ready

    def lacking(self):
        """The positions of all that lacks something, or a single topic that may."""
        heads = {stream: head for stream, head in self.heads.items() if self.covers(stream)}
        heads.update((topic, self.heads.get(stream_of(topic), 0)) for topic in self.topics
                     if not self.covers(stream_of(topic)))
        return [self.position(key) for key, head in heads.items() if head > self.position(key)]
