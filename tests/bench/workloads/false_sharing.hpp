// What both false-sharing workloads do with a block of 8 B: write it often, and take the next.
#pragma once

#include "common.hpp"

/// Frees `first`, then writes `blocks` blocks of its own one after the other. Returns what they held at the end.
inline std::uint64_t write_blocks(char* first, long blocks) {
  constexpr int kSize = 8, kWrites = 1000;
  std::uint64_t sum = 0;
  std::free(first);
  for (; blocks > 0; --blocks) {
    char* const p = allocate(kSize);
    std::memset(p, 0, kSize);
    for (int i = 0; i < kWrites; ++i) {
      char volatile& byte = p[i % kSize];  // volatile: each write goes to the cache line, which is the point
      byte = static_cast<char>(byte + 1);
    }
    for (int i = 0; i < kSize; ++i) sum += mark(p + i);
    std::free(p);
  }
  return sum;
}
