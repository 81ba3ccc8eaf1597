#include "routing/live_blocks.hpp"

#include <bit>

namespace mempool::fallback {

constinit Lock LiveBlocks::growth;

bool LiveBlocks::reset(os::Span region) noexcept {
  if (region.empty()) return false;
  std::size_t const wanted = round_up(region.bytes / 16 / 8, os::page_size());
  if (bits_.bytes < wanted) {
    committed_.store(0, std::memory_order_relaxed);
    os::unmap(bits_);
    bits_ = os::reserve(wanted, os::page_size());
    if (bits_.empty()) return false;
  }
  region_ = region;
  return true;
}

bool LiveBlocks::add(const void* block) noexcept {
  std::size_t const bit = bit_of(block);
  if (!is_committed(bit)) {
    Guard const guard{growth};
    if (!guard) return false;
    std::size_t const have = committed_.load(std::memory_order_relaxed);
    if (bit / 8 >= have) {
      constexpr std::size_t kStep = std::size_t{256} << 10;  // the bits of 32 MiB of region
      std::size_t const want = round_up(bit / 8 + 1, kStep);
      std::size_t const end = want < bits_.bytes ? want : bits_.bytes;
      os::Span const step{bits_.begin + have, end - have};
      if (!os::commit(step)) return false;
      os::refuse_huge_pages(step);
      committed_.store(end, std::memory_order_release);
    }
  }
  word_of(bit).fetch_or(std::uint64_t{1} << (bit % 64), std::memory_order_relaxed);
  return true;
}

bool LiveBlocks::remove(const void* block) noexcept {
  std::size_t const bit = bit_of(block);
  std::uint64_t const mask = std::uint64_t{1} << (bit % 64);
  if (reinterpret_cast<std::uintptr_t>(block) % 16 != 0 || !is_committed(bit)) return false;
  return (word_of(bit).fetch_and(~mask, std::memory_order_relaxed) & mask) != 0;
}

bool LiveBlocks::has(const void* block) const noexcept {
  std::size_t const bit = bit_of(block);
  if (reinterpret_cast<std::uintptr_t>(block) % 16 != 0 || !is_committed(bit)) return false;
  return (word_of(bit).load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0;
}

const void* LiveBlocks::at_or_below(const void* p) const noexcept {
  std::size_t bit = bit_of(p) + 1;  // the search looks below it
  std::size_t const committed_bits = committed_.load(std::memory_order_acquire) * 8;
  if (bit > committed_bits) bit = committed_bits;
  while (bit != 0) {
    std::uint64_t const below = word_of(bit - 1).load(std::memory_order_relaxed);
    std::uint64_t const kept = below << (63 - (bit - 1) % 64);
    if (kept != 0) return region_.begin + (bit - 1 - static_cast<std::size_t>(std::countl_zero(kept))) * 16;
    bit = (bit - 1) / 64 * 64;
  }
  return nullptr;
}

}  // namespace mempool::fallback
