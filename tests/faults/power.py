"""The power fails: of a recorded run under load, images of the data file that the order of
writes and syncs allows are opened and verified, and hold everything that was confirmed or
published by then.

    power.py COUNT   images of each run"""
import hashlib
import os
import subprocess
import sys

from faults import BIN, Broker, Gone, Load, failing, main, remove, scratch, unpack

COUNT = sys.argv[1] if len(sys.argv) > 1 else "120"
WRITE = 4096                                    # of a page


def write_promises(load, path):
    with open(path, "w") as out:
        for at, index, number in load.promises:
            if index >= 0:
                out.write("%d %s %d -\n" % (at, load.publishers[index].publisher.hex(), number))
                continue
            topic, body = load.published[number]
            digest = "-" if unpack(body).get("thin") else hashlib.blake2b(
                topic + body, digest_size=16).hexdigest()
            out.write("%d - %d %s\n" % (at, number, digest))
        for at in load.moments:
            out.write("%d ! 0 -\n" % at)


def images(load, folder, seed):
    promises, image = (os.path.join(folder, name) for name in ("promises", "image"))
    write_promises(load, promises)
    os.mkdir(image)
    command = [os.path.join(BIN, "casebus-images"), load.trace, promises, image, str(seed), COUNT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=7000)
    print(done.stdout.strip()[-3000:], flush=True)
    assert done.returncode == 0, done.stderr


def run(seed, steps, *fails, flags=()):
    """A load on a recorded disk; with fails, the broker ends that often on the way and starts
    again."""
    folder = scratch()
    trace = os.path.join(folder, "trace")
    broker = Broker(*flags, ipc=True, env=failing(fails[0] if fails else None, trace))
    load = Load(broker, seed, trace=trace)
    load.moments = []                           # looked at in particular: what each start confirms
    try:
        for fail in fails[1:] + (None,) if fails else ():
            assert load.run_until_gone(steps), "the disk never failed"
            broker.process.wait()
            broker.env = failing(fail, trace)
            died = load.now()
            broker.start()
            load.moments += range(died + 1, load.now(), WRITE)  # while it makes sure of what it found
            for index in range(len(load.publishers)):
                load.confirm(index, 0)          # what it found counts as confirmed from here
            load.moments.append(load.now())
        for _ in range(steps):
            load.step()
        load.settle_all()
        images(load, folder, seed)
    except Gone:
        raise AssertionError("the broker ended: " + broker.read_log())
    finally:
        load.close()
        if broker.process.poll() is None:
            broker.kill()
        broker.close()
        remove(folder)


def every_image_of_a_run_opens_and_holds_what_was_told():
    run(1, 120)


def a_kill_between_a_write_and_its_sync_changes_nothing():
    run(2, 60, "meta:25:kill:whole", "write:90:kill:half", "sync:17:kill:none", "meta:30:kill:whole")


def a_disk_that_failed_before_changes_nothing():
    run(3, 60, "meta:25:EIO:whole:on", "sync:17:EIO:none", "meta:20:EIO:none", "meta:30:EIO:whole")


def a_log_that_is_trimmed_meanwhile_changes_nothing():
    run(4, 60, "meta:25:kill:whole", "sync:17:kill:none", flags=("--retain-events", "150"))


main([every_image_of_a_run_opens_and_holds_what_was_told,
      a_kill_between_a_write_and_its_sync_changes_nothing,
      a_disk_that_failed_before_changes_nothing,
      a_log_that_is_trimmed_meanwhile_changes_nothing])
