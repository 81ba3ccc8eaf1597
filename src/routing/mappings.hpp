// Blocks that are a mapping of their own, in an exact table: large ones, and what mimalloc cannot hold or serve.
//
// A hash table of fixed capacity in a reservation of its own: the kernel allows about 65,000 mappings, so more
// entries than that would be of no use. One lock, never held across mmap or munmap. Freed blocks are kept for the next
// ones within a budget.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "routing/kept_extents.hpp"

namespace mempool::fallback {

class Mappings {
 public:
  /// A block of whole pages, or nullptr; with `zeroed`, one never used before. Also in a thread that was interrupted in
  /// here (nullptr then).
  void* allocate(std::size_t size, std::size_t alignment, bool zeroed) noexcept;
  /// Frees, and keeps the pages where no more than `budget` bytes are kept then, oldest out first. Where a monitor runs
  /// the rest is left to it, since a thread that unmaps 25 MiB waits for milliseconds: kMostLeft at most, and beyond
  /// kSoonLeft each call discards kHelp itself. False where no live block starts there.
  [[nodiscard]] bool release(void* block, std::size_t budget) noexcept;
  /// Bytes of the block; 0 where none starts there.
  std::size_t bytes_of(const void* block) noexcept;
  /// Grows or shrinks, in place or by moving pages, never copying. Growth takes an eighth more addresses than it needs,
  /// so that a buffer that grows by small steps asks the system rarely. nullptr where the OS refuses (also to move what
  /// it has in two pieces), the block intact then.
  void* resize(void* block, std::size_t size) noexcept;
  /// True where a block started at `p` and was among the last to be released.
  bool was_released(const void* p) noexcept;
  /// True inside a live block, its start excepted. Slow for an address near the blocks: only for what is reported.
  bool is_interior(const void* p) noexcept;

  /// Bytes of freed blocks that are kept. Approximate while threads run.
  std::size_t kept_bytes() noexcept;
  /// Unmaps until at most max(`budget`, what was learned) halved `halvings` times is kept.
  void settle(std::size_t budget, unsigned halvings) noexcept;
  /// The program asked for little lately: half of what was learned is forgotten.
  void forget_half() noexcept;
  /// Unmaps all that is kept, and forgets what was learned.
  void purge() noexcept;

  Lock lock;  // public for fork alone

 private:
  struct Entry {
    char* begin;  // nullptr: never used; kRemoved: used once
    std::size_t bytes;
  };
  static constexpr std::size_t kEntries = std::size_t{1} << 17;
  static constexpr std::size_t kMost = std::size_t{1} << 16;
  static constexpr unsigned kRemembered = 64;
  static inline char* const kRemoved = reinterpret_cast<char*>(1);

  static constexpr std::size_t kSoonLeft = std::size_t{32} << 20, kHelp = std::size_t{2} << 20;
  static constexpr std::size_t kMostLeft = std::size_t{256} << 20;
  static constexpr unsigned kAtOnce = 8;

  unsigned take_surplus(std::size_t budget, os::Span (&out)[kAtOnce]) noexcept;
  void give_back(os::Span gone, bool monitor_unmaps) noexcept;
  void learn(std::size_t bytes) noexcept;
  std::size_t what_to_keep(std::size_t budget) const noexcept;
  bool prepare() noexcept;
  Entry* find(const void* block) noexcept;
  void insert(os::Span block) noexcept;
  void remove(Entry& entry) noexcept;

  Entry* entries_ = nullptr;
  std::size_t live_ = 0, live_bytes_ = 0;
  const char* lowest_ = nullptr;  // of all blocks so far: addresses outside are nobody's here
  const char* highest_ = nullptr;
  const void* released_[kRemembered] = {};
  unsigned next_released_ = 0;
  KeptExtents kept_;
  KeptExtents clean_;  // discarded: addresses alone, until the monitor unmaps them
  // A program that replaces blocks larger than the budget would fault pages in each time. What had to be mapped anew
  // though as much was unmapped before is what should have been kept: so much is, from then on. The C library raises its
  // mmap threshold likewise, and keeps without bound.
  std::size_t unmapped_ = 0, learned_ = 0;
};

extern constinit Mappings mappings;

}  // namespace mempool::fallback
