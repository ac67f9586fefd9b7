"""The units for systemd, as they are installed: well-formed, closed to what the programs do not
need, and open to all they do."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request

from casebus import BIN, DATA, Broker, main

BUILD = os.path.dirname(BIN)
UNITS = ["casebus-broker.service", "casebus-dashboard.service", "casebus-publish@.service"]
EXPOSURE_MAX = 20  # tenths

prefix = tempfile.mkdtemp(prefix="casebus-")


def run(*command, code=0):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, "%s: %d\n%s%s" % (
        " ".join(command), done.returncode, done.stdout[-3000:], done.stderr)
    return done.stdout + done.stderr


def path_of(unit):
    return os.path.join(prefix, "lib/systemd/system", unit)


def settings_of(unit):
    """Each setting with all its values."""
    found = {}
    with open(path_of(unit)) as file:
        for line in file:
            match = re.match(r"(\w+)=(.*)", line)
            if match:
                found.setdefault(match.group(1), []).append(match.group(2))
    return found


# --- as files ----------------------------------------------------------------------------------

def they_are_well_formed():
    for unit in UNITS:
        said = run("systemd-analyze", "verify", "--man=no", path_of(unit))
        assert unit not in said, said


def they_are_closed():
    for unit in UNITS:
        run("systemd-analyze", "security", "--offline=true", "--threshold=%d" % EXPOSURE_MAX,
            path_of(unit))


def their_users_and_folders_can_be_made():
    root = tempfile.mkdtemp(prefix="casebus-")
    os.mkdir(os.path.join(root, "etc"))
    run("systemd-sysusers", "--root=" + root, os.path.join(prefix, "lib/sysusers.d/casebus.conf"))
    with open(os.path.join(root, "etc/passwd")) as file:
        users = {line.split(":")[0] for line in file}
    assert {settings_of(unit)["User"][0] for unit in UNITS} <= users, users
    shutil.rmtree(root)
    folders = os.path.join(prefix, "lib/tmpfiles.d/casebus.conf")
    with open(folders) as file:
        example = re.search(r"^C .* (\S+)$", file.read(), re.M).group(1)
    run(os.path.join(BIN, "casebus-broker"), "-n", "--config", example, "--data", "/nonexistent")


def the_store_is_the_broker_s_alone():
    broker, *others = map(settings_of, UNITS)
    folder = broker["StateDirectory"][0].split()[0]
    assert broker["StateDirectoryMode"] == ["0700"]
    for other in others:
        assert other["User"] != broker["User"]
        assert "-%S/" + folder in other["InaccessiblePaths"]
    with Broker() as running:
        running.publish(os.path.join(DATA, "corrections.ndjson"), code=None)
        for at, _, names in os.walk(running.store):
            for path in [at, *(os.path.join(at, name) for name in names)]:
                assert os.stat(path).st_mode & 0o077 == 0, path


# --- beside the programs -----------------------------------------------------------------------

def calls_in(group):
    """The system calls of a group of systemd's, and of those in it."""
    calls = set()
    for line in run("systemd-analyze", "syscall-filter", group).splitlines()[1:]:
        name = line.strip()
        if name and not name.startswith("#"):
            calls |= calls_in(name) if name.startswith("@") else {name}
    return calls


def allowed_calls(unit):
    allowed = set()
    for value in settings_of(unit)["SystemCallFilter"]:
        for name in value.lstrip("~").split():
            calls = calls_in(name) if name.startswith("@") else {name}
            allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


def assert_allowed(unit, trace):
    """Everything the program did is something that its unit lets it do."""
    with open(trace, errors="replace") as file:
        text = file.read()
    calls = set(re.findall(r"^\d+ +(\w+)\(", text, re.M))
    families = set(re.findall(r"^\d+ +socket\((AF_\w+)", text, re.M))
    assert {"openat", "socket"} <= calls, "nothing was traced: " + text[:500]
    assert calls <= allowed_calls(unit), calls - allowed_calls(unit)
    assert families <= set(settings_of(unit)["RestrictAddressFamilies"][0].split()), families
    assert not re.search(r"(mmap|mprotect)\([^)]*PROT_WRITE\|PROT_EXEC", text), "MemoryDenyWriteExecute"


def tracing(folder, name):
    # The sanitizer's search for leaks does not work in a process that is traced.
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return ["strace", "-f", "-qq", "-o", os.path.join(folder, name)]


def what_the_broker_does_is_allowed(folder):
    os.environ["CASEBUS_WRAP"] = " ".join(tracing(folder, "broker"))
    try:
        broker = Broker()
    finally:
        del os.environ["CASEBUS_WRAP"]
    with broker:
        broker.publish("--new-session", os.path.join(DATA, "corrections.ndjson"), code=None)
        broker.run("casebus-ctl", "backup", os.path.join(broker.dir, "backup"))
        assert broker.client().verify() == []
        what_the_others_do_is_allowed(broker, folder)
        children = "/proc/%d/task/%d/children" % ((broker.process.pid,) * 2)
        with open(children) as file:
            traced = int(file.read().split()[0])
        os.kill(traced, signal.SIGHUP)
        os.kill(traced, signal.SIGTERM)
        assert broker.process.wait(60) == 0, broker.read_log()
    assert_allowed(UNITS[0], os.path.join(folder, "broker"))


def what_the_others_do_is_allowed(broker, folder):
    dashboard = subprocess.Popen(
        [*tracing(folder, "dashboard"), os.path.join(BIN, "casebus-dashboard"), "--http", "127.0.0.1:0",
         "--fanout", broker.fanout, "--query", broker.query], stdout=subprocess.PIPE, text=True)
    address = re.search(r"http://\S+", dashboard.stdout.readline()).group(0)
    for page in ["", "cases", "sessions", "cases.csv", "api/status"]:
        with urllib.request.urlopen(address + page) as answer:
            assert answer.read()
    with open("/proc/%d/task/%d/children" % ((dashboard.pid,) * 2)) as file:
        os.kill(int(file.read().split()[0]), signal.SIGTERM)
    assert dashboard.wait(30) == 0
    assert_allowed(UNITS[1], os.path.join(folder, "dashboard"))

    command = broker.command("casebus-publish", "--outbox", os.path.join(folder, "outbox"),
                             os.path.join(DATA, "register.ndjson"))
    run(*tracing(folder, "publish"), *command)
    assert_allowed(UNITS[2], os.path.join(folder, "publish"))


def what_the_programs_do_is_allowed():
    with tempfile.TemporaryDirectory(prefix="casebus-") as folder:
        what_the_broker_does_is_allowed(folder)


try:
    run("cmake", "--install", BUILD, "--prefix", prefix)
    main([they_are_well_formed, they_are_closed, their_users_and_folders_can_be_made,
          the_store_is_the_broker_s_alone, what_the_programs_do_is_allowed])
finally:
    shutil.rmtree(prefix)
