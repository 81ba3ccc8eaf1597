// Which request goes where: the pools, mimalloc, or (switched off, foreign pointers) the C library.
//
// The entry points in preload/ call these functions and nothing else. Each hot one is a pool hit or a tail call to
// its cold twin. Contracts are those of glibc 2.36's malloc(3) and aligned_alloc(3) unless a line here says
// otherwise; a failure is nullptr with errno ENOMEM (EINVAL where named), everything intact. Any thread, and a
// fork child; errno is kept by everything that does not fail.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"
#include "pools/thread_cache.hpp"

namespace mempool::routing {

/// First call of the process, from whichever entry point comes first: reads the options, reserves, hooks fork.
/// Idempotent, any thread, re-entrant.
void start() noexcept;

namespace cold {
void* allocate(std::size_t size) noexcept;
void release(void* block) noexcept;
void* allocate_zeroed(std::size_t count, std::size_t size) noexcept;
void* resize(void* block, std::size_t size) noexcept;
void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept;
std::size_t usable_size(void* block) noexcept;
}  // namespace cold

[[gnu::always_inline]] inline void* allocate(std::size_t size) noexcept {
  return pools::allocate(size, [size]() noexcept { return cold::allocate(size); });
}
[[gnu::always_inline]] inline void release(void* block) noexcept { pools::release<cold::release>(block); }

/// calloc past the sizes that are zeroed inline.
void* allocate_zeroed_larger(std::size_t count, std::size_t size) noexcept;

[[gnu::always_inline]] inline void* allocate_zeroed(std::size_t count, std::size_t size) noexcept {
  std::size_t bytes = 0;
  // Two tests and not one: joined by ||, g++ 12 keeps the overflow in a register and spends three instructions more.
  if (__builtin_mul_overflow(count, size, &bytes)) [[unlikely]] return allocate_zeroed_larger(count, size);
  if (bytes > pools::kMostZeroedInline) [[unlikely]] return allocate_zeroed_larger(count, size);
  return pools::allocate_zeroed(bytes, [count, size]() noexcept { return cold::allocate_zeroed(count, size); });
}

/// realloc(3). With `size` 0 and a block: frees it and returns nullptr, errno kept, where the C library's does; else
/// returns the smallest block.
[[gnu::always_inline]] inline void* resize(void* block, std::size_t size) noexcept {
  return pools::resize(block, size, [block, size]() noexcept { return cold::resize(block, size); });
}

/// A block at a multiple of `alignment`; EINVAL where that is no power of two. A pooled block is aligned to its own
/// size, so an over-aligned request is an ordinary larger one.
[[gnu::always_inline]] inline void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept {
  if (!is_power_of_two(alignment)) [[unlikely]] return cold::allocate_aligned(alignment, size);
  return pools::allocate(size < alignment ? alignment : size,
                         [alignment, size]() noexcept { return cold::allocate_aligned(alignment, size); });
}

/// Bytes that may be used at `block`; 0 for nullptr and for what is not ours.
[[gnu::always_inline]] inline std::size_t usable_size(void* block) noexcept {
  return pools::usable_size(block, [block]() noexcept { return cold::usable_size(block); });
}

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
