"""The broker as an operator meets it: settings, starting, stopping, exit codes."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import msgpack
import zmq

from casebus import BIN, Broker, await_, main

BROKER = os.path.join(BIN, "casebus-broker")


def run(*args):
    return subprocess.run([BROKER, *args], capture_output=True, text=True, timeout=30)


def help_and_version_are_enough_to_begin():
    said = run("--help").stdout
    assert "--data DIR" in said and "Exit:" in said
    for limit in ("report 512 KiB", "nesting 16", "512 keys in a map", "64 patterns", "65536 publishers",
                  "4096 open sessions", "500 rows"):
        assert limit in " ".join(said.split()), limit
    assert run("--version").stdout.startswith("casebus-broker ")


def usage_errors_say_what_is_wrong():
    for args, said in ((["--data"], "option"), ([], "--data DIR is required"),
                       (["--data", "x", "--map-size", "5"], "map-size"),
                       (["--data", "x", "--ingest", "udp://*:1"], "ingest"),
                       (["--data", "x", "--query", "tcp://*:7403"], "not encrypted"),
                       (["--data", "x", "--query", "tcp://10.0.0.1:7403"], "not encrypted"),
                       (["--data", "x", "extra"], "argument"), (["--nonsense"], "option")):
        done = run(*args)
        assert done.returncode == 2 and said in done.stderr, (args, done.stderr)


def with_config(text, *args):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        return run("--config", file.name, *args), file.name


def a_settings_file_is_checked_line_by_line():
    done, name = with_config("# a comment\ndata = /tmp/x\n\nmap-size = 1G\n", "-n")
    assert done.returncode == 0 and "map-size = 1073741824" in done.stdout, done.stdout
    done, name = with_config("data = /tmp/x\nmap-syze = 1G\n", "-n")
    assert done.returncode == 2 and name + ":2: map-syze" in done.stderr, done.stderr
    done, name = with_config("data = /tmp/x\n\nlog-level = loud\n", "-n")
    assert done.returncode == 2 and name + ":3: log-level" in done.stderr, done.stderr
    done, name = with_config("log-level = warning info\n", "-n")  # two words of the list, in its order
    assert done.returncode == 2 and name + ":1: log-level" in done.stderr, done.stderr


def audiences_are_sections_that_are_checked():
    good = ("data = /tmp/x\nrole.press-office = watch@hse\n[audience press]\nendpoint = ipc:///tmp/press\nagencies = hse, ea\n"
            "without = offender.name  url\n[audience short]\nendpoint = tcp://127.0.0.1:7410\nform = thin\n"
            "roles = viewer press-office\n")
    done, name = with_config(good, "-n")
    assert done.returncode == 0, done.stderr
    again, _ = with_config(done.stdout, "-n")  # what it prints is a file of the same settings
    assert again.stdout == done.stdout and "agencies = hse ea\nform = full\nwithout = offender.name url\n" in done.stdout
    for text, line, said in (("[audience]\n", 1, "[audience NAME]"), ("[role x]\n", 1, "[audience NAME]"),
                             ("[audience A]\n", 1, "name"), ("[audience a\n", 1, "[audience NAME]"),
                             ("[audience a]\nform = thin\n", 2, "endpoint: is required"),
                             ("[audience a]\n\n[audience b]\n", 3, "audience a: endpoint: is required"),
                             ("[audience a]\nendpoint = ipc:///a\nagencies = HSE\n", 3, "HSE is not an agency code"),
                             ("[audience a]\nendpoint = ipc:///a\nagencies =\n", 3, "must name an agency"),
                             ("[audience a]\nendpoint = ipc:///a\nwithout = offendr\n", 3, "offendr is no field"),
                             ("[audience a]\nendpoint = ipc:///a\nwithout = version\n", 3, "cannot be left out"),
                             ("[audience a]\nendpoint = ipc:///a\nform = short\n", 3, "full or thin"),
                             ("[audience a]\nendpoint = ipc:///a\nroles = A\n", 3, "A is no name of a role"),
                             ("[audience a]\nendpoint = ipc:///a\nform = thin\nwithout = url\n", 4, "without"),
                             ("[audience a]\nendpoint = ipc:///a\nmap-size = 1G\n", 3, "map-size: there is no such"),
                             ("[audience a]\nendpoint = ipc:///a\n[audience a]\n", 3, "two audiences a"),
                             ("".join("[audience a%d]\nendpoint = ipc:///a\n" % i for i in range(17)), 33, "at most 16")):
        done, name = with_config(text, "-n")
        assert done.returncode == 2 and "%s:%d: " % (name, line) in done.stderr and said in done.stderr, \
            (text, done.stderr)
    for line, said in (("endpoint = tcp://10.0.0.1:7410\n", "not encrypted"),
                       ("endpoint = ipc:///tmp/a\nroles = nurse\n", "no role \"nurse\"")):
        done, _ = with_config("data = /tmp/x\n[audience a]\n" + line, "-n")
        assert done.returncode == 2 and said in done.stderr, done.stderr


def what_is_given_twice_is_refused():
    for text, line, said in (("data = /tmp/x\n\ndata = /tmp/y\n", 3, "data: stands in line 1 already"),
                             ("[audience a]\nform = thin\nform = full\n", 3, "form: stands in line 2 already")):
        done, name = with_config(text, "-n")
        assert done.returncode == 2 and "%s:%d: %s" % (name, line, said) in done.stderr, done.stderr
    done, _ = with_config("data = /tmp/x\n[audience a]\nendpoint = ipc:///tmp/a\n[audience b]\nendpoint = ipc:///tmp/b\n", "-n")
    assert done.returncode == 0, done.stderr  # each section has its own


def two_sockets_never_share_an_endpoint():
    audience = "data = /tmp/x\n[audience a]\nendpoint = %s\n"
    for text, said in (("data = /tmp/x\nquery = tcp://127.0.0.1:7401\n", "query: is where ingest is already"),
                       ("data = /tmp/x\nquery = ipc:///tmp/a\nfanout = ipc:///tmp/a\n", "query: is where fanout is already"),
                       ("data = /tmp/x\nquery = ipc:///tmp/x:0\nfanout = ipc:///tmp/x:0\n", "query: is where fanout is already"),
                       (audience % "tcp://127.0.0.1:7402", "a: is where fanout is already")):
        done, _ = with_config(text, "-n")
        assert done.returncode == 2 and said in done.stderr, (text, done.stderr)
    for text in (audience % "tcp://127.0.0.2:7402", audience % "tcp://127.0.0.1:7409",
                 "data = /tmp/x\nquery = tcp://127.0.0.1:*\nfanout = tcp://127.0.0.1:*\n"):
        assert with_config(text, "-n")[0].returncode == 0, text


def a_folder_is_no_settings_file():
    done = run("--config", "/tmp", "-n")
    assert done.returncode == 2 and "/tmp: cannot be read as a settings file: Is a directory" in done.stderr, done.stderr


def flags_win_over_the_file():
    done, _ = with_config("data = /tmp/x\nlog-level = debug\n", "-n", "--log-level", "error")
    assert "log-level = error" in done.stdout


def an_editors_mark_and_line_ends_are_no_part_of_a_setting():
    done, _ = with_config("\ufeffdata = /tmp/x\r\nlog-level = debug\r\n", "-n")
    assert done.returncode == 0 and "data = /tmp/x\n" in done.stdout, (done.stdout, done.stderr)


def a_second_broker_on_one_store_is_refused():
    with Broker() as broker:
        done = run("--data", broker.store, "--ingest", "tcp://127.0.0.1:*", "--fanout",
                   "tcp://127.0.0.1:*", "--query", "tcp://127.0.0.1:*")
        assert done.returncode == 3 and "another casebus-broker" in done.stderr, done.stderr


def a_folder_that_can_hold_no_store_is_said():
    with tempfile.TemporaryDirectory() as folder, Broker() as backup:
        file, orphan = os.path.join(folder, "file"), os.path.join(folder, "no", "store")
        open(file, "w").close()
        for data, said in ((file, "Not a directory: give a folder"), (file + "/store", "Not a directory: give a folder"),
                           (orphan, "make the folder it is to be in first"),
                           ("/proc/sys", "whoever runs the broker must be able to write there")):
            for action in ((), ("--restore", backup.store)):
                done = run("--data", data, *action)
                assert done.returncode == 3 and data + ": cannot be the store's folder: " in done.stderr, done
                assert said in done.stderr, (data, done.stderr)


def to(stdout, program, *args):
    return subprocess.run([os.path.join(BIN, "casebus-" + program), *args], stdout=stdout, stderr=subprocess.PIPE, text=True,
                          timeout=60)


def output_that_fails_is_said():
    with Broker() as broker, open("/dev/full", "w") as full:
        asked = ("--query", broker.query, "recent")
        commands = [(name, "--help") for name in ("broker", "publish", "ctl", "watch", "dashboard")]
        commands += [("broker", "-n", "--data", "x"), ("broker", "--verify", broker.store), ("ctl", *asked),
                     ("ctl", "verify", broker.store)]
        for command in commands:
            done = to(full, *command)
            said = "casebus-%s: cannot write its output: No space left on device\n" % command[0]
            assert done.returncode == 1 and done.stderr == said, (command, done)
        done = to(full, "ctl", "keygen", "k", "--out", broker.dir)
        assert done.returncode == 1 and "%s/k.secret" % broker.dir in done.stderr, done
        done = to(full, "ctl", "user", "add", "ann", "--accounts", os.path.join(broker.dir, "accounts"))
        assert done.returncode == 1 and "user reset ann gives another" in done.stderr, done


def a_closed_output_is_not_the_first_file_that_is_opened():
    with Broker() as broker:
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", os.path.join(BIN, "casebus-ctl"), "--query", broker.query,
                               "recent"], stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.stderr == "casebus-ctl: cannot write its output: Bad file descriptor\n", done
        assert done.returncode == 1, done
    with tempfile.TemporaryDirectory() as folder:
        endpoints = {name: "ipc://%s/%s" % (folder, name) for name in ("ingest", "fanout", "query")}
        served = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&-', "sh", BROKER, "--data", os.path.join(folder, "store"),
                                   *(word for name in endpoints for word in ("--" + name, endpoints[name]))])
        done = subprocess.run([os.path.join(BIN, "casebus-ctl"), "--query", endpoints["query"], "--timeout", "30", "recent"])
        assert done.returncode == 0, done
        assert served.poll() is None
        served.terminate()
        assert served.wait(30) == 0


def a_taken_port_is_said():
    folder = tempfile.mkdtemp()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = "tcp://127.0.0.1:%d" % taken.getsockname()[1]
        for flag in ("--ingest", "--fanout", "--query"):
            others = [a for f in ("--ingest", "--fanout", "--query") if f != flag
                      for a in (f, "tcp://127.0.0.1:*")]
            done = run("--data", folder, "--map-size", "64M", flag, endpoint, *others)
            assert done.returncode == 3 and endpoint in done.stderr, done.stderr
            assert "another program is there" in done.stderr, done.stderr
    shutil.rmtree(folder)


def too_few_descriptors_are_said():
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["sh", "-c", 'ulimit -n 16 && exec "$@"', "sh", os.path.join(BIN, "casebus-broker"),
                               "--data", os.path.join(folder, "store"), "--map-size", "64M"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 3 and "16 file descriptors are allowed" in done.stderr, done


def a_port_that_cannot_be_is_refused():
    folder = tempfile.mkdtemp()
    done = run("--data", folder, "--query", "tcp://127.0.0.1:99999")
    assert done.returncode == 2 and "above 65535" in done.stderr, done.stderr
    shutil.rmtree(folder)


def signals_end_it_cleanly_and_the_history_goes_on():
    with Broker(ipc=True) as broker:
        broker.publish(os.path.join(os.environ.get("CASEBUS_SRC", "."), "tests/data/older.ndjson"),
                       code=None)
        before = broker.client().ask("heads")
        for number in (signal.SIGTERM, signal.SIGINT):
            broker.process.send_signal(number)
            assert broker.process.wait(30) == 0
            broker.start()
            after = broker.client().ask("heads")
            assert (after["epoch"], after["seq"]) == (before["epoch"], before["seq"])


def a_commit_that_fails_while_it_leaves_is_not_a_clean_end():
    with Broker(ipc=True) as broker:
        fifo = broker.restart_with_stuck_sync()
        publishing = broker.start_program("casebus-publish", "--timeout", 60, os.path.join(
            os.environ.get("CASEBUS_SRC", "."), "tests/data/register.ndjson"))
        with open(fifo, "w"):  # opens when the commit has come to its sync
            broker.process.send_signal(signal.SIGTERM)
        assert broker.process.wait(60) == 4, broker.process.returncode
        os.unlink(fifo)
        broker.start()
        publishing.kill()
        publishing.communicate()
        assert broker.client().verify() == []


def sighup_rereads_what_can_change():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("log-level = info\nmap-size = 4G\n")
        file.flush()
        with Broker(start=False) as broker:
            broker.flags = ["--config", file.name]
            broker.start()
            file.seek(0)
            file.write("log-level = loud\n")
            file.flush()
            broker.process.send_signal(signal.SIGHUP)
            while "settings unchanged" not in broker.read_log():
                assert broker.process.poll() is None
            assert ":1: log-level" in broker.read_log()
            file.seek(0)
            file.truncate()
            file.write("map-size = 2G\nquery = tcp://127.0.0.1:7\nretain-events = 5\n[audience a]\nendpoint = ipc:///tmp/a\n")
            file.flush()
            broker.process.send_signal(signal.SIGHUP)
            while "SIGHUP: read " not in broker.read_log():
                assert broker.process.poll() is None
            assert "taken in by a restart only: map-size, sections of audiences\n" in broker.read_log(), \
                broker.read_log()  # --query is a flag here, retain-events is taken in
            broker.client().ask("heads")


def verify_says_what_is_wrong_with_a_folder():
    done = subprocess.run([os.path.join(BIN, "casebus-ctl"), "verify", "/nonexistent/folder"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("casebus-ctl: /nonexistent/folder: cannot open"), done
    done = run("--verify", "/nonexistent/folder")
    assert done.stderr.startswith("casebus-broker: "), done
    assert done.returncode == 1 and "/nonexistent/folder" in done.stderr
    with Broker() as broker:
        broker.publish(os.path.join(os.environ.get("CASEBUS_SRC", "."), "tests/data/register.ndjson"))
        done = run("--verify", broker.store)  # beside the running broker
        assert done.returncode == 0 and "good" in done.stdout, done.stdout
        broker.stop()
        path = os.path.join(broker.store, "data.mdb")
        data = open(path, "rb").read()
        open(path, "wb").write(data.replace(b"\xa6source", b"\xa6sourcf"))
        done = run("--verify", broker.store)
        assert done.returncode == 1 and "checksum" in done.stdout, done.stdout


def the_log_has_no_more_of_a_refused_report_than_the_list():
    with Broker() as broker:
        reports = zmq.Context.instance().socket(zmq.XPUB)
        reports.linger = 0
        reports.connect(broker.ingest)
        reports.recv()
        long = b"case:scraped:hse:Jane Roe %s:" % (b"x" * 400)
        for topic, data in ((b"case:scraped:hse:1:", {"ext": {"Jane Roe": "no text"}}),
                            (b"case:scraped:hse:2:", {"offender": {"name": "A", "town": "x" * 10000}}), (long, {})):
            body = msgpack.packb({"v": 1, "data": data}).replace(b"no text", b"\xff" * 7)
            reports.send_multipart([topic, body])

        def lines():
            return re.findall(r"report refused: (.*)", broker.read_log())

        await_("logged", lambda: len(lines()) == 3)
        rows = broker.client().result("rejects.list")["rows"]
        listed = [": ".join([row.get("topic", "-"), *filter(None, [row.get("field")]), row["reason"]])
                  for row in reversed(rows)]
        assert lines() == listed, (lines(), listed)
        assert "Jane" not in broker.read_log(), broker.read_log()
        reports.close()


main([help_and_version_are_enough_to_begin, usage_errors_say_what_is_wrong,
      a_settings_file_is_checked_line_by_line, audiences_are_sections_that_are_checked, what_is_given_twice_is_refused,
      two_sockets_never_share_an_endpoint, a_folder_is_no_settings_file, flags_win_over_the_file,
          an_editors_mark_and_line_ends_are_no_part_of_a_setting,
      a_second_broker_on_one_store_is_refused, a_folder_that_can_hold_no_store_is_said, output_that_fails_is_said,
      a_closed_output_is_not_the_first_file_that_is_opened, a_taken_port_is_said, too_few_descriptors_are_said, a_port_that_cannot_be_is_refused,
      signals_end_it_cleanly_and_the_history_goes_on,
      a_commit_that_fails_while_it_leaves_is_not_a_clean_end, sighup_rereads_what_can_change,
      verify_says_what_is_wrong_with_a_folder, the_log_has_no_more_of_a_refused_report_than_the_list])
