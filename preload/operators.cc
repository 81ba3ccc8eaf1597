// The 20 replaceable operators new and delete, by their mangled names.
//
// A failure belongs to the program's C++ library: its new_handler is asked and its bad_alloc is thrown, through
// weak references, since a C program has neither. Nothing of a C++ runtime is linked into us: a private copy
// would have a new_handler of its own that the program never set. The only file that is compiled with exceptions.

#include <cstddef>

#include "base/line.hpp"
#include "platform/fatal.hpp"
#include "platform/os.hpp"
#include "routing/libc_heap.hpp"
#include "routing/router.hpp"

#define MEMPOOL_EXPORT extern "C" [[gnu::visibility("default")]]

namespace routing = mempool::routing;

using NewHandler = void (*)();
extern "C" {
[[gnu::weak]] NewHandler _ZSt15get_new_handlerv();            // std::get_new_handler()
[[noreturn, gnu::weak]] void _ZSt17__throw_bad_allocv();      // std::__throw_bad_alloc()
}

namespace {

/// The program's C++ library cannot be asked through our weak references: it is another one, or it came later.
/// Its own operator new calls our malloc, asks its handler and throws.
void* by_the_next_operator(std::size_t size) {
  using Operator = void* (*)(std::size_t);
  auto const next = reinterpret_cast<Operator>(mempool::libc_heap::next_symbol("_Znwm"));
  if (next != nullptr) return next(size);
  mempool::Line line;
  line.text("libmempool: operator new of ").dec(size).text(" bytes failed, and no C++ library is there to throw");
  mempool::os::write_stderr(line.finished());
  mempool::os::abort();
}

bool can_throw() noexcept {
  return &_ZSt17__throw_bad_allocv != nullptr || mempool::libc_heap::next_symbol("_Znwm") != nullptr;
}

void* allocate_once(std::size_t size, std::size_t alignment) noexcept {
  return alignment == 0 ? routing::cold::allocate(size) : routing::cold::allocate_aligned(alignment, size);
}

/// Asks the new_handler until there is memory, or throws: [new.delete.single].
void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  for (;;) {
    if (void* const block = allocate_once(size, alignment); block != nullptr) return block;
    if (&_ZSt17__throw_bad_allocv == nullptr) return by_the_next_operator(size);
    NewHandler const handler = &_ZSt15get_new_handlerv != nullptr ? _ZSt15get_new_handlerv() : nullptr;
    if (handler == nullptr) _ZSt17__throw_bad_allocv();
    handler();
  }
}

/// The nothrow forms: whatever the handler throws ends here.
void* allocate_or_null(std::size_t size, std::size_t alignment) {
  if (void* const block = allocate_once(size, alignment); block != nullptr) return block;
  if (!can_throw()) return nullptr;
  try {
    return allocate_or_throw(size, alignment);
  } catch (...) {
    return nullptr;
  }
}

// The cold twins: what the hot path tail-calls after a miss. Alignment 0 is that of the plain forms.
[[gnu::noinline]] void* new_cold(std::size_t size, std::size_t alignment) {
  return allocate_or_throw(size, alignment);
}
[[gnu::noinline]] void* new_cold_nothrow(std::size_t size, std::size_t alignment) {
  return allocate_or_null(size, alignment);
}

/// A pooled block is aligned to its own size, so an over-aligned request is an ordinary larger one.
template <void* (*cold)(std::size_t, std::size_t)>
[[gnu::always_inline]] inline void* allocate(std::size_t size, std::size_t alignment) {
  return mempool::pools::allocate(size < alignment ? alignment : size,
                                  [size, alignment] { return cold(size, alignment); });
}

}  // namespace

#define MEMPOOL_NEW(name) \
  MEMPOOL_EXPORT void* name(std::size_t size) { return allocate<new_cold>(size, 0); }
#define MEMPOOL_NEW_NOTHROW(name) \
  MEMPOOL_EXPORT void* name(std::size_t size, const void*) { return allocate<new_cold_nothrow>(size, 0); }
#define MEMPOOL_NEW_ALIGNED(name) \
  MEMPOOL_EXPORT void* name(std::size_t size, std::size_t alignment) { \
    return allocate<new_cold>(size, alignment);                        \
  }
#define MEMPOOL_NEW_ALIGNED_NOTHROW(name)                                           \
  MEMPOOL_EXPORT void* name(std::size_t size, std::size_t alignment, const void*) { \
    return allocate<new_cold_nothrow>(size, alignment);                             \
  }

MEMPOOL_NEW(_Znwm)
MEMPOOL_NEW(_Znam)
MEMPOOL_NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
MEMPOOL_NEW_NOTHROW(_ZnamRKSt9nothrow_t)
MEMPOOL_NEW_ALIGNED(_ZnwmSt11align_val_t)
MEMPOOL_NEW_ALIGNED(_ZnamSt11align_val_t)
MEMPOOL_NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
MEMPOOL_NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)

// Sizes and alignments passed to delete are not trusted: a block's class is in its address.
MEMPOOL_EXPORT void _ZdlPv(void* block) { routing::release(block); }
MEMPOOL_EXPORT void _ZdaPv(void* block) { routing::release(block); }
MEMPOOL_EXPORT void _ZdlPvm(void* block, std::size_t) { routing::release(block); }
MEMPOOL_EXPORT void _ZdaPvm(void* block, std::size_t) { routing::release(block); }
MEMPOOL_EXPORT void _ZdlPvRKSt9nothrow_t(void* block, const void*) { routing::release(block); }
MEMPOOL_EXPORT void _ZdaPvRKSt9nothrow_t(void* block, const void*) { routing::release(block); }
MEMPOOL_EXPORT void _ZdlPvSt11align_val_t(void* block, std::size_t) { routing::release(block); }
MEMPOOL_EXPORT void _ZdaPvSt11align_val_t(void* block, std::size_t) { routing::release(block); }
MEMPOOL_EXPORT void _ZdlPvmSt11align_val_t(void* block, std::size_t, std::size_t) { routing::release(block); }
MEMPOOL_EXPORT void _ZdaPvmSt11align_val_t(void* block, std::size_t, std::size_t) { routing::release(block); }
MEMPOOL_EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void* block, std::size_t, const void*) {
  routing::release(block);
}
MEMPOOL_EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void* block, std::size_t, const void*) {
  routing::release(block);
}
