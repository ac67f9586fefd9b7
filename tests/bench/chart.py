"""The chart of a benchmark: a bar for each peer of each measure, as long as its share of the
longest of that measure."""

from html import escape

BAR, GAP, LEFT, WIDTH = 14, 10, 330, 420
COLOURS = {"casebus": "#1d5fa6", "zmq_proxy": "#8a8f98", "redis-streams": "#b6482f",
           "jetstream": "#3a8f6b"}


def groups(entries):
    """Entries of one measure and shape together, in their order."""
    found = {}
    for entry in entries:
        found.setdefault((entry["name"], entry["shape"], entry["unit"]), []).append(entry)
    return found


def bars(entries):
    parts, y = [], 20
    for (name, shape, unit), rows in groups(entries).items():
        parts.append(f'<text x="10" y="{y}" font-weight="bold">'
                     f"{escape(f'{name} {shape} ({unit})')}</text>")
        y += 6
        longest = max(row["value"] for row in rows) or 1
        for row in rows:
            width = row["value"] / longest * WIDTH
            colour = COLOURS.get(row["peer"], "#b9a24a")
            parts.append(f'<text x="{LEFT - 8}" y="{y + BAR - 3}" text-anchor="end">'
                         f'{escape(row["peer"])}</text>'
                         f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" '
                         f'fill="{colour}"/>'
                         f'<text x="{LEFT + width + 6:.1f}" y="{y + BAR - 3}">'
                         f'{row["value"]:,.0f}</text>')
            y += BAR + 3
        y += GAP + 12
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 120}" height="{y}" '
            f'font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')
