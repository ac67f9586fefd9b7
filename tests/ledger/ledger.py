"""Reads the ledgers that workers and readers of the fault tests keep.

A ledger is a file of JSON lines, each written in one piece before what it announces is done, or
after what it records has happened. A process killed while it wrote leaves half a line; whoever
goes on with the file begins with a line feed, so a half line is the last before a run and is
passed over.

A worker's, NAME.worker:
    {"run": 1, "worker": NAME, "publisher": id, "outbox": true, "sent": n, "row": …}
        a process begins, with n reports taken by its outbox so far
    {"intend": row, "topic": …, "data": {…}}
        about to be sent; `data` names source.parser NAME and source.row, which make it known in
        the store
    {"taken": row, "number": n}
        the library took it, under this number; with "of": another's row, in a copy of his outbox
    {"confirmed": n}
        all up to n are confirmed
    {"refused": n, "outcome": …, "code": …}
        rejected, in conflict or void, as the broker said
    {"diverged": n, "last": m, "publisher": id}
        n to m go under another id and may be stored twice
    {"restored": n}
        somebody put an outbox back to where n was its last
    {"backup": name}, {"undone": name}
        a backup of the store was begun; the store was put back to it: what was confirmed in
        between is gone

A reader's, NAME.reader:
    {"run": 1, "reader": NAME, "patterns": […]}
        a process begins
    {"joined": seq, "epoch": …}
        every event above seq is to come
    {"seq": …, "prev": …, "epoch": …, "topic": …, "late": microseconds, "digest": …}
        an event was handed over
    {"at": seq}
        everything up to seq was handed over
    {"gone": through, "after": seq, "stream": …}
        the library said what is missing for good
    {"stats": {"repaired": n, …}}
        the library's counts, when the process ends well
    {"view": {case id: version}, "seq": …}
        what a view made of events shows at the end
"""
import glob
import json
import os


def read_lines(path):
    """The lines of a ledger; a torn one is allowed where its process was killed, once a run."""
    torn = False
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                assert not torn, "%s:%d: the second torn line of a run" % (path, number)
                torn = True
                continue
            if "run" in entry:
                torn = False
            yield entry


class Intent:
    """A report somebody meant to send: (worker, row)."""

    def __init__(self, name, row, topic, data):
        self.name, self.row, self.topic, self.data = name, row, topic, data
        self.confirmed = False
        self.refused = None   # what the broker said
        self.again = 0        # times the worker was told that it may be decided once more

    def __str__(self):
        return "%s/%d" % (self.name, self.row)

    @property
    def key(self):
        """Of its case, or of its session: agency:id."""
        return ":".join(self.topic.split(":")[2:4])


class Worker:
    """One worker, over all its runs."""

    def __init__(self, name, intents):
        self.name = name
        self.intents = intents    # of all workers: (worker, row): Intent
        self.numbers = {}     # number: Intent, as the outbox has them now
        self.confirmed = 0
        self.base = {}        # publisher id: the number before its first
        self.progress = {}    # publisher id: its numbers that were confirmed
        self.publisher = None
        self.backups = {}     # name: what was confirmed then, and the progress
        self.complaints = []  # what the ledger alone shows

    def read(self, path):
        for line in read_lines(path):
            for word, take in (("run", self.run), ("intend", self.intend), ("taken", self.take),
                               ("confirmed", self.confirm), ("refused", self.refuse),
                               ("diverged", self.diverge), ("restored", self.restore),
                               ("backup", self.back_up), ("undone", self.undo)):
                if word in line:
                    take(line)
                    break

    def run(self, line):
        for number in [n for n in self.numbers if n > line["sent"]]:
            intent = self.numbers.pop(number)
            if line["outbox"]:
                self.complaints.append("report %s was taken as number %d, and its outbox has it no more"
                                       % (intent, number))
        self.confirmed = min(self.confirmed, line["sent"])
        self.use(line["publisher"], self.confirmed if line["outbox"] else 0)

    def use(self, publisher, base):
        self.publisher = publisher
        self.base.setdefault(publisher, base)

    def intend(self, line):
        key = self.name, line["intend"]
        self.intents[key] = Intent(*key, line["topic"], line["data"])

    def take(self, line):
        intent = self.intents[line.get("of", self.name), line["taken"]]
        before = self.numbers.get(line["number"])
        if before is not None and before is not intent:
            self.complaints.append("number %d was given to reports %s and %s" % (line["number"], before,
                                                                                 intent))
        self.numbers[line["number"]] = intent

    def confirm(self, line):
        for number in range(self.confirmed + 1, line["confirmed"] + 1):
            if number in self.numbers:
                self.numbers[number].confirmed = True
        self.confirmed = line["confirmed"]
        self.progress[self.publisher] = self.confirmed - self.base[self.publisher]

    def refuse(self, line):
        if line["refused"] in self.numbers:
            self.numbers[line["refused"]].refused = line["code"] or line["outcome"]

    def diverge(self, line):
        for number in range(line["diverged"], line["last"] + 1):
            if number in self.numbers:
                self.numbers[number].again += 1
        self.use(line["publisher"], line["diverged"] - 1)

    def restore(self, line):
        self.numbers = {n: intent for n, intent in self.numbers.items() if n <= line["restored"]}
        self.confirmed = min(self.confirmed, line["restored"])


    def back_up(self, line):
        mine = [intent for intent in self.intents.values() if intent.name == self.name]
        self.backups[line["backup"]] = ([intent for intent in mine if intent.confirmed],
                                        dict(self.progress))

    def undo(self, line):
        for intent in self.intents.values():
            if intent.name == self.name:
                intent.confirmed = False
        confirmed, self.progress = self.backups[line["undone"]]
        for intent in confirmed:
            intent.confirmed = True


class Run:
    """One process of a reader, in one history: what it was handed, in that order."""

    def __init__(self, patterns, ordered):
        self.patterns, self.ordered = patterns, ordered
        self.epoch = self.joined = None
        self.events = []
        self.gone = []        # (stream or "", after, through)
        self.view = self.stats = None


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
            elif "stats" in line:
                self.runs[-1].stats = line["stats"]


def read_folder(folder):
    """(intents by (worker, row), [Worker], [Reader])."""
    intents, workers, readers = {}, [], []
    for path in sorted(glob.glob(os.path.join(folder, "*.worker"))):
        workers.append(Worker(os.path.basename(path)[:-len(".worker")], intents))
        workers[-1].read(path)
    for path in sorted(glob.glob(os.path.join(folder, "*.reader"))):
        readers.append(Reader(os.path.basename(path)[:-len(".reader")]))
        readers[-1].read(path)
    return intents, workers, readers
