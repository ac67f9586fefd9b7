"""What browsers, and those who are none, may ask of a dashboard: hosts, sites, methods, bodies, hostile text,
sizes, slowness; and that JSON and CSV say what the store says."""
import concurrent.futures
import csv
import html
import io
import json
import os
import re
import signal
import socket
import subprocess
import time

from dashboard import BIN, DATA, SRC, Broker, Dashboard, Publisher, await_, main, quote

SCRIPT = "<script>alert('x')</script> \"& Sons\u202e\u200b Ltd"


def records(broker, *rows, flags=()):
    path = os.path.join(broker.dir, "rows.ndjson")
    with open(path, "w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
    return broker.publish(*flags, path)


def a_case(number, **more):
    return {"agency": "hse", "regulator_id": str(number), "offender": {"name": "Acme %d Ltd" % number},
            "offence_action_date": "2024-03-%02d" % (number % 28 + 1), "offence_fine_pence": number, **more}


def a_conflict(broker):
    """The number of an entry in quarantine."""
    records(broker, a_case(1, offender={"name": "Acme Ltd"}, offence_action_date="2024-03-01"))
    records(broker, a_case(1, offender={"name": "Another Ltd"}, offence_action_date="2021-01-01"))
    return broker.client().result("quarantine.list")["rows"][0]["quarantine"]


def test_hosts():
    with Broker() as broker, Dashboard(broker, "--allow-host", "cases.example") as dash:
        for host in (dash.host, "localhost:%d" % dash.port, "[::1]:%d" % dash.port, "cases.example",
                     "cases.example:8443", "LOCALHOST:%d" % dash.port):
            dash.get("/api/recent", headers={"Host": host})
        for host in ("evil.example", "127.0.0.1", "localhost", "localhost:1", "127.0.0.1.evil.example:%d" % dash.port,
                     "evil.example:%d" % dash.port, "", "cases.example.evil", "localhost:%d:1" % dash.port,
                     "cases.example:x", "x@localhost:%d" % dash.port):
            dash.get("/api/recent", 421, headers={"Host": host})
            dash.get("/events?view=recent", 421, headers={"Host": host})
        twice = dash.raw(("GET / HTTP/1.1\r\nHost: %s\r\nHost: evil.example\r\n\r\n" % dash.host).encode())
        assert twice.split()[1] in (b"421", b"400"), twice[:100]
        assert b" 200 " not in dash.raw(b"GET / HTTP/1.1\r\n\r\n")[:20]


def test_other_sites_change_nothing():
    with Broker() as broker, Dashboard(broker) as dash:
        path = "/api/quarantine/%d/accept" % a_conflict(broker)
        ours, typed = "http://" + dash.host, {"Content-Type": "application/json"}
        for headers, status in (
                (typed, 403),
                ({**typed, "Origin": "http://evil.example"}, 403),
                ({**typed, "Origin": "null"}, 403),
                ({**typed, "Origin": ours + ".evil.example"}, 403),
                ({**typed, "Sec-Fetch-Site": "cross-site"}, 403),
                ({**typed, "Sec-Fetch-Site": "same-site"}, 403),
                ({**typed, "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
                ({"Origin": ours}, 415),
                ({"Origin": ours, "Content-Type": "text/plain"}, 415),
                ({"Origin": ours, "Content-Type": "application/x-www-form-urlencoded"}, 415),
                ({"Origin": ours, "Content-Type": "application/jsonp"}, 415)):
            got, reply, text = dash.request("POST", path, "{}", headers)
            assert got == status, (headers, got, text)
            assert json.loads(text)["error"]["text"], text
            assert "Access-Control-Allow-Origin" not in reply
        assert len(broker.client().result("quarantine.list")["rows"]) == 1
        got, _, text = dash.request("POST", path, "{}", {"Sec-Fetch-Site": "same-origin",
                                                         "Content-Type": "application/json; charset=utf-8"})
        assert got == 200 and json.loads(text)["outcome"] == "updated", text
        assert not broker.client().result("quarantine.list")["rows"]


def test_bodies():
    with Broker() as broker, Dashboard(broker) as dash:
        number = a_conflict(broker)
        path = "/api/quarantine/%d/accept" % number
        ours = {"Origin": "http://" + dash.host, "Content-Type": "application/json"}
        for body, status in (("[]", 400), ("{", 400), ("nonsense", 400), ('{"as": 1}', 400), ('{"x": "y"}', 400),
                             ('{"as": "hse:1", "as": "hse:2"}', 400), ("\xff", 400), ("[" * 30000, 400),
                             ('{"as": "' + "x" * 100000 + '"}', 413)):
            got, _, text = dash.request("POST", path, body.encode("latin-1"), ours)
            assert got == status and "error" in json.loads(text), (body[:40], got, text)
        chunked = ("POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n" % (path, dash.host, dash.host)).encode()
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        answer = dash.raw(chunked + 1000 * chunk)
        assert b" 200 " not in answer[:20], answer[:100]
        assert len(broker.client().result("quarantine.list")["rows"]) == 1
        dash.post("/api/quarantine/x/accept", {}, 404)
        dash.post("/api/quarantine/99/accept", {}, 404)
        assert dash.post("/api/quarantine/%d/accept" % number, {"as": "hse:1-b"})["id"] == "hse:1-b"
        assert broker.client().result("case.get", id="hse:1-b")["case"]["offender"]["name"] == "Another Ltd"


def test_get_changes_nothing():
    with Broker() as broker, Dashboard(broker) as dash:
        number = a_conflict(broker)
        records(broker, a_case(2), flags=["--new-session"])
        session = broker.client().result("session.list")["rows"][0]
        at = "%s/%s" % (session["agency"], quote(session["session_id"]))
        before = broker.client().ask("heads")["seq"]
        for path in ("/api/quarantine/%d/accept" % number, "/api/quarantine/%d/reject" % number,
                     "/api/sessions/%s/stop" % at):
            for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
                got, headers, _ = dash.request(method, path)
                assert got == 405 and headers["Allow"] == "POST", (method, path, got)
        for path, allow in (("/cases", "GET, HEAD"), ("/api/recent", "GET, HEAD"), ("/events", "GET")):
            got, headers, _ = dash.request("PUT", path)
            assert got == 405 and headers["Allow"] == allow, (path, got, headers)
        assert dash.request("PUT", "/nothing")[0] == 404
        for path in ("/", "/cases", "/cases/hse%3A1", "/sessions", "/sessions/" + at, "/quarantine", "/cases.csv",
                     "/api/recent", "/api/sessions/" + at, "/api/sessions/%s/cases" % at, "/api/status"):
            dash.get(path)
            got, _, text = dash.request("HEAD", path)
            assert got == 200 and text == "", (path, got)
        assert dash.request("HEAD", "/events?view=recent")[0] == 405
        assert dash.request("POST", "/api/recent", "{}", {"Sec-Fetch-Site": "same-origin",
                                                          "Content-Type": "application/json"})[0] == 405
        assert broker.client().ask("heads")["seq"] == before


def test_headers():
    with Broker() as broker, Dashboard(broker) as dash:
        for path, status in (("/", 200), ("/api/recent", 200), ("/static/style.css", 200), ("/nothing", 404),
                             ("/api/nothing", 404)):
            got, headers, _ = dash.request("GET", path)
            assert got == status
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy and "*" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["Cache-Control"] == ("no-cache" if "static" in path else "no-store")
        tag = dash.request("GET", "/static/style.css")[1]["ETag"]
        assert dash.request("GET", "/static/style.css", headers={"If-None-Match": tag})[0] == 304
        for page in ("/", "/cases", "/sessions", "/quarantine"):
            text = dash.get(page)
            assert not re.search(r"<script(?![^>]*src=\"/static/)|<style|\sstyle=|\son[a-z]+=", text), page


def light(colour):
    """Relative luminance (WCAG 2)."""
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_bars_of_charts_stand_out():
    with Dashboard(fanout="tcp://127.0.0.1:1", query="tcp://127.0.0.1:1") as dash:
        schemes = re.findall(r":root \{(.*?)\}", dash.get("/static/style.css"), re.S)
        assert len(schemes) == 2
        for scheme in schemes:
            colours = dict(re.findall(r"--([\w-]+): (#\w{6})", scheme))
            bars = {name: colour for name, colour in colours.items() if name.startswith("bar-")}
            assert len(bars) == 6
            for name, colour in bars.items():
                one, other = sorted((light(colour), light(colours["panel"])), reverse=True)
                assert (one + 0.05) / (other + 0.05) >= 3, (name, colour)


def test_hostile_text():
    with Broker() as broker, Dashboard(broker) as dash:
        odd = "T/H/2005/257487 02\u202e<b>"
        record = a_case(1, regulator_id=odd, offender={"name": SCRIPT, "town": "\"><img src=x>"},
                        offence_breaches="one\ntwo </td><script>", url="https://example.org/?a=\"b\"&c='d'",
                        ext={"<i>": "</script>", "url": "javascript:alert(1)"})
        records(broker, record, flags=["--new-session"])
        records(broker, {**record, "offender": {"name": "Other" + SCRIPT}, "offence_action_date": "2001-01-01"})
        broker.client().result("agency.set", agency="hse", name=SCRIPT, base_url="https://example.org/?'\"<b>")
        session = broker.client().result("session.list")["rows"][0]
        pages = ["/", "/cases", "/cases/hse%3A" + quote(odd), "/quarantine",
                 "/sessions/hse/" + quote(session["session_id"]),
                 "/offenders?agency=hse&name=" + quote(SCRIPT),
                 "/cases?offender=" + quote(SCRIPT) + "&from=" + quote(SCRIPT), "/cases?id=" + quote(SCRIPT)]
        for page in pages:
            _, _, text = dash.request("GET", page)
            own = re.sub(r'<script type="module" src="/static/\w+\.js"></script>', "", text)
            assert "<script" not in own and "<img" not in own and "<b>" not in own.replace(
                "<b>Accept</b>", "").replace("<b>accept as</b>", "").replace("<b>reject</b>", ""), page
            assert "\u202e" not in text and "\u200b" not in text, page
            assert not re.search(r'href="(?!/|https?://|#)', text), page
        assert ">hse – &lt;script&gt;" in dash.get("/cases") and ">hse – &lt;script&gt;" in dash.get("/")
        assert "&lt;script&gt;" in dash.get("/") and "\\u202e" in dash.get("/")
        case = dash.get(pages[2])
        assert 'href="https://example.org/?a=&quot;b&quot;&amp;c=&#39;d&#39;"' in case
        assert "javascript:alert(1)" in case and 'href="javascript' not in case
        text = dash.get("/api/recent")
        assert "\u202e" not in text  # escaped in JSON, where an escape means the same
        assert json.loads(text)["rows"][0]["offender"]["name"] == SCRIPT
        stored = broker.client().result("case.get", id="hse:" + odd)["case"]
        assert dash.json("/api/cases/hse%3A" + quote(odd))["case"]["offender"] == stored["offender"]


def test_addresses():
    with Broker() as broker, Dashboard(broker) as dash:
        for odd in ("T/H/2005/257487/02", "4 5.6", "a+b", "%41", "x?y&z=#", "\u00e9"):
            records(broker, a_case(1, regulator_id=odd))
            assert dash.json("/api/cases/" + quote("hse:" + odd))["case"]["regulator_id"] == odd
            dash.get("/cases/" + quote("hse:" + odd))
        dash.get("/cases/hse:T/H/2005/257487/02", 404)  # slashes that are not encoded are slashes
        for path, status in (("/%", 400), ("/%4", 400), ("/%zz", 400), ("/cases/%00", 400), ("/cases/%ff", 400),
                             ("/cases/%ed%a0%80", 400), ("//", 404), ("/cases/", 404), ("/cases//", 404),
                             ("/static/..%2Fpages%2Findex.html", 404), ("/static/../main.c", 404),
                             ("/static/%2e%2e", 404), ("/a/b/c/d/e/f/g/h", 400), ("/cases?" + "a=b&" * 100, 400),
                             ("/cases/" + "x" * 5000, 400), ("/api/cases/x", 400), ("/cases?limit=x", 400),
                             ("/cases?limit=501", 400), ("/cases?next=zz", 400), ("/cases?agency=NO", 400)):
            got, _, text = dash.request("GET", path)
            assert got == status, (path[:60], got, text[:200])
        assert b" 400 " in dash.raw(("GET http://x/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
                                     % dash.host).encode())[:30]
        for junk in (b"\0" * 1000, b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", os.urandom(4096) + b"\r\n\r\n"):
            assert b" 200 " not in dash.raw(junk)[:20]
        dash.get("/")


def test_sizes():
    with Broker() as broker, Dashboard(broker) as dash:
        before = dash.memory_kib()
        head = ("GET / HTTP/1.1\r\nHost: %s\r\n" % dash.host).encode()
        many = head + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(10000)) + b"\r\n"
        one = head + b"X: " + b"y" * 10000000 + b"\r\n\r\n"
        target = b"GET /?" + b"y" * 10000000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for data in (many, one, target):
            assert b" 200 " not in dash.raw(data)[:20]
        assert dash.memory_kib() < before + 20000
        dash.get("/")


def be_slow():
    with Broker() as broker, Dashboard(broker) as dash:
        slow = [socket.create_connection(("127.0.0.1", dash.port)) for _ in range(100)]
        head = ("GET / HTTP/1.1\r\nHost: %s\r\nX: " % dash.host).encode()
        began, open_, sent = time.monotonic(), list(slow), 0
        while open_ and time.monotonic() < began + 25:
            for peer in list(open_):
                try:
                    peer.send(head[sent:sent + 1] or b"y")
                    peer.setblocking(False)
                    if peer.recv(1) == b"":
                        open_.remove(peer)
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    open_.remove(peer)
            sent += 1
            asked = time.monotonic()
            dash.get("/api/recent")
            assert time.monotonic() - asked < 2
            time.sleep(0.5)  # that is how slow they are
        assert not open_, "%d are still served" % len(open_)
        assert 8 < time.monotonic() - began < 20
        for peer in slow:
            peer.close()


def test_slowness():
    """Who sends a byte now and then is let go after ten seconds; the others are served meanwhile."""
    SLOWNESS.result(timeout=60)


def test_lists_are_the_stores():
    with Broker() as broker, Dashboard(broker) as dash:
        hostile = ["=1+1", "+x", "-x", "@x", "\tx", "a,b", 'say "x"', "two\nlines", " edge ", "\u00e9"]
        records(broker, *(a_case(i, case_reference=hostile[i % len(hostile)]) for i in range(1000)))
        rows, more = [], {}
        client = broker.client()
        while True:
            page = client.result("case.list", agency="hse", limit=500, **more)
            rows += page["rows"]
            if "next" not in page:
                break
            more = {"next": page["next"], "as_of": page["as_of"]}
        assert len(rows) == 1000
        got, headers, text = dash.request("GET", "/cases.csv?agency=hse")
        assert got == 200 and headers["Content-Type"].startswith("text/csv") and "attachment" in headers[
            "Content-Disposition"]
        assert text.startswith("\ufeffid,agency,"), text[:20]  # by which Excel knows UTF-8
        read = list(csv.DictReader(io.StringIO(text[1:], newline="")))
        assert [line["id"] for line in read] == [row["id"] for row in rows]
        for line, row in zip(read, rows):
            want = row["case_reference"]
            assert line["case_reference"] == ("'" + want if want[0] in "=+-@\t" else want), (line, want)
            assert line["offence_fine_pence"] == str(row["offence_fine_pence"])
            assert line["offender.name"] == row["offender"]["name"]
            assert line["version"] == str(row["version"])
        assert text.count("\r\n") == 1001
        # the same through JSON, page by page
        seen, page = [], dash.json("/api/cases?agency=hse&limit=300")
        seen += page["rows"]
        while "next" in page:
            page = dash.json("/api/cases?agency=hse&limit=300&as_of=%d&next=%s" % (page["as_of"], page["next"]))
            seen += page["rows"]
        assert seen == rows
        dated = dash.json("/api/cases?agency=hse&from=2024-03-05&to=2024-03-05&limit=500")["rows"]
        assert len(dated) == len([row for row in rows if row["offence_action_date"] == "2024-03-05"])
        line = dash.request("GET", "/cases.csv?agency=hse&from=2024-03-05&to=2024-03-05")[2]
        assert line.count("\r\n") == len(dated) + 1
        assert len(dash.json("/api/cases?offender=acme%20999")["rows"]) == 1
        assert dash.json("/api/offenders?agency=hse&name=acme%20999%20ltd")["rows"][0]["id"] == "hse:999"
        assert dash.json("/api/agencies")["rows"][0]["cases"] == 1000
        link = re.search(r'href="(/cases\.csv[^"]*)"', dash.get("/cases?agency=hse&from=2024-03-05&limit=7&odd=x"))
        dash.get(link.group(1).replace("&amp;", "&"))  # takes all that the link has
        assert "agency=hse" in link.group(1) and "from=2024-03-05" in link.group(1), link.group(1)
        for path, words in (("/cases?agency=hse", "50 cases on this page, as of #"), ("/cases?from=2024-03-05&to=2024-03-05", "36 cases, as of #"),
                            ("/cases?id=hse:999", "1 case, as of #")):
            assert words in dash.get(path), (path, words)
        page = dash.get("/cases?agency=hse&limit=500")
        page = dash.get(html.unescape(re.search(r'rel="next" href="([^"]+)"', page).group(1)))
        assert "500 cases on this page, as of #" in page and 'rel="next"' not in page
        assert "hse:999" in dash.get("/cases?id=hse:999") and "No case" in dash.get("/cases?offender=nobody")


def test_who_is_over_a_limit_gets_the_whole_file_later():
    with Broker() as broker:
        records(broker, *(a_case(i) for i in range(3000)))
        broker.stop()
        broker.flags += ["--actor-requests", "2"]
        broker.start()
        with Dashboard(broker) as dash:
            status, _, text = dash.request("GET", "/cases.csv")
        assert status == 200 and text.count("\r\n") == 3001, (status, text.count("\r\n"))
        assert re.search(r"limit=actor-requests .*op=case\.list", broker.read_log()), broker.read_log()


def test_arguments_of_the_api_are_known_ones():
    with Broker() as broker, Dashboard(broker) as dash:
        for path, field, said in (("/api/cases?agancy=hse", "agancy", "there are agency from to"),
                                  ("/cases.csv?agancy=hse", "agancy", "there are agency from to"),
                                  ("/cases.csv?limit=5", "limit", "there are agency from to"),
                                  ("/api/status?x", "x", "there is none"), ("/api/sessions?agency=hse&agency=ea", "agency", "twice"),
                                  ("/api/recent?limit=&limit=5", "limit", "twice"), ("/api/recent?%3Cb%3E=1", "<b>", "limit next as_of")):
            status, _, text = dash.request("GET", path)
            assert status == 400 and (said in text), (path, status, text)
            if path.startswith("/api"):
                error = json.loads(text)["error"]
                assert error["code"] == "bad_argument" and error["field"] == field, (path, error)
        status, _, text = dash.request("POST", "/api/quarantine/1/reject?as=hse%3A1",
                                       "{}", {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"})
        assert status == 400 and "there is none" in text, (status, text)


def test_the_text_and_the_routes_take_the_same_arguments():
    with open(os.path.join(SRC, "subscriber", "dashboard", "API.md")) as file:
        rows = re.findall(r"^\| `(/api/[^`]+)` \| ([^|]*)\|", file.read(), re.M)
    rows = [(path, words) for path, words in rows if not path.endswith(("stop", "accept", "reject"))]
    assert len(rows) == 10, rows
    with Dashboard(fanout="tcp://127.0.0.1:1", query="tcp://127.0.0.1:1") as dash:
        for path, words in rows:
            said = dash.json(path + "?unheard-of", 400)["error"]["text"].split("; there ")[1]
            taken = set(said.split()) - {"is", "none", "are"}
            assert taken == set(re.findall(r"`(\w+)`", words)), (path, said, words)


def test_everything_of_the_sample():
    """Every page of every case of the sample register can be made."""
    with Broker() as broker, Dashboard(broker) as dash:
        broker.publish("--new-session", os.path.join(DATA, "register.ndjson"))
        for sample in ("corrections", "colliding", "refused"):
            broker.publish("--new-session", os.path.join(DATA, sample + ".ndjson"), code=None)
        page = dash.json("/api/cases?limit=500")
        for row in page["rows"][::7]:
            text = dash.get("/cases/" + quote(row["id"]))
            assert quote(row["agency"]) in text and "{{" not in text
        for session in dash.json("/api/sessions")["rows"]:
            at = "/sessions/%s/%s" % (session["agency"], quote(session["session_id"]))
            assert "{{" not in dash.get(at)
            assert dash.json("/api" + at)["session"] == session
            met = dash.json("/api%s/cases" % at)["rows"]
            assert len(met) == min(50, session["cases_found"]) or session["errors_count"], (session, len(met))
        front = dash.get("/")
        assert front.count("<tr data-key=") >= 100 and "<svg" in front and "{{" not in front


def assert_says_nothing_of_what_is_there(page):
    for words in ("no scrape session yet", "No session is active", "has ended yet", "Nothing waits", "No case", "Nothing to show yet"):
        assert words not in page, (words, page)


def test_a_session_that_is_not_there_is_said():
    with Broker() as broker, Dashboard(broker) as dash:
        records(broker, a_case(1), flags=["--new-session"])
        assert "There is no such session." in dash.get("/?session=hse:none")
        assert "This names no session" in dash.get("/?session=x")
        for path in ("/?session=hse:none", "/?session=x"):
            assert "no scrape session yet" not in dash.get(path)
        assert "None has ended yet." not in dash.get("/sessions?status=lost")


def test_what_is_wrong_is_named_once():
    with Broker() as broker, Dashboard(broker) as dash:
        for path, field in (("/cases?from=x", "from"), ("/cases?agency=HSE", "agency"), ("/offenders?agency=hse", "name"),
                            ("/quarantine?agency=HSE", "agency"), ("/sessions?status=zz", "status"), ("/cases?next=zz", "next"),
                            ("/sessions?limit=9999", "limit"), ("/cases?limit=x", "limit"), ("/cases/hse", "id")):
            status, _, text = dash.request("GET", path)
            said = re.search(r'<p class="problem"[^>]*>(.*)</p>', text).group(1)
            assert status == 400 and said.startswith(field + ": ") and said.count(field + ":") == 1, (path, status, said)


def test_without_a_broker():
    with Dashboard(fanout="tcp://127.0.0.1:1", query="tcp://127.0.0.1:1") as dash:
        began = time.monotonic()
        assert "connecting" in dash.get("/")
        assert time.monotonic() - began < 5
        for path in ("/", "/cases", "/sessions", "/quarantine"):
            text = dash.request("GET", path)[2]
            assert "Not known when this page was loaded: the broker does not answer." in text, text
            assert_says_nothing_of_what_is_there(text)
        got, _, text = dash.request("GET", "/api/recent")
        assert got == 503 and json.loads(text)["error"]["code"] == "unreachable"
        with dash.stream("recent") as stream:
            stream.until(lambda s: s.states.get("recent", {}).get("state") == "stale" or
                         s.states.get("recent", {}).get("state") == "connecting", "a state")
        await_("it says so", lambda: "waiting for a broker at tcp://127.0.0.1:1" in dash.read_log())


def run(*args):
    return subprocess.run([os.path.join(BIN, "casebus-dashboard"), *args], capture_output=True, text=True, timeout=30)


def test_command_line():
    help_ = run("--help")
    assert help_.returncode == 0
    for flag in ("--http", "--fanout", "--query", "--allow-host", "--ring", "--streams", "--streams-per-address"):
        assert flag in help_.stdout
    assert run("--version").returncode == 0
    for args in (["--http", "0.0.0.0:0"], ["--http", "192.0.2.1:80"], ["--http", "example.org:80"], ["--http", "[::]:0"],
                 ["--http", "127.0.0.1"], ["--http", "127.0.0.1:x"], ["--http", "127.0.0.1:70000"], ["--ring", "0"],
                 ["--ring", "100000000"], ["--nonsense"], ["operand"], ["--query", "nonsense", "--http", "127.0.0.1:0"],
                 ["--allow-host", "a/b"]):
        done = run(*args)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, (args, done)
    for flag in ("--fanout", "--query"):
        assert flag + " foo: must be an endpoint" in run(flag, "foo").stderr
    with Dashboard(fanout="tcp://127.0.0.1:1", query="tcp://127.0.0.1:1") as dash:
        taken = run("--http", dash.host)
        assert taken.returncode == 3 and "taken" in taken.stderr, taken
        dash.process.send_signal(signal.SIGINT)
        assert dash.process.wait(timeout=10) == 0


def session_rows(page):
    """How many sessions are in the first table of the page, which is live, and in the second."""
    return [part.count("<tr data-key") for part in page.split('id="ended"')]


def test_history_is_whole_or_says_what_is_not_kept():
    """Page by page down to the floor; and so do the cases of a session."""
    with Broker("--retain-events", "400") as broker, Dashboard(broker) as dash:
        client, publisher = broker.client(), Publisher(broker)
        publisher.start("S1")
        for i in range(120):
            publisher.case(1, "S1", offence_result="r%d" % i)
        publisher.end("S1")
        await_("it has ended", lambda: client.ask("session.get", agency="hse", session_id="S1").get(
            "result", {}).get("session", {}).get("status") == "completed")
        path, seqs = "/cases/hse%3A1", []
        while path:
            page = dash.get(path)
            seqs += re.findall(r'<th scope="row" class="num">#(\d+)</th>', page)
            path = html.unescape(re.search(r'rel="next" href="([^"]+)"|$', page).group(1) or "")
            assert ("older events are on the next page" in page) == bool(path) and "not kept" not in page, page
        events = client.result("case.history", id="hse:1", limit=500)["events"]
        assert len(events) > 100 and seqs == [str(event["seq"]) for event in events], seqs
        assert "not kept" not in dash.get("/sessions/hse/S1")
        for i in range(500):
            publisher.case(1000 + i)
        floor = await_("all was trimmed", lambda: [floor for floor in [client.result("broker.status")["store"]["floor"]]
                                                   if floor > events[0]["seq"] + 10])[0]
        assert re.search(r"down to #\d+, older events are not kept", dash.get("/cases/hse%3A1"))
        assert re.search(r"What it met before #\d+ is not kept", dash.get("/sessions/hse/S1")), floor
        publisher.close()


def test_sessions_that_are_not_shown_are_said():
    """More are active than a list has room for, in front of one that has ended."""
    with Broker() as broker, Dashboard(broker) as dash:
        publisher = Publisher(broker)
        publisher.start("old")
        publisher.end("old")
        for i in range(120):
            publisher.start("run%03d" % i)
        await_("sessions", lambda: broker.client().result("broker.status")["store"]["sessions"] == 121)
        pages, path = [], "/sessions"
        while path:
            page = dash.get(path)
            pages.append(session_rows(page))
            assert "there are more than are shown" in page, page
            path = html.unescape(re.search(r'rel="next" href="([^"]+)"|$', page).group(1) or "")
            if not path and len(pages) == 1:
                path = re.search(r'href="(/sessions\?status=active)"', page).group(1)
        assert pages == [[100, 1], [100, 50], [100, 50], [100, 20]], pages
        assert "there are more than are shown" in dash.get("/")
        with dash.stream("sessions") as stream:
            stream.until_shown().until(lambda s: s.states.get("sessions", {}).get("state") == "live", "it is live")
            state = stream.states["sessions"]
            assert len(stream.order["sessions"]) == 100 and state["more"] and "there are more" in state["words"], state
            for i in range(30):
                publisher.end("run%03d" % i)
            stream.until(lambda s: len(s.order["sessions"]) == 90 and not s.states["sessions"]["more"], "all are shown")
            assert "there are more" not in stream.states["sessions"]["words"]
        assert "there are more than are shown" not in dash.get("/sessions")
        publisher.close()


def test_stop():
    """A session that is asked to stop over HTTP is stopping in the store."""
    with Broker() as broker, Dashboard(broker) as dash:
        dash.post("/api/sessions/hse/nobody/stop", {}, 404)
        rows = os.path.join(broker.dir, "rows.ndjson")
        os.mkfifo(rows)
        worker = broker.start_program("casebus-publish", "--new-session", rows)
        with open(rows, "w") as out:
            out.write(json.dumps(a_case(1)) + "\n")
            out.flush()
            session = await_("a session", lambda: dash.json("/api/sessions?status=running")["rows"])[0]
            at = "/api/sessions/%s/%s" % (session["agency"], quote(session["session_id"]))
            assert dash.post(at + "/stop", {})["session"]["status"] == "stopping"
            assert dash.json(at)["session"]["status"] == "stopping"
        worker.communicate(timeout=60)


if __name__ == "__main__":
    SLOWNESS = concurrent.futures.ThreadPoolExecutor(1).submit(be_slow)  # beside the others
    main([test_hosts, test_other_sites_change_nothing, test_bodies, test_get_changes_nothing, test_headers,
          test_bars_of_charts_stand_out, test_hostile_text, test_addresses, test_sizes, test_lists_are_the_stores,
          test_who_is_over_a_limit_gets_the_whole_file_later,
          test_arguments_of_the_api_are_known_ones, test_the_text_and_the_routes_take_the_same_arguments,
          test_everything_of_the_sample,
          test_history_is_whole_or_says_what_is_not_kept, test_sessions_that_are_not_shown_are_said,
          test_a_session_that_is_not_there_is_said, test_what_is_wrong_is_named_once, test_without_a_broker, test_command_line, test_stop, test_slowness])
