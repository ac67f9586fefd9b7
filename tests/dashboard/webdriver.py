"""A small WebDriver client: a real Chromium, headless, through chromedriver, with nothing but the
standard library. Only what the browser tests need."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which the standard names elements


class Browser:
    """One browser, with one tab until there are more. Positions, waits and reading go through execute(), which runs
    JavaScript in the page and gives back its result."""

    def __init__(self, width=1440, height=1000, args=(), insecure=False):
        """`insecure`: any certificate will do."""
        self.profile = tempfile.mkdtemp(prefix="casebus-browser-")
        self.base = "http://127.0.0.1:%d" % self._start()
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--no-first-run", "--disable-background-networking", "--disable-extensions",
                            "--lang=en-GB", "--window-size=%d,%d" % (width, height),
                            "--user-data-dir=" + self.profile, *args]}
        reply = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "acceptInsecureCerts": insecure,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += "/session/" + reply["sessionId"]
        self._call("POST", "/timeouts", {"script": 30000, "pageLoad": 30000})

    def _start(self):
        """Its port. It chooses one that is free for one family of addresses and gives up where another
        program has it for the other, so it is started again."""
        for _ in range(5):
            self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                           stderr=subprocess.DEVNULL, text=True, start_new_session=True)
            said = []
            for line in self.driver.stdout:
                said.append(line)
                found = re.search(r"started successfully on port (\d+)", line)
                if found:
                    return int(found.group(1))
            self.driver.wait()
        raise AssertionError("chromedriver did not start: " + "".join(said))

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise AssertionError("%s %s: %s: %s" % (method, path, value["error"], value["message"])) from None

    def go(self, url):
        self._call("POST", "/url", {"url": url})

    def reload(self):
        self._call("POST", "/refresh", {})

    def url(self):
        return self._call("GET", "/url")

    def tab(self):
        """Another tab, behind the one that is shown; its name."""
        return self._call("POST", "/window/new", {"type": "tab"})["handle"]

    def shown_tab(self):
        return self._call("GET", "/window")

    def show_tab(self, name):
        """From here on everything is about this one."""
        self._call("POST", "/window", {"handle": name})
        self.cdp("Page.bringToFront")

    def close_tab(self):
        self._call("DELETE", "/window")

    def execute(self, script, *args):
        return self._call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def cdp(self, command, **params):
        """A command of the DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def cookies(self):
        """Of the page's site, those that no script can see too."""
        return self._call("GET", "/cookie")

    def plant(self, name, value, url):
        """A cookie, as somebody else may have put it there."""
        self.cdp("Network.setCookie", name=name, value=value, url=url, path="/", secure=True)

    def log(self):
        """What the browser's console has said since the last call: errors, refused loads, violations
        of the page's policy."""
        return self._call("POST", "/se/log", {"type": "browser"})

    def element(self, selector):
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def click(self, selector):
        """Once it is there to be clicked."""
        self.wait("return document.querySelector(arguments[0])?.checkVisibility()", selector,
                  what="%s can be clicked" % selector)
        self._call("POST", "/element/%s/click" % self.element(selector), {})

    def type(self, selector, words):
        self._call("POST", "/element/%s/value" % self.element(selector), {"text": words})

    def press(self, key):
        """A key for whatever has the focus; "Tab", "Enter", "ArrowDown" or a character."""
        code = {"Tab": "\ue004", "Enter": "\ue007", "Space": " ", "ArrowDown": "\ue015"}.get(key, key)
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]}]})

    def scheme(self, name):
        """"light" or "dark", as the reader's system would say; and no motion, so that colours are
        at once what they become."""
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def size(self, width, height, phone=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=phone)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", "/screenshot")))

    def wait(self, script, *args, timeout=20, what=None):
        """Until the script says something true; that."""
        end = time.monotonic() + timeout
        while True:
            value = self.execute(script, *args)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError("not within %d s: %s" % (timeout, what or script))
            time.sleep(0.05)

    def close(self):
        try:
            self._call("DELETE", "")
        except (AssertionError, OSError):
            pass
        try:
            os.killpg(self.driver.pid, signal.SIGKILL)  # and the browser, should it still be there
        except ProcessLookupError:
            pass
        self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
