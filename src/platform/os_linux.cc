// Linux behind the contract of os.hpp, by system calls of its own so that errno stays the program's.

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <cstring>

#include <algorithm>
#include <atomic>
#include <utility>

#include "platform/os.hpp"
#include "platform/stderr_rule.hpp"
#include "platform/syscall.hpp"

extern "C" char** environ;

namespace mempool::os {
namespace {

alignas(8) constinit thread_local char mark = 0;
constinit std::atomic<std::size_t> page{0};
constinit std::size_t longest = SIZE_MAX;  // of mappings
// Of what was reserved. An estimate: mimalloc may commit a range again, so it can fall below 0.
constinit std::atomic<std::ptrdiff_t> uncommitted{0};

/// /proc/self/environ, read before the C library knows its environment; cut where it is longer.
constinit char early_environment[32 << 10] = {};
constinit long early_length = -1;

std::size_t kernel_page_size() noexcept { return getauxval(AT_PAGESZ); }

char* map_anywhere(std::size_t bytes, int protection, int flags) noexcept {
  if (bytes > longest) return nullptr;
  long const at =
      system_call(SYS_mmap, 0, static_cast<long>(bytes), protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1);
  return failed(at) ? nullptr : reinterpret_cast<char*>(at);
}

void drop(char* begin, char* end) noexcept {
  if (begin != end) system_call(SYS_munmap, reinterpret_cast<long>(begin), end - begin);
}

Span map_aligned(std::size_t bytes, std::size_t alignment, int protection, int flags) noexcept {
  bytes = round_up(bytes, page_size());
  std::size_t const slack = alignment - std::min(alignment, kernel_page_size());
  if (bytes == 0 || bytes > PTRDIFF_MAX - slack) return {};
  char* const raw = map_anywhere(bytes + slack, protection, flags);
  if (raw == nullptr) return {};
  char* const begin = reinterpret_cast<char*>(round_up(reinterpret_cast<std::uintptr_t>(raw), alignment));
  drop(raw, begin);
  drop(begin + bytes, raw + bytes + slack);
  return {begin, bytes};
}

bool advise(Span range, int advice) noexcept {
  return system_call(SYS_madvise, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes), advice) == 0;
}

std::size_t number_at(const char*& text) noexcept {
  while (*text == ' ') ++text;
  std::size_t n = 0;
  for (; *text >= '0' && *text <= '9'; ++text) n = n * 10 + static_cast<std::size_t>(*text - '0');
  return n;
}

}  // namespace

std::size_t page_size() noexcept {
  std::size_t bytes = page.load(std::memory_order_relaxed);
  if (bytes == 0) page.store(bytes = kernel_page_size(), std::memory_order_relaxed);
  return bytes;
}

void pretend(std::size_t page_bytes, std::size_t longest_mapping) noexcept {
  page.store(page_bytes, std::memory_order_relaxed);
  longest = longest_mapping;
}

Span reserve(std::size_t bytes, std::size_t alignment) noexcept {
  Span const reserved = map_aligned(bytes, alignment, PROT_NONE, MAP_NORESERVE);
  uncommitted.fetch_add(static_cast<std::ptrdiff_t>(reserved.bytes), std::memory_order_relaxed);
  // gdb's gcore writes what cannot be read too: 1.8 TiB of it.
  if (!reserved.empty()) advise(reserved, MADV_DONTDUMP);
  return reserved;
}

bool could_reserve(std::size_t bytes) noexcept {
  Span const probe = map_aligned(bytes, page_size(), PROT_NONE, MAP_NORESERVE);
  unmap(probe);
  return !probe.empty();
}

bool commit(Span range) noexcept {
  if (system_call(SYS_mprotect, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes),
                  PROT_READ | PROT_WRITE) != 0)
    return false;
  uncommitted.fetch_sub(static_cast<std::ptrdiff_t>(range.bytes), std::memory_order_relaxed);
  advise(range, MADV_DODUMP);
  return true;
}

bool discard(Span range) noexcept { return advise(range, MADV_DONTNEED); }
void refuse_huge_pages(Span range) noexcept { advise(range, MADV_NOHUGEPAGE); }

Span map(std::size_t bytes, std::size_t alignment) noexcept {
  return map_aligned(bytes, alignment, PROT_READ | PROT_WRITE, 0);
}

void unmap(Span range) noexcept { drop(range.begin, range.end()); }

Span remap(Span range, std::size_t bytes) noexcept {
  bytes = round_up(bytes, page_size());
  long const at = system_call(SYS_mremap, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes),
                              static_cast<long>(bytes), MREMAP_MAYMOVE);
  return failed(at) ? Span{} : Span{reinterpret_cast<char*>(at), bytes};
}

bool map_over(Span range) noexcept {
  return !failed(system_call(SYS_mmap, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes),
                             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1));
}

bool map_file_over(Span range, int fd) noexcept {
  return !failed(system_call(SYS_mmap, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes),
                             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd));
}

long raw_map(void* hint, std::size_t bytes, int protection, int flags, int fd, long offset) noexcept {
  return system_call(SYS_mmap, reinterpret_cast<long>(hint), static_cast<long>(bytes), protection, flags, fd, offset);
}
long raw_unmap(Span range) noexcept {
  return system_call(SYS_munmap, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes));
}
long raw_advise(Span range, int advice) noexcept {
  return system_call(SYS_madvise, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes), advice);
}
long raw_protect(Span range, int protection) noexcept {
  return system_call(SYS_mprotect, reinterpret_cast<long>(range.begin), static_cast<long>(range.bytes), protection);
}

std::size_t address_space_left() noexcept {
  struct rlimit limit {};
  if (system_call(SYS_prlimit64, 0, RLIMIT_AS, 0, reinterpret_cast<long>(&limit)) != 0) return SIZE_MAX;
  if (limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  char statm[128] = {};
  if (read_file("/proc/self/statm", statm, sizeof statm - 1) <= 0) return limit.rlim_cur;
  const char* text = statm;
  std::size_t const used = number_at(text) * kernel_page_size();
  return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

void wait(const std::uint32_t* word, std::uint32_t expected, int timeout_ms) noexcept {
  timespec const timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  system_call(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAIT_PRIVATE, expected,
              timeout_ms < 0 ? 0 : reinterpret_cast<long>(&timeout));
}

void nap(std::int64_t microseconds) noexcept {
  timespec const pause{microseconds / 1000000, microseconds % 1000000 * 1000L};
  system_call(SYS_nanosleep, reinterpret_cast<long>(&pause), 0);
}

void wake_one(const std::uint32_t* word) noexcept {
  system_call(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAKE_PRIVATE, 1);
}

void wake_all(const std::uint32_t* word) noexcept {
  system_call(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAKE_PRIVATE, INT32_MAX);
}

int process_id() noexcept { return static_cast<int>(system_call(SYS_getpid)); }
int thread_id() noexcept { return static_cast<int>(system_call(SYS_gettid)); }
void name_thread(const char* name) noexcept { system_call(SYS_prctl, PR_SET_NAME, reinterpret_cast<long>(name)); }
bool is_alive(int thread) noexcept { return !failed(system_call(SYS_tgkill, process_id(), thread, 0)); }
int parent_id() noexcept { return static_cast<int>(system_call(SYS_getppid)); }

std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // the C library's: no system call, and it cannot fail
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec);
}

namespace {

long open_to_read(const char* path) noexcept {
  return system_call(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), O_RDONLY | O_CLOEXEC, 0);
}

/// From where the descriptor stands to the end: the count, or a negative error number.
long read_all(int fd, char* buffer, std::size_t capacity) noexcept {
  std::size_t length = 0;
  while (length < capacity) {
    long const n =
        system_call(SYS_read, fd, reinterpret_cast<long>(buffer + length), static_cast<long>(capacity - length));
    if (n == -EINTR) continue;
    if (n < 0) return n;
    if (n == 0) break;
    length += static_cast<std::size_t>(n);
  }
  return static_cast<long>(length);
}

/// What a thread with a table of descriptors of its own has open to read again: most of a look's cost is in opening.
class KeptFiles {
 public:
  void begin() noexcept {
    count_ = 0;  // those of another thread, or of a parent, went with its table
    since_ns_ = monotonic_ns();
  }
  long read(const char* path, char* buffer, std::size_t capacity) noexcept {
    if (monotonic_ns() - since_ns_ > kMinute) close_all();
    std::uint64_t const name = hash_of(path);
    unsigned at = 0;
    while (at < count_ && files_[at].name != name) ++at;
    if (at < count_) {
      if (long const length = read_at(files_[at].fd, buffer, capacity, 0); length > 0) return length;
      close_file(files_[at].fd);  // its group is gone, and another may have come in its place
      files_[at] = files_[--count_];
    }
    long fd = open_to_read(path);
    if (fd == -EMFILE) {
      close_all();
      fd = open_to_read(path);
    }
    if (failed(fd)) return fd;
    long const length = read_at(static_cast<int>(fd), buffer, capacity, 0);
    if (length > 0 && count_ < kMost)
      files_[count_++] = {name, static_cast<int>(fd)};
    else
      close_file(static_cast<int>(fd));
    return length;
  }

 private:
  static constexpr unsigned kMost = 32;
  static constexpr std::uint64_t kMinute = 60'000'000'000;  // ns: a mount may change, or the thread's namespace

  static std::uint64_t hash_of(const char* text) noexcept {  // FNV-1a, 64 bits
    std::uint64_t hash = 14695981039346656037u;
    for (; *text != 0; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 1099511628211u;
    return hash;
  }
  void close_all() noexcept {
    while (count_ != 0) close_file(files_[--count_].fd);
    since_ns_ = monotonic_ns();
  }

  struct File {
    std::uint64_t name = 0;
    int fd = -1;
  } files_[kMost] = {};
  unsigned count_ = 0;
  std::uint64_t since_ns_ = 0;
};

constinit KeptFiles kept_files;
constinit thread_local bool keeps_files = false;

}  // namespace

long read_file(const char* path, char* buffer, std::size_t capacity) noexcept {
  long const fd = open_to_read(path);
  if (failed(fd)) return fd;
  long const length = read_all(static_cast<int>(fd), buffer, capacity);
  close_file(static_cast<int>(fd));
  return length;
}

long read_again(const char* path, char* buffer, std::size_t capacity) noexcept {
  return keeps_files ? kept_files.read(path, buffer, capacity) : read_file(path, buffer, capacity);
}

int open_file(const char* path, int flags, int mode) noexcept {
  long const fd = system_call(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), flags | O_CLOEXEC, mode);
  return failed(fd) ? -1 : static_cast<int>(fd);
}

long read_at(int fd, char* buffer, std::size_t capacity, std::uint64_t offset) noexcept {
  long const n = system_call(SYS_pread64, fd, reinterpret_cast<long>(buffer), static_cast<long>(capacity),
                             static_cast<long>(offset));
  return failed(n) ? -1 : n;
}

void close_file(int fd) noexcept { system_call(SYS_close, fd); }

bool is_kernel_file(int fd) noexcept {
  struct statfs system {};
  if (failed(system_call(SYS_fstatfs, fd, reinterpret_cast<long>(&system)))) return false;
  return system.f_type == PROC_SUPER_MAGIC || system.f_type == CGROUP_SUPER_MAGIC ||
         system.f_type == CGROUP2_SUPER_MAGIC;
}

bool has_priority_event(int fd) noexcept {
  pollfd event{fd, POLLPRI, 0};
  timespec const at_once{};
  return system_call(SYS_ppoll, reinterpret_cast<long>(&event), 1, reinterpret_cast<long>(&at_once), 0, 8) == 1 &&
         (event.revents & POLLPRI) != 0;
}

bool write_all(int fd, std::string_view text) noexcept {
  // A full pipe would hold the writer up for as long as nobody reads.
  pollfd ready{fd, POLLOUT, 0};
  timespec const at_once{};
  if (system_call(SYS_ppoll, reinterpret_cast<long>(&ready), 1, reinterpret_cast<long>(&at_once), 0, 8) == 0)
    return false;
  long written = 0;
  do written = system_call(SYS_write, fd, reinterpret_cast<long>(text.data()), static_cast<long>(text.size()));
  while (written == -EINTR);
  return written == static_cast<long>(text.size());
}

namespace {

constinit FileId stderr_at_start;
constinit bool is_stderr_known = false;
[[gnu::tls_model("initial-exec")]] constinit thread_local bool has_own_descriptors = false;

/// A descriptor of this thread's own table for what the program has as its fd 2 now; -1 where there is none.
int borrow_stderr() noexcept {
  constexpr long kPidfdOpen = 434, kPidfdGetfd = 438;
  int const self = process_id();
  if (long const process = system_call(kPidfdOpen, self, 0); !failed(process)) {
    long const got = system_call(kPidfdGetfd, process, 2, 0);
    close_file(static_cast<int>(process));
    if (!failed(got)) return static_cast<int>(got);
  }
  // Before Linux 5.6, or behind a filter: opened anew, which a socket refuses.
  char path[32] = "/proc/";
  char digits[12];
  unsigned used = 0, at = 6;
  for (unsigned n = static_cast<unsigned>(self); n != 0; n /= 10) digits[used++] = static_cast<char>('0' + n % 10);
  while (used != 0) path[at++] = digits[--used];
  std::memcpy(path + at, "/fd/2", 6);
  return open_file(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
}

bool status_of(int fd, struct stat& status) noexcept {
  return system_call(SYS_fstat, fd, reinterpret_cast<long>(&status)) == 0;
}

}  // namespace

FileId file_behind(int fd) noexcept {
  struct stat status {};
  return status_of(fd, status) ? id_of(status) : FileId{};
}

void remember_stderr() noexcept {
  stderr_at_start = file_behind(2);
  is_stderr_known = true;
}

namespace {

/// Whether a line may go to what stands behind `fd`, the program's stderr.
bool is_for_lines(int fd) noexcept {
  struct stat status {};
  if (!status_of(fd, status)) return false;
  return !is_stderr_known || takes_lines(status, stderr_at_start, system_call(SYS_fcntl, fd, F_GETFL));
}

}  // namespace

bool write_stderr(std::string_view text) noexcept {
  int const fd = has_own_descriptors ? borrow_stderr() : 2;
  if (fd < 0) return false;
  bool const written = is_for_lines(fd) && write_all(fd, text);
  if (fd != 2 || has_own_descriptors) close_file(fd);
  return written;
}

bool take_own_descriptors() noexcept {
  constexpr long kCloseRange = 436, kUnshare = 2;  // close_range(2) and CLOSE_RANGE_UNSHARE, Linux 5.9
  bool const is_closed = !failed(system_call(kCloseRange, 0, UINT32_MAX, kUnshare));
  if (!is_closed && failed(system_call(SYS_unshare, CLONE_FILES))) return false;
  has_own_descriptors = keeps_files = true;
  kept_files.begin();
  if (is_closed) return true;
  // A copy of the program's table is there now. Each number that is open is closed in it.
  struct rlimit most {};
  long const open_at_most =
      system_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, reinterpret_cast<long>(&most)) == 0 && most.rlim_max < 65536
          ? static_cast<long>(most.rlim_max)
          : 65536;
  for (long fd = 0; fd < open_at_most; ++fd) system_call(SYS_close, fd);
  return true;
}

Resident resident() noexcept {
  char statm[128] = {};
  // The thread's own: of a process whose first thread has ended, /proc/self tells no memory.
  if (read_again("/proc/thread-self/statm", statm, sizeof statm - 1) <= 0) return {};
  const char* text = statm;
  std::size_t const mapped = number_at(text), pages = number_at(text), shared = number_at(text);
  for (int skipped = 0; skipped < 2; ++skipped) number_at(text);
  std::size_t const data = number_at(text);
  auto const reserved =
      static_cast<std::size_t>(std::max<std::ptrdiff_t>(uncommitted.load(std::memory_order_relaxed), 0));
  std::size_t const unit = kernel_page_size();
  return {pages * unit, (pages > shared ? pages - shared : 0) * unit,
          mapped * unit > reserved ? mapped * unit - reserved : 0, data * unit};
}

AddressLimits address_limits() noexcept {
  AddressLimits found;
  for (auto [resource, into] : {std::pair{RLIMIT_AS, &found.mapped}, std::pair{RLIMIT_DATA, &found.data}}) {
    struct rlimit limit {};
    if (system_call(SYS_prlimit64, 0, resource, 0, reinterpret_cast<long>(&limit)) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
      *into = limit.rlim_cur;
  }
  return found;
}

MachineMemory machine_memory() noexcept { return {}; }
unsigned machine_pressure() noexcept { return 0; }

bool is_first_of_its_namespace() noexcept { return process_id() == 1 || parent_id() == 1; }

unsigned thread_count() noexcept {
  char stat[1024] = {};
  if (read_again("/proc/self/stat", stat, sizeof stat - 1) <= 0) return 0;
  const char* field = std::strrchr(stat, ')');  // the name before it may hold anything
  for (int skipped = 2; field != nullptr && skipped < 20; ++skipped) field = std::strchr(field + 1, ' ');
  return field != nullptr ? static_cast<unsigned>(number_at(field)) : 0;
}

std::size_t peak_resident() noexcept {
  struct rusage usage {};
  if (system_call(SYS_getrusage, RUSAGE_SELF, reinterpret_cast<long>(&usage)) != 0) return 0;
  return static_cast<std::size_t>(usage.ru_maxrss) << 10;
}

bool is_secure() noexcept { return getauxval(AT_SECURE) != 0; }

void each_environment(void (*visit)(const char* entry, void* context), void* context) noexcept {
  if (environ != nullptr) {
    for (char** entry = environ; *entry != nullptr; ++entry) visit(*entry, context);
    return;
  }
  if (early_length < 0) early_length = read_file("/proc/self/environ", early_environment, sizeof early_environment - 1);
  for (long at = 0; at < early_length; at += static_cast<long>(std::strlen(early_environment + at)) + 1)
    visit(early_environment + at, context);
}

void abort() noexcept {
  // The program's own handler first, as with the C library's abort; then, should it return, the default action.
  unsigned long const abort_bit = 1UL << (SIGABRT - 1);
  system_call(SYS_rt_sigprocmask, SIG_UNBLOCK, reinterpret_cast<long>(&abort_bit), 0, sizeof abort_bit);
  system_call(SYS_tgkill, process_id(), thread_id(), SIGABRT);
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  } const default_action{SIG_DFL, 0, nullptr, 0};
  system_call(SYS_rt_sigaction, SIGABRT, reinterpret_cast<long>(&default_action), 0, sizeof abort_bit);
  system_call(SYS_tgkill, process_id(), thread_id(), SIGABRT);
  __builtin_trap();
}

std::uintptr_t thread_mark() noexcept { return reinterpret_cast<std::uintptr_t>(&mark); }

}  // namespace mempool::os
