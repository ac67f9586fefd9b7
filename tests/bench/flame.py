"""Where the broker's time goes: a picture from samples of perf, taken while a round runs as fast as
it goes.

    flame.py OUT.SVG [OPTION OF casebus-round]...

Each bar is a function, as wide as its share of all samples; those it calls lie on it. The lowest
bars are threads. Of the kernel only the call is shown, of a library without symbols its name. Needs
perf and the right to use it (kernel.perf_event_paranoid).
"""

import os
import re
import subprocess
import sys
import tempfile
from html import escape

import sizes
from run import CASEBUS, ROUND

FREQUENCY, STACK_BYTES = 1999, 8192
MESSAGES = "300000"
WIDTH, ROW, SMALLEST = 1200, 17, 0.6  # pixels; narrower bars are left out
COLOURS = (("[kernel]", "#c9a26b"), ("libzmq", "#8fa9c9"), ("liblmdb", "#9cc39a"),
           ("casebus-broker", "#e08a5b"), ("", "#c8c8c8"))
STARTERS = ("clone3", "start_thread", "__libc_start_main_impl", "_start")


class Node:
    """A function under one chain of callers."""

    def __init__(self, name="", module=""):
        self.name, self.module, self.samples, self.below = name, module, 0, {}

    def add(self, frames):
        self.samples += 1
        if frames:
            self.below.setdefault(frames[0], Node(*frames[0])).add(frames[1:])


# --- samples ---------------------------------------------------------------------------------------

def record(folder, options):
    """The path of what perf recorded of the broker."""
    out = os.path.join(folder, "perf.data")
    with sizes.StoreBroker() as broker:
        broker.start()
        load = subprocess.Popen([ROUND, CASEBUS, "-n", MESSAGES, *broker.attached(), *options],
                                stdout=subprocess.DEVNULL)
        perf = subprocess.Popen(["perf", "record", "-q", "-F", str(FREQUENCY), "--call-graph",
                                 f"dwarf,{STACK_BYTES}", "-o", out, "-p", str(broker.process.pid)])
        code = load.wait()
        perf.send_signal(2)
        perf.wait()
        if code != 0:
            sys.exit("flame: the round failed")
    return out


def frame(line):
    """(function, module) of a line like "  7f… zmq::msg_t::close+0x1 (/usr/lib/libzmq.so.5)"."""
    match = re.match(r"\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$", line)
    name, place = match.groups() if match else (line.strip(), "")
    module = os.path.basename(place)
    if place.startswith("[kernel") or place.startswith("[guest.kernel") or module.endswith(".ko"):
        module = "[kernel]"
    return re.sub(r"\(.*", "", name) or "?", module


def simple(frames):
    """From the outermost in: what starts threads left out, the kernel as one frame with the name of
    its call, unknown functions of a library as one."""
    found = []
    for name, module in frames:
        if name in STARTERS or module == "[unknown]":
            continue
        if module == "[kernel]":
            call = re.fullmatch(r"__x64_sys_(\w+)", name)
            entered = found and found[-1][1] == "[kernel]"
            if call and entered:
                found.pop()
            if call or not entered:
                found.append((call.group(1) if call else "kernel", module))
            continue
        if name.startswith("[unknown]"):
            name = module.split(".so")[0].split("-")[0] or "?"
        if not found or found[-1] != (name, module):
            found.append((name, module))
    return found


def read(path):
    """All samples as one tree: threads, then functions from the outermost in."""
    root, stack, thread = Node("all"), [], None
    script = subprocess.Popen(["perf", "script", "-i", path, "--no-inline", "-F", "comm,tid,ip,sym,dso"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              errors="replace")
    for line in script.stdout:
        if not line.strip():
            if thread:
                root.add([(thread, "")] + simple(stack[::-1]))
            stack, thread = [], None
        elif line[0].isspace() and thread:
            stack.append(frame(line.rstrip()))
        else:
            thread = " ".join(line.split()[:-1]) or "thread"
    return root


# --- picture ---------------------------------------------------------------------------------------

def depth(node, share):
    return 1 + max([depth(n, share) for n in node.below.values() if n.samples >= share] or [0])


def draw(node, x, level, scale, height, total, parts):
    for below in sorted(node.below.values(), key=lambda n: (n.module, n.name)):
        width = below.samples * scale
        if width >= SMALLEST:
            y = height - (level + 1) * ROW
            colour = next(c for word, c in COLOURS if word in below.module)
            title = f"{below.name} ({below.module or 'thread'}), {100 * below.samples / total:.1f} %"
            fits = below.name[:max(0, int((width - 4) / 6.2))]
            parts.append(f'<g><title>{escape(title)}</title><rect x="{x:.1f}" y="{y}" '
                         f'width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
                         f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(fits) if len(fits) > 2 else ""}'
                         f'</text></g>')
            draw(below, x, level + 1, scale, height, total, parts)
        x += width


def picture(root):
    scale = WIDTH / root.samples
    height = depth(root, SMALLEST / scale) * ROW + 24
    parts = []
    draw(root, 0, 0, scale, height - 20, root.samples, parts)
    x, key = 4, []
    for word, (_, colour) in zip(("kernel", "libzmq", "LMDB", "the broker's own", "other"), COLOURS):
        key.append(f'<rect x="{x}" y="{height - 16}" width="12" height="12" fill="{colour}"/>'
                   f'<text x="{x + 16}" y="{height - 6}">{word}</text>')
        x += 130
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'font-family="monospace" font-size="10"><rect width="100%" height="100%" fill="white"/>'
            f'{"".join(parts + key)}</svg>\n')


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="casebus-flame-") as folder:
        root = read(record(folder, arguments[1:]))
    if root.samples == 0:
        sys.exit("flame: perf took no sample; is it allowed to? (kernel.perf_event_paranoid)")
    with open(arguments[0], "w") as file:
        file.write(picture(root))
    return 0


sys.exit(main(sys.argv[1:]))
