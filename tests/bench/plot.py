"""Draws a race: a dot for each row and allocator, time in the left panel, peak memory in the right one, as SVG.

The axis is the ratio to the best of the row, on a log scale, so that twice as much is as far everywhere. What lies
beyond its end stands as an arrow in the grey gutter, never at a made-up place. No library: text in, text out.
"""
import html
import math

from report import GROUPS, MEANS, OURS

END = 4.0  # of the axis
TICKS = (1, 1.25, 1.5, 2, 3, 4)
COLOURS = {"glibc": "#4d4d4d", "mimalloc": "#0072b2", "jemalloc": "#009e73", "tcmalloc": "#cc79a7",
           "tbbmalloc": "#b8860b", "scudo": "#56b4e9"}
MORE_COLOURS = ("#7b4fa3", "#8c564b", "#66a61e", "#1b5e5a", "#a0a000")
OUR_COLOUR = "#d62e10"

WIDTH, ROW, LEFT, AXIS, GUTTER, VALUE = 1100, 26, 196, 318, 46, 64  # px
PANELS = (("wall", "Wall time", LEFT + VALUE),
          ("peak", "Peak of resident memory", LEFT + AXIS + GUTTER + 2 * VALUE + 10))
LANES = (0, -5, 5, -8, 8)  # px: where a dot may go that would cover another one


def colours_of(names):
    more = iter(MORE_COLOURS * 9)
    return {name: OUR_COLOUR if name == OURS else COLOURS.get(name) or next(more) for name in names}


def opening(width, height):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="Helvetica, Arial, \'DejaVu Sans\', sans-serif">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>']


def place(ratio):
    return math.log(ratio) / math.log(END) * AXIS


def text(x, y, words, size=12, anchor="start", colour="#24292f", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{html.escape(words)}</text>')


def mark(name, colour, x, y, title):
    if name == OURS:
        shape = (f'<path d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7-7z" fill="{colour}" stroke="#fff" stroke-width="1.2"/>')
    else:
        shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2" fill="{colour}" stroke="#fff" stroke-width="0.8"/>'
    return f"<g>{shape}<title>{html.escape(title)}</title></g>"


def arrow(colour, x, y, title):
    return (f'<path d="M{x - 3:.1f} {y - 4.5:.1f}l6.5 4.5l-6.5 4.5z" fill="{colour}">'
            f"<title>{html.escape(title)}</title></path>")


def dots(ratios, colours, left, y):
    """One row of one panel. `ratios` by allocator; ours keeps the line itself and is drawn last, on top."""
    drawn, taken = [], []
    near = sorted((name for name in ratios if ratios[name] <= END), key=lambda name: (name != OURS, ratios[name]))
    far = sorted((name for name in ratios if ratios[name] > END), key=lambda name: (name != OURS, ratios[name]))
    for name in near:
        x = left + place(ratios[name])
        room = {lane: min((math.hypot(x - other_x, lane - other) / reach for other_x, other, reach in taken),
                          default=1) for lane in LANES}  # 1 and above: touches nothing
        lane = next((lane for lane in LANES if room[lane] >= 1), max(room, key=room.get))
        taken.append((x, lane, 9 if name == OURS else 7))
        drawn.append(mark(name, colours[name], x, y + lane, f"{name} {ratios[name]:.2f}"))
    step = min(9, (GUTTER - 8) / max(1, len(far)))
    for at, name in enumerate(far):
        drawn.append(arrow(colours[name], left + AXIS + 8 + at * step, y, f"{name} {ratios[name]:.2f}"))
    return reversed(drawn)


def plot(report):
    """The whole picture of a report (report.py)."""
    colours, figures = colours_of(report.names), report.figures
    # Lines from top to bottom: a heading, rows, or means, which close the group that completes them.
    lines = []
    for group, heading in GROUPS.items():
        rows = [row for row in report.measured if row.set == group]
        if not rows:
            continue
        lines.append((heading, None, None))
        lines += [(row.label, row, None) for row in rows]
        for title, sets in MEANS.items():
            if sets[-1] == group:
                lines.append((f"mean, {title.lower()}", None, [row for row in report.measured if row.set in sets]))
    top, height = 142, ROW * len(lines)
    bottom = top + height
    out = opening(WIDTH, bottom + 64)
    out += [text(16, 30, f"{OURS} and its peers: {report.wish.name} run", 18, weight="bold"),
            text(16, 50, "Each row: relative to its best allocator, at 1; further left is better. "
                 f"{report.rounds_said}.", 12, colour="#57606a")]
    out += legend(colours)
    for _, title, left in PANELS:
        out += [text(left, top - 30, title, 13, weight="bold"),
                f'<rect x="{left + AXIS + 2}" y="{top}" width="{GUTTER}" height="{height}" fill="#f3f4f6"/>']
        for tick in TICKS:
            x = left + place(tick)
            colour = "#6e7781" if tick == 1 else "#e6eaee"
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}"/>')
            out += [text(x, at, f"{tick:g}", 11, "middle", "#57606a") for at in (top - 8, bottom + 16)]
        beyond = left + AXIS + 2 + GUTTER / 2
        out += [text(beyond, at, f"> {END:g}", 11, "middle", "#57606a") for at in (top - 8, bottom + 16)]
    for at, (label, row, rows) in enumerate(lines):
        y = top + ROW * at + ROW / 2
        if not row and not rows:
            out += [f'<rect x="0" y="{y - ROW / 2:.1f}" width="{WIDTH}" height="{ROW}" fill="#fff"/>',
                    text(16, y + 5, label, 13, weight="bold")]
            continue
        if rows:
            out.append(f'<rect x="8" y="{y - ROW / 2:.1f}" width="{WIDTH - 16}" height="{ROW}" fill="#fff1ec"/>')
        out.append(text(LEFT, y + 4, label, 12, "end", weight="bold" if rows else "normal"))
        for field, _, left in PANELS:
            out.append(f'<line x1="{left}" x2="{left + AXIS}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dde3e9"/>')
            if rows:
                best = report.best_of_all(field)
                ratios = {name: figures.mean(rows, name, field, best)[0] for name in report.names}
            else:
                best = report.best_of_all(field)(row)
                ratios = {name: figures.ratio(row, name, best, field) for name in report.names}
                if best:
                    one = amount(figures.of(row, best, field), field)
                    out.append(text(left - 12, y + 4, one, 11, "end", "#8c959f"))
            out += dots({name: ratio for name, ratio in ratios.items() if ratio}, colours, left, y)
    notes = ["Grey figures: what 1 stands for in the row."]
    if any(not report.figures.of(row, name, "wall") for row in report.measured for name in report.names):
        notes.append("An allocator without a mark failed in that row.")
    if any(row.label != row.key for row in report.measured):
        notes.append(f"* more threads than the {report.cores} cores: not scaling.")
    missing = [one.name for one in report.allocators if one.missing]
    if missing:
        notes.append(f"Not measured: {', '.join(missing)}.")
    out.append(text(16, bottom + 36, "  ".join(notes), 11, colour="#57606a"))
    where = "; ".join(line for line in report.head if line.startswith(("machine", "date")))
    out.append(text(16, bottom + 53, where, 11, colour="#57606a"))
    return "\n".join([*out, "</svg>"]) + "\n"


def amount(value, field):
    if field == "wall":
        return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"
    return f"{value / 1024:.0f} MiB"


def legend(colours):
    x, y = 24, 76
    for name in colours:
        wide = 26 + 7.4 * len(name)
        if x + wide > WIDTH - 16:
            x, y = 24, y + 18
        yield mark(name, colours[name], x, y, name)
        yield text(x + 12, y + 4, name, 12, weight="bold" if name == OURS else "normal")
        x += wide
