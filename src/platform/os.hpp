// All that libmempool asks of an operating system: one contract, the implementation behind it per system.
//
// Every call here keeps errno, allocates nothing, takes no lock of ours, never throws and is safe in a fork
// child and in a signal handler. Spans are page-aligned and came from reserve() or map().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace mempool::os {

struct Span {
  char* begin = nullptr;
  std::size_t bytes = 0;
  constexpr bool empty() const noexcept { return bytes == 0; }
  constexpr char* end() const noexcept { return begin + bytes; }
};

// -- Memory ------------------------------------------------------------------------------------------------
/// Bytes of one page; a power of two. One load after the first call.
std::size_t page_size() noexcept;
/// For tests, before anything else: pages are as large (a power of two, no less than the kernel's), and no mapping is
/// longer than `longest_mapping`, as on a machine with so few addresses. What remap() moves is aligned for the kernel.
void pretend(std::size_t page_bytes, std::size_t longest_mapping) noexcept;
/// Addresses only, no memory: not readable, not charged, not in a core dump. `alignment` is a power of two, at least a
/// page. Empty if refused.
Span reserve(std::size_t bytes, std::size_t alignment) noexcept;
/// Whether so many addresses are free in one piece now.
bool could_reserve(std::size_t bytes) noexcept;
/// The range becomes readable and writable, reads as zero until written, and is in core dumps. False if refused.
[[nodiscard]] bool commit(Span range) noexcept;
/// Contents lost, addresses kept, the next read is zero, the resident set falls. False if refused (mlock).
[[nodiscard]] bool discard(Span range) noexcept;
/// No transparent huge pages in the range. Best effort.
void refuse_huge_pages(Span range) noexcept;
/// Readable, writable, zero. Empty if refused.
Span map(std::size_t bytes, std::size_t alignment) noexcept;
void unmap(Span range) noexcept;
/// mremap(2), may move. Empty if refused; then the old range is intact.
Span remap(Span range, std::size_t bytes) noexcept;
/// Replaces what is mapped at `range` by private zeroed memory at the same address.
[[nodiscard]] bool map_over(Span range) noexcept;
/// Maps `bytes` of an open file shared, writable, over `range`.
[[nodiscard]] bool map_file_over(Span range, int fd) noexcept;
/// mmap(2), munmap(2), madvise(2) and mprotect(2) for mimalloc: a result, or a negative error number.
long raw_map(void* hint, std::size_t bytes, int protection, int flags, int fd, long offset) noexcept;
long raw_unmap(Span range) noexcept;
long raw_advise(Span range, int advice) noexcept;
long raw_protect(Span range, int protection) noexcept;
/// Addresses the process may still map under RLIMIT_AS; SIZE_MAX where unlimited.
std::size_t address_space_left() noexcept;

// -- Threads and waiting -----------------------------------------------------------------------------------
/// Sleeps while *word == expected, at most `timeout_ms` (negative: for ever). May wake without reason.
void wait(const std::uint32_t* word, std::uint32_t expected, int timeout_ms = -1) noexcept;
/// Sleeps so long, unless a signal comes.
void nap(std::int64_t microseconds) noexcept;
void wake_one(const std::uint32_t* word) noexcept;
void wake_all(const std::uint32_t* word) noexcept;
/// The kernel's ids, asked anew each time: libc's answer is stale in a vfork child.
int process_id() noexcept;
int thread_id() noexcept;
int parent_id() noexcept;
/// What tools call the calling thread; at most 15 bytes.
void name_thread(const char* name) noexcept;
/// Whether a thread of this process has not ended yet.
bool is_alive(int thread) noexcept;
std::uint64_t monotonic_ns() noexcept;

// -- Files: only at start, in the monitor and on the way to abort ------------------------------------------
/// Reads at most `capacity` bytes of a file; the count, or a negative error number. Retries EINTR; closes what it
/// opened.
long read_file(const char* path, char* buffer, std::size_t capacity) noexcept;
/// The same of a file that the kernel writes in one piece, as it does with most but the list of mounts; a thread that
/// has a table of descriptors of its own leaves it open for the next time, a minute at most.
long read_again(const char* path, char* buffer, std::size_t capacity) noexcept;
/// open(2) with O_CLOEXEC added; -1 if refused.
int open_file(const char* path, int flags, int mode = 0) noexcept;
/// A table of descriptors for the calling thread alone, empty: what it opens is in nobody's way, and it holds nothing
/// of the program's open. False where the kernel or a filter refuses, and all stays shared.
bool take_own_descriptors() noexcept;
long read_at(int fd, char* buffer, std::size_t capacity, std::uint64_t offset) noexcept;
void close_file(int fd) noexcept;
/// True where a file of /proc or of a cgroup is behind it.
bool is_kernel_file(int fd) noexcept;
/// True where poll(2) tells an event of priority (POLLPRI) now.
bool has_priority_event(int fd) noexcept;
/// One write(2) that does not wait for a reader; false when not all of it went. EINTR is retried.
bool write_all(int fd, std::string_view text) noexcept;

/// What a descriptor stood for: tells whether it still does. Zero: nothing, it was closed.
struct FileId {
  std::uint64_t device = 0, inode = 0;
  friend bool operator==(FileId, FileId) = default;
};
FileId file_behind(int fd) noexcept;
/// Once, at start: what stderr is.
void remember_stderr() noexcept;
/// write_all() to fd 2, unless the program closed stderr and opened something of its own there: not where it is
/// another file than at start, but for a terminal or a file that is open for appending or for writing alone. For all
/// that a program survives; what ends it is always said.
bool write_stderr(std::string_view text) noexcept;

// -- The process -------------------------------------------------------------------------------------------
/// Resident bytes, and those of them that no file stands behind: the kernel cannot drop these; addresses that are
/// mapped, without those that we reserved and did not commit, and those of private data. From statm; 0 where it cannot
/// be read.
struct Resident {
  std::size_t bytes = 0, anonymous = 0, mapped = 0, data = 0;
};
Resident resident() noexcept;
/// The soft limits of addresses (RLIMIT_AS) and of private data (RLIMIT_DATA); SIZE_MAX: none.
struct AddressLimits {
  std::size_t mapped = SIZE_MAX, data = SIZE_MAX;
};
AddressLimits address_limits() noexcept;
/// The machine's memory, and what of it is in use and cannot be dropped. Zeros where /proc/meminfo tells it.
struct MachineMemory {
  std::uint64_t total = 0, used = 0;
};
MachineMemory machine_memory() noexcept;
/// What the system says of the whole machine's memory: 0 nothing, 1 scarce, 2 very scarce. 0 where PSI tells it.
unsigned machine_pressure() noexcept;
/// True of the first process of a container, and of what that started.
bool is_first_of_its_namespace() noexcept;
/// How many threads the process has, a first one that has ended included. 0 where /proc cannot be read.
unsigned thread_count() noexcept;
/// Highest resident bytes so far, from getrusage(2): no descriptor. For application threads.
std::size_t peak_resident() noexcept;
/// True in a set-user-ID, set-group-ID or file-capability program (AT_SECURE).
bool is_secure() noexcept;
/// The environment as the process was started with or as it stands: value of NAME, or nullptr. Works before
/// the C library is initialised. The pointer stays valid for the process's life. Start only.
const char* environment(const char* name) noexcept;
/// Calls `visit(entry, context)` with every "NAME=value". Start only.
void each_environment(void (*visit)(const char* entry, void* context), void* context) noexcept;
/// Ends the process with SIGABRT, whatever the program did with that signal.
[[noreturn]] void abort() noexcept;

/// An address, a multiple of 8, that differs between any two live threads and is the same in a fork child's only
/// thread.
std::uintptr_t thread_mark() noexcept;

}  // namespace mempool::os
