"""Publishers that misuse the numbering: another's id, an outbox put back, an outbox copied and
used twice, reports in the middle that cannot be decoded or are too large. Nobody else's report
is swallowed or blocked, and every own report ends stored once, or its publisher was told.

    misuse.py [--seed S]"""
import json
import os
import shutil
import sys

from trial import Trial, arguments, main

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stranger"))
from client import CasebusError, Publisher, Query, blake, report_body, report_hash  # noqa: E402

ARGS = arguments(__doc__)


class Stranger:
    """A publisher written from PROTOCOL.md, with a ledger like a worker's (ledger.py)."""

    def __init__(self, trial, name, publisher=None):
        self.name, self.row, self.number, self.base = name, 0, 0, 0
        self.sent = {}                       # number: (topic, data), all of them
        self.file = open(os.path.join(trial.folder, name + ".worker"), "w", buffering=1)
        self.publisher = Publisher(trial.ingest, Query(trial.query), publisher)
        self.write(run=1, worker=name, outbox=True, sent=0, row=0,
                   publisher=self.publisher.publisher.hex())

    def write(self, **line):
        self.file.write(json.dumps(line) + "\n")

    def intend(self, number, topic, data):
        self.write(intend=self.row, topic=topic, data=data)
        self.write(taken=self.row, number=number)
        self.sent[number] = topic, data
        self.row += 1

    def report(self):
        topic = "case:scraped:hse:%s-c%d:" % (self.name, self.row % 7)
        data = {"offender": {"name": "Offender %s Ltd" % self.name},
                "offence_fine_pence": self.row * 100,
                "source": {"parser": self.name, "row": self.row}}
        self.number += 1
        self.intend(self.number, topic, data)
        self.publisher.report(topic, data)

    def spoilt(self, tail, **keys):
        """A report whose first keys are right, and what follows them is not."""
        topic = "case:scraped:hse:%s-spoilt:" % self.name
        self.number += 1
        self.intend(self.number, topic, {})
        publisher = self.publisher
        number = publisher.sent + 1
        check = publisher.checks[number]
        body = report_body(numbered=(publisher.publisher, number, check), **keys) + tail
        publisher.checks[number + 1] = blake(check + report_hash(topic.encode(), body, check))[:8]
        publisher.kept[number] = topic.encode(), body
        publisher.sent = number
        publisher.send(number)

    def settle(self):
        """Until everything is decided, under a fresh id where it must be. Times that was."""
        diverged = 0
        while True:
            try:
                refusals = self.publisher.settle(60)
                break
            except CasebusError as error:
                if error.code != "diverged":
                    raise
                diverged += 1
                self.renumber()
        for refusal in refusals:
            self.write(refused=refusal["number"] + self.base, outcome=refusal["outcome"],
                       code=refusal["code"])
        self.write(confirmed=self.number)
        return diverged

    def renumber(self):
        first = self.base + self.publisher.decided + 1
        self.publisher.fresh()
        self.base = first - 1
        self.write(diverged=first, last=self.number, publisher=self.publisher.publisher.hex())
        for number in range(first, self.number + 1):
            self.publisher.report(*self.sent[number])


def bystander(trial):
    """Who works beside all this, and is done when it has ended."""
    worker = trial.worker("bystander", outbox=True, rate=400, cases=50, seed=trial.seed)
    trial.reader("r1")
    trial.await_seq(50)
    return worker


def publisher_of(worker):
    """The id of a worker that runs, from its ledger."""
    with open(worker.ledger) as file:
        for line in file:
            if '"publisher"' in line:
                return bytes.fromhex(json.loads(line)["publisher"])
    return None


def anothers_id():
    """One sends under the id of a worker that runs, two others share a made-up one."""
    with Trial("misuse: another's id", ARGS.seed) as trial:
        thief = Stranger(trial, "thief", publisher_of(bystander(trial)))
        shared = os.urandom(16)
        twins = [Stranger(trial, name, shared) for name in ("twin-a", "twin-b")]
        for _ in range(200):
            for stranger in (thief, *twins):
                stranger.report()
        assert thief.settle() == 1
        assert sum(twin.settle() for twin in twins) == 1    # the other was first
        trial.finish()
        with open(trial.workers[0].ledger) as file:
            assert "diverged" not in file.read(), "the bystander was disturbed"


def outbox_with_unconfirmed(trial, name):
    """A worker of 60 reports, of which 20 are only in its outbox."""
    worker = trial.worker(name, outbox=True, count=40, cases=20)
    assert worker.process.wait() == 0
    trial.broker.kill()
    again(worker, count=60, hold=0)
    assert worker.process.wait() == 75
    trial.broker.start()
    return worker


def again(worker, **options):
    for option, value in options.items():
        place = "--" + option
        if place in worker.command:
            worker.command[worker.command.index(place) + 1] = str(value)
        else:
            worker.command += [place, str(value)]
    worker.start()


def restored_outbox():
    """An outbox is put back to where 20 of its reports were unconfirmed; it had gone on
    since."""
    with Trial("misuse: a restored outbox", ARGS.seed) as trial:
        bystander(trial)
        worker = outbox_with_unconfirmed(trial, "restored")
        yesterday = trial.outbox("yesterday")
        shutil.copytree(trial.outbox("restored"), yesterday)
        again(worker, count=100, hold=60000)
        assert worker.process.wait() == 0
        shutil.rmtree(trial.outbox("restored"))
        os.rename(yesterday, trial.outbox("restored"))
        with open(worker.ledger, "a") as file:
            file.write(json.dumps({"restored": 60}) + "\n")
        again(worker, count=140)
        trial.finish()
        with open(worker.ledger) as file:
            assert "diverged" in file.read(), "nobody was told"


def copied_outbox():
    """Two workers go on with copies of one outbox, at the same time."""
    with Trial("misuse: a copied outbox", ARGS.seed) as trial:
        bystander(trial)
        first = outbox_with_unconfirmed(trial, "copy-a")
        shutil.copytree(trial.outbox("copy-a"), trial.outbox("copy-b"))
        with open(first.ledger) as file, \
                open(os.path.join(trial.folder, "copy-b.worker"), "w") as copy:
            for line in map(json.loads, filter(str.strip, file)):
                if "taken" in line:
                    copy.write(json.dumps(dict(line, of="copy-a")) + "\n")
        again(first, count=120, hold=60000)
        trial.worker("copy-b", outbox=True, count=60, cases=20)
        trial.finish()


def spoilt_reports():
    """Undecodable and too large reports between good ones: refused, and nothing stops behind
    them."""
    with Trial("misuse: spoilt reports", ARGS.seed) as trial:
        bystander(trial)
        stranger = Stranger(trial, "spoilt")
        spoilers = [{"tail": b"\xc1"},                              # behind the end
                    {"tail": b"", "data": {"offender": 5}},         # a type that is not right
                    {"tail": b"", "data": {"offence_breaches": "x" * (513 << 10)}},
                    {"tail": b"", "sent_at": -1}]
        for round_ in range(40):
            stranger.report()
            stranger.spoilt(**spoilers[round_ % len(spoilers)])
            stranger.report()
        assert stranger.settle() == 0
        assert stranger.publisher.counts["rejected"] == 40, stranger.publisher.counts
        assert stranger.publisher.counts["created"] + stranger.publisher.counts["updated"] == 80
        trial.finish()


main([anothers_id, restored_outbox, copied_outbox, spoilt_reports])
