"""kill -9 of the broker while reports are published: what was confirmed is there, once."""
import json
import os
import random
import re
import sys

from casebus import Broker, main

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 8
CASES = 12000


def write_cases(path, count):
    with open(path, "w") as file:
        for i in range(count):
            file.write(json.dumps({
                "agency": "hse", "regulator_id": "k%06d" % i,
                "offender": {"name": "Offender %d Ltd" % (i // 4)},
                "offence_action_date": "2024-01-02", "offence_fine_pence": i}) + "\n")


def killed_while_publishing():
    rng = random.Random(7)
    with Broker(ipc=True) as broker:
        client = broker.client()
        path = os.path.join(broker.dir, "cases.ndjson")
        write_cases(path, CASES)
        publisher = broker.start_program("casebus-publish", "--timeout", 60, "--rate", 4000, path)
        for _ in range(ROUNDS):
            seen = client.result("broker.status")["store"]["cases"]
            target = seen + rng.randrange(1, CASES // (2 * ROUNDS))
            while publisher.poll() is None and client.result("broker.status")["store"]["cases"] < target:
                pass
            broker.kill()
            broker.start()
            client = broker.client()
            assert client.verify() == []
        out, err = publisher.communicate(timeout=120)
        assert publisher.returncode == 0, err
        counts = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", out)}
        assert counts["confirmed"] == counts["created"] == CASES, out
        assert client.result("broker.status")["store"]["cases"] == CASES
        ids = ["hse:k%06d" % i for i in range(CASES)]
        for i in range(0, CASES, 1000):
            assert client.result("case.known", ids=ids[i:i + 1000])["known"] == ids[i:i + 1000]
        assert client.verify() == []
        broker.stop()
        done = broker.run("casebus-ctl", "verify", broker.store)
        assert done.returncode == 0


main([killed_while_publishing])
