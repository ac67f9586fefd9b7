"""Signing in with a real Chromium, through a real TLS proxy; and what another site's page, shown in the same browser,
can do to it."""
import atexit
import functools
import http.server
import os
import shutil
import sys
import tempfile
import threading

from browser import CONTRAST
from dashboard import Broker, Publisher, await_, main
from house import PASSWORD, House
from markup import check_html
from nginx import NAME, Nginx
from webdriver import Browser

# Everything a page of another site can try, with the reader's cookies; gives what came of each.
ATTACK = """
return (async () => {
const [base] = arguments, tried = {};
const attempt = async (name, options, path = "api/recent") => {
    tried[name] = await fetch(base + path, { credentials: "include", ...options })
        .then((reply) => reply.type === "opaque" ? "opaque" : "read", () => "refused");
};
const post = { method: "POST", mode: "no-cors", headers: { "Content-Type": "text/plain" }, body: "{}" };
await attempt("read", {});
await attempt("blind read", { mode: "no-cors" });
await attempt("json", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" },
              "api/sessions/hse/S1/stop");
await attempt("blind stop", post, "api/sessions/hse/S1/stop");
await attempt("blind logout", post, "logout");
tried.stream = await new Promise((told) => {
    const source = new EventSource(base + "events?view=recent", { withCredentials: true });
    source.onopen = source.onmessage = () => told("read");
    source.onerror = () => told("refused");
});
return tried;
})();
"""
FORM = """
document.body.innerHTML = `<form method="post" action="${arguments[0]}"><input name="name" value="eve"></form>`;
document.forms[0].submit();
"""
FRAME = """
return (async () => {
document.body.innerHTML = `<iframe src="${arguments[0]}"></iframe>`;
const frame = document.querySelector("iframe");
await new Promise((loaded) => { frame.onload = loaded; });
try { return frame.contentDocument === null ? "hidden" : frame.contentDocument.title; } catch { return "hidden"; }
})();
"""


class Site:
    """Another site: an empty page, under a name of its own."""

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="casebus-evil-")
        atexit.register(shutil.rmtree, folder, True)
        with open(os.path.join(folder, "index.html"), "w") as page:
            page.write("<!doctype html><title>evil</title><link rel=icon href='data:,'><body>")
        handler = functools.partial(Quiet, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = "http://evil.example:%d/" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Trial:
    def __init__(self, house, dashboard, proxy, browser):
        self.house, self.dashboard, self.proxy, self.browser = house, dashboard, proxy, browser
        self.site = Site()

    def cookies(self):
        return {one["name"]: one for one in self.browser.cookies()}

    def reads(self, words):
        self.browser.wait("return document.querySelector('main')?.innerText.includes(arguments[0])", words,
                          what="a page that reads: " + words)

    def at(self, path):
        self.browser.wait("return location.href === arguments[0] && document.readyState === 'complete'",
                          self.proxy.url + path, what="at /" + path)

    def fill(self, **fields):
        for name, words in fields.items():
            self.browser.type("input[name=%s]:not([type=hidden])" % name, words)
        self.browser.click("main button")

    def sign_in(self):
        self.browser.go(self.proxy.url + "login")
        self.fill(name="ann", password=PASSWORD)
        self.at("")

    def a_token_becomes_a_password(self):
        token = self.house.token("add", "ann", "--actor", "local")
        self.browser.go(self.proxy.url + "cases?agency=hse")
        self.at("login?next=%2Fcases%3Fagency%3Dhse")
        self.browser.click("a[href='/setup']")
        self.at("setup")
        self.fill(name="ann", token=token, password=PASSWORD, again=PASSWORD + "x")
        self.reads("not the same")
        assert PASSWORD not in self.browser.execute("return document.documentElement.outerHTML")
        self.browser.go(self.proxy.url + "setup")
        self.fill(name="ann", token=token, password=PASSWORD, again=PASSWORD)
        self.at("login")

    def the_password_signs_in(self):
        self.browser.go(self.proxy.url + "cases?agency=hse")
        self.browser.plant("__Host-casebus", "A" * 43, self.proxy.url)
        assert self.cookies()["__Host-casebus"]["value"] == "A" * 43
        self.fill(name="ann", password="wrong " + PASSWORD)
        self.reads("do not belong together")
        self.fill(password=PASSWORD)
        self.at("cases?agency=hse")
        cookie = self.cookies()["__Host-casebus"]
        assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict", cookie
        assert cookie["value"] != "A" * 43
        assert self.browser.execute("return document.cookie") == ""
        self.browser.go(self.proxy.url)
        self.browser.wait("""const words = [...document.querySelectorAll('.state[data-state]')];
            return words.length > 0 && words.every((one) => one.dataset.state === 'live');""", what="live")
        assert self.browser.execute("return document.querySelector('.person').innerText").startswith("ann")

    def another_site_does_nothing(self):
        self.browser.go(self.site.url)
        tried = self.browser.execute(ATTACK, self.proxy.url)
        assert len(tried) == 6 and set(tried.values()) == {"refused"}, tried
        for path in ("logout", "api/sessions/hse/S1/stop"):  # the browser did send them
            assert '"POST /%s HTTP/1.1" 403 ' % path in self.proxy.log(), "log: " + self.proxy.log()
        assert self.browser.execute(FRAME, self.proxy.url) == "hidden"
        for path in ("logout", "login", "setup"):
            self.browser.go(self.site.url)
            self.browser.execute(FORM, self.proxy.url + path)
            self.reads("only this server's own pages")
        self.browser.go(self.site.url)
        self.browser.execute("location.assign(arguments[0])", self.proxy.url + "cases")
        self.browser.wait("return location.pathname === '/login'")  # led there by others, nobody is known
        self.browser.go(self.proxy.url + "api/sessions")  # typed: still signed in, and nothing was stopped
        self.browser.wait("return document.body.innerText.includes(arguments[0])", '"session_id": "S1"')
        assert "stopping" not in self.browser.execute("return document.body.innerText")

    def another_name_gets_nothing(self):
        self.browser.go(self.proxy.url.replace(NAME, "evil.example") + "api/recent")
        self.browser.wait("return document.body.innerText.includes('bad_host')")

    def signing_out(self):
        self.browser.go(self.proxy.url)
        self.browser.click(".person button")
        self.at("login")
        assert "__Host-casebus" not in self.cookies()
        self.browser.go(self.proxy.url)
        self.at("login")

    def a_removed_person_is_shown_the_door(self):
        self.sign_in()
        self.browser.wait("return document.querySelector('.state[data-state=live]') !== null")
        self.house.user("remove", "ann")
        self.at("login?next=%2F")

    def looks(self):
        for path in ("login", "setup"):
            _, _, text = self.proxy.browser().request("GET", "/" + path)
            assert check_html(text) == [], (path, check_html(text))
            self.browser.go(self.proxy.url + path)
            for scheme in ("light", "dark"):
                self.browser.scheme(scheme)
                low = self.browser.execute(CONTRAST)
                assert low == [], (path, scheme, low)
            self.browser.size(360, 800, phone=True)
            assert self.browser.execute("return document.documentElement.scrollWidth") <= 360
            self.browser.cdp("Emulation.clearDeviceMetricsOverride")


def trial():
    house = House()
    with Broker() as broker, \
            house.dashboard(broker, "--behind-proxy", "127.0.0.1", "--allow-host", NAME) as dashboard, \
            Nginx(dashboard) as proxy, \
            Browser(args=["--host-resolver-rules=MAP *.example 127.0.0.1"], insecure=True) as browser:
        publisher = Publisher(broker)
        publisher.start("S1")
        await_("stored the session", lambda: broker.client().ask("session.get", agency="hse", session_id="S1").get("result"))
        one = Trial(house, dashboard, proxy, browser)
        try:
            main([one.a_token_becomes_a_password, one.the_password_signs_in, one.another_site_does_nothing,
                          one.another_name_gets_nothing, one.signing_out, one.a_removed_person_is_shown_the_door,
                          one.looks])
        except SystemExit as done:
            return done.code
        finally:
            publisher.close()


if __name__ == "__main__":
    sys.exit(trial())
