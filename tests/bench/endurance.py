"""What a soak found: resident memory over what is live, how it grew in the second half, and both as a picture.

Read by scripts/soak, which knows how the programs are run. The second half is judged, because in the first one the
programs fill up. Growth is the mean of the last quarter less the mean of the third: a quarter is whole cycles of the
load and draws the same numbers as the one before, so a fit over moving memory would say no more.
"""
import statistics

from plot import colours_of, legend, opening, text
from report import OURS, number, table

MOST_GROWTH_KIB = 1024
MOST_OF_JEMALLOC = 1.10

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 1100, 70, 24, 106, 190, 56  # px
MOST_POINTS = 1000  # of a line: about one a px


class Endurance:
    """`samples` by (program, allocator): seconds, resident KiB, live bytes as the program counts them."""

    def __init__(self, wish, programs, allocators, samples, head):
        self.wish, self.programs, self.allocators, self.samples, self.head = wish, programs, allocators, samples, head
        self.names = [one.name for one in allocators if not one.missing]
        # redis counts malloc_usable_size, which is more where an allocator rounds up more. All do the same work, so
        # the smallest count at a time is what is live.
        self.live = {program: [min(its) for its in zip(*([bytes_ / 1024 for _, _, bytes_ in samples[program, name]]
                                                          for name in self.names))] for program in programs}

    def part(self, values, begin, end):
        """The mean from one share of the time to another."""
        its = values[int(len(values) * begin):int(len(values) * end)]
        return statistics.fmean(its) if its else None

    def resident(self, program, name):
        return [resident for _, resident, _ in self.samples[program, name]]

    def over_live(self, program, name):
        resident, live = (self.part(of, 0.5, 1) for of in (self.resident(program, name), self.live[program]))
        return resident / live if resident and live else None

    def growth(self, values):
        third, last = self.part(values, 0.5, 0.75), self.part(values, 0.75, 1)
        return None if third is None or last is None else last - third

    def to_jemalloc(self, program, name):
        ours, theirs = (self.over_live(program, one) if one in self.names else None for one in (name, "jemalloc"))
        return ours / theirs if ours and theirs else None

    def table(self):
        lines = [["program", "allocator", "RSS, MiB", "live, MiB", "RSS over live", "to jemalloc's", "RSS grew, KiB",
                  "live grew, KiB"]]
        for program in self.programs:
            for name in self.names:
                resident, live = self.part(self.resident(program, name), 0.5, 1), self.part(self.live[program], 0.5, 1)
                ratio = self.to_jemalloc(program, name)
                grew = (self.growth(of) for of in (self.resident(program, name), self.live[program]))
                lines.append([program, name, f"{resident / 1024:.1f}", f"{live / 1024:.1f}",
                              number(self.over_live(program, name)), "not measured" if ratio is None else number(ratio),
                              *(f"{of:+.0f}" for of in grew)])
        return table(lines, left=2)

    def verdict(self):
        for program in self.programs:
            grew, ratio = self.growth(self.resident(program, OURS)), self.to_jemalloc(program, OURS)
            yield (f"{program}: RSS grew by {grew:+.0f} KiB in the second half; wanted: less than {MOST_GROWTH_KIB}"
                   f"{' (missed)' if grew >= MOST_GROWTH_KIB else ''}.")
            if ratio is not None:
                yield (f"{program}: RSS over live is {ratio:.2f} of jemalloc's; wanted: at most {MOST_OF_JEMALLOC:.2f}"
                       f"{' (missed)' if ratio > MOST_OF_JEMALLOC else ''}.")

    def markdown(self):
        parts = [f"# {self.wish.duration} of changing load", "\n".join(f"- {line}" for line in self.head)]
        if self.wish.keep:
            parts.append(f"![resident and live memory over the time]({self.wish.name}.svg)")
        parts.append(table([["allocator", "what it is"], *([one.name, one.what] for one in self.allocators)], left=2))
        parts.append("Means of the second half. RSS grew: the mean of the last quarter less the mean of the third. "
                     "Live: what the program counts, of redis the smallest count, because it counts an allocator's "
                     "rounding as well.")
        parts.append(self.table())
        missing = [f"{one.name} ({one.missing})" for one in self.allocators if one.missing]
        closing = ["\n".join(f"- {line}" for line in self.verdict())]
        if missing:
            closing.append(f"Not measured, so nothing is said about it: {'; '.join(missing)}.")
        return "\n\n".join([*parts, "## What was wanted", *closing]) + "\n"

    # -- The picture ---------------------------------------------------------------------------------------------

    def plot(self):
        """One panel a program: a line of resident memory for each allocator, live memory as a grey area."""
        colours = colours_of(self.names)
        bottom = TOP + len(self.programs) * (PANEL + GAP)
        out = opening(WIDTH, bottom + 24)
        out += [text(16, 30, f"Resident memory over {self.wish.duration} of changing load", 18, weight="bold"),
                text(16, 50, "Grey: what is live. The second half, with the lighter ground, is judged.", 12,
                     colour="#57606a"), *legend(colours)]
        for at, program in enumerate(self.programs):
            out += self.panel(program, colours, TOP + at * (PANEL + GAP) + 20)
        where = "; ".join(line for line in self.head if line.startswith(("machine", "date")))
        out.append(text(16, bottom + 12, where, 11, colour="#57606a"))
        return "\n".join([*out, "</svg>"]) + "\n"

    def panel(self, program, colours, top):
        seconds = [second for second, _, _ in self.samples[program, self.names[0]]]
        most = max(max(self.resident(program, name)) for name in self.names) / 1024
        step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if most / step <= 5)
        wide = WIDTH - LEFT - RIGHT

        def x(second):
            return LEFT + wide * second / max(seconds[-1], 1e-9)

        def y(kib):
            return top + PANEL - PANEL * kib / 1024 / (most * 1.05)

        def line(values):
            points = list(zip(seconds, values))[::max(1, len(seconds) // MOST_POINTS)]
            return " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in points)
        yield f'<rect x="{LEFT}" y="{top}" width="{wide}" height="{PANEL}" fill="#f3f4f6"/>'
        yield f'<rect x="{LEFT + wide / 2:.1f}" y="{top}" width="{wide / 2:.1f}" height="{PANEL}" fill="#fafbfc"/>'
        yield text(LEFT, top - 8, f"{program}, MiB", 13, weight="bold")
        area = f"{x(seconds[0]):.1f},{y(0):.1f} {line(self.live[program])} {x(seconds[-1]):.1f},{y(0):.1f}"
        yield f'<polygon points="{area}" fill="#d5dae0"/>'
        for tick in range(0, int(most / step) + 1):
            at = y(tick * step * 1024)
            yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e6eaee"/>'
            yield text(LEFT - 8, at + 4, f"{tick * step}", 11, "end", "#57606a")
        for share in (0, 0.25, 0.5, 0.75, 1):
            at = LEFT + wide * share
            yield text(at, top + PANEL + 16, f"{seconds[-1] * share:.0f} s", 11, "middle", "#57606a")
        for name in sorted(self.names, key=lambda name: name == OURS):  # ours on top
            yield (f'<polyline points="{line(self.resident(program, name))}" fill="none" stroke="{colours[name]}" '
                   f'stroke-width="{2 if name == OURS else 1.3}"><title>{name}</title></polyline>')
