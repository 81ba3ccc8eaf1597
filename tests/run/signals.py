"""What the launcher does with signals. usage: signals.py TEST LAUNCHER PYTHON; prints why and exits 1 on failure."""
import os
import pty
import signal
import subprocess
import sys
import time

NAMES = ("HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "ALRM", "IO")

# Prints "ready", then each signal's number as it arrives, and leaves at TERM or, with an error, after 20 s.
COUNTER = """
import signal, sys, time
def got(number, frame):
    print(f'<{number}>', flush=True)
    if number == signal.SIGTERM: sys.exit(0)
for name in %r: signal.signal(getattr(signal, 'SIG' + name), got)
print('ready', flush=True)
end = time.monotonic() + 20
while time.monotonic() < end: time.sleep(0.05)
sys.exit('nobody sent TERM')
""" % (NAMES,)


def need(condition, why):
    if not condition:
        sys.exit(why)


def start(program, **more):
    process = subprocess.Popen([LAUNCHER, PYTHON, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, **more)
    need(process.stdout.readline() == "ready\n", "the program did not start")
    return process


def each_once():
    process = start(COUNTER)
    wanted = [n for n in NAMES if n != "TERM"] + ["TERM"]
    for name in wanted:
        process.send_signal(getattr(signal, "SIG" + name))
        line = process.stdout.readline()
        need(line == f"<{getattr(signal, 'SIG' + name).value}>\n", f"SIG{name} arrived as {line!r}")
    need(process.stdout.read() == "", "a signal arrived twice")
    need(process.wait() == 0, f"exit code {process.returncode}")


def ignored():
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    process = start("import time; print('ready', flush=True); time.sleep(1)", preexec_fn=ignore)
    process.send_signal(signal.SIGHUP)
    need(process.wait() == 0, f"exit code {process.returncode}: the hang-up was not ignored")


def sigchld_ignored():
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    process = subprocess.run([LAUNCHER, "sh", "-c", "exit 3"], stderr=subprocess.DEVNULL, preexec_fn=ignore)
    need(process.returncode == 3, f"exit code {process.returncode}")


def interrupted():
    process = start("import signal, time; signal.signal(2, signal.SIG_DFL); print('ready', flush=True); time.sleep(20)")
    process.send_signal(signal.SIGINT)
    need(process.wait() == 130, f"exit code {process.returncode}")


class Terminal:
    """The launcher as the foreground job of a terminal of its own."""

    def __init__(self, program):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(LAUNCHER, [LAUNCHER, PYTHON, "-c", program])
        self.seen = ""
        self.read_until("ready")

    def read_until(self, text):
        while text not in self.seen:
            try:
                more = os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                more = ""
            need(more != "", f"the terminal ended without {text!r}: {self.seen!r}")
            self.seen += more

    def press(self, key):
        os.write(self.fd, key)


def interrupt_key():
    terminal = Terminal(COUNTER)
    terminal.press(b"\x03")
    terminal.read_until("<2>")
    time.sleep(0.3)  # where a second one would come
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.read_until("<15>")
    need(terminal.seen.count("<2>") == 1, f"the interrupt arrived twice: {terminal.seen!r}")


def stop_key():
    # As a job of a shell, because the stop key does nothing to an orphaned process group.
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "--norc", "-i"])
    terminal = Terminal.__new__(Terminal)
    terminal.pid, terminal.fd, terminal.seen = pid, fd, ""
    terminal.press(b"PS1=; stty -echo; echo shell-$((1 + 1))\n")
    terminal.read_until("shell-2")
    program = "import time; print(\"rea\" + \"dy\", flush=True); time.sleep(1); input(); print(\"do\" + \"ne\", flush=True)"
    terminal.press(f"'{LAUNCHER}' '{PYTHON}' -c '{program}'\n".encode())
    terminal.read_until("ready")
    terminal.press(b"\x1a")
    terminal.read_until("Stopped")
    terminal.press(b"echo shell-$((1 + 2)); fg\n")
    terminal.read_until("shell-3")
    terminal.press(b"\n")
    terminal.read_until("done")
    terminal.read_until("libmempool: pressure")
    terminal.press(b"exit\n")


if __name__ == "__main__":
    test, LAUNCHER, PYTHON = sys.argv[1:]
    globals()[test]()
