"""The pages as people use them all day: many tabs, Back, paper, other scripts; each test has a broker and a dashboard
of its own."""
from dashboard import await_, main
import live
from live import COUNT, house, worker_of
from webdriver import Browser

# Cells in which what the server renders is not what the script has made of the stream, but for instants.
DIFFER = """
const cells = (page) => [...page.querySelectorAll("[data-key] > [data-field]")].filter((cell) =>
    !cell.matches("[data-field$=at], [data-field=stop]")).map((cell) => `${cell.parentElement.dataset.key} ${cell.dataset.field}: ` +
    cell.textContent.replace(/\\s+/g, " ").trim());
return fetch(location.href).then((reply) => reply.text()).then((text) => {
    const server = cells(new DOMParser().parseFromString(text, "text/html")), script = cells(document);
    return [...script.filter((words) => !server.includes(words)), ...server.filter((words) => !script.includes(words))];
});"""


class Trial(live.Trial):
    def more_tabs_than_connections(self):
        """A browser has six to a server over HTTP/1.1: pages that are not seen hold none, and go on where they are seen."""
        with house(self.browser) as it:
            it.publisher.case(1)
            it.stored(1)
            it.open()
            first, others = self.browser.shown_tab(), []
            for _ in range(8):
                others.append(self.browser.tab())
                self.browser.show_tab(others[-1])
                it.open()
            await_("one stream", lambda: it.dashboard.json("/api/status")["dashboard"]["streams"] == 1)
            it.publisher.case(2)
            it.stored(2)
            for name in [*others[:2], first]:
                self.browser.show_tab(name)
                self.browser.wait("return document.querySelector('#recent tr[data-key=\"hse:2\"]') !== null", what="the new case")
                it.live("recent", it.head())
                assert self.browser.execute("return document.querySelector('#connection').hidden")
            for name in others:
                self.browser.show_tab(name)
                it.quiet()
                self.browser.close_tab()
            self.browser.show_tab(first)

    def what_has_ended_is_not_called_running(self):
        """Where a session is chosen from those there are."""
        says = "return [...document.querySelector('#session').options].find((one) => one.value === arguments[0])?.text === arguments[1]"
        with house(self.browser) as it, worker_of(it, "S1"), worker_of(it, "S2"):
            it.publisher.start("S1")
            it.publisher.start("S2")
            await_("both", lambda: len(it.client.result("session.list", status="active")["rows"]) == 2)
            it.open("?session=hse:S1", "sessions")
            for session in ("S1", "S2"):
                self.browser.wait(says, "hse:" + session, "hse:%s, running" % session)
                it.publisher.end(session)
            self.browser.wait(says, "hse:S2", "hse:S2, ended")
            self.browser.wait(says, "hse:S1", "hse:S1, completed")
            it.quiet()

    def a_form_says_what_is_listed(self):
        """Also where the reader comes back to its page, after he chose something else there."""
        with house(self.browser) as it, worker_of(it, "S1"), worker_of(it, "S2"):
            for session in ("S1", "S2"):
                it.publisher.start(session)
            it.publisher.case(1, "S1")
            it.stored(1)
            await_("both", lambda: len(it.client.result("session.list", status="active")["rows"]) == 2)
            for path, field, form, before in (("cases", "#f-agency", ".filters", ""),
                                              ("?session=hse:S1", "#session", ".choose", "hse:S1")):
                self.browser.go(it.dashboard.url + path)
                self.browser.execute("const field = document.querySelector(arguments[0]);"
                                     "field.value = [...field.options].find((one) => !one.selected).value", field)
                self.browser.click(form + " button")
                self.browser.wait("return !location.href.endsWith(arguments[0]) && document.readyState === 'complete'", path)
                assert self.browser.execute("return document.querySelector(arguments[0]).value", field) != before
                self.browser.execute("history.back()")
                self.browser.wait("return location.href.endsWith(arguments[0]) && document.readyState === 'complete'", path)
                self.browser.wait("return document.querySelector(arguments[0]).value === arguments[1]", field, before)
            it.quiet()

    def another_script_turns_nothing_around(self):
        """What was stands left of what is now, also where both are written from right to left; so does a name of its town."""
        left = "return [...document.querySelectorAll(arguments[0])].map((one) => one.getBoundingClientRect().left)"
        old, new = "\u05d0\u05d1\u05d2 \u05d3\u05d4", "\u05d5\u05d6\u05d7 \u05d8\u05d9"
        with house(self.browser) as it:
            it.publisher.case(1, offender={"name": old, "town": new}, offence_result=old)
            it.stored(1)
            it.edit(1, offence_result=new)
            await_("its change", lambda: it.client.result("case.get", id="hse:1")["case"]["version"] == 2)
            it.open("cases/hse%3A1", "case/hse%3A1")
            places = self.browser.execute(left, "#history .changes li :is(del, .arrow, ins)")
            assert len(places) == 3 and places == sorted(places), places
            it.open()
            places = self.browser.execute(left, "#recent [data-field=offender] > *")
            assert len(places) == 2 and places == sorted(places), places

    def paper_has_the_whole_list(self):
        with house(self.browser) as it:
            for number in range(100):
                it.publisher.case(number)
            it.stored(100)
            it.open()
            self.browser.cdp("Emulation.setEmulatedMedia", media="print")
            lists = self.browser.execute("return [...document.querySelectorAll('.scroll')].map((one) => "
                                         "one.scrollHeight - one.clientHeight)")
            self.browser.cdp("Emulation.setEmulatedMedia", media="")
            assert lists and max(lists) <= 1, lists

    def a_row_is_the_same_from_server_and_script(self):
        with house(self.browser) as it, worker_of(it, "S1"):
            it.publisher.start("S1", max_pages=1200, worker="w")
            for number in range(1100):
                it.publisher.case(number % 3, "S1", source={"page": 1000 + number % 3})
            done = await_("all", lambda: [row for row in it.client.result("session.list")["rows"] if row["cases_found"] == 1100
                                          and row["last_seen_at"] > row["started_at"] + 1000000])[0]
            assert done["status"] == "running", done
            it.publisher.end("S1")
            await_("its end", lambda: not it.client.result("session.list", status="active")["rows"])
            for path, view in (("?session=hse:S1", "recent"), ("sessions/hse/S1", "session/hse/S1")):
                it.open(path, view)
                self.browser.wait("return !document.querySelector('#clear').hidden")
                differ = self.browser.execute(DIFFER)
                assert differ == [], differ
            it.quiet()

    def enter_accepts_as(self):
        items = "#quarantine > li"
        with house(self.browser) as it:
            self.quarantined(it, 1)
            it.open("quarantine", "quarantine")
            self.browser.type(items + " [name=as]", "hse:another")
            self.browser.press("Enter")
            self.browser.wait(COUNT, items, 0)
            assert it.client.result("case.get", id="hse:another")["case"]["offender"]["name"] == "Other 0 Ltd"
            it.quiet()


def tests():
    with Browser() as browser:
        trial = Trial(browser)
        main([trial.more_tabs_than_connections,
              trial.what_has_ended_is_not_called_running,
              trial.a_form_says_what_is_listed,
              trial.another_script_turns_nothing_around,
              trial.paper_has_the_whole_list,
              trial.a_row_is_the_same_from_server_and_script,
              trial.enter_accepts_as])


if __name__ == "__main__":
    tests()
