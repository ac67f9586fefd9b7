"""Links that are cut, refused, stalled, half-closed, delayed, and that deliver twice: each
fault in both directions, on each of the three sockets, in an order and at moments drawn from
the seed, while workers publish and readers read. It ends in seven zeros.

    links.py [storm] [overlapping] [killed] [dead] [--rounds N] [--seed S]

A round of `storm` has every fault once, one at a time; `overlapping` draws several at once;
`killed` does that too and kills the processes meanwhile; `dead` stalls links for longer than
heartbeats wait, so that both sides give the connection up."""
import itertools
import time

from ledger import read_folder
from proxy import TO_CLIENT, TO_SERVER, Proxy
from trial import Trial, arguments, await_true, main

ARGS = arguments(__doc__, rounds=1)
SOCKETS = ("ingest", "fanout", "query")
HEARTBEATS_END = 12.0                # seconds; the slower side waits 10
FAULTS = {
    "cut": lambda proxy, way: proxy.cut(),
    "refuse": lambda proxy, way: proxy.refuse(True),
    "stall": lambda proxy, way: proxy.stall(way),
    "half-close": lambda proxy, way: proxy.half_close(way),
    "delay": lambda proxy, way: proxy.delay(way, 0.03),
    "twice": lambda proxy, way: proxy.duplicate(way, 0.3),
}


class Links:
    """A trial whose workers and readers reach the broker through proxies."""

    def __init__(self, name):
        self.trial = Trial("links %s" % name, ARGS.seed)
        self.proxies = {}
        for socket in SOCKETS:
            self.proxies[socket] = Proxy(getattr(self.trial, socket), ARGS.seed)
            setattr(self.trial, socket, self.proxies[socket].endpoint)

    def __enter__(self):
        self.trial.__enter__()
        for name in ("w1", "w2"):
            self.trial.worker(name, outbox=True, rate=600, cases=300, seed=ARGS.seed)
        self.trial.reader("r1", flags=("--from-start", "--cursor", self.trial.cursor("r1")))
        self.trial.reader("r2", "case:updated", "case:synced:hse",
                          flags=("--from-start", "--cursor", self.trial.cursor("r2")))
        self.trial.await_seq(100)
        return self

    def __exit__(self, kind, value, trace):
        self.trial.__exit__(kind, value, trace)
        for proxy in self.proxies.values():
            proxy.close()

    def moment(self, most):
        time.sleep(self.trial.random.random() * most)

    def harm(self, fault, socket, way):
        """One fault; where reports or events pass, until one has come twice."""
        proxy = self.proxies[socket]
        before = proxy.counts["messages_twice"]
        FAULTS[fault](proxy, way)
        if fault == "twice" and (socket, way) in (("ingest", TO_SERVER), ("fanout", TO_CLIENT)):
            await_true(lambda: proxy.counts["messages_twice"] > before, "a message comes twice")

    def heal(self):
        for proxy in self.proxies.values():
            proxy.heal()

    def finish(self):
        self.heal()
        self.trial.finish()
        for socket, proxy in self.proxies.items():
            print("   %s: %s" % (socket, proxy.counts))
            assert proxy.counts["connections"] > proxy.counts["cut"]


def storm():
    with Links("storm, %d rounds" % ARGS.rounds) as links:
        every = list(itertools.product(FAULTS, SOCKETS, (TO_SERVER, TO_CLIENT)))
        for _ in range(ARGS.rounds):
            links.trial.random.shuffle(every)
            for fault, socket, way in every:
                links.harm(fault, socket, way)
                links.moment(0.3)
                links.heal()
                links.moment(0.05)
        links.finish()
        stats = [reader.runs[-1].stats for reader in read_folder(links.trial.folder)[2]]
        assert sum(counts["repaired"] for counts in stats) > 0, "nothing was lost on the way"
        assert sum(counts["duplicates"] for counts in stats) > 0, "nothing came twice"


def several_at_once(links):
    rng = links.trial.random
    for _ in range(rng.randrange(2, 5)):
        FAULTS[rng.choice(sorted(FAULTS))](links.proxies[rng.choice(SOCKETS)],
                                           rng.choice((TO_SERVER, TO_CLIENT)))
        links.moment(0.2)


def overlapping():
    with Links("overlapping, %d rounds" % ARGS.rounds) as links:
        for _ in range(ARGS.rounds * 20):
            several_at_once(links)
            links.heal()
            links.moment(0.2)
        links.finish()


def killed():
    with Links("and killed, %d rounds" % ARGS.rounds) as links:
        trial = links.trial
        for _ in range(ARGS.rounds * 20):
            several_at_once(links)
            doomed = trial.random.choice([trial.broker, *trial.workers, *trial.readers])
            doomed.kill()
            links.moment(0.1)
            doomed.start()
            links.heal()
            links.moment(0.2)
        links.finish()


def dead():
    with Links("dead, %d rounds" % ARGS.rounds) as links:
        for _ in range(ARGS.rounds):
            for socket, way in itertools.product(SOCKETS, (TO_SERVER, TO_CLIENT)):
                links.proxies[socket].stall(way)
                time.sleep(HEARTBEATS_END)
                links.heal()
                links.trial.await_seq(links.trial.seq() + 100)
        links.finish()


TESTS = {"storm": storm, "overlapping": overlapping, "killed": killed, "dead": dead}
main([TESTS[mode] for mode in ARGS.modes or ["storm"]])
