// The hot path: per thread and class, one loaded magazine of free blocks, seen through three pointers.
//
// malloc misses at head == empty, free at head == full; the slot is touched only after the compare. All zero
// means nothing attached, so there is no initialisation test. Whatever is rare (class off, thread ended, first
// call) is expressed by equal marks, never by another instruction on a hit.
// Source: J. Bonwick and J. Adams, Magazines and Vmem, USENIX 2001.
#pragma once

#include <cstddef>
#include <cstdint>

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

// Hidden by attribute, since an extern declaration does not inherit -fvisibility: no GOT load on a hit. __thread and
// not thread_local: the latter's wrapper function is a call on a hit with some compilers.
[[gnu::visibility("hidden"), gnu::tls_model("initial-exec")]] extern __thread ThreadCache cache;

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
  return cache.head[index] != cache.empty[index] ? *--cache.head[index] : nullptr;
}
inline bool is_block_start(const void* p, SizeClass c) noexcept {
  return (reinterpret_cast<std::uintptr_t>(p) & kBlockMask[c.index()]) == 0;
}

/// malloc's hit: a block that holds `size` bytes, or what `cold(size)` returns.
template <void* (*cold)(std::size_t)>
[[gnu::always_inline]] inline void* allocate(std::size_t size) noexcept(noexcept(cold(size))) {
  if (size > kMaxCached) [[unlikely]] return cold(size);
  std::size_t const index = kClassOf[(size + 15) / 16];
  void** const head = cache.head[index];
  if (head == cache.empty[index]) [[unlikely]] return cold(size);
  cache.head[index] = head - 1;
  return head[-1];
}

/// free's hit. `cold` gets nullptr, what no thread caches, misuse, and the push that finds its magazine full.
template <void (*cold)(void*)>
[[gnu::always_inline]] inline void release(void* block) noexcept {
  std::uintptr_t const offset = reinterpret_cast<std::uintptr_t>(block) - layout.base;
  if (offset >= layout.cached_span) [[unlikely]] return cold(block);
  std::size_t const index = offset >> layout.region_lg;
  if ((offset & kBlockMask[index]) != 0) [[unlikely]] return cold(block);  // interior: never a block
  void** const head = cache.head[index];
  if (head == cache.full[index]) [[unlikely]] return cold(block);
  if (head[-1] == block) [[unlikely]] return cold(block);  // free(p); free(p)
  *head = block;
  cache.head[index] = head + 1;
}

}  // namespace mempool::pools
