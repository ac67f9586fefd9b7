"""People who sign in: nobody is served without, what ends a login, and what guessing, other sites, other
names and old cookies get."""
import concurrent.futures
import fcntl
import http.client
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import threading
import time

import msgpack
import zmq

from dashboard import BIN, PATIENCE, Broker, Dashboard, Publisher, await_, cpu_s, main
from house import PASSWORD, House
from nginx import NAME, Nginx

PAGES = ("/", "/cases", "/cases/hse%3A1", "/offenders?agency=hse&name=x", "/sessions", "/sessions/hse/S1",
         "/quarantine")
DATA = ("/cases.csv", "/static/app.js", "/api/recent", "/api/cases", "/api/cases/hse%3A1", "/api/offenders",
        "/api/agencies", "/api/sessions", "/api/sessions/hse/S1", "/api/sessions/hse/S1/cases", "/api/quarantine",
        "/api/status", "/events?view=recent")
DECISIONS = ("/api/sessions/hse/S1/stop", "/api/quarantine/1/accept", "/api/quarantine/1/reject")


def ours(browser):
    return {"Origin": "http://" + browser.host, "Content-Type": "application/json"}


def test_nobody_is_served_without():
    house = House()
    house.user("add", "ann")
    with Broker() as broker, house.dashboard(broker) as dash:
        stranger = dash.browser()
        for made_up in (None, "", "x", "A" * 43, "A" * 4000):
            stranger.id = made_up
            for path in PAGES:
                status, headers, text = stranger.request("GET", path)
                where = headers.get("Location", "")
                assert status == 303 and where.startswith("/login") and text == "", (path, status, where)
            for path in DATA:
                assert stranger.request("GET", path)[0] == 401, path
                if not path.startswith("/events"):
                    assert stranger.request("HEAD", path)[0] == 401, path
            for path in DECISIONS:
                assert stranger.request("POST", path, "{}", ours(stranger))[0] == 401, path
        stranger.id = None
        for path in ("/login", "/setup", "/static/style.css", "/static/icon.svg"):
            assert stranger.get(path)
        assert "next=%2Fcases%3Foffender%3Dacme" in stranger.request("GET", "/cases?offender=acme")[1]["Location"]


def test_a_token_sets_the_password_and_the_password_signs_in():
    house = House()
    token = house.token("add", "ann", "--actor", "local")
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.browser()
        ann.sign_in("ann", token, 403)  # it is not a password
        ann.set_password("ann", token[::-1], PASSWORD, 403)
        ann.set_password("ann", token, "short", 403)
        ann.form("/setup", 400, {"name": "ann", "token": token, "password": PASSWORD, "again": PASSWORD + "x"})
        headers, _ = ann.set_password("ann", token, PASSWORD)
        assert headers["Location"] == "/login" and ann.id is None
        ann.set_password("ann", token, PASSWORD, 403)  # once
        headers, text = ann.sign_in("ann", PASSWORD, next="/cases?offender=acme")
        assert headers["Location"] == "/cases?offender=acme" and text == ""
        assert re.fullmatch(r"casebus=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", ann.set_cookie), ann.set_cookie
        assert ">ann<" in ann.get("/")
        assert json.loads(ann.get("/api/recent"))["rows"] == []
        with open(house.file) as file:
            stored = file.read()
        assert token not in stored and PASSWORD not in stored and ann.id not in stored
        assert "argon2id" in stored and os.stat(house.file).st_mode & 0o777 == 0o600
        assert PASSWORD not in dash.read_log() and ann.id not in dash.read_log()


def test_the_id_is_a_new_one_at_each_login():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.person("ann")
        planted = "B" * 43
        victim = dash.browser()
        victim.id = planted
        victim.sign_in("ann", PASSWORD)
        assert victim.id not in (planted, ann.id)
        first = victim.id
        victim.sign_in("ann", PASSWORD)
        assert victim.id != first
        for old in (planted, first):
            thief = dash.browser()
            thief.id = old
            thief.get("/api/recent", 401)
        ann.get("/api/recent")


def test_a_password_may_have_1024_bytes():
    house, longest = House(), "\u00e9" * 512
    token = house.token("add", "ann", "--actor", "local")
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.browser()
        ann.set_password("ann", token, longest + "x", 403)
        ann.set_password("ann", token, longest)
        ann.sign_in("ann", longest)


def test_where_one_goes_on_is_here():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.person("ann")
        for where in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y",
                      "/ b", "\u00e9", ""):
            assert ann.sign_in("ann", PASSWORD, next=where)[0]["Location"] == "/", where


def over(browser, stream):
    """The stream has ended, and the id is nobody's."""
    while stream.take():
        pass
    browser.get("/api/recent", 401)
    assert browser.request("GET", "/")[0] == 303


def test_what_ends_a_login():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        people = {name: dash.person(name, address="127.0.0.%d" % number)
                  for number, name in enumerate(("ann", "ben", "cat"), 2)}
        streams = {name: one.stream("recent").until_shown() for name, one in people.items()}
        ann_too = dash.browser()
        ann_too.sign_in("ann", PASSWORD)
        kept = people["ann"].id
        people["ann"].form("/logout", 303)
        assert "Max-Age=0" in people["ann"].set_cookie and people["ann"].id is None
        people["ann"].id = kept
        over(people["ann"], streams["ann"])
        ann_too.get("/api/recent")  # her other browser
        for name, change in (("ben", "remove"), ("cat", "reset")):
            house.user(change, name)
            begun = time.monotonic()
            over(people[name], streams[name])
            assert time.monotonic() - begun < 3, name  # a second, on a machine that does other things
        dash.browser("127.0.0.8").sign_in("cat", PASSWORD, 403)
        with open(house.file, "a") as file:
            file.write("nonsense\n")
        await_("complained", lambda: "accounts stay as they were" in dash.read_log())
        ann_too.get("/api/recent")


class HeldBack:
    """A request of which the dashboard has the headers, and not yet the body."""

    def __init__(self, browser, method, path):
        self.socket = socket.create_connection((browser.dashboard.host.split(":")[0], browser.dashboard.port),
                                               timeout=PATIENCE)
        headers = {"Host": browser.host, "Cookie": "casebus=" + browser.id, "Content-Length": "2",
                   "Expect": "100-continue", **ours(browser)}
        lines = ["%s %s HTTP/1.1" % (method, path), *("%s: %s" % header for header in headers.items())]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.expect(b"HTTP/1.1 100 ")

    def expect(self, words):
        got = self.socket.recv(4096)
        assert got.startswith(words), got[:300]

    def finish(self):
        self.socket.sendall(b"{}")
        return self

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()


def test_a_login_that_ends_before_the_body_is_there_does_nothing():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.person("ann")
        with HeldBack(ann, "POST", "/api/sessions/hse/S1/stop") as stop:
            stop.finish().expect(b"HTTP/1.1 404 ")  # as it is answered to who is signed in
        with HeldBack(ann, "POST", "/api/sessions/hse/S1/stop") as stop, \
                HeldBack(ann, "GET", "/events?view=recent") as stream, HeldBack(ann, "GET", "/cases") as page:
            ann.form("/logout", 303)
            stop.finish().expect(b"HTTP/1.1 401 ")
            stream.finish().expect(b"HTTP/1.1 401 ")
            page.finish().expect(b"HTTP/1.1 303 ")


def test_a_file_that_could_not_be_read_is_read_later():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ann, ben = dash.person("ann"), dash.person("ben", address="127.0.0.2")
        kept = http.client.HTTPConnection("127.0.0.1", dash.port, timeout=PATIENCE)

        def ask_as_ben():  # on a connection that is there already
            kept.request("GET", "/api/recent", headers={"Host": dash.host, "Cookie": "casebus=" + ben.id})
            reply = kept.getresponse()
            reply.read()
            return reply.status

        assert ask_as_ben() == 200
        taken = set(map(int, os.listdir("/proc/%d/fd" % dash.process.pid)))
        room = next(number for number in range(len(taken) + 1) if number not in taken)
        limits = resource.prlimit(dash.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(dash.process.pid, resource.RLIMIT_NOFILE, (room, limits[1]))  # none can be opened
        house.user("remove", "ben")
        await_("complained", lambda: "accounts stay as they were" in dash.read_log())
        assert [ask_as_ben() for _ in range(3)] == [200] * 3  # each looks at the file again
        assert dash.read_log().count("accounts stay as they were") == 1, dash.read_log()
        resource.prlimit(dash.process.pid, resource.RLIMIT_NOFILE, limits)
        await_("signed out", lambda: ask_as_ben() == 401)
        ann.get("/api/recent")
        kept.close()


def test_each_trouble_of_the_file_is_complained_of_once():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.person("ann")

        def complaints():  # after it has looked again
            ann.get("/api/recent")
            return dash.read_log().count("accounts stay as they were")

        os.chmod(house.file, 0o640)
        assert [complaints() for _ in range(3)] == [1] * 3, dash.read_log()
        os.rename(house.file, house.file + ".away")  # while it may be looked at again at any time
        assert [complaints() for _ in range(3)] == [2] * 3, dash.read_log()
        os.rename(house.file + ".away", house.file)
        assert [complaints() for _ in range(3)] == [3] * 3, dash.read_log()


def test_a_login_ends_by_itself():
    house = House()
    with Broker() as broker, house.dashboard(broker, "--session-idle", 3, "--session-max", 6) as dash:
        ann = dash.person("ann")
        begun = time.monotonic()
        with ann.stream("recent") as stream:  # a page that nobody looks at does not keep it
            while stream.take():
                ann.request("GET", "/quarantine", headers={"Sec-Fetch-Mode": "cors"})
        assert 2 < time.monotonic() - begun < 20
        ann.get("/api/recent", 401)
        begun = time.monotonic()
        ann.sign_in("ann", PASSWORD)
        await_("reached the absolute limit", lambda: ann.request("GET", "/api/recent")[0] == 401)
        assert time.monotonic() - begun > 5


def wrong(dash, address, name):
    """One wrong password: status, words but for the name, what it cost in processor time."""
    browser = dash.browser(address)
    before = cpu_s(dash.process.pid)
    status, headers, text = browser.request(
        "POST", "/login", "name=%s&password=not+the+password" % name,
        {"Origin": "http://" + dash.host, "Content-Type": "application/x-www-form-urlencoded"})
    return status, headers, text.replace(name, "NAME"), cpu_s(dash.process.pid) - before


def test_guessing_is_slow_and_others_go_on():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ben, ann = dash.person("ben", address="127.0.0.9"), dash.person("ann", address="127.0.0.9")
        outcomes = [wrong(dash, "127.0.1.1", "ann") for _ in range(30)]
        assert [one[0] for one in outcomes] == [403] * 5 + [429] * 25, [one[0] for one in outcomes]
        assert 1 <= int(outcomes[-1][1]["Retry-After"]) <= 60
        ann.sign_in("ann", PASSWORD)  # from elsewhere she gets in
        # a hundred addresses: now the account is the limit, and other people's pages are served
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            guesses = [pool.submit(wrong, dash, "127.0.2.%d" % number, "ann") for number in range(1, 101)]
            times = []
            while not all(guess.done() for guess in guesses):
                begun = time.monotonic()
                ben.get("/api/recent")
                times.append(time.monotonic() - begun)
            statuses = [guess.result()[0] for guess in guesses]
        assert set(statuses) <= {403, 429, 503}, set(statuses)
        assert statuses.count(403) <= 10, statuses.count(403)
        assert statistics.median(times) < 0.5, statistics.median(times)
        dash.browser("127.0.0.9").sign_in("ben", PASSWORD)  # neither is another account
        assert "audit: login refused, account ann, address 127.0.2." in dash.read_log()


def test_what_was_not_wrong_is_not_counted():
    house = House()
    token = house.token("add", "new", "--actor", "local")
    with Broker() as broker, house.dashboard(broker) as dash:
        dash.person("ben", address="127.0.0.9")
        new = dash.browser("127.0.4.1")
        for _ in range(8):
            new.set_password("new", token, "short", 403)
        new.set_password("new", token, PASSWORD)
        # the account's tries are used up; that is no fault of the next address
        for number in range(2, 5):
            for _ in range(5):
                wrong(dash, "127.0.4.%d" % number, "new")
        statuses = [wrong(dash, "127.0.4.5", "new")[0] for _ in range(12)]
        assert statuses.count(429) >= 9, statuses
        dash.browser("127.0.4.5").sign_in("ben", PASSWORD)


def test_who_finds_all_places_taken_has_not_tried():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash, concurrent.futures.ThreadPoolExecutor(20) as pool:
        dash.person("ben", address="127.0.0.9")
        with open(house.file + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # whoever sets a password waits for it
            setups = [pool.submit(dash.browser("127.0.5.%d" % number).request, "POST", "/setup",
                                  "name=x%d&token=x&password=%s&again=%s" % (number, "x" * 12, "x" * 12),
                                  {"Origin": "http://" + dash.host,
                                   "Content-Type": "application/x-www-form-urlencoded"}) for number in range(1, 19)]
            await_("all places are taken", lambda: any(setup.done() for setup in setups))
            statuses = [wrong(dash, "127.0.5.100", "ben")[0] for _ in range(8)]
        assert statuses == [503] * 8, statuses
        assert {setup.result()[0] for setup in setups} <= {403, 503}
        dash.browser("127.0.5.100").sign_in("ben", PASSWORD)


def test_whether_a_password_was_stored_is_said_as_far_as_it_is_known():
    house = House()
    token = house.token("add", "ann", "--actor", "local")
    with Broker() as broker, house.dashboard(broker) as dash:
        ann = dash.browser()
        with open(house.file + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # as another program would hold it
            assert "was not stored" in ann.set_password("ann", token, PASSWORD, 503)[1]
        os.chmod(house.file, 0o640)
        assert "not certain" in ann.set_password("ann", token, PASSWORD, 503)[1]
        os.chmod(house.file, 0o600)
        ann.set_password("ann", token, PASSWORD)
        ann.sign_in("ann", PASSWORD)


def test_one_actor_does_not_have_all_views():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        ann, ben = dash.person("ann", actor="desk-hse"), dash.person("ben", actor="desk-ea", address="127.0.0.2")
        streams = [ann.stream(*("case/hse%%3A%d" % (8 * number + i) for i in range(8))) for number in range(16)]
        for stream in streams:
            stream.until(lambda s: s.status == 200, "was let in")
        refused_ = ann.stream("recent").until(lambda s: s.status is not None, "was answered")
        assert refused_.status == 503, refused_.status
        ben.stream("recent").until_shown()
        streams[0].close()

        def let_in():
            with ann.stream("recent") as stream:
                return stream.until(lambda s: s.status is not None, "was answered").status == 200

        await_("her idlest view has made room", let_in)
        for stream in streams:
            stream.close()


def test_an_unknown_name_is_answered_as_any():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        dash.person("ann", address="127.0.0.9")
        house.user("add", "new")  # waits for its set-up
        seen = {name: [wrong(dash, "127.0.3.%d" % number, name) for number in range(start, start + 7)]
                for name, start in (("ann", 1), ("eve", 11), ("new", 21))}
        assert len({one[0] for some in seen.values() for one in some}) == 1
        assert len({one[2] for some in seen.values() for one in some}) == 1
        cost = {name: sum(one[3] for one in some) for name, some in seen.items()}
        assert max(cost.values()) < 1.5 * min(cost.values()), cost
        assert cost["eve"] > 7 * 0.02, cost  # it is Argon2's


def test_other_sites_and_other_names_get_nothing():
    house = House()
    with Broker() as broker, house.dashboard(broker) as dash:
        publisher = Publisher(broker)
        publisher.start("S1")
        ann = dash.person("ann")
        await_("showed the session", lambda: json.loads(ann.get("/api/sessions"))["rows"])
        stop = "/api/sessions/hse/S1/stop"
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Sec-Fetch-Site": "same-site"}, {}, {"Origin": "http://localhost:%d" % dash.port}):
            status = ann.request("POST", stop, "{}", {"Content-Type": "application/json", **headers})[0]
            assert status == 403, (headers, status)
            form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
            for path in ("/login", "/setup", "/logout"):  # nobody is signed in as somebody else, or out
                assert ann.request("POST", path, "name=eve&password=x", form)[0] == 403, (path, headers)
        form = {"Origin": "http://" + dash.host, "Content-Type": "application/x-www-form-urlencoded"}
        assert ann.request("POST", stop, "", form)[0] == 415
        assert ann.request("POST", "/logout", "{}", ours(ann))[0] == 415
        assert ann.request("GET", "/logout")[0] == 405
        for host in ("evil.example", "evil.example:%d" % dash.port, "127.0.0.1.evil.example"):
            for path in ("/", "/api/recent", "/events?view=recent", "/login"):
                assert ann.request("GET", path, headers={"Host": host})[0] == 421, (path, host)
        status, headers, _ = ann.request("GET", "/api/recent", headers={"Origin": "http://evil.example"})
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert json.loads(ann.get("/api/sessions"))["rows"][0]["status"] in ("running", "lost")
        assert ann.request("POST", stop, "{}", ours(ann))[0] == 200
        publisher.close()


class Relay:
    """Between a dashboard and its broker: passes all requests on and keeps them."""

    def __init__(self, broker):
        self.front, self.back = (zmq.Context.instance().socket(kind) for kind in (zmq.ROUTER, zmq.DEALER))
        self.query = "tcp://127.0.0.1:%d" % self.front.bind_to_random_port("tcp://127.0.0.1")
        self.back.connect(broker.query)
        self.seen = []
        self.answers = threading.Event()  # cleared: replies are held back
        self.answers.set()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        poller = zmq.Poller()
        poller.register(self.front, zmq.POLLIN)
        poller.register(self.back, zmq.POLLIN)
        while not self.ending.is_set():
            ready = dict(poller.poll(100))
            if self.front in ready:
                frames = self.front.recv_multipart()
                self.seen.append(msgpack.unpackb(frames[-1]))
                self.back.send_multipart(frames)
            if self.back in ready and self.answers.wait(PATIENCE):
                self.front.send_multipart(self.back.recv_multipart())

    def asked(self, begin=0):
        return {(request["op"], request.get("on_behalf")) for request in self.seen[begin:]}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ending.set()
        self.thread.join()
        self.front.close(0)
        self.back.close(0)


def test_what_was_done_is_said_though_the_login_has_ended_since():
    house = House()
    with Broker() as broker, Relay(broker) as relay, house.dashboard(broker, query=relay.query) as dash, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        ann = dash.person("ann")
        relay.answers.clear()
        stop = pool.submit(ann.request, "POST", "/api/sessions/hse/S1/stop", "{}", ours(ann))
        try:
            await_("asked", lambda: any(op == "session.stop" for op, _ in relay.asked()))
            ann.form("/logout", 303)
        finally:
            relay.answers.set()
        assert stop.result()[0] == 404, stop.result()  # as the broker has it


def test_each_request_is_on_behalf_of_who_asks():
    house = House()
    views = ("recent", "sessions", "session/hse/S1", "case/hse%3A1", "quarantine")
    with Broker() as broker, Relay(broker) as relay, \
            house.dashboard(broker, query=relay.query) as dash:
        ann, ben = dash.person("ann", actor="desk-hse"), dash.person("ben", actor="desk-ea")
        begin = len(relay.seen)
        for path in PAGES + tuple(path for path in DATA if not path.startswith(("/static", "/events"))):
            ann.request("GET", path)
        for path in DECISIONS:
            ann.request("POST", path, "{}", ours(ann))
        pages = relay.asked(begin)
        assert {actor for _, actor in pages} == {"desk-hse"}, pages
        assert len(pages) >= 13, pages  # each operation the dashboard has
        # the same views, for two actors: nothing that one of them got is shown to the other
        begin = len(relay.seen)
        asked = {"case.recent", "session.list", "session.cases", "session.get", "case.get", "quarantine.list"}
        wanted = {(op, actor) for op in asked for actor in ("desk-hse", "desk-ea")}
        with ann.stream(*views), ben.stream(*views):
            await_("asked for both", lambda: wanted <= relay.asked(begin))
        assert {(op, actor) for op, actor in relay.asked(begin) if op != "heads"} == wanted


def test_behind_a_proxy():
    house = House()
    with Broker() as broker, \
            house.dashboard(broker, "--behind-proxy", "127.0.0.1", "--allow-host", NAME) as dash, Nginx(dash) as proxy:
        token = house.token("add", "ann", "--actor", "local")
        ann = proxy.browser("127.0.0.7")
        ann.set_password("ann", token, PASSWORD)
        ann.sign_in("ann", PASSWORD)
        assert re.fullmatch(r"__Host-casebus=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Secure",
                            ann.set_cookie), ann.set_cookie
        assert ">ann<" in ann.get("/")
        assert "audit: login, account ann, address 127.0.0.7\n" in dash.read_log()
        # the name of the cookie is the one for TLS, and the page must have come over TLS, too
        ann.get("/api/recent", 401, {"Cookie": "casebus=" + ann.id})
        ann.form("/logout", 403, headers={"Origin": "http://" + ann.host})
        ann.get("/", 421, {"Host": "evil.example"})
        # what a browser says of its address is not believed; the proxy's word is, and tries are counted by it
        liar = proxy.browser("127.0.0.8")
        lies = ["192.0.2.%d" % number for number in range(8)]
        got = [liar.request("POST", "/login", "name=ann&password=x", {
            "Origin": "https://" + liar.host, "X-Forwarded-For": lie, "X-Forwarded-Proto": "https",
            "Content-Type": "application/x-www-form-urlencoded"})[0] for lie in lies]
        assert got == [403] * 5 + [429] * 3, got
        ann.sign_in("ann", PASSWORD)
        # not over TLS, or past the proxy: nothing
        plain = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=PATIENCE)
        plain.request("GET", "/login", headers={"Host": NAME})
        reply = plain.getresponse()
        assert reply.status == 403 and b"TLS" in reply.read()
        plain.close()
        dash.get("/login", 403)
        assert "X-Forwarded-For" in dash.get("/login", 403, {"X-Forwarded-Proto": "https"})


def other_address():
    """One of this machine's that is not loopback; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # sends nothing
            return one.getsockname()[0]
        except OSError:
            return None


def test_beyond_loopback_only_the_proxy_is_served():
    address, house = other_address(), House()
    if address is None:
        print("      this machine has loopback only")
        return
    command = [os.path.join(BIN, "casebus-dashboard"), "--http", "0.0.0.0:0", "--behind-proxy", "127.0.0.1",
               "--allow-host", NAME, "--accounts", house.file, "--query", "ipc:///nowhere", "--fanout", "ipc:///nowhere"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(re.search(r":(\d+)/", process.stdout.readline()).group(1))
        for proto in ({}, {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}):
            straight = http.client.HTTPConnection(address, port, timeout=PATIENCE)
            straight.request("GET", "/login", headers={"Host": NAME, **proto})
            reply = straight.getresponse()
            assert reply.status == 403 and b"its proxy only" in reply.read(), reply.status
            straight.close()
        process.terminate()
        assert process.wait(timeout=30) == 0


def refused(*flags):
    done = subprocess.run([os.path.join(BIN, "casebus-dashboard"), *flags], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_what_it_does_not_start_with():
    house = House()
    house.user("add", "ann")
    accounts = ("--accounts", house.file)
    for flags in ((), accounts):
        code, words = refused("--http", "0.0.0.0:0", *flags)
        assert code == 2 and "--behind-proxy" in words and "--accounts" in words, (code, words)
    code, words = refused("--http", "0.0.0.0:0", "--behind-proxy", "127.0.0.1")
    assert code == 2 and "--accounts" in words, (code, words)
    code, words = refused("--http", "127.0.0.1:0", "--behind-proxy", "proxy.example", *accounts)
    assert code == 2 and "not an IP address" in words, (code, words)
    os.chmod(house.file, 0o640)
    code, words = refused("--http", "127.0.0.1:0", *accounts)
    assert code == 1 and "chmod 600" in words, (code, words)
    code, words = refused("--http", "127.0.0.1:0", "--accounts", house.file + "-none")
    assert code == 1 and "No such file" in words, (code, words)


def test_without_accounts_there_is_no_door():
    with Broker() as broker, Dashboard(broker) as dash:
        dash.get("/api/recent")
        dash.get("/login", 404)
        status, headers, _ = dash.request("POST", "/login", "name=x&password=y", {
            "Origin": "http://" + dash.host, "Content-Type": "application/x-www-form-urlencoded"})
        assert status == 404 and "Set-Cookie" not in headers
        assert "Sign out" not in dash.get("/")


if __name__ == "__main__":
    main([test_nobody_is_served_without, test_a_token_sets_the_password_and_the_password_signs_in,
          test_the_id_is_a_new_one_at_each_login, test_a_password_may_have_1024_bytes,
          test_where_one_goes_on_is_here, test_what_ends_a_login,
          test_a_login_that_ends_before_the_body_is_there_does_nothing,
          test_a_file_that_could_not_be_read_is_read_later,
          test_each_trouble_of_the_file_is_complained_of_once,
          test_a_login_ends_by_itself,
          test_guessing_is_slow_and_others_go_on, test_what_was_not_wrong_is_not_counted,
          test_who_finds_all_places_taken_has_not_tried,
          test_whether_a_password_was_stored_is_said_as_far_as_it_is_known,
          test_one_actor_does_not_have_all_views,
          test_an_unknown_name_is_answered_as_any, test_other_sites_and_other_names_get_nothing,
          test_what_was_done_is_said_though_the_login_has_ended_since,
          test_each_request_is_on_behalf_of_who_asks, test_behind_a_proxy,
          test_beyond_loopback_only_the_proxy_is_served, test_what_it_does_not_start_with,
          test_without_accounts_there_is_no_door])
