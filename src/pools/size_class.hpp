// Power-of-two size classes and the table that says which requests they serve.
//
// A class is kept as its index: block size, slab capacity and block number are shifts, and a block is aligned
// to its own size, so alignment requests need no code of their own.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/figures.hpp"

namespace mempool::pools {

/// A pooled block size: a power of two from 16 B to 256 KiB. Threads cache blocks of the classes up to 32 KiB; a larger
/// one costs its lock and a bit, which is little beside touching it.
class SizeClass {
 public:
  static constexpr unsigned kMinLg = 4, kMaxLg = 18, kCount = kMaxLg - kMinLg + 1;
  static constexpr unsigned kCachedLg = 15, kCached = kCachedLg - kMinLg + 1;
  static constexpr std::size_t kMaxBytes = std::size_t{1} << kMaxLg;

  constexpr SizeClass() = default;
  static constexpr SizeClass at(std::size_t index) noexcept { return SizeClass{static_cast<std::uint8_t>(index)}; }
  constexpr bool is_cached() const noexcept { return index_ < kCached; }
  /// Smallest class that holds `request` bytes. Requires request <= kMaxBytes.
  static constexpr SizeClass holding(std::size_t request) noexcept {
    return at(request <= 16 ? 0 : static_cast<unsigned>(std::bit_width(request - 1)) - kMinLg);
  }

  constexpr std::size_t index() const noexcept { return index_; }
  constexpr unsigned lg() const noexcept { return index_ + kMinLg; }
  constexpr std::size_t bytes() const noexcept { return std::size_t{1} << lg(); }
  friend constexpr auto operator<=>(SizeClass, SizeClass) = default;

 private:
  explicit constexpr SizeClass(std::uint8_t index) noexcept : index_{index} {}
  std::uint8_t index_ = 0;
};
static_assert(SizeClass::holding(0).bytes() == 16, "malloc(0) is an ordinary smallest block");
static_assert(SizeClass::holding(17).bytes() == 32);
static_assert(SizeClass::holding(SizeClass::kMaxBytes).lg() == SizeClass::kMaxLg);
static_assert(SizeClass::kCount <= kMaxClasses, "the counter page has an entry per class");

/// Requests up to this many bytes are looked up in kClassOf, and served by the thread's cache.
inline constexpr std::size_t kMaxCached = std::size_t{1} << SizeClass::kCachedLg;
/// Requests up to this many bytes are pooled; all else goes to the fallback.
inline constexpr std::size_t kMaxPooled = SizeClass::kMaxBytes;

/// The class of a request of n bytes is kClassOf[(n + 15) / 16].
inline constexpr auto kClassOf = [] {
  std::array<std::uint8_t, kMaxCached / 16 + 1> table{};
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<std::uint8_t>(SizeClass::holding(i * 16).index());
  return table;
}();

/// Address bits that are zero in the start of a block, per class: free()'s test for interior pointers.
inline constexpr auto kBlockMask = [] {
  std::array<std::uint32_t, SizeClass::kCount> table{};
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<std::uint32_t>(SizeClass::at(i).bytes() - 1);
  return table;
}();

}  // namespace mempool::pools
