"""How many of our own instructions a report costs, and whether they have become more.

    instructions.py            compare with instructions.json beside this file
    instructions.py --accept   write what was counted into that file
    instructions.py --list N   and print the N functions that cost most

Times differ from run to run; instructions do not. bench/decide.c runs under callgrind, and what
its own object holds is summed (not libc, LMDB, msgpack-c, libsodium). A shape that costs more
than 3 % above the file fails: what made it so is to be mended, or the file changed with a reason.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

MARGIN = 1.03
SHAPES = ("new", "synced", "updated")
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.json")
PROGRAM = os.path.join(os.path.abspath(os.environ["CASEBUS_BIN"]), "casebus-decide")


def costs(path):
    """Instructions by (object, function), their own only: lines behind `calls=` are the callee's."""
    names, found = {}, Counter()
    current = {"ob": "", "fn": ""}
    callee = False

    def name(kind, text):
        number, _, rest = text.partition(") ")
        if rest:
            names[kind, number] = rest
        return names[kind, number.rstrip(")")] if not rest else rest

    with open(path) as lines:
        for line in lines:
            line = line.rstrip("\n")
            if match := re.match(r"(c?)(ob|fn|fi|fe|fl)=(.*)", line):
                called, kind, text = match.groups()
                value = name("file" if kind in ("fi", "fe", "fl") else kind, text)
                if not called and kind in current:
                    current[kind] = value
            elif match := re.match(r"cfi=|cfl=", line):
                name("file", line.partition("=")[2])
            elif line.startswith("calls="):
                callee = True
            elif re.match(r"[+\-*\d]", line):
                if not callee:
                    found[current["ob"], current["fn"]] += int(line.split()[1])
                callee = False
    return found


def count(shape):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        run = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
             f"--callgrind-out-file={out}", PROGRAM, shape, os.path.join(folder, "store")],
            stdout=subprocess.PIPE, text=True, check=True)
        ours = {fn: cost for (ob, fn), cost in costs(out).items() if ob == PROGRAM}
    reports = int(run.stdout)
    return {fn: cost / reports for fn, cost in ours.items()}


def main(arguments):
    listed = int(arguments[arguments.index("--list") + 1]) if "--list" in arguments else 0
    counted = {}
    for shape in SHAPES:
        functions = count(shape)
        counted[shape] = round(sum(functions.values()))
        print(f"{shape}: {counted[shape]} instructions a report")
        for fn, cost in sorted(functions.items(), key=lambda item: -item[1])[:listed]:
            print(f"  {cost:8.0f}  {fn}")
    if "--accept" in arguments:
        with open(FILE, "w") as file:
            json.dump(counted, file, indent=4)
            file.write("\n")
        return 0
    with open(FILE) as file:
        allowed = json.load(file)
    worse = [shape for shape in SHAPES if counted[shape] > allowed[shape] * MARGIN]
    for shape in worse:
        print(f"{shape}: {counted[shape]} is more than 3 % above {allowed[shape]}")
    assert min(counted.values()) > 1000, "that is not what a report costs: nothing was counted"
    return 1 if worse else 0


sys.exit(main(sys.argv[1:]))
