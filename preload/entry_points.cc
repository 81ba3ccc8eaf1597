// The C library's allocation functions, one line each where the contract allows it; the router does the rest.
//
// Semantics are glibc 2.36's, measured, except where a comment says otherwise; on musl they are musl's, and so is the
// list, which is replaced whole or not at all there: with one missing, musl's own meets our blocks, or fails.
// reallocarray, strdup and the like are left to the C library, which calls these: a program that brings its own malloc
// must not get half of ours.

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <malloc.h>

#include "base/bytes.hpp"
#include "platform/os.hpp"
#include "posix_memalign.hpp"
#include "routing/router.hpp"

#define MEMPOOL_EXPORT extern "C" [[gnu::visibility("default")]]

namespace routing = mempool::routing;

namespace {

#ifdef __GLIBC__
/// memalign's old contract: an alignment that is no power of two is rounded up to one.
void* aligned_to_next_power(std::size_t alignment, std::size_t size) noexcept {
  if (alignment > SIZE_MAX / 2 + 1) return routing::allocate_aligned(0, size);  // refused
  return routing::allocate_aligned(alignment <= 16 ? 16 : std::bit_ceil(alignment), size);
}
#endif

}  // namespace

MEMPOOL_EXPORT void* malloc(std::size_t size) noexcept { return routing::allocate(size); }
MEMPOOL_EXPORT void free(void* block) noexcept { routing::release(block); }
MEMPOOL_EXPORT void* calloc(std::size_t count, std::size_t size) noexcept {
  return routing::allocate_zeroed(count, size);
}
MEMPOOL_EXPORT void* realloc(void* block, std::size_t size) noexcept { return routing::resize(block, size); }

#ifdef __GLIBC__
MEMPOOL_EXPORT void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return aligned_to_next_power(alignment, size);
}

/// C17's rule, which glibc enforces since 2.38: the alignment is a power of two. The size may be any.
MEMPOOL_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return routing::allocate_aligned(alignment, size);
}
#else
/// musl's rule: C17's, but that 0 is as good as any.
MEMPOOL_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return routing::allocate_aligned(alignment == 0 ? 16 : alignment, size);
}

MEMPOOL_EXPORT void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return aligned_alloc(alignment, size);
}
#endif

MEMPOOL_EXPORT int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  return mempool::posix_memalign(result, alignment, size);
}

MEMPOOL_EXPORT void* valloc(std::size_t size) noexcept {
  return routing::allocate_aligned(mempool::os::page_size(), size);
}

MEMPOOL_EXPORT std::size_t malloc_usable_size(void* block) noexcept { return routing::usable_size(block); }

/// C23. The size is not trusted: a wrong one must not put a block on the wrong shelf.
MEMPOOL_EXPORT void free_sized(void* block, std::size_t) noexcept { routing::release(block); }
MEMPOOL_EXPORT void free_aligned_sized(void* block, std::size_t, std::size_t) noexcept { routing::release(block); }

#ifdef __GLIBC__
MEMPOOL_EXPORT void* pvalloc(std::size_t size) noexcept {
  std::size_t const page = mempool::os::page_size();
  if (size > PTRDIFF_MAX - page) {  // before rounding: SIZE_MAX would round to 0
    errno = ENOMEM;
    return nullptr;
  }
  return routing::allocate_aligned(page, mempool::round_up(size, page));
}

MEMPOOL_EXPORT void cfree(void* block) noexcept { routing::release(block); }

// What third-party wrappers call past malloc, and must be able to free with it. Not for musl, which has names like
// these for what it allocates for itself.
MEMPOOL_EXPORT void* __libc_malloc(std::size_t size) noexcept { return routing::allocate(size); }
MEMPOOL_EXPORT void __libc_free(void* block) noexcept { routing::release(block); }
MEMPOOL_EXPORT void __libc_cfree(void* block) noexcept { routing::release(block); }
MEMPOOL_EXPORT void* __libc_calloc(std::size_t count, std::size_t size) noexcept { return calloc(count, size); }
MEMPOOL_EXPORT void* __libc_realloc(void* block, std::size_t size) noexcept { return realloc(block, size); }
MEMPOOL_EXPORT void* __libc_memalign(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}
MEMPOOL_EXPORT void* __libc_valloc(std::size_t size) noexcept { return valloc(size); }
MEMPOOL_EXPORT void* __libc_pvalloc(std::size_t size) noexcept { return pvalloc(size); }
MEMPOOL_EXPORT int __posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  return posix_memalign(result, alignment, size);
}
#endif
