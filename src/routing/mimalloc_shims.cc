#include "routing/mimalloc_shims.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "platform/thread_state.hpp"
#include "pools/metadata.hpp"

namespace mempool::fallback {
namespace {

/// The calling thread's heap of mimalloc's.
const void*& heap() noexcept { return os::own<os::Part::mimalloc, const void*>(); }

/// Mappings that mimalloc made for itself, in no order. Searched linearly: only used under RLIMIT_AS, where there
/// can be few. A record keeps its bits when its mapping goes, for the next one.
struct Noted {
  std::atomic<std::uintptr_t> begin, end;  // end 0: free for the next mapping
  LiveBlocks blocks;
};
constexpr unsigned kMost = 4096;
constinit Noted noted[kMost] = {};
constinit std::atomic<unsigned> used{0};
constinit Lock noting;

[[nodiscard]] bool note(std::uintptr_t begin, std::uintptr_t end) noexcept {
  Guard const guard{noting};
  unsigned free = 0;
  while (free < used.load(std::memory_order_relaxed) && noted[free].end.load(std::memory_order_relaxed) != 0) ++free;
  if (!guard || free == kMost || !noted[free].blocks.reset({reinterpret_cast<char*>(begin), end - begin})) return false;
  noted[free].begin.store(begin, std::memory_order_release);
  noted[free].end.store(end, std::memory_order_release);
  if (free == used.load(std::memory_order_relaxed)) used.store(free + 1, std::memory_order_release);
  return true;
}

/// mimalloc cuts an aligned piece out of a larger mapping: head, tail or all of one goes at a time.
void forget(std::uintptr_t begin, std::uintptr_t end) noexcept {
  Guard const guard{noting};
  for (unsigned i = 0; i < used.load(std::memory_order_relaxed); ++i) {
    std::uintptr_t const from = noted[i].begin.load(std::memory_order_relaxed);
    std::uintptr_t const to = noted[i].end.load(std::memory_order_relaxed);
    if (begin < from || end > to || to == 0) continue;
    if (begin == from && end == to)
      noted[i].end.store(0, std::memory_order_release);
    else if (begin == from)
      noted[i].begin.store(end, std::memory_order_release);
    else
      noted[i].end.store(begin, std::memory_order_release);
    return;
  }
}

int with_errno(long result) noexcept {
  if (result >= 0) return 0;
  errno = static_cast<int>(-result);
  return -1;
}

}  // namespace

bool thread_has_heap() noexcept { return heap() != nullptr; }

LiveBlocks* record_of_mapping(const void* p) noexcept {
  auto const address = reinterpret_cast<std::uintptr_t>(p);
  for (unsigned i = 0; i < used.load(std::memory_order_acquire); ++i) {
    std::uintptr_t const end = noted[i].end.load(std::memory_order_acquire);
    if (address >= end || address < noted[i].begin.load(std::memory_order_acquire)) continue;
    // Between the two loads another thread may have given the place to the next mapping: they are of one only where the
    // end, which goes first, is still the same.
    if (noted[i].end.load(std::memory_order_relaxed) == end) return &noted[i].blocks;
  }
  return nullptr;
}

void shims_fork_prepare() noexcept { noting.take_for_fork(); }
void shims_fork_done() noexcept { noting.release_after_fork(); }

}  // namespace mempool::fallback

using namespace mempool;
using mempool::fallback::with_errno;

extern "C" {

int mempool_mi_key_create(pthread_key_t* key, void (*)(void*)) {
  *key = 0;
  return 0;
}
int mempool_mi_key_delete(pthread_key_t) { return 0; }
int mempool_mi_setspecific(pthread_key_t, const void* value) {
  if (os::has_own()) fallback::heap() = value;
  return 0;
}
void* mempool_mi_getspecific(pthread_key_t) { return const_cast<void*>(fallback::heap()); }
int mempool_mi_atexit(void (*)()) { return 0; }

char* mempool_mi_getenv(const char*) { return nullptr; }
extern char** mempool_mi_environ;
constinit char* no_environment[] = {nullptr};
constinit char** mempool_mi_environ = no_environment;
char*** mempool_mi_environ_of() { return &mempool_mi_environ; }  // what macOS has in its place

int mempool_mi_fputs(const char*, std::FILE*) { return 0; }
int mempool_mi_open(const char*, int, ...) { return -1; }
int mempool_mi_access(const char*, int) { return -1; }
char* mempool_mi_realpath(const char*, char*) { return nullptr; }
void mempool_mi_libc_free(void*) {}
/// mbind, getcpu and getrandom: no NUMA, and a weak random seed is what it falls back to.
long mempool_mi_syscall(long, ...) {
  errno = ENOSYS;
  return -1;
}

void* mempool_mi_mmap(void* hint, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
  long at = os::raw_map(hint, bytes, protection, flags, fd, static_cast<long>(offset));
  auto const begin = static_cast<std::uintptr_t>(at);
  if (at < 0 && protection != PROT_NONE) {
    // No addresses are left, as where a program lowered its own RLIMIT_AS: what mimalloc keeps its books in comes from
    // the reservation, which is there already.
    auto const page = os::page_size();
    if (void* const spare = pools::metadata.take(bytes + page); spare != nullptr)
      return reinterpret_cast<void*>(round_up(reinterpret_cast<std::uintptr_t>(spare), page));
  }
  if (at >= 0 && !fallback::note(begin, begin + bytes)) {  // blocks there could not be told from foreign ones
    os::raw_unmap({reinterpret_cast<char*>(begin), bytes});
    at = -ENOMEM;
  }
  return with_errno(at) == 0 ? reinterpret_cast<void*>(begin) : MAP_FAILED;
}

int mempool_mi_munmap(void* begin, std::size_t bytes) {
  auto const from = reinterpret_cast<std::uintptr_t>(begin);
  if (pools::metadata.covers(begin)) return 0;
  fallback::forget(from, from + bytes);
  return with_errno(os::raw_unmap({static_cast<char*>(begin), bytes}));
}

int mempool_mi_madvise(void* begin, std::size_t bytes, int advice) {
  return with_errno(os::raw_advise({static_cast<char*>(begin), bytes}, advice));
}

int mempool_mi_mprotect(void* begin, std::size_t bytes, int protection) {
  os::Span const range{static_cast<char*>(begin), bytes};
  if (protection == (PROT_READ | PROT_WRITE)) return os::commit(range) ? 0 : with_errno(-ENOMEM);
  return with_errno(os::raw_protect(range, protection));
}

}  // extern "C"
