"""Live views are equal to a model of a few lines, whatever happens: a seeded mixture of reports,
lost heads, restarts, another history, views that pause, turn pages, come and go.

`views_model.py SEED OPERATIONS`: another mixture. Every now and then all reports are decided and
every view is compared with what the model says it should show."""
import random
import sys
import time

from viewing import Broker, Lossy, Viewer, Worker, main

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 6
OPERATIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
AGENCIES = ("ea", "hse")
LIMIT = 6  # small, so that rows fall off
OF_A_MOMENT = ("recent", "cases", "sessions", "quarantine")  # lists that can be kept


class Model:
    """What a person would say that the lists are. Time is the number of the report."""

    def __init__(self):
        self.now, self.cases, self.redacted, self.sessions, self.quarantine = 0, {}, set(), {}, []
        self.met = {}  # in any session or none

    def meet(self, session, case, outcome):
        self.met[case] = (self.now, outcome)
        if session in self.sessions:
            self.sessions[session]["met"][case] = (self.now, outcome)
            self.sessions[session][outcome] += 1

    def scrape(self, case, fine, session):
        self.now += 1
        old = self.cases.get(case)
        outcome = ("rejected" if case in self.redacted else "created" if old is None else
                   "existing" if old[1] == fine else "updated")
        if outcome != "rejected":
            self.cases[case] = (old[0] if old else self.now, fine)
        self.meet(session, case, outcome)

    def refuse(self, case, session):
        """Of a case that there is not."""
        self.now += 1
        self.meet(session, case, "rejected")

    def edit(self, session):
        """Without a difference: counted, and seen nowhere else."""
        self.now += 1
        if session in self.sessions:
            self.sessions[session]["existing"] += 1

    def collide(self, case, session):
        self.now += 1
        self.quarantine.append((self.now, case))
        self.meet(session, case, "conflict")

    def remove(self, case, redact):
        self.now += 1
        del self.cases[case]
        self.met[case] = (self.now, "redacted" if redact else "deleted")
        if redact:
            self.redacted.add(case)
            self.quarantine = [(since, other) for since, other in self.quarantine if other != case]

    def session(self, session, verb, page=0):
        self.now += 1
        if verb == "started":
            self.sessions[session] = {"status": "running", "since": self.now, "page": 0, "met": {}, **dict.fromkeys(
                ("created", "updated", "existing", "conflict", "rejected"), 0)}
        else:
            self.sessions[session].update({"page": page} if verb == "progressed" else {"status": "completed"})

    def newest(self, agency=None):
        return sorted((case for case in self.cases if not agency or case.startswith(agency + ":")),
                      key=lambda case: -self.cases[case][0])


    def listed(self, view):
        """What its list has, newest first."""
        if view["kind"] == "quarantine":
            return self.quarantine[::-1]
        if view["kind"] == "sessions":
            there = [s for s, about in self.sessions.items() if not view["args"] or about["status"] == "running"]
            return sorted(there, key=lambda session: -self.sessions[session]["since"])
        return self.newest(*view["args"])

    def since(self, view, one):
        """When it came into its list."""
        return (one[0] if view["kind"] == "quarantine" else
                self.sessions[one]["since"] if view["kind"] == "sessions" else self.cases[one][0])


class Driver:
    def __init__(self, broker, lossy, viewer):
        self.random, self.broker, self.lossy, self.viewer = random.Random(SEED), broker, lossy, viewer
        self.worker, self.model, self.ids, self.started = Worker(broker), Model(), 0, 0
        self.views, self.names, self.compared, self.epochs = {}, 0, 0, 0

    # what is reported

    def name(self):
        """A case id, mostly one that was there before."""
        self.ids += self.random.random() < 0.15
        return "%s:%d" % (self.random.choice(AGENCIES), self.random.randint(0, self.ids))

    def running(self, case):
        agency = case.split(":")[0]
        open_ones = [s for s, about in self.model.sessions.items()
                     if s[0] == agency and about["status"] == "running"]
        return self.random.choice(open_ones) if open_ones and self.random.random() < 0.7 else (None, None)

    def data(self, case, fine, who="Offender", day=1):
        return {"offender": {"name": "%s of %s" % (who, case)}, "offence_action_date": "2024-01-%02d" % day,
                "offence_fine_pence": fine}

    def touch(self, case):
        session, fine = self.running(case), self.random.randrange(3)
        self.worker.report("case:scraped:%s:" % case, self.data(case, fine), session[1])
        self.model.scrape(case, fine, session)

    def collide(self, case):
        session = self.running(case)
        if case in self.model.cases:
            self.worker.report("case:scraped:%s:" % case,
                               self.data(case, self.model.now, "Somebody else", 2), session[1])
            self.model.collide(case, session)

    def late(self, case):
        """What makes no event, and names a session that has ended: an edit of a case that there is
        not, or one without a difference."""
        ended = [s for s, about in self.model.sessions.items()
                 if s[0] == case.split(":")[0] and about["status"] != "running"]
        session = self.random.choice(ended) if ended else (None, None)
        if self.random.random() < 0.5 or case not in self.model.cases:
            self.worker.report("case:edited:%s/none:" % case, {"offence_fine_pence": 1}, session[1])
            self.model.refuse(case + "/none", session)
        else:
            self.worker.report("case:edited:%s:" % case,
                               {"offence_fine_pence": self.model.cases[case][1]}, session[1])
            self.model.edit(session)

    def remove(self, case):
        if case in self.model.cases:
            redact = self.random.random() < 0.2
            self.worker.report("case:%s:%s:" % ("redacted" if redact else "deleted", case))
            self.model.remove(case, redact)

    def session(self, case):
        session = self.running(case)
        verb = self.random.choice(["started", "progressed", "progressed", "ended"])
        if verb == "started" or session[0] is None:
            verb, self.started = "started", self.started + 1
            session = (case.split(":")[0], "s%d" % self.started)
        page = self.model.sessions.get(session, {"page": 0})["page"] + 1
        data = {"started": {}, "progressed": {"page": page}, "ended": {"status": "completed"}}[verb]
        self.worker.report("session:%s:%s:%s:" % (verb, *session), data)
        self.model.session(session, verb, page)

    def burst(self, count):
        verbs = [self.touch] * 16 + [self.session] * 2 + [self.remove, self.collide, self.late]
        self.lossy.share = self.random.choice([0, 0, 0, 0, 0, 0.7])
        for _ in range(count):
            self.random.choice(verbs)(self.name())

    # what is looked at

    def open(self):
        m, kinds = self.model, ["recent", "cases", "case", "sessions", "quarantine", "since"]
        kind = self.random.choice(kinds + (["met", "list", "session"] if m.sessions else []))
        view = {"kind": kind, "args": (), "policy": "merge", "paused": False, "page": [], "shown": None,
                "window": self.random.choice([0, 0, 20, 100])}
        if kind == "cases":
            view["args"] = (self.random.choice(AGENCIES),)
        elif kind == "sessions":
            view["args"] = self.random.choice([(), ("active",)])
        elif kind == "case":
            view["args"] = (self.name(),)
        elif kind == "since":
            view["args"] = (1,)
        elif kind in ("met", "list", "session"):
            view["args"] = self.random.choice(sorted(m.sessions))
        if kind in OF_A_MOMENT and m.listed(view):
            view["policy"] = self.random.choice(["merge", "keep", "lose"])
        self.names += 1
        name = "v%d" % self.names
        self.viewer.open(name, kind, *view["args"], policy=view["policy"], window=view["window"], limit=LIMIT)
        self.views[name] = view
        self.stamp(view)

    def stamp(self, view):
        """Under policy keep what it will show is what there is now."""
        view["pin"], view["page"] = self.model.now, []
        view["shown"] = self.model.listed(view)[:LIMIT] if view["policy"] == "keep" else None

    def close(self, name):
        assert self.viewer.do("close", name) == "done"
        del self.views[name]

    def turn(self, name, view):
        """To another page: what it begins behind, and as of when."""
        verb = self.random.choice(["next", "next", "previous", "first"])
        if view["kind"] not in ("recent", "cases"):
            return
        rows = self.expected(view)[0]
        heard = self.viewer.do(verb, name)
        if heard != "done":
            assert heard == "not_found", heard
            return
        if verb == "first":
            self.stamp(view)
        elif verb == "next":
            live = [case for case in rows if case in self.model.cases]
            view["pin"] = view["pin"] if view["page"] or view["shown"] else self.model.now
            view["page"] = view["page"] + [self.last_seen(view, live)]
            view["shown"] = None
        else:
            view["page"] = view["page"][:-1] or [float("inf")]
            view["shown"] = None
        if view["policy"] == "keep" and verb != "first":
            view["shown"] = self.page(view)

    def last_seen(self, view, live):
        """Where the broker's page ended: at the last row that there is."""
        page = self.page(view) if view["page"] or view["shown"] is not None else live
        return self.model.cases[page[-1]][0]

    def page(self, view):
        behind = view["page"][-1] if view["page"] else float("inf")
        return [case for case in self.model.newest(*view["args"])
                if self.model.cases[case][0] <= view["pin"] and self.model.cases[case][0] < behind][:LIMIT]

    @staticmethod
    def can_pause(view):
        """Within its window what a paused view had may become what another keeps: the model knows
        of no windows."""
        return view["kind"] != "list" and not (view["kind"] in ("recent", "cases") and view["window"])

    def look(self):
        """Something is done with the views, all of which show what there is."""
        for name, view in list(self.views.items()):
            dice = self.random.random()
            if view["paused"]:
                if dice < 0.5:
                    assert self.viewer.do("resume", name) == "done"
                    view["paused"] = False
            elif dice < 0.05:
                self.close(name)
            elif dice < 0.10 and self.can_pause(view):
                assert self.viewer.do("pause", name) == "done"
                view["paused"] = True
            elif dice < 0.15 and view["kind"] != "list":
                assert self.viewer.do("refresh", name) == "done"
                if view["policy"] == "keep":
                    self.stamp(view)
            elif dice < 0.35:
                self.turn(name, view)
        while len(self.views) < 12:
            self.open()

    # what should be there

    def case(self, case):
        return case, self.model.cases.get(case, (0, None))[1]

    def expected(self, view):
        """Keys (with values, where the model has them), which are gone, and how many are newer."""
        m, kind, args = self.model, view["kind"], view["args"]
        if kind in OF_A_MOMENT:
            pinned = view["page"] or view["shown"] is not None
            newer = sum(m.since(view, one) > view["pin"] for one in m.listed(view)) if pinned else 0
            if view["shown"] is not None:
                return view["shown"], newer
            return (self.page(view) if view["page"] else m.listed(view)[:LIMIT]), newer
        if kind == "case":
            return [case for case in args if case in m.cases], 0
        if kind == "session":
            return ["%s:%s" % args], 0
        met = m.met if kind == "since" else m.sessions[args]["met"]
        return sorted(met, key=lambda case: -met[case][0])[:LIMIT], 0

    def key(self, view, one):
        """As a row of the view has it."""
        return "%s:%s" % one if view["kind"] == "sessions" else one[1] if view["kind"] == "quarantine" else one

    def check_row(self, view, key, row, gone):
        m, kind = self.model, view["kind"]
        if kind in ("recent", "cases"):
            there = key in m.cases and m.cases[key][0] <= view["pin"]
            assert gone == (view["shown"] is not None and not there), (key, gone)
            assert gone or row["offence_fine_pence"] == m.cases[key][1], row
        elif kind == "case":
            assert row["case"]["offence_fine_pence"] == m.cases[key][1] and "agency_record" in row, row
        elif kind in ("session", "sessions") and not gone:
            about = m.sessions[tuple(key.split(":"))]
            assert row["status"] in (about["status"], "lost"), (row, about)
            assert [row[name] for name in ("cases_created", "cases_updated", "cases_existing", "errors_count",
                                           "pages_processed")] == [
                about["created"], about["updated"], about["existing"], about["conflict"] + about["rejected"],
                about["page"]], (row, about)
        elif kind in ("met", "list", "since"):
            met = m.met if kind == "since" else m.sessions[view["args"]]["met"]
            assert row["outcome"] == met[key][1], (row, met[key])
            assert ("case" in row) == (key in m.cases), row

    def compare(self):
        reply = self.worker.wait()
        self.lossy.share = 0
        shown = self.viewer.settle(reply)
        assert set(shown) == set(self.views)
        for name, view in self.views.items():
            is_ = shown[name]
            if view["paused"]:
                continue
            keys, newer = self.expected(view)
            if view["page"] or view["shown"] is not None:
                assert is_["newer"] == min(newer, 1000), (name, view, newer, is_, reply["seq"])
            else:
                view["pin"] = self.model.now
            if view["kind"] in ("sessions", "quarantine"):
                gone = [one not in self.model.listed(view) for one in keys]
                assert gone == [gone for _, _, gone in is_["rows"]], (view, is_["rows"])
                keys = [self.key(view, one) for one in keys]
            have = [row["id"] if view["kind"] == "quarantine" else key for key, row, _ in is_["rows"]]
            assert have == keys, "%s %s through #%d of #%d\nshows  %s\nshould %s" % (
                name, view, is_["through"], reply["seq"], have, keys)
            for key, row, gone in is_["rows"]:
                self.check_row(view, key, row, gone)
            self.compared += 1

    def restart(self):
        anew = self.random.random() < 0.4
        self.worker.restart(anew)
        if anew:
            self.model, self.epochs, self.ids = Model(), self.epochs + 1, 0  # else all cases would be new
            for name, view in list(self.views.items()):
                if view["policy"] == "keep" or view["kind"] in ("met", "list", "session"):
                    self.close(name)  # it will show whatever is there first
                else:
                    self.stamp(view)


def views_equal_the_model():
    begun, done, bursts = time.time(), 0, 0
    with Broker(ipc=True) as broker:
        lossy = Lossy(broker, SEED)
        with Viewer(lossy.endpoint, broker.query) as viewer:
            driver = Driver(broker, lossy, viewer)
            while done < OPERATIONS:
                count = driver.random.choice([1, 5, 20, 100, 300, 700])
                driver.burst(count)
                driver.compare()
                driver.look()
                driver.compare()
                driver.late(driver.name())  # alone: no event comes behind it
                driver.compare()
                done, bursts = done + count, bursts + 1
                if bursts % 15 == 0:
                    driver.restart()
            driver.compare()  # the last restart is seen, too
            stats = viewer.stats()
            assert stats["epochs"] == driver.epochs, (stats, driver.epochs)
            assert stats["undecodable"] == 0, stats
        lossy.end()
        print("%d operations, %d views compared, %d heads lost, %d histories: %.1f s; %s" % (
            done, driver.compared, lossy.lost, driver.epochs + 1, time.time() - begun, stats))


if __name__ == "__main__":
    main([views_equal_the_model])
