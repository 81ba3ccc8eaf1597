"""What the benchmarks share: the words they understand, the allocators, the machine, and how one run is measured.

Read by scripts/bench, scripts/count, scripts/latency and scripts/soak. Rounds are interleaved: in a round everything
runs under every allocator in turn, each run a process of its own, and the order is another one in each round (turns).

Trap: a process inherits the peak of its parent. Runs are started by measure.cc, small and static, never from here. It
sets LD_PRELOAD in the child alone.
"""
import collections
import dataclasses
import gzip
import hashlib
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from report import OURS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "tests/bench"
SCRIPT = f"scripts/{pathlib.Path(sys.argv[0]).name}"
FLAGS = "-std=c++20 -O2 -Wall -Wextra -pthread".split()
TIMEOUT_S = 300
NOISY = ("MEMPOOL_", "MIMALLOC_", "MALLOC_", "TCMALLOC_", "SCUDO_", "TBB_MALLOC_", "_RJEM_")
CORES = len(os.sched_getaffinity(0))

# Debian's, in the order of the tables: a file that ldconfig knows, or a path.
PEERS = {
    "glibc": None,
    "mimalloc": "libmimalloc.so.2",
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "tbbmalloc": "libtbbmalloc_proxy.so.2",
    "scudo": f"/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.scudo_standalone-{os.uname().machine}.so",
}


def say(text):
    print(f"{SCRIPT}: {text}", file=sys.stderr, flush=True)


def wrong_usage(text):
    say(text)
    sys.exit(2)


# -- What was asked for ------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Wish:
    """The words that mean the same to every script; one with words of its own derives from it."""
    smoke: bool = False
    rounds: int = 0
    only: list = dataclasses.field(default_factory=list)
    against: list = dataclasses.field(default_factory=list)
    peers: dict = dataclasses.field(default_factory=dict)
    keep: pathlib.Path | None = None
    build: pathlib.Path | None = None
    name: str = ""  # of the kept files: a part of a run never takes the place of a whole one

    FLAGS = ("--smoke",)
    VALUED = ("--rounds", "--only", "--against", "--peer")

    def flag(self, _):
        self.smoke = True

    def value(self, option, value):
        if option == "--rounds":
            if not re.fullmatch(r"[1-9][0-9]{0,2}", value):
                wrong_usage(f"--rounds '{value}' is not a whole number from 1 to 999")
            self.rounds = int(value)
        elif option == "--only":
            self.only.append(value)
        elif option == "--against":
            self.against += value.split(",")
        elif option == "--peer":
            name, _, file = value.partition("=")
            if not file or not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name in {OURS, *PEERS, *self.peers}:
                wrong_usage(f"--peer '{value}' is not NAME=FILE.so with a new NAME of letters, digits and '._-'")
            self.peers[name] = pathlib.Path(file).absolute()
            if not self.peers[name].is_file() or re.search(r"[\s:]", str(self.peers[name])):
                wrong_usage(f"--peer '{value}': '{file}' is not a file whose path has no space and no colon in it")

    def word(self, word):
        if self.build is not None:
            wrong_usage(f"'{word}' is a second build directory, after '{self.build}'; one is allowed")
        self.build = pathlib.Path(word).absolute()
        if not (self.build / f"{OURS}.so").is_file():
            wrong_usage(f"'{word}' is not a build directory: there is no {OURS}.so in it")

    def parse(self, words, help_text):
        words = collections.deque(words)
        while words:
            option, equals, value = words.popleft().partition("=")
            if option in self.VALUED and not equals:
                if not words:
                    wrong_usage(f"{option} lacks its value; see --help")
                value = words.popleft()
            elif equals and option in ("--help", "-h", *self.FLAGS):
                wrong_usage(f"{option} takes no value, but was given '{value}'")
            if option in ("--help", "-h"):
                print(help_text, end="")
                sys.exit(0)
            elif option in self.FLAGS:
                self.flag(option)
            elif option in self.VALUED:
                self.value(option, value)
            elif option == "--keep":
                if equals and not value:
                    wrong_usage("--keep= lacks its directory; --keep alone takes docs/bench/DATE")
                today = time.strftime("%F", time.gmtime())
                self.keep = pathlib.Path(value).absolute() if value else ROOT / "docs/bench" / today
            elif option.startswith("-"):
                wrong_usage(f"'{option}' is not an option; see --help")
            else:
                self.word(option + equals + value)
        for name in self.against:
            if name not in PEERS and name not in self.peers:
                wrong_usage(f"--against '{name}' is not a peer; there are: {' '.join([*PEERS, *self.peers])}")


# -- Small questions ---------------------------------------------------------------------------------------------

def last_line(text):
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def output_of(*command):
    """What it prints; empty where it cannot be run: a machine without dpkg or git can race too."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
    except OSError:
        return ""


def first(pattern, file, default="unknown"):
    try:
        return re.search(pattern, pathlib.Path(file).read_text())[1]
    except (OSError, TypeError):
        return default


def compile_command(target, source, *flags):
    return ["g++", *(flags or FLAGS), "-o", target, source]


def measure_command(work):
    """Builds measure.cc: static, so that a run starts from almost no resident memory."""
    return compile_command(work / "measure", SOURCE / "measure.cc", "-std=c++20", "-O2", "-static")


# -- Allocators --------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Allocator:
    name: str
    file: pathlib.Path | None  # None: no preload
    version: str = ""
    missing: str = ""  # why it is not measured

    @property
    def what(self):
        return f"not measured: {self.missing}" if self.missing else self.version


def find_allocators(wish):
    """Ours and the peers asked for, told on stderr which are missing. Ends the program where ours is."""
    known = {}
    for line in output_of("/sbin/ldconfig", "-p").splitlines():
        name, _, path = line.strip().partition(" => ")
        if "x86-64" in name or os.uname().machine != "x86_64":
            known.setdefault(name.partition(" ")[0], path)
    allocators = [Allocator(OURS, (wish.build or ROOT / "build/release") / f"{OURS}.so")]
    for name, library in PEERS.items():
        allocators.append(Allocator(name, library and pathlib.Path(known.get(library, library))))
    allocators += [Allocator(name, file) for name, file in wish.peers.items()]
    allocators = [one for one in allocators if not wish.against or one.name in (OURS, *wish.against, *wish.peers)]
    for one in allocators:
        one.missing = why_not_in_force(one.file) if one.file else ""
        if one.name == OURS:
            found = re.search(rb"libmempool 0*[0-9][ -~]*", one.file.read_bytes())
            one.version = found[0].decode() if found else "version unknown"
        elif not one.missing:
            one.version = version_of(one.file or pathlib.Path(known.get("libc.so.6", "libc.so.6")))
        if one.missing:
            say(f"{one.name} is not measured: {one.missing}")
    if allocators[0].missing:
        sys.exit(1)
    return allocators


def why_not_in_force(file):
    """Empty if a program that is told to preload `file` has it mapped: the loader ignores what it cannot load."""
    if not file.is_file():
        return f"{file.name} is not there"
    done = subprocess.run(["/bin/cat", "/proc/self/maps"], env={**os.environ, "LD_PRELOAD": str(file)},
                          capture_output=True, text=True, errors="replace")
    said = last_line(done.stderr).replace(str(file), file.name)
    if done.returncode != 0:
        return f"under it /bin/cat ends with {done.returncode}: {said}"
    return "" if str(file.resolve()) in done.stdout else f"the preload is not in force: {said}"


def version_of(file):
    """Package and version, and the year in which Debian first had that version; else what the bytes are."""
    paths = {str(file), str(file.resolve())}
    paths |= {"/usr" + path for path in paths} | {path.removeprefix("/usr") for path in paths}
    owner = output_of("dpkg-query", "-S", *sorted(paths)).partition(":")[0]
    if not owner:
        return f"of no package, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    version = output_of("dpkg-query", "-W", "-f", "${Version}", owner)
    upstream, year = re.sub(r"-[^-]*$", "", version), ""
    try:
        changes = gzip.open(f"/usr/share/doc/{owner}/changelog.Debian.gz", "rt", errors="replace").read()
        for entry in re.split(r"(?m)^(?=\S+ \()", changes):
            if f"({upstream}-" in entry.partition("\n")[0]:
                year = re.search(r"(?m)^ -- .*?(\d{4}) \d\d:", entry)[1]  # the last one seen is the oldest
    except (OSError, TypeError):
        pass  # a container without documentation
    return f"{owner} {version}" + (f" ({year})" if year else "")


# -- Runs --------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Measured:
    wall: float = math.nan
    user: float = math.nan
    system: float = math.nan
    peak: int = 0  # KiB
    status: int = 124  # as of timeout(1)
    error: str = ""


def measure(allocator, command, work, environment=None):
    """Runs a command under an allocator. Leaves what it printed in work/out."""
    figures, out, err = (work / name for name in ("figures", "out", "err"))
    figures.unlink(missing_ok=True)
    found = Measured()
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        parent = subprocess.Popen([work / "measure", figures, allocator.file or "-", *command], env=environment,
                                  stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True)
        try:
            parent.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            found.error = f"not at its end after {TIMEOUT_S} s"
        finally:
            try:  # what hangs, and what a real program left running
                os.killpg(parent.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            parent.wait()
    if figures.is_file() and not found.error:
        wall, user, system, peak, status = figures.read_text().strip().split(",")
        found = Measured(float(wall), float(user), float(system), int(peak), int(status))
        if found.status != 0:
            found.error = f"ended with {found.status}: {last_line(err.read_text(errors='replace'))}".removesuffix(": ")
    return found


def turns(allocators, this, place):
    """All of them, in an order that is another one in each round and place: none follows the same neighbour always."""
    count = len(allocators)
    strides = [stride for stride in range(1, count + 1) if math.gcd(stride, count) == 1]
    stride = strides[this % len(strides)]  # has no factor in common with the count, so all have their turn
    for turn in range(count):
        yield allocators[(this + place + turn * stride) % count]


# -- The surroundings --------------------------------------------------------------------------------------------

def quiet_environment(wish):
    """Takes away what would speak to an allocator, and warns of a machine at work. Returns its load."""
    for name in list(os.environ):
        if name.startswith(NOISY) or name in ("LD_PRELOAD", "GLIBC_TUNABLES", "PYTHONMALLOC"):
            del os.environ[name]
    load = first(r"(\S+ \S+ \S+)", "/proc/loadavg")
    if not wish.smoke and float(load.split()[0]) >= 0.5:
        say(f"something else runs here (load {load}): do not trust the figures")
    return load


def command_line():
    """What was typed, to be typed again elsewhere: of a path outside the project its last name alone."""
    words = (re.sub(r"(^|=)(/\S*)", lambda found: found[1] + path_as_told(pathlib.Path(found[2])), word)
             for word in sys.argv[1:])
    return " ".join([SCRIPT, *words])


def path_as_told(path):
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def describe(load, *lines):
    """The head of what is kept: how to do it again, and on what."""
    memory = int(first(r"MemTotal:\s*(\d+)", "/proc/meminfo", "0")) / 2**20
    machine = first(r"model name\s*: (.*)", "/proc/cpuinfo")
    tree = output_of("git", "-C", ROOT, "describe", "--always", "--dirty=+", "--abbrev=12").strip()
    compiler = output_of("g++", "--version").partition("\n")[0]
    return [
        f"command: {command_line()}",
        f"date: {time.strftime('%FT%TZ', time.gmtime())}",
        f"tree: {tree or 'unknown'}",
        f"machine: {machine}, {CORES} cores, {memory:.1f} GiB; load before: {load}",
        f"kernel: {os.uname().sysname} {os.uname().release}; huge pages: "
        f"{first('(.*)', '/sys/kernel/mm/transparent_hugepage/enabled')}",
        f"C library: {os.confstr('CS_GNU_LIBC_VERSION')}; compiler: {compiler}, {' '.join(FLAGS)}",
        *lines,
    ]


def run_or_exit(*command):
    status = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    if status != 0:
        sys.exit(125 if status == 125 else 1)


def lacks(*programs):
    return not all(map(os.path.exists, programs))


def provide(wish, packages):
    """Installs the peers, where one is asked for that is a package, and other `packages`; builds ours where no build
    directory was named."""
    run_or_exit(ROOT / "scripts/deps", "build")
    peers = not wish.against or set(wish.against) - {"glibc", *wish.peers}
    if (peers or packages) and subprocess.run([ROOT / "scripts/deps", "bench"]).returncode == 125:
        sys.exit(125)
    if wish.build is None:
        run_or_exit(ROOT / "scripts/build", "release")


def keep(wish, head, allocators, heading, lines, **files):
    """Writes NAME.csv, with the head as comments, and NAME.ENDING for each of `files`. Says where."""
    wish.keep.mkdir(parents=True, exist_ok=True)
    comments = head + [f"{one.name}: {one.what}" for one in allocators]
    csv = [*(f"# {line}" for line in comments), heading, *lines]
    (wish.keep / f"{wish.name}.csv").write_text("\n".join(csv) + "\n")
    for ending, text in files.items():
        (wish.keep / f"{wish.name}.{ending}").write_text(text)
    *most, last = (f".{ending}" for ending in files)
    names = f", {', '.join(most)}" if most else ""
    print(f"kept in {os.path.relpath(wish.keep)}/{wish.name}.csv{names} and {last}")
