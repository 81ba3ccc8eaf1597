// posix_memalign(3), for each system's list of entry points.
#pragma once

#include <cerrno>
#include <cstddef>

#include "base/bytes.hpp"
#include "routing/router.hpp"

namespace mempool {

[[gnu::noinline]] inline void* aligned_with_errno_kept(std::size_t alignment, std::size_t size) noexcept {
  int const saved = errno;
  void* const block = routing::cold::allocate_aligned(alignment, size);
  errno = saved;
  return block;
}

/// The error is the return value: errno and *result stay as they were.
[[gnu::always_inline]] inline int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  if (alignment < sizeof(void*) || !is_power_of_two(alignment)) return EINVAL;
  void* const block = pools::allocate(size < alignment ? alignment : size, [alignment, size]() noexcept {
    return aligned_with_errno_kept(alignment, size);
  });
  if (block == nullptr) return ENOMEM;
  *result = block;
  return 0;
}

}  // namespace mempool
