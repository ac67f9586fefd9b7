"""A dashboard with accounts, and people who sign in."""
import atexit
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse

from dashboard import BIN, PATIENCE, Dashboard

PASSWORD = "correct horse battery"


class House:
    """An accounts file, with nobody in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="casebus-people-")
        atexit.register(shutil.rmtree, self.dir, True)
        self.file = os.path.join(self.dir, "accounts")
        with open(os.open(self.file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("casebus-accounts 1\n")

    def user(self, *command, code=0):
        done = subprocess.run([os.path.join(BIN, "casebus-ctl"), "user", *command, "--accounts", self.file],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (command, done.returncode, done.stderr)
        return done.stdout

    def token(self, *command):
        return json.loads(self.user(*command, "--json"))["token"]

    def dashboard(self, broker, *flags, **more):
        return Guarded(self, broker, "--accounts", self.file, *flags, **more)


class Guarded(Dashboard):
    def __init__(self, house, *arguments, **more):
        self.house = house
        super().__init__(*arguments, **more)

    def browser(self, address="127.0.0.1"):
        return Browser(self, address)

    def person(self, name, actor="local", address="127.0.0.1"):
        """Somebody with a new account, signed in."""
        token = self.house.token("add", name, "--actor", actor)
        browser = self.browser(address)
        browser.set_password(name, token, PASSWORD)
        browser.sign_in(name, PASSWORD)
        return browser


class Browser:
    """Cookies as a browser keeps them, from an address of its own."""
    scheme, cookie = "http", "casebus"

    def __init__(self, dashboard, address):
        self.dashboard, self.address = dashboard, address
        self.host = dashboard.host
        self.id = None
        self.set_cookie = None

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.dashboard.port, timeout=PATIENCE,
                                          source_address=(self.address, 0))

    def request(self, method, path, body=None, headers=None):
        """Status, headers, text; a cookie is kept and sent."""
        headers = {"Host": self.host, **(headers or {})}
        if self.id is not None:
            headers.setdefault("Cookie", "%s=%s" % (self.cookie, self.id))
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=headers)
            reply = connection.getresponse()
            status, fields, text = reply.status, reply.headers, reply.read().decode()
        finally:
            connection.close()
        self.keep(fields.get("Set-Cookie"))
        return status, fields, text

    def keep(self, cookie):
        if cookie is not None:
            self.set_cookie = cookie
            self.id = re.match(re.escape(self.cookie) + "=([^;]*);", cookie).group(1) or None

    def get(self, path, status=200, headers=None):
        got, fields, text = self.request("GET", path, headers=headers)
        assert got == status, "GET %s: %d, expected %d: %s" % (path, got, status, text[:300])
        return text

    def form(self, path, status, fields=None, headers=None):
        """Posts a form of one of the dashboard's pages; the headers of the answer, and its text."""
        headers = {"Origin": "%s://%s" % (self.scheme, self.host), **(headers or {}),
                   "Content-Type": "application/x-www-form-urlencoded"}
        got, fields, text = self.request("POST", path, urllib.parse.urlencode(fields or {}), headers)
        assert got == status, "POST %s: %d, expected %d: %s" % (path, got, status, text[:1500])
        return fields, text

    def set_password(self, name, token, password, status=303):
        return self.form("/setup", status, {"name": name, "token": token, "password": password, "again": password})

    def sign_in(self, name, password, status=303, **more):
        return self.form("/login", status, {"name": name, "password": password, **more})

    def stream(self, *views):
        return self.dashboard.stream(*views, cookie="%s=%s" % (self.cookie, self.id))
