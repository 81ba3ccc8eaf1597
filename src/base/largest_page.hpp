// The largest page of memory that a kernel for this processor may have: what is mapped over our own data takes whole
// pages, and must share none of them with anything else.
#pragma once

#include <cstddef>

namespace mempool {

#if defined(__APPLE__)
inline constexpr std::size_t kLargestPage = std::size_t{16} << 10;
#elif defined(__aarch64__)
inline constexpr std::size_t kLargestPage = std::size_t{64} << 10;  // 4, 16 or 64 KiB, as the kernel was configured
#else
inline constexpr std::size_t kLargestPage = std::size_t{4} << 10;
#endif

}  // namespace mempool
