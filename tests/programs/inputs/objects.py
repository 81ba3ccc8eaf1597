"""Dictionaries, lists, strings, JSON and threads; prints a digest. With PYTHONMALLOC=malloc every object is a block."""
import hashlib
import json
import re
import sys
import threading

rounds = int(sys.argv[1])
digest = hashlib.sha256()
for number in range(rounds):
    records = [{"id": i, "name": "n%d" % (i * 7919 % 1000), "tags": [i % 3, i % 5, str(i)]} for i in range(5000)]
    text = json.dumps(records, sort_keys=True)
    digest.update(text.encode())
    again = json.loads(text)
    again.sort(key=lambda record: (record["name"], record["id"]))
    digest.update(re.sub(r"n(\d+)", r"<\1>", json.dumps(again[:500])).encode())

results = {}


def work(which):
    table = {}
    for i in range(40000 * rounds // 4):
        table[i % 997] = table.get((i * 31) % 997, "")[-40:] + str(i)
    results[which] = sum(map(len, table.values()))


threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(digest.hexdigest(), sorted(results.items()))
