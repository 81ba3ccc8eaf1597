"""Prints a stream for git fast-import: a history of as many commits as asked, with merges and growing files."""
import random
import sys

random.seed(7)
out = sys.stdout.buffer
lines = {f"dir{i % 7}/file{i}.txt": [f"line {j} of file {i}\n" for j in range(i * 3)] for i in range(60)}
for number in range(1, int(sys.argv[1]) + 1):
    message = f"Change {number}\n".encode()
    out.write(b"commit refs/heads/main\nmark :%d\ncommitter A <a@example.org> %d +0000\n" % (number, 10**9 + number * 60))
    out.write(b"data %d\n%s" % (len(message), message))
    for path in random.sample(sorted(lines), 3):
        text = lines[path]
        text.insert(random.randrange(len(text) + 1), f"change {number} {random.random()}\n")
        body = "".join(text).encode()
        out.write(b"M 644 inline %s\ndata %d\n%s\n" % (path.encode(), len(body), body))
    out.write(b"\n")
