"""Keys and actors as an operator meets them: what binds, who gets in, what changes while it runs."""
import hashlib
import os
import re
import signal
import stat
import subprocess
import tempfile
import time

import msgpack
import zmq

from casebus import BIN, DATA, Broker, await_, main
from guarded import CTL, Asker, Guarded, keygen, within

BROKER = os.path.join(BIN, "casebus-broker")
REGISTER = os.path.join(DATA, "register.ndjson")

ACTORS = """# who may do what
boss     {boss}     admin
worker-1 {worker-1} scraper
eye      {eye}      viewer
ann      -          curator
"""


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, timeout=60)


def keygen_makes_two_files_and_never_overwrites():
    with tempfile.TemporaryDirectory() as folder:
        done = run(CTL, "keygen", "worker-1", "--out", folder)
        assert done.returncode == 0 and "worker-1 " in done.stdout, done
        modes = {name: stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
                 for name in os.listdir(folder)}
        assert modes == {"worker-1.secret": 0o600, "worker-1.pub": 0o644}, modes
        public, secret = keygen(folder, "worker-1")  # read by pyzmq
        assert len(public) == len(secret) == 40 and public.decode() in done.stdout
        again = run(CTL, "keygen", "worker-1", "--out", folder)
        assert again.returncode == 1 and "not overwritten" in again.stderr, again
        assert keygen(folder, "worker-1") == (public, secret)
        assert run(CTL, "keygen", "../x", "--out", folder).returncode == 2


def a_loose_key_file_is_refused_with_what_to_do():
    with tempfile.TemporaryDirectory() as folder:
        keygen(folder, "a")
        secret, public = os.path.join(folder, "a.secret"), os.path.join(folder, "a.pub")
        for no_secret in public, "/etc/passwd":  # to close these to others would mend nothing
            done = run(CTL, "heads", "--secret", no_secret, "--server", public)
            assert done.returncode == 2 and "holds no secret key" in done.stderr and "chmod" not in done.stderr, done
        os.chmod(secret, 0o640)
        for program, *more in (("casebus-ctl", "heads"), ("casebus-watch", "case"),
                               ("casebus-publish", REGISTER), ("casebus-dashboard",)):
            done = run(os.path.join(BIN, program), "--secret", secret, "--server", public, *more)
            assert done.returncode == 2 and "chmod 600" in done.stderr, (program, done)
            done = run(os.path.join(BIN, program), "--server", public, *more)
            assert done.returncode == 2 and "go together" in done.stderr, (program, done)
        open(os.path.join(folder, "actors"), "w").write("a - viewer\n")
        done = run(BROKER, "--data", os.path.join(folder, "store"), "--map-size", "64M", "--secret", secret,
                   "--actors", os.path.join(folder, "actors"))
        assert done.returncode == 2 and "chmod 600" in done.stderr, done


def what_may_bind_depends_on_keys():
    with tempfile.TemporaryDirectory() as folder:
        keygen(folder, "b")
        actors = os.path.join(folder, "actors")
        open(actors, "w").write("a - viewer\n")
        keys = ["--secret", os.path.join(folder, "b.secret"), "--actors", actors]
        wide = os.path.join(folder, "wide")
        os.mkdir(wide)
        os.chmod(wide, 0o755)
        for args, said in ((["--query", "tcp://*:7403"], "not encrypted"),
                           (["--fanout", "tcp://192.0.2.1:7402"], "not encrypted"),
                           (["--ingest", "inproc://x"], "endpoint"),
                           (["--ingest", "pgm://x"], "endpoint"), (["--ingest", "ws://x"], "endpoint"),
                           (["--secret", "/x"], "--actors"),
                           (keys + ["--query", "ipc://%s/query" % wide], "0700"),
                           (keys + ["--query", "ipc://@name"], "0700"), (keys + ["--query", "ipc://*"], "0700")):
            done = run(BROKER, "-n", "--data", folder, *args)
            assert done.returncode == 2 and said in done.stderr, (args, done.stderr)
        for args in (keys + ["--query", "tcp://*:7403"], keys + ["--query", "ipc://%s/query" % folder],
                     ["--query", "ipc://%s/query" % wide]):
            assert run(BROKER, "-n", "--data", folder, *args).returncode == 0, args
        open(actors, "w").write("a %s viewer\n" % open(os.path.join(folder, "b.pub")).read().split('"')[3])
        done = run(BROKER, "-n", "--data", folder, "--actors", actors)
        assert done.returncode == 2 and "without --secret" in done.stderr, done
        open(actors, "w").write("a - viewer\nb - nurse\n")
        done = run(BROKER, "-n", "--data", folder, *keys)
        assert done.returncode == 2 and actors + ":2: there is no role" in done.stderr, done


def every_program_works_with_its_key():
    with Guarded(ACTORS) as broker:
        done = broker.run_as("worker-1", "casebus-publish", "--new-session", REGISTER)
        assert "created=" in done.stdout, done.stdout
        done = broker.run_as("eye", "casebus-ctl", "--json", "recent")
        assert '"id"' in done.stdout
        done = broker.run_as("eye", "casebus-watch", "--json", "--from-start", "--count", 1, "case")
        assert '"worker-1"' in done.stdout, done.stdout  # the actor is who had the key
        assert "gone" not in broker.run_as("boss", "casebus-ctl", "status").stderr
        assert broker.run_as("eye", "casebus-ctl", "status").stderr == ""  # who may not report does not try it
        done = broker.run_as("boss", "casebus-ctl", "verify")
        assert broker.audit() == [], broker.audit()


def settings_of_actors_are_checked_line_by_line():
    good = "x {x} viewer\n"
    for text, said in (("a {a} viewer\nb {a} viewer\n", ":2: a has this key"), ("\n\na {a}\n", ":3: expected"),
                       ("a {a} nurse\n", ":1: there is no role"), ("a short viewer\n", ":1: \"short\""),
                       ("A {a} viewer\n", ":1: \"A\""), ("a {a} viewer\na {b} admin\n", ":2: a has other roles in line 1"),
                       ("a {a} viewer\na {b} viewer\na {c} viewer\n", ":3: a has two keys"),
                       ("a - viewer\na - viewer\n", ":2: a stands in line 1"), ("local {a} viewer\n", ":1: local"),
                       ("broker {a} viewer\n", ":1: broker"), ("a {a} viewer more\n", ":1: expected"),
                       (" # not a comment\n", ":1: "), ("", ": no actor in it"), ("# all gone\n", ": no actor in it")):
        broker = Guarded(good)
        with broker:
            broker.change_actors(text, said="unchanged")
            assert said in broker.read_log(), (text, broker.read_log())
            assert broker.asker("x").code("heads") == "ok"  # swapped whole or not at all


def an_actors_file_that_others_may_change_is_refused():
    with Guarded("x {x} viewer\n") as broker:
        os.chmod(broker.actors, 0o666)
        before = broker.whole_log()
        broker.process.send_signal(signal.SIGHUP)
        await_("complained", lambda: "chmod go-w" in broker.whole_log()[len(before):])


def keys_rotate_without_a_gap():
    with Guarded("w {w} scraper\n") as broker:
        old = broker.asker("w")
        assert old.ask("actor.whoami")["result"]["actor"] == "w"
        broker.change_actors("w {w} scraper\nw {w-new} scraper\n")
        new = broker.asker("w-new")
        assert new.ask("actor.whoami")["result"]["actor"] == "w"
        assert old.code("actor.whoami") == "ok"
        broker.change_actors("w {w-new} scraper\n")
        assert old.code("actor.whoami") == "denied"  # on the connection it has
        assert new.code("actor.whoami") == "ok"


def no_poll_tells_of_sessions_its_asker_could_not_have_started():
    with Guarded("w {w} scraper\ndesk {desk} desk\nboss {boss} admin\n",
                 config="role.desk = ask@hse, report.scraped@hse\n") as broker:
        boss, socket = broker.asker("boss"), broker.peer(zmq.XPUB, "w")
        socket.connect(broker.ingest)
        assert socket.poll(20000)
        for agency in ("hse", "ea"):
            socket.send_multipart([b"session:started:%s:s1:" % agency.encode(), msgpack.packb({"v": 1})])
            await_("started", lambda: boss.code("session.stop", agency=agency, session_id="s1") == "ok")
        named = [{"agency": agency, "session_id": "s1"} for agency in ("hse", "ea")]
        for who, told in (("w", named), ("desk", named[:1])):
            reply = broker.asker(who).ask("publisher.confirm", publisher=b"p" * 16, wait_ms=0, sessions=named)
            assert reply["result"].get("stop") == told, (who, reply)


def who_may_not_report_of_an_agency_moves_nothing_of_it():
    """What is taken from anybody, voids and reports with a topic that is none, is not of the agency it names."""
    with Guarded("boss {boss} admin\nw {w} hse-only\n",
                 config="role.hse-only = report.scraped@hse\n"
                        "[audience ea]\nendpoint = tcp://127.0.0.1:*\nagencies = ea\n") as broker:
        boss, sockets = broker.asker("boss"), [broker.peer(zmq.XPUB, name) for name in ("boss", "w")]
        for socket in sockets:
            socket.connect(broker.ingest)
            assert socket.poll(20000)
        sockets[0].send_multipart([b"session:started:ea:s1:", msgpack.packb({"v": 1})])
        session = lambda: boss.ask("session.get", agency="ea", session_id="s1").get("result")  # noqa: E731
        before = await_("started", session)

        def heads():
            socket = broker.peer(zmq.SUB, "boss")
            socket.subscribe(b"sys:heads:all:")
            socket.connect(re.search(r"audience=ea,(\S+)", broker.ready).group(1))
            assert socket.poll(20000)
            heads = msgpack.unpackb(socket.recv_multipart()[1])
            return heads["heads"], heads.get("quiet", 0)

        begun, check = heads(), bytes(8)
        for number, topic in enumerate((b"case:scraped:ea:1:", b"session:progressed:ea:s1:"), 1):
            body = {"v": 1, "publisher": b"p" * 16, "number": number, "check": check, "session": "s1",
                    "void": {"reason": "withdrawn", "hash": bytes(16)}}
            check = hashlib.blake2b(check + bytes(16), digest_size=16).digest()[:8]
            sockets[1].send_multipart([topic, msgpack.packb(body)])
        for topic in b"case:seen:ea:1:", b"case:scraped:ea:1*:":
            sockets[1].send_multipart([topic, msgpack.packb({"v": 1, "session": "s1"})])
        await_("refused", lambda: len(boss.ask("rejects.list")["result"]["rows"]) == 2)
        assert broker.asker("w").ask("publisher.confirm", publisher=b"p" * 16)["result"]["counts"]["void"] == 2
        assert session() == before and heads() == begun, (before, session(), begun, heads())


def what_another_verb_does_is_told_as_far_as_one_may_ask():
    """Of an agency that the actor may not ask about, no totals, counters or words of workers."""
    with Guarded("boss {boss} admin\nclerk {clerk} clerk\nhand {hand} hand\nw {w} scraper,clerk\n",
                 config="role.clerk = ask@hse, agencies, stop, decide\nrole.hand = agencies@ea, stop@ea\n") as broker:
        boss, socket = broker.asker("boss"), broker.peer(zmq.XPUB, "boss")
        broker.run_as("boss", "casebus-publish", REGISTER)
        socket.connect(broker.ingest)
        assert socket.poll(20000)
        for agency in ("hse", "ea"):
            started = {"v": 1, "data": {"requested_by": "zoe"}}
            socket.send_multipart([b"session:started:%s:s1:" % agency.encode(), msgpack.packb(started)])
            await_("started", lambda: boss.code("session.get", agency=agency, session_id="s1") == "ok")
        for who, agency, told in (("clerk", "hse", True), ("clerk", "ea", False), ("hand", "ea", False), ("boss", "ea", True)):
            asker = broker.asker(who)
            record = asker.ask("agency.set", agency=agency, name="A name")["result"]["agency_record"]
            assert set(record) == {"code", "name", "enabled"} | ({"cases", "fine_pence"} if told else set()), (who, record)
            session = asker.ask("session.stop", agency=agency, session_id="s1")["result"]["session"]
            assert session["status"] == "stopping" and ("requested_by" in session) == told, (who, session)
            assert told or set(session) == {"agency", "session_id", "status"}, session
        session = broker.asker("w").ask("session.stop", agency="ea", session_id="s1")["result"]["session"]
        assert session["requested_by"] == "zoe"  # who may report finds it by session.get, too


def roles_of_the_settings_file_hold_for_their_agencies():
    with Guarded("desk {desk} desk\nboss {boss} admin\nlocal - viewer\n",
                 config="role.desk = ask@hse+ea, report.edited@hse\n") as broker:
        desk = broker.asker("desk")
        broker.run_as("boss", "casebus-publish", REGISTER)
        rows = desk.ask("case.recent", limit=500)["result"]["rows"]
        assert {row["agency"] for row in rows} == {"hse", "ea"}, rows
        theirs = broker.asker("boss").ask("case.list", agency="orr")["result"]["rows"][0]["id"]
        assert desk.code("case.get", id=rows[0]["id"]) == "ok"
        assert desk.code("case.get", id=theirs) == "not_found"  # as if there were no others
        assert desk.code("case.history", id=theirs) == "not_found"
        assert desk.ask("case.list", agency="orr")["result"]["rows"] == []
        events = desk.ask("log.replay", after=0, patterns=["case:*"], limit=2000)["result"]["events"]
        assert events and not any(b":orr:" in (topic if isinstance(topic, bytes) else topic.encode())
                                  for topic, _ in events)
        assert not any(":orr:" in stream for stream in desk.ask("heads")["result"]["heads"])
        for op, args in (("store.verify", {}), ("session.stop", {"agency": "hse", "session_id": "x"}),
                         ("quarantine.reject", {"quarantine": 1})):
            assert desk.code(op, **args) == "denied", (op, desk.ask(op, **args))
        for flags, out, code in ((["desk", "ask", "hse"], "yes", 0), (["desk", "ask", "orr"], "no", 1),
                                 (["desk", "ask"], "no", 1), (["boss", "administer"], "yes", 0),
                                 (["nobody", "ask"], "", 1)):
            done = broker.run_as("boss", "casebus-ctl", "can", *flags, code=code)
            assert done.stdout.strip() == out, (flags, done)
        broker.run_as("desk", "casebus-ctl", "can", "desk", "ask", "hse")
        assert "lacks administer" in broker.run_as("desk", "casebus-ctl", "can", "boss", "ask", code=1).stderr
        done = broker.run_as("desk", "casebus-ctl", "whoami")
        assert "desk" in done.stdout and "hse" in done.stdout and "ea" in done.stdout, done.stdout


def some_may_speak_for_others():
    with Guarded("desk {desk} speaker\neye {eye} viewer\nann - curator\n", config="role.speaker = speak\n") as broker:
        desk = broker.asker("desk")
        assert desk.code("case.recent") == "denied"  # nothing else
        assert desk.code("case.recent", on_behalf="ann") == "ok"
        who = desk.ask("actor.whoami", on_behalf="ann")["result"]
        assert who["actor"] == "ann" and who["by"] == "desk" and who["roles"] == ["curator"], who
        assert desk.code("store.verify", on_behalf="ann") == "denied"
        assert desk.code("case.recent", on_behalf="nobody") == "denied"
        assert desk.code("case.recent", on_behalf=7) == "bad_argument"
        assert broker.asker("eye").code("case.recent", on_behalf="ann") == "denied"
        assert desk.code("session.stop", agency="hse", session_id="x", on_behalf="ann") == "not_found"


def without_an_actors_file_local_may_everything():
    with Broker() as broker:
        assert broker.client().result("actor.whoami") == {
            "actor": "local", "roles": ["admin"],
            "may": {verb: ["*"] for verb in broker.client().result("actor.whoami")["may"]}}
        broker.run("casebus-ctl", "can", "local", "report.redacted", "hse")


def with_an_actors_file_local_is_what_it_says():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("local - viewer\n")
        file.flush()
        with Broker("--actors", file.name) as broker:
            client = broker.client()
            assert client.ask("case.recent")["result"]["rows"] == []
            assert client.ask("store.verify")["error"]["code"] == "denied"
            done = broker.run("casebus-publish", "--timeout", 2, REGISTER, code=3)
            assert "no permission" in done.stderr or "no broker" in done.stderr, done.stderr
            broker.run("casebus-watch", "--timeout", 1, "case")
            file.seek(0)
            file.write("else - viewer \n")
            file.flush()
            broker.process.send_signal(signal.SIGHUP)
            within(5, lambda: client.ask("case.recent").get("error", {}).get("code") == "denied", "local is nobody")


def what_an_actor_may_not_report_is_held_until_he_may():
    with Guarded("w {w} scraper\n") as broker:
        outbox = os.path.join(broker.dir, "outbox")
        ids = os.path.join(broker.dir, "ids.ndjson")
        broker.run_as("w", "casebus-publish", REGISTER)
        open(ids, "w").write('{"agency": "hse", "regulator_id": "4812345"}\n')
        start = len(broker.whole_log())
        done = broker.run_as("w", "casebus-publish", "--outbox", outbox, "--timeout", 3, "--deleted", ids, code=3)
        assert "no permission: report.deleted of hse" in done.stderr, done.stderr
        denials = [line for line in broker.audit(start) if "denied actor=w verb=report.deleted agency=hse" in line]
        assert denials, broker.audit(start)
        broker.change_actors("w {w} scraper,deleter\n", said="there is no role")
        open(broker.config, "w").write("role.deleter = report.deleted@hse\n")
        broker.change_actors("w {w} scraper,deleter\n")
        broker.run_as("w", "casebus-publish", "--outbox", outbox, "--resume")
        # Confirmed is what is durable; the bus writes its line a moment later.
        await_("audited", lambda: [line for line in broker.audit(start) if "done actor=w verb=report.deleted" in line])


def what_is_sent_behind_a_denied_report_waits_for_it():
    """The polls name the permission that is missing, and want nothing."""
    with Guarded("w {w} hse-only\nboss {boss} admin\n", config="role.hse-only = report.scraped@hse\n") as broker:
        mixed = os.path.join(broker.dir, "mixed.ndjson")
        with open(mixed, "w") as file:
            for i, agency in enumerate(("hse", "ea", "hse", "ea", "hse")):
                file.write('{"agency": "%s", "regulator_id": "%d", "offender": {"name": "A"}}\n' % (agency, i))
        flags = ["--outbox", os.path.join(broker.dir, "outbox"), "--timeout", 4]
        done = broker.run_as("w", "casebus-publish", *flags, mixed, code=3)
        assert "no permission: report.scraped of ea" in done.stderr, done.stderr
        open(broker.config, "w").write("role.hse-only = report.scraped@hse+ea\n")
        broker.change_actors("w {w} hse-only\nboss {boss} admin\n")
        broker.run_as("w", "casebus-publish", *flags, "--resume")
        assert broker.asker("boss").ask("broker.status")["result"]["store"]["cases"] == 5


def waiting(broker, name, patience=20):
    """A publisher of unnumbered reports that has been let in."""
    socket = broker.peer(zmq.XPUB, name)
    socket.connect(broker.ingest)
    assert socket.poll(patience * 1000), "not let in"
    assert socket.recv() == b"\x01"
    return socket


def scraped(socket, number):
    socket.send_multipart([b"case:scraped:hse:%d:" % number, msgpack.packb(
        {"v": 1, "data": {"agency": "hse", "regulator_id": str(number), "offender": {"name": "Acme"}}})])


def the_brokers_own_key_changes_with_a_restart():
    """Who knows only the old one waits outside, and is let in with the new one."""
    with Guarded("boss {boss} admin\n") as broker:
        old = broker.server
        assert broker.asker("boss").code("actor.whoami") == "ok"
        broker.stop()
        broker.flags[broker.flags.index(broker.secret_of("broker-1"))] = broker.secret_of("broker-2")
        broker.server = keygen(broker.keys, "broker-2")[0]
        broker.start()
        late = broker.asker("boss", server=old)
        await_("refused", lambda: "refused actor=- key=- door=query" in broker.whole_log())
        assert late.ask("actor.whoami", patience=0.5) is None
        assert broker.asker("boss").code("actor.whoami") == "ok"


def what_is_taken_away_is_gone_within_a_second():
    both = "w {w} scraper\neye {eye} viewer\np {p} press\nboss {boss} admin\n"
    press = "role.press = stop@hse\n[audience press]\nendpoint = tcp://127.0.0.1:*\nroles = press\n"
    with Guarded(both, config=press) as broker:
        boss, eye, worker = broker.asker("boss"), broker.asker("eye"), waiting(broker, "w")
        watcher, reader, staying = (broker.peer(zmq.SUB, name) for name in ("eye", "p", "boss"))
        audience = re.search(r"audience=press,(\S+)", broker.ready).group(1)
        for socket, endpoint in ((watcher, broker.fanout), (reader, audience), (staying, broker.fanout)):
            socket.connect(endpoint)
            socket.subscribe(b"case:")
            socket.subscribe(b"sys:heads:all:")
            assert socket.poll(10000), "no heads"
        assert eye.code("case.recent") == "ok"
        broker.change_actors("boss {boss} admin\n")
        assert eye.code("case.recent") == "denied"
        time.sleep(1)  # what the promise gives it
        for socket in (watcher, reader, staying):
            while socket.poll(0):
                socket.recv_multipart()
        assert staying.poll(20000), "who still may was not let in again"
        scraped(worker, 1)
        waiting_boss = waiting(broker, "boss")  # has been let in again, or for the first time
        scraped(waiting_boss, 2)
        await_("stored", lambda: boss.ask("case.recent")["result"]["rows"])
        rows = boss.ask("case.recent")["result"]["rows"]
        assert [row["id"] for row in rows] == ["hse:2"], rows  # not the revoked one's
        topics = []
        await_("told", lambda: staying.poll(100) and (
            topics.append(staying.recv_multipart()[0]) or b"case:created:hse:2:" in topics))
        time.sleep(1.5)  # for heads, of which one comes a second
        assert not watcher.poll(0) and not reader.poll(0)
        broker.change_actors(both)
        assert watcher.poll(20000) and reader.poll(20000), "let in again, they do not come back"


def a_poll_that_waits_is_judged_anew_at_once():
    both = "w {w} scraper\nv {v} scraper\nboss {boss} admin\n"
    with Guarded(both) as broker:
        polls = {name: broker.peer(zmq.DEALER, name) for name in ("v", "w")}
        for name, socket in polls.items():  # that of who may go on waits no longer than the other
            socket.connect(broker.query)
            socket.send_multipart([b"", msgpack.packb({"v": 1, "op": "publisher.confirm", "publisher": b"p" * 16})])
            await_("waits", lambda: broker.asker("boss").ask("broker.status")["result"]["queues"]["polls"] ==
                   1 + list(polls).index(name))
        broker.change_actors("v {v} scraper\nboss {boss} admin\n")
        assert msgpack.unpackb(polls["w"].recv_multipart()[-1])["error"]["code"] == "denied"
        assert not polls["v"].poll(0), "denied only at its end"
        assert "result" in msgpack.unpackb(polls["v"].recv_multipart()[-1])


def without_the_handler_nobody_is_served():
    for mode in ("none", "dies"):
        broker = Guarded("boss {boss} admin\n", program="casebus-broker-test-zap", env={"CASEBUS_TEST_ZAP": mode})
        try:
            sockets = [(zmq.XPUB, broker.ingest), (zmq.SUB, broker.fanout), (zmq.DEALER, broker.query)]
            peers = [broker.peer(kind, "boss") for kind, _ in sockets]
            for socket, (_, endpoint) in zip(peers, sockets):
                if socket.type == zmq.SUB:
                    socket.subscribe(b"")
                socket.connect(endpoint)
            peers[2].send_multipart([b"", msgpack.packb({"v": 1, "op": "heads"})])
            asked = Asker(broker.peer(zmq.DEALER), broker.query)  # without a key, neither
            reply = asked.ask("heads", patience=2)  # where it has ended, its port may be another broker's
            assert reply is None or "epoch=" + reply["epoch"].hex() not in broker.ready, (mode, reply)
            for socket in peers:
                assert not socket.poll(500), (mode, socket.type)
            if mode == "dies":
                assert broker.process.wait(20) == 5
                assert "handler of keys has failed" in broker.whole_log()
        finally:
            if broker.process.poll() is None:
                broker.stop()
            broker.close()


main([keygen_makes_two_files_and_never_overwrites, a_loose_key_file_is_refused_with_what_to_do,
      what_may_bind_depends_on_keys, every_program_works_with_its_key, settings_of_actors_are_checked_line_by_line,
      an_actors_file_that_others_may_change_is_refused, keys_rotate_without_a_gap, the_brokers_own_key_changes_with_a_restart,
      no_poll_tells_of_sessions_its_asker_could_not_have_started,
      who_may_not_report_of_an_agency_moves_nothing_of_it,
      what_another_verb_does_is_told_as_far_as_one_may_ask,
      roles_of_the_settings_file_hold_for_their_agencies, some_may_speak_for_others,
      without_an_actors_file_local_may_everything, with_an_actors_file_local_is_what_it_says,
      what_an_actor_may_not_report_is_held_until_he_may, what_is_sent_behind_a_denied_report_waits_for_it,
      what_is_taken_away_is_gone_within_a_second, a_poll_that_waits_is_judged_anew_at_once,
      without_the_handler_nobody_is_served])
