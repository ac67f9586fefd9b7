"""What a run found, as text, Markdown, JSON and pictures."""

import json
import os
import platform
import re
import subprocess

import chart
import must

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
EVERYTHING = "All measures"
BUSY = ("The machine was at work when the run began: where that went on, the figures are far from what it "
        "can do alone.\n")
QUICK = "A quick run: one round, and fewer messages than floors and goals are about.\n"


# --- the machine -----------------------------------------------------------------------------------

def first_match(path, pattern):
    try:
        with open(path) as file:
            found = re.search(pattern, file.read(), re.M)
        return found.group(1).strip() if found else ""
    except OSError:
        return ""


def version_of(program):
    """"" where it is not installed."""
    try:
        done = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True)
    except OSError:
        return ""
    found = re.search(r"v=?(\d+\.\d+\.\d+)", done.stdout)
    return found.group(1) if found else ""


def file_system(path):
    done = subprocess.run(["df", "--output=fstype,size,source", "-BG", path],
                          stdout=subprocess.PIPE, text=True)
    return " ".join(done.stdout.splitlines()[-1].split())


def machine(scratch):
    memory_kib = int(first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)") or 0)
    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
        "cores": os.cpu_count(),
        "memory": f"{memory_kib / 2 ** 20:.0f} GiB",
        "virtual": "yes" if first_match("/proc/cpuinfo", r"^flags.*\b(hypervisor)\b") else "no",
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="?(.*?)"?$'),
        "disk": file_system(scratch),
        "load before": "%.1f %.1f %.1f" % os.getloadavg(),
        "redis-server": version_of("redis-server"),
        "nats-server": version_of("nats-server"),
    }


# --- text ------------------------------------------------------------------------------------------

def figure(value):
    """Three digits that mean something."""
    if value is None:
        return "-"
    size = abs(value)
    if 99 < size < 100:  # a share: what is missing means something
        return f"{value:.4g}"
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def bar(row, name):
    unit = f" {row['unit']}" if row["unit"] != "x" else ""
    return f"{'<=' if row['sense'] == must.LOWER else '>='} {row[name]:,g}{unit}"


def must_rows(rows):
    yield "must show", "shape", "against", "value", "floor", "goal", "verdict"
    for row in rows:
        yield (row["name"], row["shape"], row["against"] or "", figure(row["value"]),
               bar(row, "floor"), bar(row, "goal"), row["verdict"] or "not measured")


def measure_rows(entries):
    yield "measure", "shape", "value", "unit", "low", "high", "against", "its value", "ratio"
    for e in entries:
        yield (e["name"], e["shape"], figure(e["value"]), e["unit"], figure(e["low"]),
               figure(e["high"]), e.get("against", ""),
               figure(e["against_value"]) if "against" in e else "", figure(e["ratio"])
               if "against" in e else "")


def growth_rows(growth):
    yield "growth of", "along", "unit", "measured", "per tenfold", "at last", "allowed", ""
    for g in growth:
        points = " ".join(f"{x:,}: {figure(y)}" for x, y in g["points"])
        yield (g["name"], g["along"], g["unit"], points, figure(g["per_tenfold"]) + " x",
               figure(g["at_last"]) + " x",
               figure(g["allowed"]) + " x" if g["allowed"] else "", "" if g["fine"] else "worse")


def text_table(rows):
    rows = [list(map(str, row)) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n"
                   for row in rows)


def markdown_table(rows):
    rows = [list(map(str, row)) for row in rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def tables(document, table):
    """(heading, table) of each that has something in it."""
    for heading, rows, found in (
            ("What must be shown", must_rows, document["must"]),
            ("Growth", growth_rows, document["growth"]),
            (EVERYTHING, measure_rows, document["measures"])):
        if found:
            yield heading, table(rows(found))


def failed_text(document):
    return "".join(f"failed: {f['what']}: {f['why']}\n" for f in document["failures"])


def text(document):
    parts = [f"{heading}\n\n{table}" for heading, table in tables(document, text_table)]
    if document["asked"]["quick"]:
        parts.insert(0, QUICK)
    return "\n".join(parts) + ("\n" + failed_text(document) if document["failures"] else "")


def markdown(document):
    asked = document["asked"]
    kind = "one round" if asked["rounds"] == 1 else f"medians of {asked['rounds']} rounds"
    kind += "".join(f", {word}" for word in ("quick", "large") if asked[word])
    facts = "".join(f"- {name}: {value}\n" for name, value in document["machine"].items() if value)
    parts = [f"### The machine\n\n{facts}\nThe run: {kind}, {document['begun']}, "
             f"{document['minutes']:.0f} minutes.\n"]
    if float(document["machine"]["load before"].split()[0]) > document["machine"]["cores"]:
        parts.append(BUSY)
    if asked["quick"]:
        parts.append(QUICK)
    for heading, table in tables(document, markdown_table):
        parts.append(f"### {heading}\n\n{table}" if heading != EVERYTHING else
                     f"<details><summary>{heading}</summary>\n\n{table}\n</details>\n")
    if document["failures"]:
        parts.append(f"### Failed\n\n{failed_text(document)}")
    return "\n".join(parts)


# --- files -----------------------------------------------------------------------------------------

def write(folder, name, content):
    with open(os.path.join(folder, name), "w") as file:
        file.write(content)


def write_all(document, folder):
    write(folder, "bench.json", json.dumps(document, indent=1) + "\n")
    write(folder, "bench.txt", text(document))
    write(folder, "bench.svg", chart.bars(document["measures"]))
    write(folder, "growth.svg", chart.lines(document["growth"]))


def render_into(path, document):
    """Puts the tables between the two marks of a document, and the pictures beside it."""
    with open(path) as file:
        content = file.read()
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        raise ValueError(f"{path} needs the lines {BEGIN} and {END}, once each")
    before, after = content.split(BEGIN)[0], content.split(END)[1]
    folder = os.path.dirname(os.path.abspath(path))
    write(folder, os.path.basename(path), f"{before}{BEGIN}\n\n{markdown(document)}\n{END}{after}")
    write(folder, "growth.svg", chart.lines(document["growth"]))
    write(folder, "bench.svg", chart.bars(document["measures"]))
