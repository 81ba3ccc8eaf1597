// A generator whose cost does not drown the allocator's: Marsaglia's xorshift64 (2003).
#pragma once

#include <cstdint>

struct Random {
  std::uint64_t state;
  explicit constexpr Random(std::uint64_t seed) : state{seed * 0x9e3779b97f4a7c15ULL + 1} {}
  constexpr std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  /// 0 <= result < bound; bound up to 2^32.
  constexpr std::uint64_t below(std::uint64_t bound) { return (next() >> 32) * bound >> 32; }
};
