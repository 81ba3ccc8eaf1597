"""Reads what `valgrind --tool=callgrind` writes. Format: the manual of Callgrind, "Callgrind Format Specification".

The lines that matter here: `ob=`, `fn=` and `cfn=` say where the costs that follow belong, each with a number in
brackets that stands for the name from then on; the line after a `calls=COUNT ...` holds what those calls cost, all that
they called included.
"""
import re

NAME = re.compile(r"(ob|fn|cob|cfn)=\((\d+)\)(?: (.*))?")


def read(lines):
    """-> ({caller: (calls made, instructions they took, callees' included)}, names of the objects that were run)"""
    calls, names, caller, expected = {}, {}, "", 0
    for line in lines:
        if expected:  # POSITION COST
            made, cost = calls.get(caller, (0, 0))
            calls[caller] = made + expected, cost + int(line.split()[1])
            expected = 0
        elif line.startswith("calls="):
            expected = int(line[len("calls="):].split()[0])
        elif found := NAME.match(line):
            kind, number, name = found.groups()
            key = "ob" in kind, number
            if name is not None:
                names[key] = name
            if kind == "fn":
                caller = names[key]
    return calls, {name for (is_object, _), name in names.items() if is_object}
