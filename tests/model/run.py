#!/usr/bin/env python3
"""Searches the models of this folder, every row of variants.tsv, one line a row.

A row says what its search must end with. One that holds must be searched to the end, every
state kept in full: no bit-state, no hash compaction, no depth or memory that ran out. One that
must not hold has to fail by the property that is named; and each rule must have such a row.

Usage: run.py [--soak] [--trail] [word...]. With words, only rows that have them all; with
--trail, also the way to what was found.
"""
import os
import re
import resource
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DEPTH = 100000
MEMORY_MB = 2000        # one search; they run one after the other
SOAK_MEMORY_MB = 12000
PAN = ["gcc", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"]


def rows():
    with open(os.path.join(HERE, "variants.tsv"), encoding="utf-8") as table:
        for line in table:
            if line.strip() and not line.startswith("#"):
                when, ends, model, flags, why = line.rstrip("\n").split("\t")
                yield when, ends, model, flags.split(), why


def must(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def search(model, flags, memory, quick, folder):
    """What pan prints. What is found after few states is not worth an optimizer."""
    must(["spin", "-a", *flags, os.path.join(HERE, model)], folder)
    must([*PAN, "-O0" if quick else "-O1", f"-DMEMLIM={memory}"], folder)
    done = subprocess.run(["./pan", f"-m{DEPTH}", "-w20"], cwd=folder, capture_output=True,
                          check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def result(output):
    """holds, a property, or what else went wrong."""
    errors = re.search(r"errors: (\d+)", output)
    violated = re.search(r"pan:1: assertion violated +!\((\w+)\)", output)
    if violated:
        return violated[1]
    if "pan:1: invalid end state" in output:
        return "stuck"
    complete = "Full statespace search" in output and not re.search(
        "Search not completed|max search depth too small|out of memory", output)
    if errors and errors[1] == "0" and complete:
        return "holds"
    return "unfinished"


def measure(output):
    states = re.search(r"(\S+) states, stored", output)
    memory = re.search(r"(\S+)\s+total actual memory usage", output)
    return int(float(states[1])) if states else 0, float(memory[1]) if memory else 0.0


def rules_without_row():
    """Every NO_ macro of a model has a row in which a property fails for want of it."""
    shown = {(model, flag[2:]) for _, ends, model, flags, _ in rows() if ends != "holds"
             for flag in flags}
    for model in sorted(name for name in os.listdir(HERE) if name.endswith(".pml")):
        with open(os.path.join(HERE, model), encoding="utf-8") as text:
            for rule in sorted(set(re.findall(r"^#ifn?def (NO_\w+)", text.read(), re.M))):
                if (model, rule) not in shown:
                    yield f"{model}: no row of variants.tsv shows what {rule} breaks"


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_row(row, soak, trail):
    _, ends, model, flags, why = row
    with tempfile.TemporaryDirectory() as folder:
        begun = cpu_seconds()
        output = search(model, flags, SOAK_MEMORY_MB if soak else MEMORY_MB, ends != "holds",
                        folder)
        found = result(output)
        states, memory = measure(output)
        print(f"{'ok   ' if found == ends else 'WRONG'} expected {ends:<11} found {found:<11} "
              f"{states:>9} states {memory:>5.0f} MB {cpu_seconds() - begun:>5.1f} s  "
              f"{model[:-4]} {' '.join(flags)}: {why}", flush=True)
        if found == "unfinished":
            print(output)
        if trail and found not in ("holds", "unfinished"):
            subprocess.run(["spin", "-t", "-p", "-g", "-l", *flags, "-k",
                            os.path.join(folder, model + ".trail"), os.path.join(HERE, model)],
                           cwd=folder, check=False)
    return found == ends


def main(arguments):
    soak, trail = "--soak" in arguments, "--trail" in arguments
    words = [a for a in arguments if not a.startswith("--")]
    chosen = [row for row in rows()
              if (row[0] == "soak") == soak
              and all(w in (row[1], row[2][:-4]) or w in " ".join(row[3]) for w in words)]
    wrong = [row for row in chosen if not run_row(row, soak, trail)]
    unshown = list(rules_without_row())
    print("".join(f"{line}\n" for line in unshown), end="")
    print(f"{len(chosen)} searches, {len(wrong)} not as expected, {cpu_seconds():.1f} s")
    return 1 if wrong or unshown or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
