"""What a race found: the best of each row and allocator, the tables in Markdown, and in plain words what was lost.

Read by scripts/bench, which knows how rows are run. Ratios, never seconds, are compared between rows, and ratios are
averaged by their geometric mean: it alone does not depend on which allocator is called 1.00.
"""
import collections
import math

OURS = "libmempool"
LOST = 1.05  # of the best peer: above it a row counts as lost
GROUPS = {"small": "Small objects", "track": "Rest of the track", "real": "Real programs"}
FIELDS = {"wall": "time", "peak": "peak memory"}
# What the means are taken over: the title, and the sets of its rows.
MEANS = {"Small objects": ("small",), "Whole track": ("small", "track"), "Real programs": ("real",)}


class Figures:
    """The best of each row and allocator; failed runs do not count. `field` is one of FIELDS."""

    def __init__(self, runs):
        self.best = {}
        for run in runs:
            for field in FIELDS if not run.error else ():
                key = (run.row.key, run.allocator, field)
                self.best[key] = min(self.best.get(key, math.inf), getattr(run, field))

    def of(self, row, name, field):
        return self.best.get((row.key, name, field))

    def leader(self, row, names, field):
        there = [name for name in names if self.of(row, name, field)]
        return min(there, key=lambda name: self.of(row, name, field), default=None)

    def ratio(self, row, name, to, field):
        ours, other = self.of(row, name, field), to and self.of(row, to, field)
        return ours / other if ours and other else None

    def mean(self, rows, name, field, to):
        """Geometric mean of `name` relative to what `to(row)` names, over rows that have both, and their count."""
        logs = [math.log(ratio) for row in rows if (ratio := self.ratio(row, name, to(row), field))]
        return (math.exp(sum(logs) / len(logs)) if logs else None), len(logs)


# -- The tables --------------------------------------------------------------------------------------------------

def table(rows, left=1):
    """Markdown that can be read as it stands: the first `left` columns to the left, the others to the right."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) if column < left else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(row, widths))) + " |" for row in rows]
    rule = ("-" * (width + 1) + ("-" if column < left else ":") for column, width in enumerate(widths))
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def number(value, suffix=""):
    return "failed" if value is None else f"{value:.2f}{suffix}"


class Report:
    def __init__(self, wish, rows, allocators, runs, head, cores):
        self.wish, self.rows, self.allocators, self.runs = wish, rows, allocators, runs
        self.head, self.cores, self.figures = head, cores, Figures(runs)
        self.names = [one.name for one in allocators if not one.missing]
        self.peers = [name for name in self.names if name != OURS]
        self.measured = [row for row in rows if not row.missing]

    def best_of_all(self, field):
        return lambda row: self.figures.leader(row, self.names, field)

    def per_row(self, field, unit, form):
        lines = [["row", f"best peer, {unit}", *self.names]]
        for row in self.measured:
            leader, best = self.figures.leader(row, self.peers, field), self.best_of_all(field)(row)
            cells = [f"{leader} {form(self.figures.of(row, leader, field))}" if leader else "none"]
            for name in self.names:
                ratio = number(self.figures.ratio(row, name, best, field))
                cells.append(f"**{ratio}**" if name == best else ratio)
            lines.append([row.label, *cells])
        lines += [[row.label, "not measured", *("" for _ in self.names)] for row in self.rows if row.missing]
        return table(lines)

    def means(self, sets):
        rows = [row for row in self.measured if row.set in sets]

        def cell(name, field, to):
            mean, count = self.figures.mean(rows, name, field, to)
            return number(mean, "" if count == len(rows) else f" ({count} rows)")
        lines = [["allocator", *(f"{OURS}'s {noun} to its" for noun in ("time", "peak")), "its time to the best",
                  "its peak to the best"]]
        for one in self.allocators:
            if one.missing:
                lines.append([one.name, "not measured", "", "", ""])
                continue
            ours = [cell(OURS, field, lambda row: one.name) for field in FIELDS]
            best = [cell(one.name, field, self.best_of_all(field)) for field in FIELDS]
            lines.append([one.name, *(["", ""] if one.name == OURS else ours), *best])
        return table(lines)

    def verdict(self):
        """What was won and lost, in plain words."""
        for title, sets in MEANS.items():
            rows = [row for row in self.measured if row.set in sets]
            for field, noun in FIELDS.items() if rows else ():
                means = {name: self.figures.mean(rows, name, field, self.best_of_all(field)) for name in self.peers}
                # A peer that failed in a row stays in the running, or a weaker one would flatter us.
                sound = {name: mean for name, (mean, count) in means.items() if mean and 2 * count >= len(rows)}
                if sound:
                    peer = min(sound, key=sound.get)
                    ours, count = self.figures.mean(rows, OURS, field, lambda row: peer)
                    yield (f"{title}: the best single peer in {noun} is {peer}; over {count} of {len(rows)} "
                           f"rows {OURS} takes {number(ours)} of its {noun}.")
        for field, noun in FIELDS.items():
            lost = []
            for row in self.measured:
                peer = self.figures.leader(row, self.peers, field)
                ratio = self.figures.ratio(row, OURS, peer, field)
                if peer and (ratio is None or ratio > LOST):
                    lost.append((ratio or math.inf, f"{row.key} ({number(ratio)} of {peer})"))
            words = ", ".join(text for _, text in sorted(lost, reverse=True))
            yield (f"Lost in {noun}, with more than {LOST} of the row's best peer: {len(lost)} of "
                   f"{len(self.measured)} rows{': ' if words else ''}{words}.")

    def gaps(self):
        bad = [run for run in self.runs if run.error]
        failed = collections.Counter(f"{run.row.key} under {run.allocator} ({run.error})" for run in bad)
        if failed:
            words = "; ".join(what + (f", {count} times" if count > 1 else "") for what, count in failed.items())
            yield f"Failed, and not counted: {words}."
        missing = [f"{one.name} ({one.missing})" for one in self.allocators if one.missing]
        missing += [f"row {row.key} ({row.missing})" for row in self.rows if row.missing]
        if missing:
            yield f"Not measured, so nothing is said about it: {'; '.join(missing)}."

    @property
    def rounds_said(self):
        return f"Best of {self.wish.rounds} rounds" if self.wish.rounds > 1 else "One round"

    def markdown(self):
        parts = [f"# {self.wish.name} run: {OURS} and its peers", "\n".join(f"- {line}" for line in self.head)]
        if self.wish.smoke:
            parts.append("**A smoke test: the figures mean nothing.**")
        if self.wish.keep:
            parts.append(f"![time and peak memory of each row, relative to its best]({self.wish.name}.svg)")
        parts.append(table([["allocator", "what it is"], *([one.name, one.what] for one in self.allocators)], left=2))
        parts.append(f"{self.rounds_said}. Below, 1.00 is the best allocator of the row; less is better.")
        if any(row.label != row.key for row in self.measured):
            parts.append(f"\\* more threads than the {self.cores} cores: tells how an allocator bears interruption, "
                         "not how it scales.")
        parts += ["## Wall time", self.per_row("wall", "s", lambda seconds: f"{seconds:.3f}")]
        parts += ["## Peak of resident memory", self.per_row("peak", "MiB", lambda kib: f"{kib / 1024:.1f}")]
        for title, sets in MEANS.items():
            if any(row.set in sets for row in self.measured):
                parts += [f"## {title}: geometric means", self.means(sets)]
        closing = [*([] if self.wish.smoke else self.verdict()), *self.gaps()]
        return "\n\n".join([*parts, *(["## What was lost"] if closing else []), *closing]) + "\n"
