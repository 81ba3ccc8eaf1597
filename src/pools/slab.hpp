// What is known about one slab, 64 KiB of blocks of one class or one larger block; nothing of it lies in the blocks.
//
// One bit per block, set while the slab holds the block; one bit per grain (a page, or a sixteenth of a larger slab),
// set while the grain is clean: never touched or given back to the OS, so it reads as zero and costs nothing. A clean
// grain holds no block in use.
// All of it is read and written under the lock of the slab's class.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "pools/size_class.hpp"

namespace mempool::pools {

inline constexpr unsigned kSlabLg = 16;
inline constexpr std::size_t kSlabBytes = std::size_t{1} << kSlabLg;

constexpr unsigned slab_lg(SizeClass c) noexcept { return c.lg() > kSlabLg ? c.lg() : kSlabLg; }
/// log2 of the bytes that are clean or dirty together: at most 16 grains to a slab. `page_lg` is log2 of the page size.
constexpr unsigned grain_lg(SizeClass c, unsigned page_lg) noexcept {
  return page_lg > slab_lg(c) - 4 ? page_lg : slab_lg(c) - 4;
}

/// Two threads that write into one cache line slow each other down tenfold, so smaller blocks are handed out by lines.
inline constexpr unsigned kLineLg = 6;

/// Blocks of a class in a slab: 4096 of 16 B, 2 of 32 KiB, 1 of what is larger.
constexpr unsigned blocks_per_slab(SizeClass c) noexcept { return 1u << (slab_lg(c) - c.lg()); }

struct SlabInfo {
  std::uint16_t free_blocks;
  std::uint16_t clean_grains;   // bit i: grain i of the slab is clean
  std::uint64_t free[kSlabBytes / 16 / 64];  // of a larger class only the first words exist: info_bytes()

  /// A slab nobody has used: every block free, every grain clean.
  void carve(SizeClass c, unsigned grains) noexcept {
    unsigned const blocks = blocks_per_slab(c);
    free_blocks = static_cast<std::uint16_t>(blocks);
    clean_grains = static_cast<std::uint16_t>((1u << grains) - 1);
    for (unsigned word = 0; word * 64 < blocks; ++word)
      free[word] = blocks - word * 64 >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (blocks - word * 64)) - 1;
  }

  bool is_free(unsigned block) const noexcept { return (free[block / 64] >> (block % 64) & 1) != 0; }
  void give(unsigned block) noexcept {
    free[block / 64] |= std::uint64_t{1} << (block % 64);
    ++free_blocks;
  }

  /// Of a word's free blocks those whose cache line holds no block in use, where lines hold several.
  std::uint64_t free_in_whole_lines(SizeClass c, unsigned word) const noexcept {
    std::uint64_t lines = free[word];
    unsigned const per_line = c.lg() < kLineLg ? 1u << (kLineLg - c.lg()) : 1;
    for (unsigned step = 1; step < per_line; step *= 2) lines &= lines >> step;
    if (per_line == 4) return (lines & 0x1111111111111111) * 15;
    if (per_line == 2) return (lines & 0x5555555555555555) * 3;
    return lines;
  }

  /// Grains that hold no block in use. `lg` is grain_lg() everywhere here.
  std::uint32_t idle_grains(SizeClass c, unsigned lg) const noexcept {
    std::uint32_t idle = 0;
    for (unsigned grain = 0; grain < 1u << (slab_lg(c) - lg); ++grain)
      if (is_idle(c, grain, lg)) idle |= 1u << grain;
    return idle;
  }

  /// Withholds every block of idle `grains` from allocation, or offers them again.
  void withhold(SizeClass c, std::uint32_t grains, unsigned lg) noexcept { set_blocks(c, grains, lg, false); }
  void offer(SizeClass c, std::uint32_t grains, unsigned lg) noexcept { set_blocks(c, grains, lg, true); }

 private:
  bool is_idle(SizeClass c, unsigned grain, unsigned lg) const noexcept {
    if (c.lg() >= lg) return is_free(grain >> (c.lg() - lg));
    unsigned const per_grain = 1u << (lg - c.lg());
    for (unsigned block = grain * per_grain; block < (grain + 1) * per_grain; block += 64) {
      unsigned const span = per_grain < 64 ? per_grain : 64;
      if ((free[block / 64] & mask(block % 64, span)) != mask(block % 64, span)) return false;
    }
    return true;
  }
  void set_blocks(SizeClass c, std::uint32_t grains, unsigned lg, bool free_now) noexcept {
    unsigned const per_grain = c.lg() >= lg ? 1 : 1u << (lg - c.lg());
    unsigned const grains_per_block = c.lg() >= lg ? 1u << (c.lg() - lg) : 1;
    for (unsigned grain = 0; grains >> grain != 0; grain += grains_per_block) {
      if ((grains >> grain & 1) == 0) continue;
      unsigned const first = c.lg() >= lg ? grain / grains_per_block : grain * per_grain;
      for (unsigned block = first; block < first + per_grain; block += 64) {
        unsigned const span = per_grain < 64 ? per_grain : 64;
        if (free_now)
          free[block / 64] |= mask(block % 64, span);
        else
          free[block / 64] &= ~mask(block % 64, span);
      }
      free_blocks = static_cast<std::uint16_t>(free_now ? free_blocks + per_grain : free_blocks - per_grain);
    }
  }
  static constexpr std::uint64_t mask(unsigned bit, unsigned span) noexcept {
    return (span >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << span) - 1) << bit;
  }
};

/// What an info takes in a table: 520 B where a slab has 4096 blocks, 16 B where it has 64 or less.
constexpr std::size_t info_bytes(SizeClass c) noexcept {
  unsigned const words = (blocks_per_slab(c) + 63) / 64;
  return offsetof(SlabInfo, free) + words * sizeof(std::uint64_t);
}

}  // namespace mempool::pools
