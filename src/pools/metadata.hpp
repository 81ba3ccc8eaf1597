// Storage for magazines and records: carved from a reservation of its own, recycled by its users, never unmapped.
#pragma once

#include <cstddef>

#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "pools/thread_cache.hpp"

namespace mempool::pools {

/// The longest step by which a region grows.
inline constexpr std::size_t kLongestStep = std::size_t{2} << 20;

/// A committed prefix of a reservation that grows by steps, doubling from 64 KiB to kLongestStep.
class GrowingPrefix {
 public:
  constexpr GrowingPrefix() = default;
  void reset(os::Span range) noexcept { range_ = range; }
  std::size_t committed() const noexcept { return committed_; }
  std::size_t capacity() const noexcept { return range_.bytes; }
  char* begin() const noexcept { return range_.begin; }
  /// Commits until `bytes` are readable and writable. False where the range ends or the OS refuses.
  /// The caller holds the lock that guards this prefix.
  [[nodiscard]] bool grow_to(std::size_t bytes) noexcept;

 private:
  os::Span range_;
  std::size_t committed_ = 0;
};

class MetadataArena {
 public:
  constexpr MetadataArena() = default;
  void reset(os::Span range) noexcept { prefix_.reset(range); }
  /// `bytes` of zeroed storage at a multiple of 64, or nullptr. Never given back.
  void* take(std::size_t bytes) noexcept;
  bool covers(const void* p) const noexcept { return p >= prefix_.begin() && p < prefix_.begin() + prefix_.capacity(); }
  Lock lock;  // public for fork alone

 private:
  GrowingPrefix prefix_;
  std::size_t used_ = 0;
};
extern constinit MetadataArena metadata;

/// Blocks a magazine of the class holds: at most 256, at most 64 KiB of them, at least 2.
constexpr std::uint32_t magazine_capacity(SizeClass c) noexcept {
  std::size_t const by_bytes = (std::size_t{64} << 10) >> c.lg();
  return static_cast<std::uint32_t>(by_bytes > 256 ? 256 : by_bytes < 2 ? 2 : by_bytes);
}

/// A new empty magazine, or nullptr. Ask the class's pool first: it keeps those that others left.
Magazine* new_magazine(SizeClass c) noexcept;

}  // namespace mempool::pools
