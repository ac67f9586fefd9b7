"""Who connects and is no peer: junk in place of a greeting, half of one, one of another age, none at all.
And more of them than there are descriptors. The broker cuts them off, and nobody else notices.

  greetings.py attack ENDPOINT...     what the tests start as a process of its own
"""
import collections
import os
import random
import resource
import socket
import subprocess
import sys
import time

from casebus import await_, main
from guarded import Guarded
from wire import Wire, frame, greeting, ready

# Under the address sanitizer, what is freed is not kept for long: this is about memory too.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"

ACTORS = """boss {boss} admin
late {late} viewer
"""
JUNK = 1500   # greetings a wave; there are two
AT_ONCE = 250  # connections
NOT_NOTICED_S = 0.03  # a slower answer on a busy machine says nothing, unless it was as slow before
MIB = 1024  # KiB
KINDS = {  # what is said, and whether more could come
    "random": lambda rng: rng.randbytes(rng.randrange(1, 200)),
    "nothing": lambda rng: b"",
    "half": lambda rng: greeting(b"CURVE")[:rng.randrange(1, 64)],
    "zmtp 2": lambda rng: b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\x00\x00" + frame(b"case:"),
    "no key": lambda rng: greeting() + ready(b"DEALER") + frame(b"\x81\xa1v\x01"),
    "no hello": lambda rng: greeting(b"CURVE") + rng.randbytes(300),
}


def attack(endpoints):
    """Each stays until the broker hangs up, which it must: after the handshake's five seconds at the latest."""
    rng, open_ones, kinds = random.Random(6), [], list(KINDS.values())
    for i in range(JUNK):
        wire = Wire(endpoints[i // len(kinds) % len(endpoints)])
        wire.send(kinds[i % len(kinds)](rng))
        open_ones.append(wire)
        if len(open_ones) > AT_ONCE:  # those that the broker has cut off, or will soon
            open_ones.pop(rng.randrange(len(open_ones))).reset()
    for wire in open_ones:
        wire.rest()
    print("hung up: %d" % len(open_ones))


def hoard(endpoint, count):
    """Connections, as many as come about, until told to end."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
    kept = [socket.socket() for _ in range(count)]
    for one in kept:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", int(endpoint.rpartition(":")[2])))
    print("there", flush=True)
    sys.stdin.readline()


def start(*args):
    return subprocess.Popen([sys.executable, __file__, *map(str, args)], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def descriptors(broker):
    return len(os.listdir("/proc/%d/fd" % broker.process.pid))


def p99_s(asker, going_on, least=200):
    """Of requests one after the other, as long as it goes on."""
    took = []
    while going_on() or len(took) < least:
        began = time.monotonic()
        assert asker.ask("case.get", id="hse:none")["error"]["code"] == "not_found"
        took.append(time.monotonic() - began)
    return sorted(took)[len(took) * 99 // 100]


def junk_greetings_trouble_nobody():
    with Guarded(ACTORS) as broker:
        boss = broker.asker("boss")
        calm, before, memory = p99_s(boss, lambda: False), descriptors(broker), []
        for _ in range(2):
            attacker = start("attack", broker.ingest, broker.fanout, broker.query)
            meanwhile = p99_s(boss, lambda: attacker.poll() is None)
            assert attacker.returncode == 0 and "hung up" in attacker.stdout.read()
            assert meanwhile < max(2 * calm, NOT_NOTICED_S), (calm, meanwhile)
            await_("all are forgotten", lambda: descriptors(broker) <= before)
            memory.append(broker.anonymous_kib())
        assert memory[1] < memory[0] + 6 * MIB, memory
        refused = boss.ask("broker.status")["result"]["refused"]["denied"]
        lines = broker.audit()
        for door in ("ingest", "fanout", "query"):
            assert [line for line in lines if "door=%s:" % door in line], door
        assert refused >= JUNK // len(KINDS), refused  # what is no ZMTP at all libzmq tells nobody of
        a_second = collections.Counter(line[:len("2026-01-01T00:00:00")] for line in lines)
        assert max(a_second.values()) <= 2 * 101, a_second  # two of the log's windows at most
        assert broker.asker("late").code("actor.whoami") == "ok"
        print("      p99 %.1f ms, meanwhile %.1f ms; %d counted, %d lines; KiB: %s" % (
            calm * 1e3, meanwhile * 1e3, refused, len(lines), memory))


def no_descriptor_left():
    """More connections than the broker may have: who is there is served, and others when there is room."""
    limit = 160
    os.environ["CASEBUS_WRAP"] = "prlimit --nofile=%d " % limit + os.environ.get("CASEBUS_WRAP", "")
    with Guarded(ACTORS) as broker:
        boss = broker.asker("boss")
        calm, before = p99_s(boss, lambda: False), descriptors(broker)
        hoarder = start("hoard", broker.query, 400)
        assert hoarder.stdout.readline() == "there\n"
        await_("all descriptors are in use", lambda: descriptors(broker) >= limit)
        late = broker.asker("late")
        until = time.monotonic() + 3
        meanwhile = p99_s(boss, lambda: time.monotonic() < until)
        assert meanwhile < max(2 * calm, NOT_NOTICED_S), (calm, meanwhile)
        await_("said", lambda: "no file descriptor is left" in broker.whole_log())
        hoarder.communicate("end\n")
        assert late.code("actor.whoami") == "ok"
        await_("all are forgotten", lambda: descriptors(broker) <= before + 1)
        assert broker.whole_log().count("no file descriptor is left") <= 10, "each second at most"
        print("      p99 %.1f ms, meanwhile %.1f ms" % (calm * 1e3, meanwhile * 1e3))


if sys.argv[1:2] == ["attack"]:
    attack(sys.argv[2:])
elif sys.argv[1:2] == ["hoard"]:
    hoard(sys.argv[2], int(sys.argv[3]))
else:
    sys.stdout.reconfigure(line_buffering=True)
    main([junk_greetings_trouble_nobody, no_descriptor_left])
