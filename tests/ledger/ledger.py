"""Reads the ledgers that workers and readers of the fault tests keep.

A ledger is a file of JSON lines, each written in one piece before what it announces is done, or after
what it records has happened. A process killed while it wrote leaves half a line; whoever goes on
with the file begins with a line feed, so a half line is the last before a run and is passed over.

A worker's, NAME.worker:
    {"run": 1, "worker": NAME}                      a process begins
    {"intend": row, "topic": …, "data": {…}}        about to be sent; `data` names source.parser NAME
                                                    and source.row, which make it known in the store
    {"taken": row, "publisher": …, "number": n}     the library took it, under this number; a second
                                                    line for a row: it was renumbered, and said so
    {"confirmed": n, "publisher": …}                all up to n are confirmed
    {"refused": n, "publisher": …, "code": …}       rejected or in conflict, as the broker said
    {"withdrawn": row}                              the caller took it back

A reader's, NAME.reader:
    {"run": 1, "reader": NAME, "patterns": […]}     a process begins
    {"joined": seq, "epoch": …}                     every event above seq is to come
    {"seq": …, "prev": …, "epoch": …, "topic": …, "digest": …}    an event was handed over
    {"gone": through, "after": seq, "stream": …}    the library said what is missing for good
    {"view": {case id: version}, "seq": …, "epoch": …}    what a view made of events shows at the end
"""
import glob
import json
import os


def read_lines(path):
    """The lines of a ledger; a torn one is allowed where its process was killed."""
    torn = None
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                assert torn is None, "%s:%d: two torn lines in one run" % (path, torn)
                torn = number
                continue
            assert torn is None or "run" in entry, "%s:%d: torn inside a run" % (path, torn)
            torn = None
            yield entry


class Intent:
    """A report somebody meant to send: (worker, row)."""

    def __init__(self, name, row, topic, data):
        self.name, self.row, self.topic, self.data = name, row, topic, data
        self.taken = []       # (publisher, number), the newest last
        self.refused = None   # the code
        self.withdrawn = False

    def __str__(self):
        return "%s/%d" % (self.name, self.row)

    @property
    def case_id(self):
        return ":".join(self.topic.split(":")[2:4])


class Publishers:
    """All workers' ledgers together."""

    def __init__(self):
        self.intents = {}     # (worker, row): Intent
        self.numbers = {}     # (publisher, number): intents taken under it; one, if all is well
        self.confirmed = {}   # publisher: number
        self.ids = set()

    def read(self, path):
        name = None
        for line in read_lines(path):
            if "run" in line:
                name = line["worker"]
            elif "intend" in line:
                key = name, line["intend"]
                self.intents[key] = Intent(*key, line["topic"], line["data"])
            elif "taken" in line:
                place = line["publisher"], line["number"]
                self.intents[name, line["taken"]].taken.append(place)
                self.numbers.setdefault(place, []).append(self.intents[name, line["taken"]])
                self.ids.add(line["publisher"])
            elif "confirmed" in line:
                before = self.confirmed.get(line["publisher"], 0)
                self.confirmed[line["publisher"]] = max(before, line["confirmed"])
            elif "refused" in line:
                for intent in self.numbers.get((line["publisher"], line["refused"]), []):
                    intent.refused = line["code"]
            elif "withdrawn" in line:
                self.intents[name, line["withdrawn"]].withdrawn = True

    def is_confirmed(self, intent):
        return any(number <= self.confirmed.get(publisher, 0)
                   for publisher, number in intent.taken)


class Run:
    """One process of a reader, in one history: what it was handed, in that order."""

    def __init__(self, patterns, ordered):
        self.patterns, self.ordered = patterns, ordered
        self.epoch = self.joined = None
        self.events = []
        self.gone = []        # (stream or "", after, through)
        self.view = None


class Reader:
    def __init__(self, name):
        self.name = name
        self.runs = []

    def read(self, path):
        for line in read_lines(path):
            if "run" in line:
                self.runs.append(Run(line["patterns"], line.get("ordered", True)))
            elif "joined" in line:
                run = self.runs[-1]
                if run.epoch is not None:       # another history, in the same process
                    run = Run(run.patterns, run.ordered)
                    self.runs.append(run)
                run.epoch, run.joined = line["epoch"], line["joined"]
            elif "digest" in line:
                self.runs[-1].events.append(line)
            elif "gone" in line:
                self.runs[-1].gone.append((line["stream"], line["after"], line["gone"]))
            elif "view" in line:
                self.runs[-1].view = line


def read_folder(folder):
    """(Publishers, [Reader])."""
    publishers, readers = Publishers(), []
    for path in sorted(glob.glob(os.path.join(folder, "*.worker"))):
        publishers.read(path)
    for path in sorted(glob.glob(os.path.join(folder, "*.reader"))):
        reader = Reader(os.path.basename(path)[:-len(".reader")])
        reader.read(path)
        readers.append(reader)
    return publishers, readers
