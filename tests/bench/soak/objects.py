"""Builds and drops objects of many kinds for as long as it is let, every one of them a block of the allocator's.

Run with PYTHONMALLOC=malloc. Fifty times a second some of what is held is replaced; three mixes of kinds follow each
other. Every quarter draws the same numbers: from one to the next no more is live, and what RSS gains is the
allocator's. It keeps to a timetable, so it does the same work under every allocator.

usage: objects.py QUARTER-SECONDS CYCLES-A-QUARTER. Writes a line with the bytes it holds four times a second, as
sys.getsizeof counts them, and ends when nobody reads them.
"""
import os
import random
import sys
import time

PERIOD_S, SAYS_EVERY = 0.02, 12
HELD, REPLACED = 4000, 24
TEXT = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=200_000))


def word(most=24):
    at = random.randrange(1000)
    return TEXT[at:at + random.randint(2, most)]


def record():
    return {"id": random.getrandbits(60), "name": word(), "tags": [word() for _ in range(random.randrange(8))],
            "at": {"x": random.random(), "y": random.random()}, "note": word(200)}


def text():
    return TEXT[:int(20 * 2 ** random.uniform(0, 10))] + "."


def numbers():
    return [random.getrandbits(70) for _ in range(random.randrange(400))]


def words():
    return {word() for _ in range(random.randrange(100))}


def tree(depth=5):
    return (word(), tree(depth - 1), tree(depth - 1)) if depth and random.random() < 0.8 else (word(),)


def raw():
    return bytearray(int(1000 * 2 ** random.uniform(0, 8)))


MIXES = ((record, record, record, text, words, tree), (record, text, text, numbers, tree),
         (record, words, numbers, raw))


def size(thing):
    total = sys.getsizeof(thing)
    if isinstance(thing, dict):
        total += sum(size(value) for value in thing.values())
    elif isinstance(thing, (list, tuple, set)):
        total += sum(map(size, thing))
    return total


def main():
    try:
        periods, cycles = int(float(sys.argv[1]) / PERIOD_S), int(sys.argv[2])
        if cycles < 1 or periods < cycles:
            raise ValueError
    except (IndexError, ValueError):
        sys.exit(f"usage: {sys.argv[0]} QUARTER-SECONDS CYCLES-A-QUARTER, each cycle {PERIOD_S} s or longer")
    held, sizes = [None] * HELD, [0] * HELD
    live, now, due = 0, 0, time.monotonic()
    while True:
        at = now % periods
        if at == 0:
            random.seed(1)
        mix = MIXES[at * cycles * len(MIXES) // periods % len(MIXES)]
        for _ in range(HELD if now == 0 else REPLACED):
            one = random.randrange(HELD) if now else held.index(None)
            held[one] = random.choice(mix)()
            fresh = size(held[one])
            live += fresh - sizes[one]
            sizes[one] = fresh
        if now % SAYS_EVERY == 0:
            os.write(1, b"%d\n" % live)
        now, due = now + 1, due + PERIOD_S
        time.sleep(max(0, due - time.monotonic()))


try:
    main()
except BrokenPipeError:
    sys.exit(1)
