"""casebus-publish --outbox against a real broker: publisher and broker killed at random
moments, an outbox used by two, a full disk, what an earlier run left. Every record that was
taken is stored once, or told of."""
import json
import os
import random
import re
import shutil
import subprocess
import sys

from casebus import BIN, Broker, main

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 11


def write(path, name, count, refused_every=0):
    """Cases name0, name1, ...; some of them without an offender, which the broker refuses."""
    with open(path, "w") as file:
        for i in range(count):
            record = {"agency": "hse", "regulator_id": "%s%d" % (name, i), "offence_fine_pence": i}
            if not refused_every or i % refused_every != refused_every - 1:
                record["offender"] = {"name": "Offender %d Ltd" % (i // 4)}
            file.write(json.dumps(record) + "\n")
    return path


def cases(client):
    return client.result("broker.status")["store"]["cases"]


def heads(client):
    return client.result("heads")["heads"]


def known(client, name, count):
    """Which of name0 ... are stored, as their numbers."""
    ids = ["hse:%s%d" % (name, i) for i in range(count)]
    found = []
    for i in range(0, count, 1000):
        found += client.result("case.known", ids=ids[i:i + 1000])["known"]
    return [int(case[len("hse:" + name):]) for case in found]


def rejected_topics(client):
    topics, more = set(), {}
    while more is not None:
        result = client.result("rejects.list", limit=500, **more)
        topics |= {row["topic"] for row in result["rows"]}
        more = {"next": result["next"]} if "next" in result else None
    return topics


class Killing:
    """Rounds of publishing, each with records of its own, in which somebody is killed."""

    COUNT = 1500

    def __init__(self, broker, rng):
        self.broker, self.rng = broker, rng
        self.client = broker.client()
        self.box = os.path.join(broker.dir, "box")
        self.said = ""
        self.left = 0  # in the outbox, when somebody had been killed

    def restart_broker(self):
        self.broker.kill()
        self.broker.start()
        self.client = self.broker.client()

    def begin(self, path):
        self.err = open(os.path.join(self.broker.dir, "err"), "w+")
        command = self.broker.command("casebus-publish", "--outbox", self.box, "--timeout", 60, path)
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.err)

    def end(self, publisher):
        publisher.kill()
        publisher.wait()
        self.err.seek(0)
        self.said += self.err.read()
        self.err.close()

    def kill_while_sending(self, path, broker_too):
        start, target = cases(self.client), self.rng.randrange(1, self.COUNT)
        publisher = self.begin(path)
        while publisher.poll() is None and cases(self.client) - start < target:
            pass
        if broker_too:
            self.restart_broker()
        self.end(publisher)

    def kill_while_taking(self, path):
        """Without a broker: everything is still in the outbox."""
        self.broker.kill()
        file = os.path.join(self.box, "data.mdb")
        written = os.stat(file).st_mtime_ns if os.path.exists(file) else 0
        publisher = self.begin(path)
        commits = self.rng.randrange(1, 4)
        while publisher.poll() is None and commits > 0:
            now = os.stat(file).st_mtime_ns if os.path.exists(file) else 0
            commits -= now > written
            written = now
        self.end(publisher)
        self.broker.start()
        self.client = self.broker.client()

    def check(self, name, path):
        done = self.broker.run("casebus-publish", "--outbox", self.box, "--resume", code=None)
        assert done.returncode in (0, 1), done.stderr
        self.said += done.stderr
        self.left += int(re.search(r"sent=(\d+)", done.stdout)[1])
        again = self.broker.publish("--outbox", self.box, "--resume")
        assert again["sent"] == 0, again
        refused = {t for t in rejected_topics(self.client) if t.startswith("case:scraped:hse:" + name)}
        numbers = known(self.client, name, self.COUNT)
        numbers += [int(topic[len("case:scraped:hse:" + name):-1]) for topic in refused]
        # What was taken was taken in order, so what came of it has no hole.
        assert sorted(numbers) == list(range(len(numbers))), "%s: a hole in %d" % (name, len(numbers))
        for topic in refused:
            number = int(topic[len("case:scraped:hse:" + name):-1])
            assert topic in self.said or ":%d: offender" % (number + 1) in self.said, topic + " is not told"
        assert "case:synced:hse:" not in heads(self.client), "something was stored twice"
        os.unlink(path)
        return len(numbers)


def killed_at_random_moments():
    rng = random.Random(SEED)
    with Broker(ipc=True) as broker:
        killing = Killing(broker, rng)
        taken = 0
        for round_ in range(ROUNDS):
            name = "r%d-" % round_
            path = write(os.path.join(broker.dir, name), name, killing.COUNT, refused_every=50)
            killing.said = ""
            how = round_ % 3
            if how == 2:
                killing.kill_while_taking(path)
            else:
                killing.kill_while_sending(path, broker_too=how == 1)
            taken += killing.check(name, path)
        assert taken > killing.left > 0, (taken, killing.left)
        print("taken %d, of these left by a killed publisher %d" % (taken, killing.left))
        assert killing.client.verify() == []


def what_an_earlier_run_left_goes_first():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        broker.kill()
        left = broker.publish("--outbox", box, "--timeout", 0.5, write(file, "a", 100, refused_every=20), code=3)
        assert left["sent"] == 100 and left["confirmed"] == 0, left
        assert "100 reports stay in " + box in left["stderr"], left
        broker.start()
        both = broker.publish("--outbox", box, write(file, "b", 50), code=1)  # refused: of the first run
        assert both["sent"] == both["confirmed"] == both["created"] == 50, both
        told = re.findall(r"of an earlier run: case:scraped:hse:a(\d+): offender", both["stderr"])
        assert [int(number) for number in told] == [19, 39, 59, 79, 99], both
        assert file + ":" not in both["stderr"], both
        assert cases(broker.client()) == 145
        nothing = broker.publish("--outbox", box, "--resume")
        assert nothing["sent"] == 0 and nothing["stderr"] == "", nothing
        again = broker.publish("--outbox", box, write(file, "b", 50))
        assert again["synced"] == 50, again


def a_file_is_taken_behind_what_is_left_whether_the_broker_is_there_or_not():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        broker.kill()
        broker.publish("--outbox", box, "--timeout", 0.5, write(file, "a", 100, refused_every=20), code=3)
        more = broker.publish("--outbox", box, "--timeout", 0.5, write(file, "b", 50), code=3)
        assert more["sent"] == 50 and more["confirmed"] == 0, more
        assert "100 reports of an earlier run are in %s: they go first" % box in more["stderr"], more
        assert "150 reports stay in " + box in more["stderr"], more
        os.unlink(file)
        broker.start()
        rest = broker.publish("--outbox", box, "--resume", code=1)
        assert rest["confirmed"] == 150 and rest["created"] == 145, rest


def a_full_outbox_names_the_first_line_it_has_not_taken():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        broker.kill()
        count = 1300
        with open(file, "w") as records:
            for i in range(count):
                records.write(json.dumps({"agency": "hse", "regulator_id": "f%d" % i, "offender": {"name": "N"},
                                          "ext": {"x": "x" * 220000}}) + "\n")
        full = broker.publish("--outbox", box, "--timeout", 0.5, file, code=3)
        left = int(re.search(r"(\d+) reports stay in", full["stderr"])[1])
        assert 1000 < left < count and full["sent"] == left, full
        assert "%s:%d: %s is full: from this line on nothing was taken" % (file, left + 1, box) in full["stderr"], full
        os.unlink(file)
        broker.start()
        assert broker.publish("--outbox", box, "--resume")["created"] == left
        assert known(broker.client(), "f", count) == list(range(left))


def without_a_broker_a_session_is_begun_but_not_gone_on_with():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        broker.kill()
        write(file, "a", 10)
        for option in "--session", "--resume-session":
            asked = broker.publish("--outbox", box, "--timeout", 0.5, option, "mine", file, code=3)
            assert asked["sent"] == 0 and "stay in" not in asked["stderr"], asked
            assert (file + ":1: from this line on nothing was taken: only the broker knows where session mine stands"
                    in asked["stderr"]), asked
        begun = broker.publish("--outbox", box, "--timeout", 0.5, "--new-session", file, code=3)
        assert begun["sent"] == 10 and "nothing was taken" not in begun["stderr"], begun


def overwrite(path, first, count):
    with open(path, "r+b") as file:
        file.seek(first)
        file.write(b"\xa5" * count)


def of_a_damaged_outbox_what_can_be_read_is_sent_and_the_rest_told():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        data = os.path.join(box, "data.mdb")
        broker.kill()
        broker.publish("--outbox", box, "--timeout", 0.5, write(file, "a", 500), code=3)
        shutil.copytree(box, box + "-2")
        overwrite(data, os.path.getsize(data) // 2, 4096)
        broker.start()
        left = broker.publish("--outbox", box, "--resume", code=None)
        assert box + " was damaged: what could be read of it was saved" in left["stderr"], left
        assert os.path.exists(os.path.join(box, "damaged.mdb"))
        void = len(re.findall("damaged in the outbox", left["stderr"]))
        assert left["confirmed"] == 500 and void < 50 and left["created"] == 500 - void == cases(broker.client()), left
        assert broker.publish("--outbox", box, "--resume")["stderr"] == ""
        box += "-2"
        overwrite(os.path.join(box, "data.mdb"), 8192, os.path.getsize(data))
        none = broker.run("casebus-publish", "--outbox", box, "--resume", code=2)
        assert box + " is damaged, and nothing can be read of it: move it away" in none.stderr, none


def resuming_alone_counts_what_was_left():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        broker.kill()
        broker.publish("--outbox", box, "--timeout", 0.5, "--new-session", write(file, "a", 10), code=3)
        broker.start()
        left = broker.publish("--outbox", box, "--resume")
        assert left["sent"] == left["confirmed"] == left["created"] == 10, left
        (session,) = broker.client().result("session.list")["rows"]
        assert session["status"] == "completed" and session["cases_created"] == 10, session


def one_outbox_is_one_publishers():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        first = subprocess.Popen(broker.command("casebus-publish", "--outbox", box, "-"), stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL)
        while not os.path.exists(os.path.join(box, "data.mdb")):
            assert first.poll() is None
        second = broker.publish("--outbox", box, write(file, "a", 10), code=2)
        assert "another process" in second["stderr"], second
        first.stdin.close()
        assert first.wait(60) == 0
        assert broker.publish("--outbox", box, file)["created"] == 10


def wrong_usage_is_refused():
    with Broker(ipc=True) as broker:
        broker.publish("--resume", code=2)
        broker.publish("--outbox", broker.dir + "/box", "--resume", "file", code=2)
        broker.publish("--outbox", broker.dir + "/no/such/parent", "--resume", code=2)
        assert not os.path.exists(broker.dir + "/box")
        os.mkdir(broker.dir + "/empty")
        none = broker.publish("--outbox", broker.dir + "/empty", "--resume", code=2)
        assert "/empty: there is no outbox to resume" in none["stderr"], none
        assert os.listdir(broker.dir + "/empty") == []


def a_copy_and_its_original_both_go_on():
    with Broker(ipc=True) as broker:
        box, copy = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "copy")
        file = os.path.join(broker.dir, "file")
        broker.publish("--outbox", box, write(file, "start", 100))
        shutil.copytree(box, copy)
        both = [broker.start_program("casebus-publish", "--outbox", folder,
                                     write(os.path.join(broker.dir, name), name, 3000))
                for folder, name in ((box, "original"), (copy, "copied"))]
        said = ""
        for process in both:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            assert "sent=3000 confirmed=3000 " in out, out
            said += err
        assert said.count("fresh id") == 1, said
        client = broker.client()
        assert len(known(client, "original", 3000)) == len(known(client, "copied", 3000)) == 3000


def a_fresh_id_is_taken_whole_or_not_at_all():
    """An outbox put back, whose publisher is killed again and again while it renumbers and
    sends."""
    rng = random.Random(SEED)
    with Broker(ipc=True) as broker:
        box, old = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "old")
        file, err = os.path.join(broker.dir, "file"), os.path.join(broker.dir, "err")
        broker.publish("--outbox", box, write(file, "start", 10))
        shutil.copytree(box, old)
        broker.publish("--outbox", box, write(file, "newer", 20))
        broker.kill()
        broker.publish("--outbox", old, "--timeout", 0.5, write(file, "left", 4000), code=3)
        broker.start()
        data = os.path.join(old, "data.mdb")
        with open(err, "w+") as said:
            for _ in range(4):
                resuming = subprocess.Popen(broker.command("casebus-publish", "--outbox", old, "--resume"),
                                            stdout=subprocess.DEVNULL, stderr=said)
                changes, before = rng.randrange(1, 4), os.stat(data).st_mtime_ns
                while resuming.poll() is None and changes > 0:
                    now = os.stat(data).st_mtime_ns
                    changes, before = changes - (now > before), now
                resuming.kill()
                resuming.wait()
            done = broker.publish("--outbox", old, "--resume")
            said.seek(0)
            assert "fresh id" in said.read() + done["stderr"]
        client = broker.client()
        assert known(client, "left", 4000) == list(range(4000))
        assert broker.publish("--outbox", old, "--resume")["stderr"] == ""
        assert client.verify() == []


def a_folder_of_the_other_kind_is_refused_and_left_alone():
    with Broker(ipc=True) as broker:
        box, file = os.path.join(broker.dir, "box"), os.path.join(broker.dir, "file")
        broker.publish("--outbox", box, write(file, "kept", 10))
        broker.stop()

        def data(folder):
            with open(os.path.join(folder, "data.mdb"), "rb") as kept:
                return kept.read()
        store, outbox = data(broker.store), data(box)
        refused = broker.publish("--outbox", broker.store, "--resume", code=2)
        assert "is no outbox" in refused["stderr"], refused
        started = subprocess.run([os.path.join(BIN, "casebus-broker"), "--data", box], capture_output=True, text=True)
        assert started.returncode == 3 and "this is not a store" in started.stderr, started
        assert data(broker.store) == store and data(box) == outbox
        broker.start()
        assert broker.client().verify() == []
        assert broker.publish("--outbox", box, "--resume")["sent"] == 0


def a_full_disk_takes_no_more_and_loses_nothing():
    with Broker(ipc=True) as broker:
        small = os.path.join(broker.dir, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small],
                          capture_output=True).returncode != 0:
            print("skipped: mounting a small file system needs root")
            return
        try:
            broker.kill()
            box, file = os.path.join(small, "box"), os.path.join(broker.dir, "file")
            full = broker.publish("--outbox", box, "--timeout", 1, write(file, "d", 60000), code=3)
            left = int(re.search(r"(\d+) reports stay in", full["stderr"])[1])
            assert 1000 < left < 60000, full
            assert "%s:%d: the disk of %s is full" % (file, left + 1, box) in full["stderr"], full
            assert full["sent"] == left, full
            broker.start()
            again = broker.publish("--outbox", box, "--timeout", 60, "--resume")
            assert again["sent"] == again["confirmed"] == again["created"] == left, (again, full)
            assert known(broker.client(), "d", 60000) == list(range(left))
            # with not a block left: no new one can be opened, the old one can
            with open(os.path.join(small, "fill"), "wb", buffering=0) as fill:
                try:
                    while fill.write(bytes(4096)) > 0:
                        pass
                except OSError:
                    pass
            other = os.path.join(small, "other")
            new = broker.publish("--outbox", other, write(file, "e", 1), code=2)
            assert "cannot open the outbox %s: no space is left" % other in new["stderr"], new
            old = broker.publish("--outbox", box, "--resume")
            assert old["sent"] == 0, old
        finally:
            subprocess.run(["umount", "-l", small], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main([killed_at_random_moments])
    main([killed_at_random_moments, what_an_earlier_run_left_goes_first,
          a_file_is_taken_behind_what_is_left_whether_the_broker_is_there_or_not,
          a_full_outbox_names_the_first_line_it_has_not_taken,
          of_a_damaged_outbox_what_can_be_read_is_sent_and_the_rest_told,
          without_a_broker_a_session_is_begun_but_not_gone_on_with, resuming_alone_counts_what_was_left,
          one_outbox_is_one_publishers, wrong_usage_is_refused, a_copy_and_its_original_both_go_on,
          a_fresh_id_is_taken_whole_or_not_at_all, a_folder_of_the_other_kind_is_refused_and_left_alone,
          a_full_disk_takes_no_more_and_loses_nothing])
