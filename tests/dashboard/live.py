"""What the live pages make of the stream, in a real browser, where lists, stream and server meet: each test has a
broker and a dashboard of its own."""
import contextlib
import os
import threading

from dashboard import Broker, Dashboard, Publisher, await_, main
from webdriver import Browser

LIVE = """
const words = [...document.querySelectorAll(`.state[data-view="${arguments[0]}"][data-state=live]`)];
return words.some((one) => Number(one.textContent.match(/complete through #(\\d+)/)?.[1]) >= arguments[1]);"""
KEYS = "return [...document.querySelectorAll(arguments[0])].map((row) => row.dataset.key)"
COUNT = "return document.querySelectorAll(arguments[0]).length === arguments[1]"
TEXT = "return document.querySelector(arguments[0]).textContent"


class House:
    """A broker, a dashboard, and somebody who reports."""

    def __init__(self, broker, dashboard, publisher, browser):
        self.broker, self.dashboard, self.publisher, self.browser = broker, dashboard, publisher, browser
        self.client = broker.client()

    def stored(self, count):
        await_("%d cases" % count, lambda: self.client.result("broker.status")["store"]["cases"] == count)

    def head(self):
        return self.client.ask("heads")["seq"]

    def edit(self, number, **fields):
        """Corrects a case, without a session."""
        self.publisher.send("case:edited:hse:%d:" % number, fields)

    def conflict(self, number, name, **more):
        """A report under the id of a case with another offender."""
        self.publisher.send("case:scraped:hse:%d:" % number,
                            {"offender": {"name": name}, "offence_action_date": "2020-01-01", **more})

    def move_on(self):
        """Something happens that is no view's of a page; the new head."""
        before = self.head()
        self.publisher.send("case:scraped:ea:1:", {"offender": {"name": "Elsewhere Ltd"}})
        await_("the next event", lambda: self.head() > before)
        return self.head()

    def open(self, path="", view="recent"):
        """And waits until the view says that it is live, through all there is now."""
        head = self.head()
        self.browser.go(self.dashboard.url + path)
        self.live(view, head)

    def live(self, view, head):
        self.browser.wait(LIVE, view, head, what="%s is live through #%d" % (view, head))

    def keys(self, rows):
        return self.browser.execute(KEYS, rows)

    def quiet(self):
        """Nobody complained."""
        bad = [entry for entry in self.browser.log() if entry["level"] in ("SEVERE", "WARNING")]
        assert not bad, bad


@contextlib.contextmanager
def house(browser, *flags):
    browser.log()  # what it said before is another test's
    with Broker() as broker, Dashboard(broker, *flags) as dashboard:
        publisher = Publisher(broker)
        try:
            yield House(broker, dashboard, publisher, browser)
        finally:
            browser.go("about:blank")
            publisher.close()


@contextlib.contextmanager
def worker_of(house, session, **said):
    """Somebody who polls for a session, so that it is not lost."""
    done, publisher = threading.Event(), os.urandom(16)

    def poll():
        client = house.broker.client()
        while not done.is_set():
            client.result("publisher.confirm", publisher=publisher, after=0, wait_ms=200,
                          sessions=[{"agency": "hse", "session_id": session, **said}])

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Trial:
    def __init__(self, browser):
        self.browser = browser

    def a_list_is_taken_though_its_view_is_older(self):
        """The newest event is none of the view's, so what the page was rendered with is of later than what
        the stream begins with."""
        with house(self.browser) as it:
            it.publisher.start("S1")
            for number in range(3):
                it.publisher.case(number, "S1")
            it.stored(3)
            it.publisher.end("S1")
            await_("its end", lambda: not it.client.result("session.list", status="active")["rows"])
            views = ("recent", "session/hse/S1")
            with it.dashboard.stream(*views) as other:
                other.until_shown()
                head = it.move_on()
                other.until(lambda s: all(s.states.get(view, {}).get("through", 0) >= head for view in views),
                            "complete through the newest")
                it.open("?session=hse:S1", "session/hse/S1")
            self.browser.click("#clear")
            assert it.keys("#session-cases tbody tr") == []
            it.publisher.case(7, "S1")
            self.browser.wait(COUNT, "#session-cases tbody tr", 1)
            head = it.move_on()
            self.browser.reload()
            it.live("session/hse/S1", head)
            assert it.keys("#session-cases tbody tr") == ["hse:7"]
            it.quiet()

    def a_lost_session_can_be_stopped(self):
        with house(self.browser) as it:
            it.publisher.start("S1")
            await_("it is lost", lambda: it.client.result("session.list", status="lost")["rows"])
            with it.dashboard.stream("sessions") as other:
                other.until_shown()
                it.move_on()
                it.open(view="sessions")
            button = '#sessions tr[data-key="hse:S1"] button'
            assert self.browser.execute(TEXT, button) == "Stop"
            it.quiet()

    def quarantined(self, it, count):
        """Reports under the ids of as many cases."""
        for number in range(count):
            it.publisher.case(number, offence_action_date="2024-01-01")
        for number in range(count):
            it.conflict(number, "Other %d Ltd" % number)
        await_("in quarantine", lambda: len(it.client.result("quarantine.list", limit=100)["rows"]) == count)

    def quarantine_is_as_stored(self):
        """Items that stay show what is stored now, the 51st enters at its rank, and nobody who types is
        disturbed."""
        items = "#quarantine > li"
        with house(self.browser) as it:
            self.quarantined(it, 52)
            it.open("quarantine", "quarantine")
            first, last = it.keys(items)[0], it.keys(items)[-1]
            item = items + '[data-key="%s"] ' % last
            self.browser.type(item + "[name=as]", "hse:half")
            self.browser.click(items + '[data-key="%s"] [data-decision=reject]' % first)
            self.browser.execute("document.querySelector(arguments[0]).focus()", item + "[name=as]")
            stored = [str(row["quarantine"]) for row in it.client.result("quarantine.list", limit=50)["rows"]]
            self.browser.wait("return [...document.querySelectorAll('#quarantine > li')].map((one) => one.dataset.key).join() "
                              "=== arguments[0]", ",".join(stored), what="the newest 50, in their order")
            it.edit(2, offence_fine_pence=424200)
            self.browser.wait(TEXT + " === '£4,242.00'", item + "td[data-field=offence_fine_pence]")
            self.browser.press("x")
            assert self.browser.execute("return document.activeElement.value") == "hse:halfx"
            assert [stored[-2], stored[-1]] == it.keys(items)[-2:] and stored[-2] == last
            it.quiet()

    def a_further_page_of_quarantine_is_left_alone(self):
        items = "#quarantine > li"
        with house(self.browser) as it:
            self.quarantined(it, 53)
            it.open("quarantine", "quarantine")
            self.browser.go(self.browser.execute("return document.querySelector('a[rel=next]').href"))
            before = it.keys(items)
            assert len(before) == 3, before
            self.browser.type(items + " [name=as]", "hse:typed")
            with it.dashboard.stream("quarantine") as other:
                other.until_shown()
                it.conflict(0, "Another Ltd", offence_action_date="2019-01-01")
                other.until(lambda s: s.lists["quarantine"] > 1, "another report in quarantine")
            self.browser.wait("return document.readyState === 'complete'")
            assert it.keys(items) == before
            assert self.browser.execute("return document.activeElement.value") == "hse:typed"
            self.browser.click(items + " [data-decision=reject]")
            self.browser.wait(TEXT + " === 'Rejected.'", items + " .outcome")
            it.quiet()

    def a_deleted_case_comes_back(self):
        with house(self.browser) as it:
            it.publisher.case(1)
            it.stored(1)
            it.open("cases/hse%3A1", "case/hse%3A1")
            it.publisher.send("case:deleted:hse:1:")
            self.browser.wait("return document.querySelector('.problem')?.textContent === 'the case is deleted'")
            self.browser.wait(TEXT + ".trim().startsWith('deleted')", "#history tbody td")
            assert self.browser.execute(COUNT, "#history tbody tr", 2)
            assert it.dashboard.request("GET", "/cases/hse%3A1")[0] == 410
            it.publisher.case(1)
            self.browser.wait("return document.querySelector('#case').dataset.version === '3'")
            self.browser.wait("return document.querySelector('#case .state').dataset.state === 'live'")
            it.publisher.case(1, offence_result="Convicted")
            self.browser.wait("return document.querySelector('#case').textContent.includes('Convicted')")

    def keep_still_counts_what_is_newer(self):
        """Rows that enter because others left are older than those kept."""
        with house(self.browser) as it:
            for number in range(103):
                it.publisher.case(number)
            it.stored(103)
            it.open()
            self.browser.click("#keep")
            before = it.keys("#recent tbody tr")
            it.publisher.send("case:deleted:hse:50:")
            it.publisher.send("case:deleted:hse:51:")
            for number in (50, 51):
                self.browser.wait(TEXT + ".includes('deleted or redacted')", '#recent tr[data-key="hse:%d"]' % number)
            assert self.browser.execute("return document.querySelector('#newer').hidden")
            it.publisher.case(200)
            self.browser.wait(TEXT + " === 'Show 1 newer'", "#newer")
            it.publisher.case(51)  # again, and in its place
            self.browser.wait("return document.querySelector(arguments[0])?.textContent.includes('Acme 51 Ltd')",
                              '#recent tr[data-key="hse:51"]:not([data-gone])')
            assert it.keys("#recent tbody tr") == before
            it.quiet()

    def rows_pushed_out_of_what_is_kept_are_true(self):
        """Those of a redacted case are empty, the others have their values of now."""
        with house(self.browser) as it:
            for number in range(100):
                it.publisher.case(number)
            it.stored(100)
            it.open()
            self.browser.click("#keep")
            for number in range(200, 203):
                it.publisher.case(number)
            row = '#recent tr[data-key="hse:%d"][data-gone=past] '
            self.browser.wait("return document.querySelector(arguments[0]) !== null", row % 1)
            assert "Acme 1 Ltd" in self.browser.execute(TEXT, row % 1)
            it.publisher.send("case:redacted:hse:1:")
            it.edit(2, offence_fine_pence=4242)
            self.browser.wait("return document.querySelector(arguments[0])?.textContent === ''", row % 1 + "[data-field=offender]")
            self.browser.wait(TEXT + " === '£42.42'", row % 2 + "[data-field=offence_fine_pence]")
            assert "Acme 1 Ltd" not in self.browser.execute("return document.body.textContent")
            assert "Acme 0 Ltd" in self.browser.execute(TEXT, row % 0)
            it.quiet()

    def what_is_unseen_is_spelled_out(self):
        """By the script as by the server."""
        name, said = "Evil \u202edtL\u202c\U000e0041 \u00e9", "Evil \\u202edtL\\u202c\\ue0041 \u00e9"
        with house(self.browser) as it:
            it.publisher.start("S\u200e1")
            it.publisher.case(1, "S\u200e1", offender={"name": name, "town": "Leeds\u2066x"}, offence_result="fined \u0085\u2028")
            it.stored(1)
            page = it.dashboard.get("/?session=hse:S%E2%80%8E1")
            it.open("?session=hse:S%E2%80%8E1")
            for session in ("sessions", "session/hse/S%E2%80%8E1"):
                it.live(session, 1)
            for cell in ("#recent [data-field=offender] a", "#session-cases [data-field=offender]"):
                assert self.browser.execute(TEXT, cell) == said, self.browser.execute(TEXT, cell)
            for cell, words in (("#recent [data-field=offender] .minor", "Leeds\\u2066x"),
                                ("#recent [data-field=offence_result]", "fined \\x85\\u2028"),
                                ("#sessions [data-field=session] a", "hse:S\\u200e1")):
                assert self.browser.execute(TEXT, cell) == words and words in page, self.browser.execute(TEXT, cell)
            assert page.count(said) == 2, page
            assert self.browser.execute("return document.querySelector('.stop').ariaLabel") == "Stop hse:S\\u200e1"
            it.quiet()

    def focused(self, closest):
        """The key of the row or item that the focus is in."""
        return self.browser.execute("return document.activeElement.closest(arguments[0])?.dataset.key", closest)

    def said(self, words):
        self.browser.wait(TEXT + " === arguments[1]", "#announcer", words, what="it is said: " + words)

    def stopping_keeps_the_focus(self):
        with house(self.browser) as it, worker_of(it, "S1", stopping=True), worker_of(it, "S2"):
            it.publisher.start("S2")
            it.publisher.start("S1")
            await_("both", lambda: len(it.client.result("session.list", status="active")["rows"]) == 2)
            it.open(view="sessions")
            row = '#sessions tr[data-key="hse:S1"] '
            self.browser.execute("document.querySelector(arguments[0]).focus()", row + "button")
            self.browser.press("Enter")
            self.said("Really stop hse:S1? Press again")
            self.browser.press("Enter")
            self.said("hse:S1: asked to stop")
            self.browser.wait("return document.querySelector(arguments[0])?.textContent === 'stopping'", row + "[data-field=status]")
            assert self.focused("tr") == "hse:S1"
            it.publisher.end("S1")
            self.browser.wait(COUNT, row, 0)
            assert self.focused("tr") == "hse:S2"
            it.quiet()

    def deciding_hands_the_focus_on(self):
        items = "#quarantine > li"
        with house(self.browser) as it:
            self.quarantined(it, 3)
            it.open("quarantine", "quarantine")
            newest, other, oldest = it.keys(items)
            for key, decision, word, follows in ((newest, "reject", "Rejected", other), (oldest, "accept", "Accepted", other)):
                self.browser.execute("document.querySelector(arguments[0]).focus()",
                                     items + '[data-key="%s"] [data-decision=%s]' % (key, decision))
                self.browser.press("Enter")
                self.said("#%s: %s." % (key, word))
                self.browser.wait(COUNT, items + '[data-key="%s"]' % key, 0)
                assert self.focused("li") == follows, (self.focused("li"), follows)
            self.browser.click(items + " [data-decision=reject]")
            self.browser.wait(COUNT, items, 0)
            assert self.browser.execute("return document.activeElement.id") == "main"
            it.quiet()

    def a_session_is_chosen_by_its_button(self):
        """Arrow keys go through the sessions, and that alone leads nowhere."""
        with house(self.browser) as it:
            for session in ("S1", "S2", "S3"):
                it.publisher.start(session)
            await_("all", lambda: len(it.client.result("session.list", status="active")["rows"]) == 3)
            it.open(view="sessions")
            self.browser.execute("window.same = true; document.querySelector('#session').focus()")
            self.browser.press("ArrowDown")
            chosen = self.browser.execute("return document.querySelector('#session').value")
            self.browser.press("Tab")
            assert self.browser.execute("return window.same && document.activeElement.matches('.choose button')")
            self.browser.press("Enter")
            self.browser.wait("return new URLSearchParams(location.search).get('session') === arguments[0]", chosen)
            assert chosen != "hse:S3"

    def nothing_is_cleared_or_kept_before_it_is_followed(self):
        """No stream is left for this address: what needs one is not offered."""
        with house(self.browser, "--streams-per-address", 1) as it:
            it.publisher.start("S1")
            it.publisher.case(1, "S1")
            it.stored(1)
            with it.dashboard.stream("recent") as other:
                other.until_shown()
                self.browser.go(it.dashboard.url)
                self.browser.wait("return !document.querySelector('#connection').hidden")
                for name in ("#clear", "#keep"):
                    assert self.browser.execute("return document.querySelector(arguments[0]).hidden", name), name
            self.browser.wait("return !document.querySelector('#clear').hidden")
            self.browser.click("#clear")
            assert it.keys("#session-cases tbody tr") == []
            errors = [entry for entry in self.browser.log() if entry["source"] != "network"]
            assert not errors, errors

    def a_session_without_pages_has_no_page(self):
        with house(self.browser) as it, worker_of(it, "S1"):
            it.publisher.start("S1")
            await_("it", lambda: it.client.result("session.list", status="active")["rows"])
            it.open(view="sessions")
            assert self.browser.execute(TEXT, '#sessions [data-field=progress]') == ""
            it.quiet()

    def a_session_of_dots_has_an_address(self):
        """A browser would take its id out of a path."""
        with house(self.browser) as it, worker_of(it, ".."):
            it.publisher.start("..")
            it.publisher.case(1, "..")
            it.stored(1)
            link = it.dashboard.url + "?session=hse%3A.."
            assert 'href="/?session=hse%3A.."' in it.dashboard.get("/sessions")
            it.open("sessions", view="sessions")
            self.browser.click("#sessions [data-field=session] a")
            self.browser.wait("return location.href === arguments[0]", link)
            it.live("session/hse/..", 1)
            assert it.keys("#session-cases tbody tr") == ["hse:1"]
            it.quiet()


def tests():
    with Browser() as browser:
        trial = Trial(browser)
        main([trial.a_list_is_taken_though_its_view_is_older, trial.a_lost_session_can_be_stopped,
              trial.quarantine_is_as_stored, trial.a_further_page_of_quarantine_is_left_alone,
              trial.a_deleted_case_comes_back, trial.keep_still_counts_what_is_newer,
              trial.rows_pushed_out_of_what_is_kept_are_true, trial.what_is_unseen_is_spelled_out,
              trial.stopping_keeps_the_focus, trial.deciding_hands_the_focus_on,
              trial.a_session_is_chosen_by_its_button, trial.nothing_is_cleared_or_kept_before_it_is_followed,
              trial.a_session_without_pages_has_no_page, trial.a_session_of_dots_has_an_address])


if __name__ == "__main__":
    tests()
