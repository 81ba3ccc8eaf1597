# usage: list.py dicts|ints|bytes: holds about 200 MiB of them for a moment.
import sys
import time

kind = sys.argv[1]
if kind == "dicts":
    held = [{"n": i, "text": str(i)} for i in range(600_000)]
elif kind == "ints":
    held = [i + (1 << 40) for i in range(4_000_000)]
else:
    held = [bytes(8000) + b"x" for i in range(25_000)]
time.sleep(0.3)
