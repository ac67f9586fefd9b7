"""The dashboard in a real browser: what it shows ends equal to the store, whatever happens between.

One broker, one dashboard (its ring of changes short), one Chromium; each test goes on from what the
one before has left. Screenshots are kept in the build folder, in screenshots/.

An argument "frozen" adds the ten minutes of a frozen tab."""
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse


HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, os.pardir, "ledger")]

from dashboard import Dashboard, Publisher
import casebus
from markup import check_html
from proxy import Proxy
from webdriver import Browser

SCREENS = os.path.join(casebus.BIN, os.pardir, "screenshots")
RING = 3  # changes of a view that the dashboard keeps
REGISTER = os.path.join(casebus.DATA, "register.ndjson")

ROWS = """
return [...document.querySelectorAll(`#${arguments[0]} > tbody > tr`)].map((row) => {
    const cells = [...row.querySelectorAll("[data-field]")];
    return {key: row.dataset.key, ...Object.fromEntries(cells.map((cell) => {
        const copy = cell.cloneNode(true);
        copy.querySelectorAll(".minor, .ago").forEach((part) => part.remove());
        return [cell.dataset.field, copy.textContent.trim()];
    }))};
});"""


# Texts whose contrast with what is behind them is too low. A badge of each kind is added first.
CONTRAST = """
const words = "o-created o-updated o-existing o-conflict o-rejected o-deleted s-running s-stopping " +
    "s-completed s-failed s-stopped s-lost";
const samples = words.split(" ").map((kind) => {
    const badge = document.createElement("span");
    badge.className = `badge ${kind}`;
    badge.textContent = kind;
    document.querySelector("main").append(badge);
    return badge;
});
const colour = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
        const [r, g, b, a = 1] = colour(getComputedStyle(at).backgroundColor);
        if (a === 1) {
            return [r, g, b];
        }
    }
    return [255, 255, 255];
};
const low = new Set();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = walk.nextNode(); text !== null; text = walk.nextNode()) {
    const element = text.parentElement;
    if (text.data.trim() === "" || !element.checkVisibility() || element.closest(".unseen, option, svg, noscript")) {
        continue;
    }
    const style = getComputedStyle(element);
    const [one, other] = [light(colour(style.color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05) ;
    if (ratio < 4.5) {
        low.add(`${element.tagName}.${element.className} ${style.color} ${ratio.toFixed(2)}`);
    }
}
samples.forEach((badge) => badge.remove());
return [...low];"""


def money(pence):
    return "" if pence is None else "£{:,}.{:02}".format(pence // 100, pence % 100)


class Worker:
    """A casebus-publish that reads what it is to publish from us, in a session of its own."""

    def __init__(self, broker, session, *flags, agency="hse"):
        self.key = "%s:%s" % (agency, session)
        self.agency, self.session = agency, session
        self.process = broker.start_program("casebus-publish", "--session", session, "--agency",
                                            agency, *flags, "-", stdin=subprocess.PIPE)

    def report(self, *records):
        for record in records:
            self.process.stdin.write((record if isinstance(record, str) else json.dumps(record)) + "\n")
        self.process.stdin.flush()

    def end(self, code=0):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == code, (self.process.returncode, self.process.stderr.read())
        self.process.stdout.close()
        self.process.stderr.close()


def case(number, **more):
    return {"regulator_id": "B%05d" % number, "offender": {"name": "Browser Trial %d Ltd" % number},
            "offence_action_date": "2024-02-03", "offence_fine_pence": 100000 + number,
            "source": {"page": number // 10 + 1, "row": number % 10}, **more}


class Trial:
    def __init__(self, broker, dashboard, browser):
        self.broker, self.dashboard, self.browser = broker, dashboard, browser
        self.client = broker.client()
        self.number = 0
        self.workers = []
        os.makedirs(SCREENS, exist_ok=True)

    # what the store says, as the page is to show it

    def stored_recent(self):
        rows = self.client.result("case.recent", limit=100)["rows"]
        return [(row["id"], row["offender"]["name"].strip(), row.get("offence_action_date", ""),
                 money(row.get("offence_fine_pence")), "{:,}".format(row["seen_count"]),
                 str(row["version"])) for row in rows]

    def stored_sessions(self):
        rows = self.client.result("session.list", status="active", limit=100)["rows"]
        return [("%s:%s" % (row["agency"], row["session_id"]), row["status"],
                 *("{:,}".format(row[name]) for name in (
                     "cases_found", "cases_created", "cases_updated", "cases_existing",
                     "errors_count"))) for row in rows]

    def stored_met(self, key):
        agency, session = key.split(":", 1)
        rows = self.client.result("session.cases", agency=agency, session_id=session, once=True,
                                  load=["agency", "offender"], limit=50)["rows"]
        return [(row.get("id", "#%d" % row.get("reject", 0)), row["outcome"],
                 money(row.get("case", {}).get("offence_fine_pence")), str(row.get("page", "")),
                 str(row["times"]) if row.get("times", 1) > 1 else "") for row in rows]

    # what the page says

    def shown(self, table, *fields):
        rows = self.browser.execute(ROWS, table)
        return [(row["key"], *(row[field] for field in fields)) for row in rows]

    def shown_recent(self):
        return self.shown("recent", "offender", "offence_action_date", "offence_fine_pence",
                          "seen_count", "version")

    def shown_sessions(self):
        return self.shown("sessions", "status", "cases_found", "cases_created", "cases_updated",
                          "cases_existing", "errors_count")

    def shown_met(self):
        return self.shown("session-cases", "outcome", "offence_fine_pence", "page", "times")

    def equal(self, what, shown, stored, timeout=20):
        """Until what is shown is what is stored; never is a row there twice."""
        end = time.monotonic() + timeout
        while True:
            here, there = shown(), stored()
            keys = [row[0] for row in here]
            assert len(keys) == len(set(keys)), "%s: a row is there twice: %s" % (what, keys)
            if here == there:
                return here
            if time.monotonic() > end:
                first = next((pair for pair in zip(here, there) if pair[0] != pair[1]), None)
                raise AssertionError("%s: %d rows shown, %d stored; the first that differ: %s" % (
                    what, len(here), len(there), first))
            time.sleep(0.1)

    def all_equal(self, session):
        self.equal("recent", self.shown_recent, self.stored_recent)
        self.equal("sessions", self.shown_sessions, self.stored_sessions)
        self.equal("met", self.shown_met, lambda: self.stored_met(session))

    def open(self, session=None):
        self.browser.go(self.dashboard.url + ("?session=" + session if session else ""))
        self.live()

    def live(self):
        self.browser.wait("""
            const words = [...document.querySelectorAll('.state[data-state]')];
            return words.length > 0 && words.every((one) => one.dataset.state === 'live');""",
            what="every view is live")

    def found(self):
        session = self.client.ask("session.get", agency="hse", session_id="long")
        return session["result"]["session"]["cases_found"] if "result" in session else 0

    def report(self, *records):
        """Reports of the session that is open all along, until they are stored."""
        wanted = self.found() + len(records)
        self.long.report(*records)
        while self.found() < wanted:
            assert self.long.process.poll() is None, self.long.process.stderr.read()
            time.sleep(0.02)

    def cases(self, count):
        """New records."""
        self.number += count
        return [case(number) for number in range(self.number - count, self.number)]

    def worker(self, session, *flags):
        self.workers.append(Worker(self.broker, session, *flags))
        return self.workers[-1]

    def screen(self, name):
        self.browser.screenshot(os.path.join(SCREENS, name + ".png"))

    def console(self, restarts=False):
        """Nobody complained: no script error, nothing refused by the policy. A server that is
        restarted may be missed."""
        bad = [entry for entry in self.browser.log() if entry["level"] in ("SEVERE", "WARNING")]
        if restarts:
            bad = [entry for entry in bad if entry["source"] != "network"]
        assert not bad, bad

    # the tests

    def opened_in_the_middle_of_a_scrape(self):
        with open(REGISTER) as register:
            records = [line.strip() for line in register if '"agency":"hse"' in line]
        scrape, opened = self.worker("scrape"), threading.Event()

        def feed():
            """The scrape goes on while the page is opened, and ends only afterwards."""
            for record in records[60:-40]:
                scrape.report(record)
                time.sleep(0.02)
            opened.wait(60)
            for record in records[-40:]:
                scrape.report(record)
                time.sleep(0.02)

        scrape.report(*records[:60])
        while len(self.stored_recent()) < 60:
            time.sleep(0.02)
        feeder = threading.Thread(target=feed)
        feeder.start()
        self.open("hse:scrape")
        begun = self.shown_recent()
        assert len(begun) >= 60, len(begun)
        assert ("hse:scrape", "running") in [row[:2] for row in self.shown_sessions()]
        self.screen("scrape-light")
        opened.set()
        feeder.join()
        scrape.end()
        self.all_equal("hse:scrape")
        assert self.shown_recent() != begun
        self.browser.wait("return document.querySelector('#session-count').textContent === arguments[0]",
                          "50 of %d" % len(records))

    def rows_without_a_script(self):
        text = self.dashboard.get("/?session=hse:scrape")
        for row in self.stored_recent():
            assert '<tr data-key="%s">' % row[0] in text, row
        assert text.count("<tr data-key=") >= 150

    def created_synced_and_corrected_is_one_row(self):
        self.long = self.worker("long")
        [record] = self.cases(1)
        self.report(record)
        self.open("hse:long")
        self.all_equal("hse:long")
        self.report(record)
        self.report({**record, "offence_fine_pence": 777, "source": {"page": 9}})
        key = "hse:" + record["regulator_id"]
        self.browser.wait("""
            const row = document.querySelector(`#recent tr[data-key="${arguments[0]}"]`);
            return row?.querySelector("[data-field=version]").textContent === "2";""", key)
        self.all_equal("hse:long")
        [row] = [row for row in self.shown_recent() if row[0] == key]
        assert row[3:] == ("£7.77", "3", "2"), row
        [row] = [row for row in self.shown_met() if row[0] == key]
        assert row[1:] == ("updated", "£7.77", "9", "3"), row

    def the_51st_case_pushes_out_the_oldest(self):
        self.report(*self.cases(49))
        self.equal("met", self.shown_met, lambda: self.stored_met("hse:long"))
        oldest = self.shown_met()[-1][0]
        assert len(self.shown_met()) == 50 and oldest == "hse:B00000", oldest
        self.report(*self.cases(1))
        self.browser.wait("return !document.querySelector(`#session-cases tr[data-key=\"${arguments[0]}\"]`)",
                          oldest)
        self.all_equal("hse:long")
        rows = self.shown_met()
        assert len(rows) == 50 and rows[0][0] == "hse:B00050" and rows[-1][0] == "hse:B00001", rows

    def reload(self):
        self.report(*self.cases(3))
        self.browser.reload()
        self.all_equal("hse:long")

    def broker_restart(self):
        self.broker.stop()
        self.browser.wait("return [...document.querySelectorAll('.state[data-state=stale]')].length === 3",
                          what="the views say that they are stale")
        words = self.browser.execute("return document.querySelector('.state[data-state=stale]').textContent")
        assert words.startswith("stale since"), words
        self.screen("stale")
        self.broker.start()
        self.report(*self.cases(5))
        self.live()
        self.all_equal("hse:long")

    def dashboard_restart(self):
        self.dashboard.stop()
        lost = self.browser.wait("const place = document.querySelector('#connection');"
                                 "return !place.hidden && place.textContent")
        assert lost.startswith("Connection to the dashboard lost, trying again since "), lost
        self.screen("lost")
        self.report(*self.cases(5))
        self.dashboard.start()
        self.browser.wait("return document.querySelector('#connection').hidden")
        self.live()
        self.all_equal("hse:long")
        self.console(restarts=True)

    def changes_past_the_ring(self, seconds=0):
        """More changes of the views of sessions (whose window is a second) than the dashboard
        keeps, while the page is not told; another reader is."""
        views = ("sessions", "session/hse/long")
        end = time.monotonic() + seconds
        with self.dashboard.stream(*views) as stream:
            stream.until_shown()
            enough = {view: stream.lists[view] + RING + 1 for view in views}
            while time.monotonic() < end or any(stream.lists[view] < enough[view] for view in views):
                before = dict(stream.lists)
                self.report(*self.cases(1))
                stream.until(lambda s: all(s.lists[view] > before[view] for view in views),
                             "a change of each view")

    def frozen_past_the_ring(self, seconds=0):
        before = self.shown_met()
        self.browser.cdp("Page.setWebLifecycleState", state="frozen")
        self.changes_past_the_ring(seconds)
        assert self.shown_met() == before, "the tab was not frozen"
        self.browser.cdp("Page.setWebLifecycleState", state="active")
        self.browser.cdp("Emulation.setFocusEmulationEnabled", enabled=True)  # it stays hidden otherwise
        self.all_equal("hse:long")

    def frozen_for_ten_minutes(self):
        self.frozen_past_the_ring(600)

    def cut_off_past_the_ring(self):
        """No connection can be made while more changes go by than are kept; the page is that of
        another address, which a proxy serves."""
        proxy = Proxy("tcp://" + self.dashboard.host)
        self.browser.go("http://%s/?session=hse:long" % proxy.endpoint[len("tcp://"):])
        self.live()
        before = self.shown_met()
        proxy.refuse(True)
        self.changes_past_the_ring()
        assert self.shown_met() == before, "the network was not cut"
        self.browser.wait("return !document.querySelector('#connection').hidden")
        proxy.heal()
        self.browser.wait("return document.querySelector('#connection').hidden")
        self.all_equal("hse:long")
        self.open("hse:long")
        proxy.refuse(True)
        while proxy.links:
            time.sleep(0.01)
        proxy.close()
        self.console(restarts=True)

    def keep_still(self):
        before = self.shown_recent()
        self.browser.click("#keep")
        corrected = {**case(0), "offence_fine_pence": 4242}
        key = "hse:" + before[3][0].split(":")[1]
        corrected["regulator_id"] = before[3][0].split(":")[1]
        corrected["offender"] = {"name": before[3][1]}
        self.report(*self.cases(3), corrected)
        self.browser.wait("const more = document.querySelector('#newer');"
                          "return !more.hidden && more.textContent === 'Show 3 newer'")
        after = self.shown_recent()
        assert [row[0] for row in after] == [row[0] for row in before]
        self.browser.wait("return document.querySelector(`#recent tr[data-key=\"${arguments[0]}\"] "
                          "[data-field=offence_fine_pence]`).textContent === '£42.42'", key)
        with open(os.path.join(self.broker.dir, "deleted.ndjson"), "w") as file:
            file.write(json.dumps({"agency": "hse", "regulator_id": before[5][0].split(":")[1]}))
        self.broker.publish("--deleted", file.name)
        self.browser.wait("return document.querySelector(`#recent tr[data-key=\"${arguments[0]}\"] th`)"
                          ".textContent.includes('deleted')", before[5][0])
        self.screen("keep-still")
        self.browser.click("#newer")
        self.equal("recent", self.shown_recent, self.stored_recent)
        assert self.browser.execute("return document.querySelector('#keep').ariaPressed") == "true"
        self.browser.click("#keep")
        self.equal("recent", self.shown_recent, self.stored_recent)

    def cleared_for_this_viewer(self):
        self.equal("met", self.shown_met, lambda: self.stored_met("hse:long"))
        self.browser.click("#clear")
        assert self.shown_met() == []
        [record] = self.cases(1)
        self.report(record)
        key = "hse:" + record["regulator_id"]
        only = "const rows = [...document.querySelectorAll('#session-cases tbody tr')];" \
               "return rows.length === 1 && rows[0].dataset.key === arguments[0]"
        self.browser.wait(only, key)
        self.browser.reload()
        self.live()
        self.browser.wait(only, key)
        self.browser.click("#unclear")
        self.equal("met", self.shown_met, lambda: self.stored_met("hse:long"))

    def progress_is_shown(self):
        """Of a session that knows how many pages there are. Its time left is told by what is heard
        of it once it is a second old."""
        worker = self.worker("pages", "--max-pages", "10")
        row = '#sessions tr[data-key="hse:pages"] '

        def report(page):
            worker.report(*({**record, "source": {"page": page}} for record in self.cases(2)))

        def more_is_heard():
            report(5)
            return self.browser.execute("return document.querySelector(arguments[0]).textContent",
                                        row + "[data-field=left]") == "under 1 min"

        for page in range(1, 6):
            report(page)  # the fifth is at hand
        self.browser.wait("return document.querySelector(arguments[0])?.value === 4", row + "progress")
        casebus.await_("the time left", more_is_heard)
        [shown] = [row for row in self.browser.execute(ROWS, "sessions") if row["key"] == "hse:pages"]
        assert shown["progress"] == "page 4 of 10", shown
        assert shown["worker"].endswith(":%d" % worker.process.pid), shown
        text = self.dashboard.get("/")
        assert "page 4 of 10" in text and '<progress max="10" value="4"' in text
        worker.end()
        self.browser.wait("return !document.querySelector(arguments[0])", row)

    def stop_stops_the_worker(self):
        worker = self.worker("stopped", "--rate", "5")
        worker.report(*self.cases(300))
        row = '#sessions tr[data-key="hse:stopped"] '
        says = "return document.querySelector(arguments[0])?.textContent === arguments[1]"
        self.browser.wait(says, row + "button", "Stop")
        self.browser.click(row + "button")
        assert self.browser.execute(says, row + "button", "Really stop?")
        self.screen("stop")
        self.browser.wait(says, row + "button", "Stop")  # the question is withdrawn after a while
        assert worker.process.poll() is None
        self.browser.click(row + "button")
        self.browser.click(row + "button")
        worker.end(code=4)
        session = self.client.result("session.get", agency="hse", session_id="stopped")["session"]
        assert session["status"] == "stopped", session
        assert session["cases_found"] < 300, session
        self.browser.wait("return !document.querySelector(arguments[0])", row)
        self.equal("sessions", self.shown_sessions, self.stored_sessions)
        self.console()

    def quarantine_is_decided(self):
        self.browser.go(self.dashboard.url + "quarantine")
        self.live()
        there = self.cases(3)
        self.report(*there)
        self.report(*({**record, "offence_action_date": "2021-09-08",
                            "offender": {"name": "Somebody Else %d" % i}}
                           for i, record in enumerate(there)))
        self.browser.wait("return document.querySelectorAll('#quarantine > li').length === 3")
        self.screen("quarantine-open")
        assert self.browser.execute("return document.querySelectorAll('#quarantine header time').length") == 3
        items = self.client.result("quarantine.list", limit=10)["rows"]
        number = {row["id"]: row["quarantine"] for row in items}
        ids = ["hse:" + record["regulator_id"] for record in there]
        item = ['#quarantine > li[data-key="%d"] ' % number[one] for one in ids]
        differs = self.browser.execute(
            "return [...document.querySelectorAll(arguments[0])].map((row) => row.textContent)",
            item[0] + "tr.differs")
        assert len(differs) == 2, differs

        self.browser.click(item[0] + "[data-decision=accept]")
        self.browser.wait("return document.querySelectorAll('#quarantine > li').length === 2")
        self.browser.click(item[1] + "[data-decision=as]")
        said = self.browser.wait("return document.querySelector(arguments[0]).textContent",
                                 item[1] + ".outcome")
        assert said.startswith("Which case"), said
        self.browser.type(item[1] + "[name=as]", "hse:ACCEPTED/1")
        self.browser.click(item[1] + "[data-decision=as]")
        self.browser.wait("return document.querySelectorAll('#quarantine > li').length === 1")
        self.browser.click(item[2] + "[data-decision=reject]")
        self.browser.wait("return document.querySelectorAll('#quarantine > li').length === 0")
        names = [self.client.result("case.get", id=one)["case"]["offender"]["name"]
                 for one in [ids[0], "hse:ACCEPTED/1", ids[1], ids[2]]]
        assert names == ["Somebody Else 0", "Somebody Else 1", there[1]["offender"]["name"],
                         there[2]["offender"]["name"]], names
        self.console()

    def a_case_page_lives(self):
        [record] = self.cases(1)
        self.report(record)
        key = "hse:" + record["regulator_id"]
        self.browser.go(self.dashboard.url + "cases/" + key)
        self.live()
        self.report({**record, "offence_result": "Convicted"})
        self.browser.wait("return document.querySelector('#case').dataset.version === '2'")
        changes = self.browser.execute(
            "return [...document.querySelectorAll('#history .changes li')].map((row) => row.textContent)")
        assert any("Result" in words and "Convicted" in words for words in changes), changes
        assert self.browser.execute("return document.querySelector('#case .state').dataset.state") == "live"
        self.screen("case-open")
        self.console()

    def what_a_record_says_is_text(self):
        name = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
        self.report({"regulator_id": "</td><script>hacked=3</script>", "offender": {"name": name},
                          "offence_result": "<b>bold</b> & \"quoted\"",
                          "url": "https://register.example/?a=1&b=<script>",
                          "ext": {"url": "javascript:window.hacked = 4", "<u>key</u>": "<i>value</i>"}})
        key = "hse:</td><script>hacked=3</script>"
        path = "cases/" + urllib.parse.quote(key, safe="")
        for page in ("?session=hse:long", "cases?offender=" + urllib.parse.quote(name), path):
            self.browser.go(self.dashboard.url + page)
            self.browser.wait("return document.querySelector('main').textContent.includes(arguments[0])", name)
            if page != path:
                self.browser.wait("return document.querySelector('tr[data-key=\"' + CSS.escape(arguments[0]) + '\"]')", key)
            found = self.browser.execute("""
                return {hacked: window.hacked,
                        scripts: [...document.scripts].map((one) => one.src),
                        strange: document.querySelectorAll("main img, main b.x, main i, main u").length,
                        links: [...document.links].map((one) => one.protocol)};""")
            assert found["hacked"] is None and found["strange"] == 0, (page, found)
            assert len(found["scripts"]) == 1, (page, found)
            assert set(found["links"]) <= {"http:", "https:"}, (page, found)
        self.console()

    def by_keyboard(self):
        self.open("hse:long")
        for name in ("#clear", "#keep"):  # there once their lists are followed
            self.browser.wait("return !document.querySelector(arguments[0]).hidden", name)
        focus = """
            const at = document.activeElement, style = getComputedStyle(at);
            const box = at.getBoundingClientRect();
            return {tag: at.tagName, id: at.id, text: at.textContent.trim(), outline: style.outlineStyle,
                    width: parseFloat(style.outlineWidth), top: box.top, left: box.left};"""
        self.browser.press("Tab")
        at = self.browser.execute(focus)
        assert at["text"] == "Skip to the content" and at["top"] >= 0, at
        self.browser.press("Enter")
        assert self.browser.execute(focus)["id"] == "main"
        reached = []
        for _ in range(200):
            self.browser.press("Tab")
            at = self.browser.execute(focus)
            assert at["tag"] in ("A", "BUTTON", "SELECT", "INPUT", "SUMMARY", "DIV"), at
            assert at["outline"] != "none" and at["width"] >= 2, at
            reached.append(at["id"])
            if at["id"] == "keep":
                break
        assert {"session", "clear", "keep"} <= set(reached), reached
        self.browser.press("Space")
        assert self.browser.execute("return document.activeElement.ariaPressed") == "true"
        self.browser.press("Space")
        assert self.browser.execute("return document.activeElement.ariaPressed") == "false"

    def contrast_and_looks(self):
        """Every piece of text that is shown, in both schemes, has the contrast of WCAG AA."""
        [record] = self.cases(1)
        self.report(record, {**record, "offence_action_date": "2020-01-01",
                             "offender": {"name": "Another One"}})
        pages = {"live": "?session=hse:long", "cases": "cases", "quarantine": "quarantine",
                 "case": "cases/hse:B00000", "sessions": "sessions"}
        for name, path in pages.items():
            self.browser.go(self.dashboard.url + path)
            if name != "cases":
                self.live()
            for scheme in ("light", "dark"):
                self.browser.scheme(scheme)
                low = self.browser.execute(CONTRAST)
                assert low == [], (name, scheme, low)
                self.screen("%s-%s" % (name, scheme))
                if name == "live":
                    self.browser.execute("document.querySelector('#charts').scrollIntoView()")
                    self.screen("charts-%s" % scheme)
                    self.browser.execute("scrollTo(0, 0)")
            self.browser.scheme("light")
            for width in (320, 360, 800, 900):
                self.browser.size(width, 900, phone=width < 500)
                wide = self.browser.execute("return document.documentElement.scrollWidth")
                assert wide <= width, "%s is %d wide on %d" % (name, wide, width)
                self.screen("%s-%d" % (name, width))
            self.browser.cdp("Emulation.clearDeviceMetricsOverride")
        self.console()

    def long_words_widen_no_page(self):
        """Texts without a place to break, as long as they may be: no page is wider than it is shown, nor any part of
        one where rows are cards (elsewhere a table may have its own way sideways)."""
        long = {"regulator_id": "R" * 120, "offender": {"name": "W" * 500}, "offence_action_date": "2024-01-01",
                "offence_result": "x" * 1000, "related_cases": ["hse:" + "z" * 128], "ext": {"k" * 120: "v" * 300},
                "offences": [{"number": 1, "description": "d" * 3000, "legislation": "l" * 2000, "result": "r" * 1000}]}
        publisher = Publisher(self.broker)
        publisher.start("S" * 128, worker="w" * 128, database="d" * 128)
        for record in (long, {**long, "offender": {"name": "Q" * 500}, "offence_action_date": "2020-01-01"}):
            publisher.send("case:scraped:hse:%s:" % long["regulator_id"], record, "S" * 128)
        casebus.await_("it is in quarantine", lambda: [row for row in self.client.result("quarantine.list")["rows"] if "RRR" in row["id"]])
        for path in ("?session=hse:" + "S" * 128, "cases", "cases/hse:" + "R" * 120, "sessions", "sessions/hse/" + "S" * 128,
                     "quarantine", "offenders?agency=hse&name=" + "W" * 500):
            for width in (320, 900):
                self.browser.size(width, 900, phone=width < 500)
                self.browser.go(self.dashboard.url + path)
                wide = self.browser.execute("return document.documentElement.scrollWidth")
                parts = self.browser.execute("return [...document.querySelectorAll('.panel')].filter((part) => "
                                             "part.scrollWidth > part.clientWidth + 1).map((part) => part.innerHTML.slice(0, 200))")
                assert wide <= width and (width == 900 or parts == []), (path, width, wide, parts)
        self.browser.cdp("Emulation.clearDeviceMetricsOverride")
        publisher.end("S" * 128)
        publisher.close()

    def names_of_agencies_fit(self):
        """However long: none begins left of its chart."""
        publisher = Publisher(self.broker)
        for code in ("natural_resources_wales", "environment_agency_north_midland"):
            publisher.send("case:scraped:%s:1:" % code, {"offender": {"name": "Acme Ltd"}})
        casebus.await_("its agency", lambda: len(self.client.result("agency.list")["rows"]) >= 3)
        self.browser.go(self.dashboard.url)
        left = self.browser.execute("const chart = [...document.querySelectorAll('svg.chart')].at(-1), edge = chart.getBoundingClientRect();"
                                    "return [...chart.querySelectorAll('text')].map((one) => one.getBoundingClientRect().left - edge.left)")
        assert len(left) >= 6 and min(left) >= 0, left
        publisher.close()

    def markup_is_sound(self):
        for path in ("", "?session=hse:long", "cases", "cases?offender=browser", "cases/hse:B00000",
                     "sessions", "sessions/hse/long", "quarantine", "cases/hse:nothing",
                     "offenders?agency=hse&name=Browser%20Trial%200%20Ltd", "nothing/here"):
            status, _, text = self.dashboard.request("GET", "/" + path)
            assert status in (200, 404), (path, status)
            assert check_html(text) == [], (path, check_html(text))

    def run(self, tests):
        try:
            casebus.main(tests)
        except SystemExit as done:
            return done.code
        finally:
            for worker in self.workers:
                if worker.process.poll() is None:
                    worker.process.kill()
                    worker.process.wait()


def main():
    with casebus.Broker(ipc=True) as broker, Dashboard(broker, "--ring", str(RING),
                                                         "--allow-host", "127.0.0.1") as dashboard, \
            Browser() as browser:
        trial = Trial(broker, dashboard, browser)
        tests = [trial.opened_in_the_middle_of_a_scrape, trial.rows_without_a_script,
                 trial.created_synced_and_corrected_is_one_row, trial.the_51st_case_pushes_out_the_oldest]
        if sys.argv[1:] == ["frozen"]:
            tests += [trial.frozen_for_ten_minutes]
        else:
            tests += [trial.reload, trial.broker_restart, trial.dashboard_restart,
                      trial.frozen_past_the_ring, trial.cut_off_past_the_ring, trial.keep_still,
                      trial.cleared_for_this_viewer, trial.progress_is_shown, trial.stop_stops_the_worker,
                      trial.quarantine_is_decided, trial.a_case_page_lives,
                      trial.what_a_record_says_is_text, trial.by_keyboard,
                      trial.contrast_and_looks, trial.long_words_widen_no_page, trial.names_of_agencies_fit,
                      trial.markup_is_sound]
        code = trial.run(tests)
    sys.exit(code)


if __name__ == "__main__":
    main()
