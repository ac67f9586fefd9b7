"""Pictures of a benchmark: a bar for casebus and for each it is compared with, as long as its share
of the longest of that measure; and a plot of each growth."""

from html import escape
from math import ceil, floor, log10

BAR, GAP, LEFT, WIDTH = 14, 10, 330, 420
NO_BARS = (", server cpu", ", p99.9")  # in the table only
COLOURS = {"casebus": "#1d5fa6", "zmq_proxy": "#8a8f98", "redis-streams": "#b6482f",
           "jetstream": "#3a8f6b"}
PLOT_WIDTH, PLOT_HEIGHT, MARGIN, COLUMNS = 240, 150, 46, 3


def svg(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(str(words))}</text>'


# --- bars ------------------------------------------------------------------------------------------

def groups(entries):
    """The bars of each measure that is compared with something: (label, value)."""
    found = {}
    for e in entries:
        if "against" in e and not e["name"].endswith(NO_BARS):
            bars = found.setdefault((e["name"], e["shape"], e["unit"]), [("casebus", e["value"])])
            bars.append((e["against"], e["against_value"]))
    return found


def bars(entries):
    parts, y = [], 20
    for (name, shape, unit), rows in groups(entries).items():
        parts.append(text(10, y, f"{name} {shape} ({unit})", 'font-weight="bold"'))
        y += 6
        longest = max(value for _, value in rows) or 1
        for label, value in rows:
            width = value / longest * WIDTH
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            parts += [text(LEFT - 8, y + BAR - 3, label, 'text-anchor="end"'),
                      f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" '
                      f'fill="{COLOURS.get(label, "#b9a24a")}"/>',
                      text(LEFT + width + 6, y + BAR - 3, shown)]
            y += BAR + 3
        y += GAP + 12
    return svg(LEFT + WIDTH + 120, y, parts)


# --- growth ----------------------------------------------------------------------------------------

def decades(values):
    """A range of whole powers of ten around them."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


def power(exponent):
    value = 10 ** exponent
    return f"{value:,}" if exponent >= 0 else f"{value:.{-exponent}f}"


def plot(left, top, one):
    """Both axes logarithmic: a straight line is a power, level is no growth."""
    points = one["points"]
    (x_low, x_high), (y_low, y_high) = (decades([p[i] for p in points]) for i in (0, 1))

    def place(x, y):
        return (left + MARGIN + (log10(x) - x_low) / (x_high - x_low) * (PLOT_WIDTH - MARGIN - 10),
                top + 36 + (y_high - log10(y)) / (y_high - y_low) * (PLOT_HEIGHT - 70))

    colour = "#1d5fa6" if one["fine"] else "#b6482f"
    parts = [text(left + 8, top + 14, f"{one['name']}, {one['unit']}", 'font-weight="bold"'),
             text(left + 8, top + 28, f"{one['per_tenfold']:.2f} x per tenfold, at last "
                  f"{one['at_last']:.2f} x", f'fill="{colour}"')]
    for exponent in range(y_low, y_high + 1):
        x, y = place(10 ** x_low, 10 ** exponent)
        parts += [f'<path d="M{x:.1f} {y:.1f}H{left + PLOT_WIDTH - 10}" stroke="#dddddd"/>',
                  text(x - 4, y + 4, power(exponent), 'text-anchor="end" font-size="10"')]
    for exponent in range(x_low, x_high + 1):
        x, y = place(10 ** exponent, 10 ** y_low)
        parts.append(text(x, y + 13, power(exponent), 'text-anchor="middle" font-size="10"'))
    places = [place(x, y) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    parts.append(text(left + PLOT_WIDTH / 2 + 10, top + PLOT_HEIGHT - 6, one["along"],
                      'text-anchor="middle"'))
    return parts


def lines(growth):
    parts = []
    for n, one in enumerate(growth):
        row, column = divmod(n, COLUMNS)
        parts += plot(column * (PLOT_WIDTH + 20), row * (PLOT_HEIGHT + 16), one)
    rows = (len(growth) + COLUMNS - 1) // COLUMNS
    return svg(COLUMNS * (PLOT_WIDTH + 20), rows * (PLOT_HEIGHT + 16) + 10, parts)
