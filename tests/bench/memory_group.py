"""Memory cgroups, of version 1 or 2, in which a benchmark's programs run: made beside or below our own.

Trap: a group can be removed only when the last of its processes is gone, which may be some milliseconds after wait().
"""
import os
import pathlib
import re
import subprocess
import time

ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'  # by sh: small, so that hardly a page of it is charged


def candidates():
    """Directories below which a group might be made, with the names of the files for limit and usage."""
    groups = pathlib.Path("/proc/self/cgroup").read_text()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        words, _, (kind, *_, options) = (part.split() for part in line.partition(" - "))
        if kind == "cgroup" and "memory" in options.split(","):
            own = re.search(r"(?m)^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)", groups)
            files = "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif kind == "cgroup2":
            own, files = re.search(r"(?m)^0::(.*)", groups), ("memory.max", "memory.current")
        else:
            continue
        for name in (own[1] if own else "", ""):
            yield pathlib.Path(words[4] + name), *files


class Group:
    """`with Group(bytes) as group: group.start(["program"])`. None in place of bytes: no limit."""
    place = None  # of the first that could be made
    count = 0

    def __init__(self, limit):
        self.limit = limit

    def __enter__(self):
        Group.count += 1
        name = f"libmempool-bench-{os.getpid()}-{Group.count}"
        for parent, limit_file, usage_file in [Group.place] if Group.place else candidates():
            self.folder = parent / name
            self.limit_file, self.usage_file = self.folder / limit_file, self.folder / usage_file
            try:
                self.folder.mkdir()
            except OSError:
                continue
            try:
                self.set_limit(self.limit)
                Group.place = parent, limit_file, usage_file
                return self
            except OSError:
                self.folder.rmdir()
        raise OSError("no memory cgroup can be made here: it takes root, or a delegated group")

    def set_limit(self, limit):
        nothing = "max" if self.limit_file.name == "memory.max" else "-1"
        self.limit_file.write_text(nothing if limit is None else str(limit))
        swap = self.folder / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    @property
    def usage(self):
        return int(self.usage_file.read_text())

    def start(self, command, library=None, environment=(), **options):
        """The command in this group, `library` preloaded into it alone."""
        settings = [f"{name}={value}" for name, value in dict(environment).items()]
        settings += [f"LD_PRELOAD={library}"] if library else []
        return subprocess.Popen(["/bin/sh", "-c", ENTER, self.folder, "/usr/bin/env", *settings, *command],
                                stdin=subprocess.DEVNULL, start_new_session=True, **options)

    def __exit__(self, *_):
        for _ in range(100):
            for process in (self.folder / "cgroup.procs").read_text().split():
                try:
                    os.kill(int(process), 9)
                except ProcessLookupError:
                    pass
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.02)
