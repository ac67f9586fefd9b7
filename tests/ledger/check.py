#!/usr/bin/python3
"""The independent checker: were promises P1 to P4 kept?

    check.py LEDGERS STORE    compares a folder of ledgers (ledger.py) with a store (store.py)

It prints seven numbers, and examples of what is not zero; exit code 0 for seven zeros,
otherwise 1.

  lost       a report was confirmed, and the store neither decided it nor refused it; or the
             store knows less of a publisher, a case or a session than that; or an outbox has
             less than it took
  changed    what is stored or was delivered differs from what was intended: a field of the
             record, the record a case points to, the bytes of an event, the row of a view
  doubled    a report was decided twice, or an event was handed to one reader twice (a reader
             killed after its last cursor may get again what lies above that cursor); a report
             that went under another id after a divergence may be decided again, because its
             caller was told
  gapped     the log has a hole in its seqs, an event names another predecessor (prev,
             prev_topic) than the log has, or a head is not the last of its stream
  missed     an event of a reader's patterns lies above where it joined, was never handed over,
             and the reader was not told that it is gone (a range, or with a new epoch all that
             it had not got of the old one); a row is missing in a view
  reordered  events were handed over in another order than that of their seqs, or a worker's
             reports were decided in another order than it sent them
  phantom    an event, case, session, publisher, or row of a view that nobody intended; an event
             handed over that the log does not have

It shares no code with casebus: it knows the store from broker/keys.h and broker/entries.h,
events from proto/PROTOCOL.md."""
import hashlib
import sys

from ledger import read_folder
from store import Store, stream_of

NAMES = ("lost", "changed", "doubled", "gapped", "missed", "reordered", "phantom")
EXAMPLES = 5


class Findings:
    def __init__(self):
        self.counts = dict.fromkeys(NAMES, 0)
        self.examples = {name: [] for name in NAMES}
        self.compared = ""

    def add(self, name, text, *args):
        self.counts[name] += 1
        if len(self.examples[name]) < EXAMPLES:
            self.examples[name].append(text % args if args else text)

    def line(self):
        return " ".join("%s=%d" % item for item in self.counts.items())

    def report(self, out=sys.stdout):
        for name in NAMES:
            for example in self.examples[name]:
                print("%s: %s" % (name, example), file=out)
            hidden = self.counts[name] - len(self.examples[name])
            if hidden > 0:
                print("%s: … and %d more" % (name, hidden), file=out)
        print(self.compared, file=out)
        print(self.line(), file=out)

    def clean(self):
        return not any(self.counts.values())


# --- the log agrees with itself ---------------------------------------------------------------

def check_log(store, found):
    """Seqs, chains, heads. What lies below the floor is taken on its word."""
    heads, topics = {}, {}
    first = expected = store.floor
    for event in store.events:
        if event.seq != expected:
            found.add("gapped", "the log goes from %d to %d", expected - 1, event.seq)
        expected = event.seq + 1
        content = event.content
        if content["seq"] != event.seq:
            found.add("gapped", "event %d calls itself %d", event.seq, content["seq"])
        for field, last, place in (("prev", heads, event.stream), ("prev_topic", topics, event.topic)):
            known = last.get(place)
            if content[field] != (known or 0) and (known or content[field] >= first):
                found.add("gapped", "event %d (%s) says %s %d, the log has %d", event.seq,
                          event.topic, field, content[field], known or 0)
            last[place] = event.seq
    if expected != store.state["seq"] + 1:
        found.add("gapped", "the log ends at %d, the state says %d", expected - 1,
                  store.state["seq"])
    for stream in sorted(heads.keys() | store.heads.keys()):
        head, last = store.heads.get(stream, 0), heads.get(stream)
        if head != last and (last is not None or head >= first):
            found.add("gapped", "the head of %s is %d, its last event %s", stream, head, last)


# --- what was intended is what is stored ------------------------------------------------------

def merged(record, data):
    """Is every field of a report in the record?"""
    for field, value in data.items():
        if field == "source":
            continue
        have = record.get(field)
        if field in ("offender", "ext") and isinstance(have, dict):
            if any(have.get(key) != part for key, part in value.items()):
                return field
        elif have != value:
            return field
    return None


class Decisions:
    """Walks the log and finds for each report the event that decided it: created, or synced
    (behind an updated where a field changed); both carry the report's source."""

    def __init__(self, store, intents, found):
        self.store, self.intents, self.found = store, intents, found
        self.records = {}     # case id: (seq, record) as the newest created or updated left it
        self.updated = {}     # case id: an updated event that still wants its synced
        self.versions = {}
        self.of = {}          # (worker, row): seqs
        self.last_row = {}    # worker: row decided last
        self.first_row = {}   # worker: the lowest row decided
        self.started = {}     # session: seqs of its started events
        self.counted = {}     # session id: reports decided in it

    def may_be_trimmed(self, intent):
        """Was it decided by an event below the floor, as far as one can see?"""
        return self.store.floor > 1 and intent.row < self.first_row.get(intent.name, sys.maxsize)

    def walk(self):
        for event in self.store.events:
            if event.topic.startswith("case:"):
                self.take(event)
            elif event.kind == "started":
                self.started.setdefault(event.key, []).append(event.seq)
        for case_id, seq in self.updated.items():
            self.found.add("phantom", "event %d updates %s, and no report did that", seq, case_id)

    def take(self, event):
        payload, case_id = event.content["payload"], event.key
        if payload.get("id") != case_id:
            self.found.add("changed", "event %d of %s carries %s", event.seq, case_id,
                           payload.get("id"))
        if event.kind in ("created", "updated"):
            self.records[case_id] = event.seq, payload
        if event.kind == "updated":
            if case_id in self.updated:
                self.found.add("phantom", "event %d updates %s, and no report did that",
                               self.updated[case_id], case_id)
            self.updated[case_id] = event.seq
        elif event.kind in ("created", "synced"):
            self.updated.pop(case_id, None)
            self.decide(event, payload.get("source") or {})
        self.versions[case_id] = event.content.get("version", 0)

    def decide(self, event, source):
        session = event.content.get("session")
        if session:
            self.counted[session] = self.counted.get(session, 0) + 1
        key = source.get("parser"), source.get("row")
        intent = self.intents.get(key)
        if intent is None or intent.key != event.key:
            self.found.add("phantom", "event %d (%s) comes of report %s/%s, which nobody meant",
                           event.seq, event.topic, *key)
            return
        self.of.setdefault(key, []).append(event.seq)
        self.first_row.setdefault(intent.name, intent.row)
        record = self.records.get(event.key, (0, {}))[1]
        field = merged(record, intent.data)
        if field and (record or self.store.floor == 1):
            self.found.add("changed", "report %s meant %s %r; after event %d it is %r", intent, field,
                           intent.data[field], event.seq, record.get(field))
        if not intent.again and intent.row < self.last_row.get(intent.name, -1):
            self.found.add("reordered", "report %s was decided after %s/%d", intent, intent.name,
                           self.last_row[intent.name])
        self.last_row[intent.name] = max(intent.row, self.last_row.get(intent.name, -1))


def check_reports(decisions, intents, found):
    """Every confirmed report was decided, and every report once."""
    for key, intent in intents.items():
        is_session = intent.topic.startswith("session:")
        seqs = decisions.started.get(intent.key, []) if is_session else decisions.of.get(key, [])
        if intent.confirmed and not seqs and not intent.refused and \
                not decisions.may_be_trimmed(intent):
            found.add("lost", "report %s (%s) is confirmed and not in the store", intent, intent.topic)
        times = len(seqs) + (1 if intent.refused else 0)
        if times > 1 + intent.again:
            found.add("doubled", "report %s was decided %d times: events %s%s", intent, times, seqs,
                      ", and refused" if intent.refused else "")


def check_cases(store, decisions, intents, found):
    """The cases are what their events made of them."""
    intended = {intent.key for intent in intents.values()}
    for case_id, version in decisions.versions.items():
        entry = store.cases.get(case_id)
        if entry is None:
            found.add("lost", "case %s has events and is not there", case_id)
            continue
        if case_id in decisions.records and entry["record_seq"] and \
                entry["record_seq"] != decisions.records[case_id][0]:
            found.add("changed", "case %s shows its record of event %d, the newest is %d", case_id,
                      entry["record_seq"], decisions.records[case_id][0])
        if entry["version"] != version:
            found.add("changed", "case %s has version %d, its last event %d", case_id,
                      entry["version"], version)
    for case_id, entry in store.cases.items():
        if case_id not in decisions.versions and \
                (store.floor == 1 or case_id not in intended):
            found.add("phantom", "case %s has no event", case_id)


def check_publishers(store, workers, found):
    """The broker's progress covers what was confirmed, and counts each number once."""
    known = set()
    for worker in workers:
        known |= worker.base.keys()
        for complaint in worker.complaints:
            found.add("lost", "%s: %s", worker.name, complaint)
        for publisher, number in worker.progress.items():
            decided = store.publishers.get(publisher, {"decided": 0})["decided"]
            if decided < number:
                found.add("lost", "publisher %s was confirmed %d, the store decided %d", publisher[:8],
                          number, decided)
    for publisher, entry in store.publishers.items():
        if publisher not in known:
            found.add("phantom", "publisher %s is nobody's", publisher[:8])
        if sum(entry["outcome"]) != entry["decided"]:
            found.add("doubled", "publisher %s: %d outcomes of %d numbers", publisher[:8],
                      sum(entry["outcome"]), entry["decided"])


def check_sessions(store, decisions, intents, found):
    """Sessions are those that workers began, and count each of their reports once."""
    intended = {intent.key for intent in intents.values() if intent.topic.startswith("session:")}
    for session in sorted(store.sessions.keys() - intended):
        found.add("phantom", "session %s is nobody's", session)
    for session, entry in store.sessions.items():
        counted = sum(entry[name] for name in ("created", "updated", "existing"))
        decided = decisions.counted.get(session.partition(":")[2], 0)
        if counted < decided or (counted > decided and store.floor == 1):
            found.add("lost" if counted < decided else "doubled",
                      "session %s counts %d reports, its events tell of %d", session, counted, decided)


# --- what was stored is what was delivered ----------------------------------------------------

def digest(event):
    return hashlib.blake2b(event.topic.encode() + event.body, digest_size=16).hexdigest()


def covers(patterns, topic):
    return any(topic.startswith(pattern.rstrip("*").rstrip(":") + ":") for pattern in patterns)


class Delivered:
    """What one reader got in this history, over all its runs."""

    def __init__(self, name, store, log, digests, found):
        self.name, self.store, self.log, self.digests, self.found = name, store, log, digests, found
        self.seen = set()

    def compare(self, line):
        """With the event in the log; below the floor there is nothing to compare with."""
        seq, topic = line["seq"], line["topic"]
        event = self.log.get(seq)
        if event is None and 0 < seq < self.store.floor:
            return
        if event is None or event.topic != topic:
            self.found.add("phantom", "reader %s got event %d (%s), the log has %s", self.name, seq,
                           topic, event.topic if event else "none")
            return
        if seq not in self.digests:
            self.digests[seq] = digest(event)
        if line["digest"] != self.digests[seq] or line["prev"] != event.content["prev"] or \
                line["epoch"] != event.content["epoch"].hex():
            self.found.add("changed", "reader %s got event %d (%s) with other bytes", self.name, seq,
                           topic)

    def take(self, run):
        """One process: what the log has, once, in order."""
        last, seen = {}, set()
        for line in run.events:
            seq, stream = line["seq"], "" if run.ordered else stream_of(line["topic"])
            self.compare(line)
            if seq in seen or seq <= run.joined:
                self.found.add("doubled", "reader %s got event %d again (it joined at %d)", self.name,
                               seq, run.joined)
            elif seq < last.get(stream, 0):
                self.found.add("reordered", "reader %s got event %d after %d", self.name, seq,
                               last[stream])
            last[stream] = max(seq, last.get(stream, 0))
            seen.add(seq)
        self.seen |= seen

    def check_missed(self, runs, end):
        """Everything above where the first joined, up to `end`, was handed over or told as
        gone."""
        first, patterns = runs[0].joined, runs[0].patterns
        gone = [part for run in runs for part in run.gone]
        for seq in range(first + 1, end + 1):
            if seq in self.seen:
                continue
            event = self.log.get(seq)
            topic = event.topic if event else "trimmed since"
            wanted = covers(patterns, topic) if event else {"case:*", "session:*"} <= set(patterns)
            if wanted and not any(after < seq <= through and
                                  (not stream or not event or topic.startswith(stream))
                                  for stream, after, through in gone):
                self.found.add("missed", "reader %s never got event %d (%s)", self.name, seq, topic)


def check_view(name, view, decisions, found):
    """A view that was kept from events ends equal to the store."""
    for case_id, version in decisions.versions.items():
        if case_id not in view["view"]:
            found.add("missed", "reader %s shows no %s", name, case_id)
        elif view["view"][case_id] != version:
            found.add("changed", "reader %s shows %s in version %d, the store has %d", name, case_id,
                      view["view"][case_id], version)
    for case_id in view["view"].keys() - decisions.versions.keys():
        found.add("phantom", "reader %s shows %s, which is not in the store", name, case_id)


def check_readers(store, readers, decisions, found):
    log, digests = {event.seq: event for event in store.events}, {}
    for reader in readers:
        runs = [run for run in reader.runs if run.epoch == store.epoch]
        delivered = Delivered(reader.name, store, log, digests, found)
        for run in runs:
            delivered.take(run)
            if run.view:
                check_view(reader.name, run.view, decisions, found)
        if runs and not all(run.view for run in runs):
            newer = [run for run in reader.runs if run.epoch not in (store.epoch, None)]
            left = newer and reader.runs.index(newer[-1]) > reader.runs.index(runs[-1])
            delivered.check_missed(runs, max(delivered.seen, default=0) if left
                                   else store.state["seq"])


def check(ledgers, folder):
    """The findings of a folder of ledgers and a store."""
    found = Findings()
    intents, workers, readers = read_folder(ledgers)
    store = Store(folder)
    check_log(store, found)
    decisions = Decisions(store, intents, found)
    decisions.walk()
    check_reports(decisions, intents, found)
    check_cases(store, decisions, intents, found)
    check_sessions(store, decisions, intents, found)
    check_publishers(store, workers, found)
    check_readers(store, readers, decisions, found)
    found.confirmed = sum(intent.confirmed for intent in intents.values())
    found.handed_over = sum(len(run.events) for reader in readers for run in reader.runs)
    found.idle = [reader.name for reader in readers
                  if not any(run.events or run.view for run in reader.runs)]
    found.compared = "%d reports, %d confirmed; %d events, %d handed over to %d readers" % (
        len(intents), found.confirmed, len(store.events), found.handed_over, len(readers))
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1].strip())
    found = check(*sys.argv[1:])
    found.report()
    sys.exit(0 if found.clean() else 1)


if __name__ == "__main__":
    main()
