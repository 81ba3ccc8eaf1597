// macOS behind the contract of os.hpp, by libSystem's calls: the kernel's own are no interface there. errno is kept by
// hand. What is private (__ulock_*) is what libc++ itself waits with.

#include <crt_externs.h>
#include <fcntl.h>
#include <libproc.h>
#include <mach/mach.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>
#include <cerrno>

#include <algorithm>
#include <atomic>
#include <utility>

#include "platform/hooks.hpp"
#include "platform/keep_errno.hpp"
#include "platform/os.hpp"
#include "platform/stderr_rule.hpp"

extern "C" {
int __ulock_wait(std::uint32_t operation, void* word, std::uint64_t expected, std::uint32_t timeout_us);
int __ulock_wake(std::uint32_t operation, void* word, std::uint64_t value);
}

namespace mempool::os {
namespace {

// <sys/ulock.h> of the kernel.
constexpr std::uint32_t kCompareAndWait = 1, kWakeAll = 0x100, kNoErrno = 0x1000000;
/// vmmap and footprint show what is ours by this tag.
constexpr int kTag = VM_MAKE_TAG(VM_MEMORY_APPLICATION_SPECIFIC_1);

constinit std::atomic<std::ptrdiff_t> uncommitted{0};  // of what was reserved; an estimate, as on Linux
constinit FileId stderr_at_start;
constinit bool is_stderr_known = false;

long result_of(long result) noexcept { return result < 0 ? -errno : result; }

Span map_aligned(std::size_t bytes, std::size_t alignment, int protection, int flags) noexcept {
  KeepErrno const keep;
  bytes = round_up(bytes, page_size());
  std::size_t const slack = alignment > page_size() ? alignment - page_size() : 0;
  if (bytes == 0 || bytes > PTRDIFF_MAX - slack) return {};
  void* const at = mmap(nullptr, bytes + slack, protection, MAP_PRIVATE | MAP_ANON | flags, kTag, 0);
  if (at == MAP_FAILED) return {};
  char* const raw = static_cast<char*>(at);
  char* const begin = reinterpret_cast<char*>(round_up(reinterpret_cast<std::uintptr_t>(raw), alignment));
  char* const end = raw + bytes + slack;
  if (raw != begin) munmap(raw, static_cast<std::size_t>(begin - raw));
  if (begin + bytes != end) munmap(begin + bytes, static_cast<std::size_t>(end - begin) - bytes);
  return {begin, bytes};
}

task_vm_info_data_t vm_info() noexcept {
  task_vm_info_data_t info{};
  mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
  if (task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count) != KERN_SUCCESS)
    return {};
  return info;
}

std::size_t soft_limit(int resource) noexcept {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return limit.rlim_cur;
}

std::size_t reserved_bytes() noexcept {
  return static_cast<std::size_t>(std::max<std::ptrdiff_t>(uncommitted.load(std::memory_order_relaxed), 0));
}

}  // namespace

std::size_t page_size() noexcept { return vm_page_size; }  // a variable of libSystem's: 16 KiB on arm64

Span reserve(std::size_t bytes, std::size_t alignment) noexcept {
  Span const reserved = map_aligned(bytes, alignment, PROT_NONE, MAP_NORESERVE);
  uncommitted.fetch_add(static_cast<std::ptrdiff_t>(reserved.bytes), std::memory_order_relaxed);
  return reserved;
}

bool could_reserve(std::size_t bytes) noexcept {
  Span const probe = map_aligned(bytes, page_size(), PROT_NONE, MAP_NORESERVE);
  unmap(probe);
  return !probe.empty();
}

bool commit(Span range) noexcept {
  KeepErrno const keep;
  if (mprotect(range.begin, range.bytes, PROT_READ | PROT_WRITE) != 0) return false;
  uncommitted.fetch_sub(static_cast<std::ptrdiff_t>(range.bytes), std::memory_order_relaxed);
  return true;
}

// madvise knows no way to have zeros there again: MADV_FREE_REUSABLE leaves the contents until the kernel wants the
// pages, and MADV_DONTNEED is a hint. New memory at the old address is both zero and off the footprint at once.
bool discard(Span range) noexcept { return map_over(range); }
void refuse_huge_pages(Span) noexcept {}

Span map(std::size_t bytes, std::size_t alignment) noexcept {
  return map_aligned(bytes, alignment, PROT_READ | PROT_WRITE, 0);
}

void unmap(Span range) noexcept {
  KeepErrno const keep;
  if (!range.empty()) munmap(range.begin, range.bytes);
}

Span remap(Span, std::size_t) noexcept { return {}; }  // there is no mremap: the caller copies

bool map_over(Span range) noexcept {
  KeepErrno const keep;
  return mmap(range.begin, range.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, kTag, 0) ==
         range.begin;
}

bool map_file_over(Span range, int fd) noexcept {
  KeepErrno const keep;
  return mmap(range.begin, range.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == range.begin;
}

long raw_map(void* hint, std::size_t bytes, int protection, int flags, int fd, long offset) noexcept {
  KeepErrno const keep;
  return result_of(reinterpret_cast<long>(mmap(hint, bytes, protection, flags, fd, offset)));
}

long raw_unmap(Span range) noexcept {
  KeepErrno const keep;
  return result_of(munmap(range.begin, range.bytes));
}

long raw_advise(Span range, int advice) noexcept {
  KeepErrno const keep;
  if (advice == MADV_DONTNEED) return discard(range) ? 0 : -ENOMEM;  // what mimalloc means by it: off the footprint
  return result_of(madvise(range.begin, range.bytes, advice));
}

long raw_protect(Span range, int protection) noexcept {
  KeepErrno const keep;
  return result_of(mprotect(range.begin, range.bytes, protection));
}

std::size_t address_space_left() noexcept {
  KeepErrno const keep;
  std::size_t const limit = soft_limit(RLIMIT_AS);
  if (limit == SIZE_MAX) return SIZE_MAX;
  std::size_t const used = vm_info().virtual_size;
  return limit > used ? limit - used : 0;
}

void wait(const std::uint32_t* word, std::uint32_t expected, int timeout_ms) noexcept {
  if (timeout_ms == 0) return;  // to the kernel 0 is for ever
  KeepErrno const keep;
  std::uint32_t const most = timeout_ms < 0 ? 0 : static_cast<std::uint32_t>(std::min(timeout_ms, 4'000'000)) * 1000u;
  __ulock_wait(kCompareAndWait | kNoErrno, const_cast<std::uint32_t*>(word), expected, most);
}

void nap(std::int64_t microseconds) noexcept {
  KeepErrno const keep;
  timespec const pause{microseconds / 1000000, microseconds % 1000000 * 1000L};
  nanosleep(&pause, nullptr);
}

void wake_one(const std::uint32_t* word) noexcept {
  __ulock_wake(kCompareAndWait | kNoErrno, const_cast<std::uint32_t*>(word), 0);
}

void wake_all(const std::uint32_t* word) noexcept {
  __ulock_wake(kCompareAndWait | kNoErrno | kWakeAll, const_cast<std::uint32_t*>(word), 0);
}

int process_id() noexcept { return getpid(); }
int parent_id() noexcept { return getppid(); }

int thread_id() noexcept {
  std::uint64_t id = 0;  // counted from the start of the machine
  pthread_threadid_np(nullptr, &id);
  return static_cast<int>(id & INT32_MAX);
}

bool is_alive(int thread) noexcept {
  KeepErrno const keep;
  proc_threadinfo info{};
  return proc_pidinfo(getpid(), PROC_PIDTHREADID64INFO, static_cast<std::uint64_t>(thread), &info, sizeof info) ==
         static_cast<int>(sizeof info);
}

void name_thread(const char* name) noexcept {
  KeepErrno const keep;
  pthread_setname_np(name);
}

std::uint64_t monotonic_ns() noexcept { return clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }

long read_file(const char* path, char* buffer, std::size_t capacity) noexcept {
  KeepErrno const keep;
  int const fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  std::size_t length = 0;
  long n = 0;
  while (length < capacity) {
    n = read(fd, buffer + length, capacity - length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    length += static_cast<std::size_t>(n);
  }
  if (n < 0) n = -errno;
  close(fd);
  return n < 0 ? n : static_cast<long>(length);
}

long read_again(const char* path, char* buffer, std::size_t capacity) noexcept {
  return read_file(path, buffer, capacity);
}

int open_file(const char* path, int flags, int mode) noexcept {
  KeepErrno const keep;
  return open(path, flags | O_CLOEXEC, mode);
}

bool take_own_descriptors() noexcept { return false; }  // a process has one table, and all its threads share it

long read_at(int fd, char* buffer, std::size_t capacity, std::uint64_t offset) noexcept {
  KeepErrno const keep;
  return pread(fd, buffer, capacity, static_cast<off_t>(offset));
}

void close_file(int fd) noexcept {
  KeepErrno const keep;
  close(fd);
}

bool is_kernel_file(int) noexcept { return false; }
bool has_priority_event(int) noexcept { return false; }

bool write_all(int fd, std::string_view text) noexcept {
  KeepErrno const keep;
  pollfd ready{fd, POLLOUT, 0};
  if (poll(&ready, 1, 0) == 0) return false;  // a full pipe
  long written = 0;
  do written = write(fd, text.data(), text.size());
  while (written < 0 && errno == EINTR);
  return written == static_cast<long>(text.size());
}

FileId file_behind(int fd) noexcept {
  KeepErrno const keep;
  struct stat status {};
  return fstat(fd, &status) == 0 ? id_of(status) : FileId{};
}

void remember_stderr() noexcept {
  stderr_at_start = file_behind(2);
  is_stderr_known = true;
}

bool write_stderr(std::string_view text) noexcept {
  KeepErrno const keep;
  struct stat status {};
  if (fstat(2, &status) != 0) return false;
  if (is_stderr_known && !takes_lines(status, stderr_at_start, fcntl(2, F_GETFL))) return false;
  return write_all(2, text);
}

// The footprint is what the system holds against a process: compressed and swapped pages count, clean file pages do
// not. RLIMIT_DATA is compared with it too, for want of a number that tells private mappings alone.
Resident resident() noexcept {
  KeepErrno const keep;
  task_vm_info_data_t const info = vm_info();
  std::size_t const footprint = info.phys_footprint, mapped = info.virtual_size, reserved = reserved_bytes();
  return {footprint, footprint, mapped > reserved ? mapped - reserved : 0, footprint};
}

AddressLimits address_limits() noexcept {
  KeepErrno const keep;
  return {soft_limit(RLIMIT_AS), soft_limit(RLIMIT_DATA)};
}

MachineMemory machine_memory() noexcept {
  KeepErrno const keep;
  MachineMemory found;
  std::size_t length = sizeof found.total;
  if (sysctlbyname("hw.memsize", &found.total, &length, nullptr, 0) != 0) return {};
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  mach_port_t const host = mach_host_self();
  if (host_statistics64(host, HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) == KERN_SUCCESS) {
    std::uint64_t const anonymous =
        pages.internal_page_count > pages.purgeable_count ? pages.internal_page_count - pages.purgeable_count : 0;
    found.used = (anonymous + pages.wire_count + pages.compressor_page_count) * vm_kernel_page_size;
  }
  mach_port_deallocate(mach_task_self(), host);
  return found;
}

// What a dispatch source of memory pressure tells, asked for instead of waited for: 1 normal, 2 warning, 4 critical. A
// source would bring libdispatch's threads into a process that may fork, and libdispatch does not outlive a fork.
unsigned machine_pressure() noexcept {
  KeepErrno const keep;
  std::uint32_t level = 0;
  std::size_t length = sizeof level;
  if (sysctlbyname("kern.memorystatus_vm_pressure_level", &level, &length, nullptr, 0) != 0) return 0;
  return level >= 4 ? 2 : level >= 2 ? 1 : 0;
}

bool is_first_of_its_namespace() noexcept { return false; }  // every program that launchd starts is a child of 1

unsigned thread_count() noexcept {
  KeepErrno const keep;
  proc_taskinfo info{};
  int const got = proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &info, sizeof info);
  return got == static_cast<int>(sizeof info) ? static_cast<unsigned>(info.pti_threadnum) : 0;
}

std::size_t peak_resident() noexcept {
  KeepErrno const keep;
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<std::size_t>(usage.ru_maxrss) : 0;  // bytes there
}

bool is_secure() noexcept { return issetugid() != 0; }

void each_environment(void (*visit)(const char* entry, void* context), void* context) noexcept {
  char** const* const environment = _NSGetEnviron();
  if (environment == nullptr || *environment == nullptr) return;
  for (char** entry = *environment; *entry != nullptr; ++entry) visit(*entry, context);
}

void abort() noexcept {
  // The program's own handler first, as with the C library's abort; then, should it return, the default action.
  sigset_t abort_alone;
  sigemptyset(&abort_alone);
  sigaddset(&abort_alone, SIGABRT);
  pthread_sigmask(SIG_UNBLOCK, &abort_alone, nullptr);
  pthread_kill(pthread_self(), SIGABRT);
  struct sigaction default_action {};
  default_action.sa_handler = SIG_DFL;
  sigaction(SIGABRT, &default_action, nullptr);
  pthread_kill(pthread_self(), SIGABRT);
  __builtin_trap();
}

std::uintptr_t thread_mark() noexcept { return reinterpret_cast<std::uintptr_t>(pthread_self()); }

// -- fork: libSystem calls the locks of every registered zone, after all that was told to pthread_atfork and before the
// child's first line. preload/macos_zone.cc passes that on.
namespace {

struct ForkHooks {
  Hook prepare, parent, child;
};
constexpr unsigned kMostForkHooks = 4;
constinit ForkHooks fork_hooks[kMostForkHooks] = {};
constinit std::atomic<unsigned> fork_hook_count{0};

}  // namespace

void call_at_fork(Hook prepare, Hook parent, Hook child) noexcept {
  unsigned const at = fork_hook_count.load(std::memory_order_relaxed);  // at load, by one thread
  if (at == kMostForkHooks) return;
  fork_hooks[at] = {prepare, parent, child};
  fork_hook_count.store(at + 1, std::memory_order_release);
}

void before_fork() noexcept {
  for (unsigned i = fork_hook_count.load(std::memory_order_acquire); i-- > 0;) fork_hooks[i].prepare();
}

void after_fork(bool in_child) noexcept {
  unsigned const count = fork_hook_count.load(std::memory_order_acquire);
  for (unsigned i = 0; i < count; ++i) in_child ? fork_hooks[i].child() : fork_hooks[i].parent();
}

}  // namespace mempool::os
