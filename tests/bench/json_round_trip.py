"""Serialises and parses nested records. With PYTHONMALLOC=malloc every object is a block of the allocator's.

Source: the json benchmarks of pyperformance, in shape. Trap: without PYTHONMALLOC=malloc python serves requests up to
512 B from arenas of its own, and this measures those.
usage: json_round_trip.py ROUNDS
"""
import json
import sys

records = [
    {"id": i, "name": f"name {i}", "values": [i * j / 7 for j in range(8)], "nested": {"a": [str(i)] * 4, "b": None}}
    for i in range(4000)
]
size = 0
for _ in range(int(sys.argv[1])):
    text = json.dumps(records)
    size += len(text)
    records = json.loads(text)
print(size)
