// What is known about one slab: 64 KiB of blocks of one class, and nothing of it inside the blocks.
//
// One bit per block, set while the slab holds the block; one bit per page, set while the page is clean: never
// touched or given back to the OS, so it reads as zero and costs nothing. A clean page holds no block in use.
// All of it is read and written under the lock of the slab's class.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "pools/size_class.hpp"

namespace mempool::pools {

inline constexpr unsigned kSlabLg = 16;
inline constexpr std::size_t kSlabBytes = std::size_t{1} << kSlabLg;

/// Blocks of a class in a slab: 4096 of 16 B, 2 of 32 KiB.
constexpr unsigned blocks_per_slab(SizeClass c) noexcept { return 1u << (kSlabLg - c.lg()); }

struct SlabInfo {
  std::uint16_t free_blocks;
  std::uint16_t clean_pages;   // bit i: page i of the slab is clean
  std::uint64_t free[kSlabBytes / 16 / 64];

  /// A slab nobody has used: every block free, every page clean.
  void carve(SizeClass c, unsigned pages) noexcept {
    unsigned const blocks = blocks_per_slab(c);
    free_blocks = static_cast<std::uint16_t>(blocks);
    clean_pages = static_cast<std::uint16_t>((1u << pages) - 1);
    for (unsigned word = 0; word * 64 < blocks; ++word)
      free[word] = blocks - word * 64 >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (blocks - word * 64)) - 1;
  }

  bool is_free(unsigned block) const noexcept { return (free[block / 64] >> (block % 64) & 1) != 0; }
  void give(unsigned block) noexcept {
    free[block / 64] |= std::uint64_t{1} << (block % 64);
    ++free_blocks;
  }

  /// Pages that hold no block in use: `lg` is log2 of the page size.
  std::uint32_t idle_pages(SizeClass c, unsigned page_lg) const noexcept {
    std::uint32_t idle = 0;
    for (unsigned page = 0; page < 1u << (kSlabLg - page_lg); ++page)
      if (page_is_idle(c, page, page_lg)) idle |= 1u << page;
    return idle;
  }

  /// Withholds every block of idle `pages` from allocation, or offers them again.
  void withhold(SizeClass c, std::uint32_t pages, unsigned page_lg) noexcept { set_blocks(c, pages, page_lg, false); }
  void offer(SizeClass c, std::uint32_t pages, unsigned page_lg) noexcept { set_blocks(c, pages, page_lg, true); }

 private:
  bool page_is_idle(SizeClass c, unsigned page, unsigned page_lg) const noexcept {
    if (c.lg() >= page_lg) return is_free(page >> (c.lg() - page_lg));
    unsigned const per_page = 1u << (page_lg - c.lg());
    for (unsigned block = page * per_page; block < (page + 1) * per_page; block += 64) {
      unsigned const span = per_page < 64 ? per_page : 64;
      if ((free[block / 64] & mask(block % 64, span)) != mask(block % 64, span)) return false;
    }
    return true;
  }
  void set_blocks(SizeClass c, std::uint32_t pages, unsigned page_lg, bool free_now) noexcept {
    unsigned const per_page = c.lg() >= page_lg ? 1 : 1u << (page_lg - c.lg());
    unsigned const pages_per_block = c.lg() >= page_lg ? 1u << (c.lg() - page_lg) : 1;
    for (unsigned page = 0; pages >> page != 0; page += pages_per_block) {
      if ((pages >> page & 1) == 0) continue;
      unsigned const first = c.lg() >= page_lg ? page / pages_per_block : page * per_page;
      for (unsigned block = first; block < first + per_page; block += 64) {
        unsigned const span = per_page < 64 ? per_page : 64;
        if (free_now)
          free[block / 64] |= mask(block % 64, span);
        else
          free[block / 64] &= ~mask(block % 64, span);
      }
      free_blocks = static_cast<std::uint16_t>(free_now ? free_blocks + per_page : free_blocks - per_page);
    }
  }
  static constexpr std::uint64_t mask(unsigned bit, unsigned span) noexcept {
    return (span >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << span) - 1) << bit;
  }
};

}  // namespace mempool::pools
