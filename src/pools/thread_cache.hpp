// The hot path: per thread and class, one loaded magazine of free blocks, seen through three pointers.
//
// malloc misses at head == empty, free at head == full; the slot is touched only after the compare. All zero
// means nothing attached, so there is no initialisation test. Whatever is rare (class off, thread ended, first
// call) is expressed by equal marks, never by another instruction on a hit.
// Source: J. Bonwick and J. Adams, Magazines and Vmem, USENIX 2001.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "platform/thread_state.hpp"
#include "pools/size_class.hpp"

namespace mempool::pools {

struct Record;

/// An array of free blocks of one class. Its storage is metadata: recycled, never unmapped.
struct Magazine {
  std::uint32_t count;  // blocks in slots[0, count) while no thread has it loaded
  std::uint32_t capacity;
  Magazine* next;  // also the word below slots[0], which free() may compare a block with: never a block's address
  void* slots[1];
};

struct ThreadCache {
  // The loaded magazine of each class. Three arrays, not an array of three: a class index scales an address then, and a
  // hit takes three instructions less.
  void** head[SizeClass::kCached];   // one past the top block
  void** empty[SizeClass::kCached];  // malloc misses here
  void** full[SizeClass::kCached];   // free misses here
  Record* record;      // nullptr: not attached
  std::uint8_t depth;  // slow paths of this thread that are under way; > 1 in a signal handler that interrupted one
  bool joined;         // the thread is counted, and its exit calls us
  bool ended;          // the thread's exit has run: blocks come and go one by one, nothing is cached
};

/// The calling thread's. Of a thread that has none of its own, one that always misses and must not be written.
[[gnu::always_inline]] inline ThreadCache& cache() noexcept { return os::own<os::Part::cache, ThreadCache>(); }

/// Where the pools lie. All zero until start, and for good where the pools are off: no pointer is pooled then.
struct Layout {
  std::uintptr_t base;
  std::size_t cached_span;  // the regions of the classes that threads cache come first
  std::size_t span;
  unsigned region_lg;  // a class's region is 1 << region_lg bytes: the class of an address is a shift
};
[[gnu::visibility("hidden")]] extern constinit Layout layout;

inline bool is_pooled(const void* p) noexcept {
  return reinterpret_cast<std::uintptr_t>(p) - layout.base < layout.span;
}
/// Requires is_pooled(p).
inline SizeClass class_of(const void* p) noexcept {
  return SizeClass::at((reinterpret_cast<std::uintptr_t>(p) - layout.base) >> layout.region_lg);
}
/// The top block of the class's loaded magazine, or nullptr where it is empty.
[[gnu::always_inline]] inline void* pop(std::size_t index) noexcept {
  ThreadCache& mine = cache();
  return mine.head[index] != mine.empty[index] ? *--mine.head[index] : nullptr;
}
inline bool is_block_start(const void* p, SizeClass c) noexcept {
  return (reinterpret_cast<std::uintptr_t>(p) & kBlockMask[c.index()]) == 0;
}

/// A hit: takes a block that holds `size` bytes and returns `hit(block, its class's index)`; else returns `cold()`.
template <class Hit, class Cold>
[[gnu::always_inline]] inline void* take(std::size_t size, Hit hit, Cold cold) noexcept(noexcept(cold())) {
  if (size > kMaxCached) [[unlikely]] return cold();
  std::size_t const index = kClassOf[(size + 15) / 16];
  ThreadCache& mine = cache();
  void** const head = mine.head[index];
  if (head == mine.empty[index]) [[unlikely]] return cold();
  mine.head[index] = head - 1;
  return hit(head[-1], index);
}

/// malloc's hit: a block that holds `size` bytes, or what `cold()` returns.
template <class Cold>
[[gnu::always_inline]] inline void* allocate(std::size_t size, Cold cold) noexcept(noexcept(cold())) {
  return take(size, [](void* block, std::size_t) noexcept { return block; }, cold);
}

/// What calloc's hit zeroes itself: memset would be a call, and more instructions.
inline constexpr std::size_t kMostZeroedInline = 64;

/// calloc's hit, for a size that is zeroed inline: the whole block, without a branch. In a smaller block the masked
/// stores fall on each other.
template <class Cold>
[[gnu::always_inline]] inline void* allocate_zeroed(std::size_t size, Cold cold) noexcept {
  auto const zeroed = [](void* block, std::size_t index) noexcept {
    char* const bytes = static_cast<char*>(block);
    std::size_t const mask = kBlockMask[index];
    std::memset(bytes, 0, 16);
    std::memset(bytes + (16 & mask), 0, 16);
    std::memset(bytes + (32 & mask), 0, 16);
    std::memset(bytes + (48 & mask), 0, 16);
    return block;
  };
  return take(size, zeroed, cold);
}

/// free's hit. `cold` gets nullptr, what no thread caches, misuse, and the push that finds its magazine full.
template <void (*cold)(void*)>
[[gnu::always_inline]] inline void release(void* block) noexcept {
  std::uintptr_t const offset = reinterpret_cast<std::uintptr_t>(block) - layout.base;
  if (offset >= layout.cached_span) [[unlikely]] return cold(block);
  std::size_t const index = offset >> layout.region_lg;
  if ((offset & kBlockMask[index]) != 0) [[unlikely]] return cold(block);  // interior: never a block
  ThreadCache& mine = cache();
  void** const head = mine.head[index];
  if (head == mine.full[index]) [[unlikely]] return cold(block);
  if (head[-1] == block) [[unlikely]] return cold(block);  // free(p); free(p)
  *head = block;
  mine.head[index] = head + 1;
}

/// What realloc leaves where it is: the request fits, and the block is not two classes too large for it, so that a
/// vector which shrinks and grows again does not move each time. Never true of size 0, which wraps to the largest.
inline bool stays(std::size_t size, std::size_t block_mask) noexcept {
  std::size_t const least = (block_mask + 1) / 4 & ~std::size_t{15};  // none for the two smallest classes
  return size - 1 - least <= block_mask - least;
}

/// realloc's hit: a cached block that may stay; else what `cold()` returns, nullptr and misuse included.
template <class Cold>
[[gnu::always_inline]] inline void* resize(void* block, std::size_t size, Cold cold) noexcept {
  std::uintptr_t const offset = reinterpret_cast<std::uintptr_t>(block) - layout.base;
  if (offset >= layout.cached_span) [[unlikely]] return cold();
  std::size_t const mask = kBlockMask[offset >> layout.region_lg];
  if ((offset & mask) != 0) [[unlikely]] return cold();
  if (!stays(size, mask)) [[unlikely]] return cold();
  return block;
}

/// malloc_usable_size's hit.
template <class Cold>
[[gnu::always_inline]] inline std::size_t usable_size(const void* block, Cold cold) noexcept {
  std::uintptr_t const offset = reinterpret_cast<std::uintptr_t>(block) - layout.base;
  if (offset >= layout.span) [[unlikely]] return cold();
  std::size_t const mask = kBlockMask[offset >> layout.region_lg];
  if ((offset & mask) != 0) [[unlikely]] return cold();
  return mask + 1;
}

}  // namespace mempool::pools
