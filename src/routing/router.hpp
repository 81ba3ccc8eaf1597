// Which request goes where: the pools, mimalloc, or (switched off, foreign pointers) the C library.
//
// The entry points in preload/ call these functions and nothing else. Each hot one is a pool hit or a tail call to
// its cold twin. Contracts are those of glibc 2.36's malloc(3) and aligned_alloc(3) unless a line here says
// otherwise; a failure is nullptr with errno ENOMEM (EINVAL where named), everything intact. Any thread, and a
// fork child; errno is kept by everything that does not fail.
#pragma once

#include <cstddef>

#include "pools/thread_cache.hpp"

namespace mempool::routing {

/// First call of the process, from whichever entry point comes first: reads the options, reserves, hooks fork.
/// Idempotent, any thread, re-entrant.
void start() noexcept;

namespace cold {
void* allocate(std::size_t size) noexcept;
void release(void* block) noexcept;
}  // namespace cold

[[gnu::always_inline]] inline void* allocate(std::size_t size) noexcept {
  return pools::allocate<cold::allocate>(size);
}
[[gnu::always_inline]] inline void release(void* block) noexcept { pools::release<cold::release>(block); }

void* allocate_zeroed(std::size_t count, std::size_t size) noexcept;
/// realloc(3). With `size` 0 and a block: frees it and returns nullptr, errno kept.
void* resize(void* block, std::size_t size) noexcept;
/// A block at a multiple of `alignment`, which must be a power of two (the caller has checked).
void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept;
/// Bytes that may be used at `block`; 0 for nullptr and for what is not ours.
std::size_t usable_size(void* block) noexcept;

/// malloc_trim(3): everything the pools and mimalloc hold without use goes back to the OS. True if anything did.
bool trim() noexcept;

/// True under MEMPOOL_ENABLE=0 with a C library to go to: nothing is served by us.
bool is_off() noexcept;

/// The calling thread ends.
void thread_exit() noexcept;

void fork_prepare() noexcept;
void fork_parent() noexcept;
void fork_child() noexcept;

}  // namespace mempool::routing
