"""kill -9 at random moments, under load: of the broker, of publishers with an outbox, of both,
of all three kinds of process. Every trial ends in seven zeros.

    kill.py [broker] [publisher] [both] [all] [--rounds N] [--seed S]

A round kills what its mode says and starts it again."""
import time

from trial import Trial, arguments, main

ARGS = arguments(__doc__, rounds=0)
ROUNDS = {"broker": 20, "publisher": 5, "both": 5, "all": 5}
VERIFY_EVERY = 5
RATE = 600                           # reports a second, of each of two workers


def start_load(trial):
    for name, group in (("w1", 1), ("w2", 20)):
        trial.worker(name, outbox=True, group=group, rate=RATE, cases=500, seed=trial.seed)
    trial.reader("r1", flags=("--from-start", "--cursor", trial.cursor("r1")))
    trial.reader("r2", "case:created", "case:synced:hse",
                 flags=("--from-start", "--cursor", trial.cursor("r2")))


def await_load(trial):
    """Until work has gone on for a random while."""
    client = trial.broker.client()
    seq = client.ask("heads")["seq"]
    trial.await_seq(seq + trial.random.randrange(1, 200))
    time.sleep(trial.random.random() * 0.01)    # at no moment in particular


def killed(mode, victims):
    """victims(trial): what a round kills; started again in the order of their death."""
    rounds = ARGS.rounds or ROUNDS[mode]
    with Trial("kill %s, %d rounds" % (mode, rounds), ARGS.seed) as trial:
        start_load(trial)
        for n in range(rounds):
            await_load(trial)
            doomed = victims(trial)
            for program in doomed:
                program.process.kill()
            for program in doomed:
                program.process.wait()
                program.start()
            if n % VERIFY_EVERY == 0:
                findings = trial.broker.client().verify()
                assert findings == [], findings
        trial.finish()


def broker_killed():
    killed("broker", lambda trial: [trial.broker])


def publisher_killed():
    killed("publisher", lambda trial: [trial.random.choice(trial.workers)])


def both_killed():
    killed("both", lambda trial: [trial.broker, trial.random.choice(trial.workers)])


def all_killed():
    def victims(trial):
        doomed = [trial.broker, trial.random.choice(trial.workers),
                  trial.random.choice(trial.readers)]
        trial.random.shuffle(doomed)
        return doomed
    killed("all", victims)


TESTS = {"broker": broker_killed, "publisher": publisher_killed, "both": both_killed,
         "all": all_killed}
main([TESTS[mode] for mode in ARGS.modes or ROUNDS])
