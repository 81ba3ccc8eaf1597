"""A chain of constraints between variables, planned and replanned: objects, attributes, lists and method calls.

Source: DeltaBlue (J. Maloney and B. Freeman-Benson, 1989) in shape, as richards and deltablue are in pyperformance.
Trap: without PYTHONMALLOC=malloc python serves requests up to 512 B from arenas of its own.
usage: objects.py ROUNDS
"""
import sys


class Variable:
    def __init__(self, name, value):
        self.name, self.value, self.constraints, self.determined_by = name, value, [], None


class Scale:
    """output = input * factor + offset."""

    def __init__(self, source, target, factor, offset):
        self.source, self.target, self.factor, self.offset = source, target, factor, offset
        for end in (source, target):
            end.constraints.append(self)

    def execute(self):
        self.target.value = (self.source.value * self.factor + self.offset) % 1000003
        self.target.determined_by = self


class Plan:
    def __init__(self, start):
        self.steps, waiting, seen = [], [start], set()
        while waiting:
            variable = waiting.pop()
            for constraint in variable.constraints:
                if constraint.source is variable and id(constraint) not in seen:
                    seen.add(id(constraint))
                    self.steps.append((len(self.steps), constraint))
                    waiting.append(constraint.target)

    def execute(self):
        for _, constraint in self.steps:
            constraint.execute()


total = 0
for number in range(int(sys.argv[1])):
    variables = [Variable(f"v{i}", i) for i in range(1000)]
    for i, variable in enumerate(variables[1:]):
        Scale(variables[i], variable, 3 + i % 5, number)
        if i % 10 == 0:
            Scale(variables[i], Variable(f"leaf{i}", 0.5), 2, i)
    for value in range(4):
        variables[0].value = value
        Plan(variables[0]).execute()
    total += variables[-1].value + sum(len(v.name) for v in variables)
print(total)
