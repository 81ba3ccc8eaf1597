// mempool-run: starts a program under libmempool.so, stays its parent, and sums up when it has ended.
//
// The summary is the parent's to print: the library counts in a page that both processes map, so the figures
// survive _exit, a closed stderr and SIGKILL. Exit codes are those of env(1) and nohup(1), shells' for signals.

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/figures.hpp"
#include "base/line.hpp"
#include "base/summary.hpp"
#include "options/options.hpp"
#include "why_not_loaded.hpp"

extern char** environ;

namespace {

using mempool::Figures;
using mempool::Line;

constexpr int kOwnFailure = 125, kNotExecutable = 126, kNotFound = 127, kSignalBase = 128;

constexpr std::string_view kHelp =
    "usage: mempool-run [--library FILE] [--] PROGRAM [ARG...]\n"
    "\n"
    "Runs PROGRAM under libmempool.so and prints a short summary on stderr when it has ended.\n"
    "\n"
    "  --library FILE  the shared object to preload; default: the one beside this program, or installed with it, and\n"
    "                  for a program on musl ../musl/libmempool.so\n"
    "  --help          this text\n"
    "\n"
    "A value of LD_PRELOAD is kept, behind ours. MEMPOOL_SUMMARY is set for PROGRAM, whatever it was; the other\n"
    "MEMPOOL_* variables reach it as they are. Signals sent to mempool-run are passed on to PROGRAM.\n"
    "\n"
    "Exit code: PROGRAM's own; 128+N if signal N ended it; 125 mempool-run itself failed; 126 PROGRAM cannot be\n"
    "executed; 127 PROGRAM was not found.\n";

void say(Line& line) {
  std::string_view const text = line.finished();
  // stderr may be closed or full: the summary is then lost, the exit code is not.
  [[maybe_unused]] ssize_t const ignored = write(STDERR_FILENO, text.data(), text.size());
}

[[noreturn]] void fail(int code, std::string_view what, std::string_view why) {
  Line line;
  line.text("mempool-run: ").text(what).text(": ").text(why);
  say(line);
  std::exit(code);
}

/// Keeps our descriptors off 0 to 2: with stderr closed the next file would be opened there, and written to.
int above_stderr(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  int const moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  close(fd);
  return moved;
}

/// The page that the program's process claims and counts in.
///
/// A file in /dev/shm rather than a memfd behind /proc/PID/fd, because the latter is refused to a program that
/// changes its user or enters a user namespace. Never a file on a disk: a store to one can wait for writeback.
class CounterPage {
 public:
  CounterPage() {
    // Root's program may give up root before it becomes another program, so anybody may open the page who knows its
    // name; nobody can list the folder it lies in.
    char folder[] = "/dev/shm/libmempool-XXXXXX";
    int fd = -1;
    if (mkdtemp(folder) != nullptr) {
      folder_ = folder;
      file_ = folder_ + "/XXXXXX";
      fd = above_stderr(mkostemp(file_.data(), O_CLOEXEC));
    }
    if (fd >= 0) {
      path_ = file_;
      if (geteuid() == 0 && chmod(folder, 0711) == 0) fchmod(fd, 0666);
    } else {
      fd = above_stderr(memfd_create("libmempool", MFD_CLOEXEC));
      path_ = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd);
    }
    if (fd < 0 || ftruncate(fd, sizeof(Figures)) != 0) return;
    void* const page = mmap(nullptr, sizeof(Figures), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) return;
    figures_ = static_cast<Figures*>(page);
    figures_->magic = Figures::kMagic;
  }
  ~CounterPage() {
    if (folder_.empty()) return;
    unlink(file_.c_str());
    rmdir(folder_.c_str());
  }
  CounterPage(const CounterPage&) = delete;
  CounterPage& operator=(const CounterPage&) = delete;

  const Figures* figures() const { return figures_; }
  const std::string& path() const { return path_; }

 private:
  Figures* figures_ = nullptr;
  std::string path_, folder_, file_;
};

/// With a slash at its end; "" where the system does not tell.
std::string own_folder() {
  char self[PATH_MAX];
  ssize_t const length = readlink("/proc/self/exe", self, sizeof self);
  if (length <= 0) return {};
  std::string_view const path{self, static_cast<std::size_t>(length)};
  return std::string{path.substr(0, path.rfind('/') + 1)};
}

/// In a build folder the library lies beside this program, after an installation in the folder of libraries.
std::string default_library() {
  std::string const beside = own_folder() + "libmempool.so", installed = own_folder() + MEMPOOL_INSTALLED_LIBRARY;
  return access(beside.c_str(), F_OK) != 0 && access(installed.c_str(), F_OK) == 0 ? installed : beside;
}

std::string absolute_library(std::string const& given) {
  char real[PATH_MAX];
  if (realpath(given.c_str(), real) == nullptr) fail(kOwnFailure, given, std::strerror(errno));
  if (std::strpbrk(real, " :") != nullptr)
    fail(kOwnFailure, real, "LD_PRELOAD cannot name a path with a space or a colon; give --library a copy");
  return real;
}

struct Ending {
  int status = 0;
  rusage usage{};
};

/// The program as our child. Signals meant for it are held back in this process and passed on one by one.
class Child {
 public:
  explicit Child(char* const* command) {
    hold_signals();
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) fail(kOwnFailure, "pipe", std::strerror(errno));
    for (int& end : report) end = above_stderr(end);
    pid_ = fork();
    if (pid_ < 0) fail(kOwnFailure, "fork", std::strerror(errno));
    if (pid_ == 0) become(command, report[1]);
    close(report[1]);
    // The pipe closes at a successful exec; otherwise it brings the reason.
    if (read(report[0], &exec_error_, sizeof exec_error_) != sizeof exec_error_) exec_error_ = 0;
    close(report[0]);
  }

  pid_t pid() const { return pid_; }
  int exec_error() const { return exec_error_; }

  Ending wait() {
    Ending ending;
    for (;;) {
      while (pid_t const changed = wait4(pid_, &ending.status, WNOHANG | WUNTRACED, &ending.usage)) {
        if (changed < 0) fail(kOwnFailure, "wait4", std::strerror(errno));
        if (!WIFSTOPPED(ending.status)) return ending;
        stop_with_it(WSTOPSIG(ending.status));
      }
      siginfo_t info;
      int const signal = sigwaitinfo(&held_, &info);
      if (signal > 0 && signal != SIGCHLD && !child_has_it(info)) kill(pid_, signal);
    }
  }

 private:
  void hold_signals() {
    sigfillset(&held_);
    for (int const mine : {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGTTIN, SIGTTOU})
      sigdelset(&held_, mine);
    sigprocmask(SIG_BLOCK, &held_, &mask_before_);
    // Where SIGCHLD is ignored the kernel reaps the child and its exit code is gone.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &standard, &chld_before_);
  }

  [[noreturn]] void become(char* const* command, int report) const {
    sigaction(SIGCHLD, &chld_before_, nullptr);
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    execvp(command[0], command);
    int const error = errno;
    [[maybe_unused]] ssize_t const ignored = write(report, &error, sizeof error);
    _exit(kNotFound);
  }

  /// The terminal sends its signals to the whole process group, and so does a child that signals its own.
  bool child_has_it(siginfo_t const& info) const { return info.si_code > 0 || info.si_pid == pid_; }

  /// Ctrl-Z: the shell waits for us, not for the program, so we stop as well and wake it when we are woken.
  void stop_with_it(int signal) const {
    if (signal == SIGSTOP) return;  // somebody stopped the program alone, and will continue it alone
    raise(SIGSTOP);
    kill(pid_, SIGCONT);
  }

  pid_t pid_ = -1;
  int exec_error_ = 0;
  sigset_t held_, mask_before_;
  struct sigaction chld_before_ {};
};

bool served_nothing(Figures const& of) {
  auto const used = [](auto const& count) { return count.load(std::memory_order_relaxed) != 0; };
  return std::none_of(std::begin(of.supplied), std::end(of.supplied), used) &&
         std::none_of(std::begin(of.fallback), std::end(of.fallback), [&](auto& each) { return used(each.requests); });
}

void summarise(Figures const& of, pid_t child, std::uint64_t peak_resident) {
  constexpr auto relaxed = std::memory_order_relaxed;
  Line line;
  mempool::describe_supply(line.text("libmempool: "), of);
  if (std::uint32_t const owner = of.owner.load(relaxed); owner != static_cast<std::uint32_t>(child))
    line.text(" (in process ").dec(owner).text(", the first that loaded it)");
  else if (served_nothing(of))
    line.text(": the program has a malloc of its own, or needs none");
  say(line);

  Line memory;
  memory.text("libmempool: peak RSS ").size(std::max(peak_resident, of.peak_resident.load(relaxed)));
  if (std::uint64_t const limit = of.limit_bytes.load(relaxed); limit != 0) {
    std::string_view const source{of.limit_source, strnlen(of.limit_source, sizeof of.limit_source)};
    memory.text(" of a limit of ").size(limit).text(" (").text(source).text(")");
  } else {
    memory.text(of.samples.load(relaxed) == 0 ? ", its limit was not looked at" : ", no limit found");
  }
  say(memory);

  Line pressure;
  std::uint64_t const warnings = of.warnings.load(relaxed);
  pressure.text("libmempool: pressure: ").dec(warnings).text(warnings == 1 ? " warning, " : " warnings, ");
  pressure.dec(of.criticals.load(relaxed)).text(" critical");
  say(pressure);

  if (std::uint64_t const faults = of.faults.load(relaxed); faults != 0) {
    Line misuses;
    misuses.text("libmempool: ").dec(faults).text(" faulty frees survived (MEMPOOL_ON_ERROR=report)");
    say(misuses);
  }
}

void say_why_nothing_was_counted(const char* program) {
  Line line;
  line.text("libmempool: ").text(program);
  const char* const enable = getenv("MEMPOOL_ENABLE");
  if (enable != nullptr && std::string_view{enable} == "0")
    line.text(" was served by the C library: MEMPOOL_ENABLE=0");
  else
    line.text(" did not load libmempool: ").text(why_not_loaded(program));
  say(line);
}

/// Names with our prefix that are none of our options belong to somebody else, or are misspelt: said, and let be.
void say_unknown_variables() {
  Line line;
  line.text("libmempool: no options of libmempool:");
  bool any = false;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view const name = std::string_view{*entry}.substr(0, std::strcspn(*entry, "="));
    auto const is_it = [name](mempool::options::Row const& row) { return row.name == name; };
    if (!name.starts_with("MEMPOOL_") || std::ranges::any_of(mempool::options::kTable, is_it)) continue;
    line.text(any ? ", " : " ").text(name);
    any = true;
  }
  if (any) say(line);
}

int exit_code(int status) { return WIFSIGNALED(status) ? kSignalBase + WTERMSIG(status) : WEXITSTATUS(status); }

/// What serves the program: the library that was named, or that beside us; for a program on musl the one that was built
/// for it in the same tree. Under a library for another C library it would not start.
std::string library_for(const char* program, const char* named) {
  std::string const library = named != nullptr ? named : default_library();
  CLibrary const wanted = c_library_of(program), given = c_library_behind(library);
  if (wanted == given || wanted == CLibrary::unknown || given == CLibrary::unknown) return library;
  if (wanted == CLibrary::glibc)
    fail(kNotExecutable, program, "it runs on glibc, and would not start under a libmempool for musl");
  std::string const other = own_folder() + "../musl/libmempool.so";
  if (named == nullptr && access(other.c_str(), R_OK) == 0) return other;
  fail(kNotExecutable, program,
       "it runs on musl, and would not start under a libmempool for glibc; scripts/build musl makes one for --library");
}

int run(std::string const& library, char* const* command) {
  std::string preload = absolute_library(library);
  if (const char* const before = getenv("LD_PRELOAD"); before != nullptr && *before != '\0')
    preload.append(":").append(before);
  static CounterPage const page;  // static: fail() ends through exit(), and the file must go then too
  if (page.figures() == nullptr) fail(kOwnFailure, "counter page", std::strerror(errno));
  say_unknown_variables();
  setenv("LD_PRELOAD", preload.c_str(), 1);
  setenv("MEMPOOL_SUMMARY", page.path().c_str(), 1);

  Child child{command};
  Ending const ending = child.wait();
  if (child.exec_error() != 0) {
    Line line;
    line.text("mempool-run: ").text(command[0]).text(": ").text(std::strerror(child.exec_error()));
    say(line);
    return child.exec_error() == ENOENT ? kNotFound : kNotExecutable;
  }
  if (page.figures()->owner.load(std::memory_order_relaxed) == 0)
    say_why_nothing_was_counted(command[0]);
  else
    summarise(*page.figures(), child.pid(), static_cast<std::uint64_t>(ending.usage.ru_maxrss) * 1024);
  return exit_code(ending.status);
}

}  // namespace

int main(int count, char** words) {
  const char* library = nullptr;
  int next = 1;
  for (; next < count && words[next][0] == '-'; ++next) {
    std::string_view const word = words[next];
    if (word == "--help") {
      [[maybe_unused]] ssize_t const ignored = write(STDOUT_FILENO, kHelp.data(), kHelp.size());
      return 0;
    }
    if (word == "--") {
      ++next;
      break;
    }
    if (word != "--library" || ++next == count) fail(kOwnFailure, word, "unknown option, or no value; see --help");
    library = words[next];
  }
  if (next == count) fail(kOwnFailure, "no program named", "see --help");
  return run(library_for(words[next], library), words + next);
}
