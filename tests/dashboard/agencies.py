"""Two people at one dashboard, each with an actor of one agency: neither sees the other's in any view, count, chart, export,
search or error; and what an actor loses, his pages lose."""
import json
import os

from dashboard import main
from guarded import Guarded
from house import House
from requests import assert_says_nothing_of_what_is_there

ACTORS = "desk {desk} speaker\nworker {worker} scraper\nchief {chief} admin\nann - of-hse\nben - of-ea\n"
ROLES = """role.speaker = speak, watch
role.of-hse = ask@hse, decide@hse, stop@hse
role.of-ea = ask@ea, decide@ea, stop@ea
"""
WORDS = {"hse": "Hazelmere", "ea": "Eastwater"}  # in everything of the agency
PATHS = ("/", "/cases", "/cases?agency={}", "/cases?offender={word}", "/cases/{}%3A1", "/offenders?agency={}&name={word}%201%20Ltd",
         "/sessions", "/sessions/{}/{session}", "/quarantine", "/cases.csv", "/cases.csv?offender={word}", "/api/recent",
         "/api/cases", "/api/cases?agency={}", "/api/cases?offender={word}", "/api/cases?from=2020-01-01", "/api/cases/{}%3A1",
         "/api/offenders?agency={}&name={word}%201%20Ltd", "/api/agencies", "/api/sessions", "/api/sessions?agency={}",
         "/api/sessions/{}/{session}", "/api/sessions/{}/{session}/cases", "/api/quarantine", "/api/quarantine?agency={}",
         "/api/status")


def record(agency, number, **more):
    return {"agency": agency, "regulator_id": str(number), "offender": {"name": "%s %d Ltd" % (WORDS[agency], number)},
            "offence_action_date": "2024-03-01", "offence_fine_pence": number, **more}


class Office(Guarded):
    """A broker with cases, a session and a report in quarantine of each agency."""

    def __init__(self):
        super().__init__(ACTORS, config=ROLES)
        for agency in WORDS:
            self.report(agency, *(record(agency, number) for number in range(1, 4)))
            self.report(agency, record(agency, 1, offender={"name": WORDS[agency] + " Other Ltd"},
                                       offence_action_date="2021-01-01"))
        self.chief = self.asker("chief")
        self.sessions = {row["agency"]: row["session_id"] for row in self.rows("session.list")}
        self.quarantined = {row["id"].split(":")[0]: row["quarantine"] for row in self.rows("quarantine.list")}
        assert set(self.sessions) == set(self.quarantined) == set(WORDS)

    def report(self, agency, *rows):
        path = os.path.join(self.dir, "rows.ndjson")
        with open(path, "w") as out:
            for row in rows:
                out.write(json.dumps(row) + "\n")
        self.run_as("worker", "casebus-publish", "--new-session", path, code=None)

    def rows(self, op):
        return self.chief.ask(op)["result"]["rows"]

    def dashboard(self, house):
        return house.dashboard(self, *self.key_flags("desk"))

    def paths(self, agency):
        return [path.format(agency, word=WORDS[agency], session=self.sessions[agency]) for path in PATHS]

    def signs(self, agency):
        """What gives an agency away."""
        return (WORDS[agency], WORDS[agency].lower(), self.sessions[agency], agency + ":1", agency + ":2",
                '"%s"' % agency, ">%s<" % agency)


def other(agency):
    return "ea" if agency == "hse" else "hse"


def test_neither_sees_the_others():
    house = House()
    with Office() as office, office.dashboard(house) as dash:
        people = {"hse": dash.person("ann", "ann"), "ea": dash.person("ben", "ben")}
        for agency, person in people.items():
            signs = office.signs(other(agency))
            own = "".join(person.request("GET", path)[2] for path in office.paths(agency))
            assert all(sign in own for sign in office.signs(agency)[:1]) and office.sessions[agency] in own
            for path in office.paths(agency) + office.paths(other(agency)):
                text = person.request("GET", path)[2]
                told = [sign for sign in signs if sign in text and not is_asked_for(sign, path)]
                assert not told, (agency, path, told, text[:3000])
            rows = json.loads(person.get("/api/cases"))["rows"]
            assert sorted(row["id"] for row in rows) == ["%s:%d" % (agency, number) for number in (1, 2, 3)]
            assert [row["code"] for row in json.loads(person.get("/api/agencies"))["rows"]] == [agency]
            assert "dashboard" not in json.loads(person.get("/api/status"))  # counts of everybody's traffic
        assert json.loads(dash.person("chief", "chief").get("/api/status"))["dashboard"]["streams"] == 0


def is_asked_for(sign, path):
    """Of the words of a question some come back on a page, in the search form and in links."""
    return not path.startswith(("/api", "/cases.csv")) and sign.strip('":<>').lower() in path.lower()


def test_what_is_the_others_is_as_if_it_were_not():
    house = House()
    with Office() as office, office.dashboard(house) as dash:
        ann = dash.person("ann", "ann")
        for path, nothing in (("/api/cases/ea%3A1", "/api/cases/ea%3A99"),
                              ("/api/sessions/ea/%s" % office.sessions["ea"], "/api/sessions/ea/none"),
                              ("/api/offenders?agency=ea&name=Eastwater%201%20Ltd", "/api/offenders?agency=ea&name=Nobody")):
            there, none = (ann.request("GET", one)[0::2] for one in (path, nothing))
            assert there == none, (path, there, none)
        headers = {"Origin": "http://" + ann.host, "Content-Type": "application/json"}
        for path in ("/api/quarantine/%d/accept" % office.quarantined["ea"], "/api/quarantine/%d/reject" % office.quarantined["ea"],
                     "/api/sessions/ea/%s/stop" % office.sessions["ea"]):
            status, _, text = ann.request("POST", path, "{}", headers)
            assert status in (403, 404) and WORDS["ea"] not in text, (path, status, text)
        assert len(office.rows("quarantine.list")) == 2
        assert ann.request("POST", "/api/quarantine/%d/reject" % office.quarantined["hse"], "{}", headers)[0] == 200
        assert [row["id"] for row in office.rows("quarantine.list")] == ["ea:1"]
        decided = office.chief.ask("case.history", id="hse:1")["result"]
        assert "ann" in json.dumps(decided, default=repr)  # who decided it


def test_live_views_are_each_ones_own():
    house = House()
    views = ("recent", "sessions", "quarantine", "case/ea%3A1")
    with Office() as office, office.dashboard(house) as dash:
        ann, ben = dash.person("ann", "ann"), dash.person("ben", "ben")
        with ann.stream(*views) as hers, ben.stream(*views) as his:
            hers.until(lambda it: len(it.rows["recent"]) == 3 and it.rows["quarantine"], "her rows")
            his.until(lambda it: len(it.rows["recent"]) == 3 and it.rows["quarantine"] and it.rows["case/ea%3A1"], "his rows")
            for agency in WORDS:
                office.report(agency, record(agency, 4))
            hers.until(lambda it: len(it.rows["recent"]) == 4, "her new case")
            his.until(lambda it: len(it.rows["recent"]) == 4, "his new case")
            assert {key.split(":")[0] for key in hers.rows["recent"]} == {"hse"}
            assert {key.split(":")[0] for key in his.rows["recent"]} == {"ea"}
            assert not hers.rows["case/ea%3A1"] and len(hers.rows["quarantine"]) == len(his.rows["quarantine"]) == 1
            assert WORDS["ea"] not in json.dumps([hers.rows, hers.states]), hers.rows
            assert WORDS["hse"] not in json.dumps([his.rows, his.states]), his.rows


def test_what_an_actor_loses_his_pages_lose():
    house = House()
    with Office() as office, office.dashboard(house) as dash:
        ann = dash.person("ann", "ann")
        with ann.stream("recent", "quarantine") as stream:
            stream.until(lambda it: len(it.rows["recent"]) == 3 and it.rows["quarantine"], "rows")
            office.change_actors(ACTORS.replace("ann - of-hse", "ann - of-ea"))
            assert "Hazelmere" not in ann.get("/api/cases")
            stream.until(lambda it: {key[:2] for key in it.rows["recent"]} == {"ea"}, "the other agency's")
            office.change_actors(ACTORS.replace("ann - of-hse\n", ""))
            assert ann.request("GET", "/api/cases")[0] == 403
            for path in ("/", "/cases", "/sessions", "/quarantine", "/api/cases"):
                text = ann.request("GET", path)[2]
                assert "this account is not known to the broker" in text and "on_behalf" not in text, text
                assert_says_nothing_of_what_is_there(text)
            stream.until(lambda it: not it.rows["recent"] and not it.rows["quarantine"], "nothing")
        with ann.stream("recent") as again:
            again.until(lambda it: it.states, "a state")
            assert not again.rows["recent"]


if __name__ == "__main__":
    main([test_neither_sees_the_others, test_what_is_the_others_is_as_if_it_were_not,
          test_live_views_are_each_ones_own, test_what_an_actor_loses_his_pages_lose])
