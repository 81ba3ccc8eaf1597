#include "routing/router.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/figures.hpp"
#include "base/line.hpp"
#include "platform/c_library.hpp"
#include "platform/fatal.hpp"
#include "platform/os.hpp"
#include "platform/thread_state.hpp"
#include "pools/class_pool.hpp"
#include "pools/pools.hpp"
#include "pools/record.hpp"
#include "pressure/account.hpp"
#include "routing/fallback.hpp"
#include "routing/libc_heap.hpp"
#include "routing/start.hpp"

namespace mempool::routing {

using pools::SizeClass;

namespace {

constexpr std::size_t kMostBytes = PTRDIFF_MAX;

void* out_of_memory() noexcept {
  errno = ENOMEM;
  return nullptr;
}

/// The last thing a slow path does, with no lock or gate held: starts the monitor where that is due.
void* leave(void* block) noexcept {
  if (pressure::start_due.load(std::memory_order_relaxed) && pools::cache().depth == 0) [[unlikely]]
    start_monitor();
  return block;
}

bool fits(std::size_t bytes) noexcept { return pressure::fits(bytes) && pressure::fits_hard_limit(bytes); }

/// For a request that does not fit what was left of the limit when it was last looked at: gives back what is free until
/// it fits, or nothing is left. False where MEMPOOL_LIMIT_HARD refuses it.
bool make_room(std::size_t bytes) noexcept {
  constexpr std::size_t kWorthIt = std::size_t{1} << 20;  // each time a thread asks, which over the limit is always
  if (bytes >= kWorthIt) pressure::note_oversized(bytes);
  if (pools::kept_bytes() + fallback::kept_bytes() >= std::min(bytes, kWorthIt)) {
    pools::trim();
    if (!fits(bytes)) fallback::trim();
  }
  if (pressure::fits_hard_limit(bytes)) return true;
  // What mimalloc had free is in what the monitor saw, and not in what is counted; and a look may take what the program
  // unmapped for its own. None is refused for what was seen before.
  fallback::trim();
  pressure::await_look();
  return pressure::fits_hard_limit(bytes);
}

void* from_fallback(std::size_t size, std::size_t alignment, bool zeroed) noexcept {
  pools::attach();  // its exit must reach mimalloc's part of this thread too
  if (!fits(size) && !make_room(size)) [[unlikely]]
    return out_of_memory();
  void* const block = fallback::allocate(size, alignment, zeroed);
  return block != nullptr ? leave(block) : out_of_memory();
}

void count_small_fallback() noexcept { figures.fallback[0].small.fetch_add(1, std::memory_order_relaxed); }

/// A block of the class, from the pools or, where they cannot, from mimalloc.
void* allocate_in_class(SizeClass c, std::size_t size, std::size_t alignment, bool zeroed) noexcept {
  bool is_zero = false;
  if (void* const block = pools::refill(c, zeroed ? &is_zero : nullptr); block != nullptr) {
    if (zeroed && !is_zero) std::memset(block, 0, size);
    return leave(block);
  }
  count_small_fallback();
  return from_fallback(size, alignment, zeroed);
}

/// A pointer that no heap of ours knows.
void release_foreign(void* block) noexcept {
  if (libc_heap::owns(block) && libc_heap::find()) return libc_heap::release(block);
  if (figures.foreign_frees.fetch_add(1, std::memory_order_relaxed) == 0) {
    Line line;
    line.text("libmempool: free of ").hex(reinterpret_cast<std::uintptr_t>(block));
    line.text(": not from this heap, left alone (said once)");
    os::write_stderr(line.finished());
  }
}

/// What `block` is, where it is not pooled: reports misuse and answers whether it is a live block of the fallback.
bool is_live_fallback(void* block) noexcept {
  fallback::Owner const owner = fallback::owner_of(block);
  if (owner == fallback::Owner::stale) misuse(Fault::invalid_realloc, block, 0);
  return owner == fallback::Owner::live;
}

/// A new block with the first bytes of the old one, which is freed; nullptr with everything intact.
void* move_to(std::size_t size, void* block, std::size_t old_bytes) noexcept {
  void* const moved = allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, size < old_bytes ? size : old_bytes);
  release(block);
  return moved;
}

/// A shrink that cannot be served stays where it is.
void* moved_or_kept(void* moved, void* block, std::size_t size, std::size_t old_bytes, int saved) noexcept {
  if (moved == nullptr && size <= old_bytes) {
    errno = saved;
    return block;
  }
  return moved;
}

void* resize_pooled(void* block, std::size_t size) noexcept {
  SizeClass const c = pools::class_of(block);
  if (!pools::is_block_start(block, c) || (!c.is_cached() && !pools::pool[c.index()].is_handed_out(block))) {
    misuse(Fault::invalid_realloc, block, c.bytes());
    return out_of_memory();
  }
  if (pools::stays(size, c.bytes() - 1)) return block;
  int const saved = errno;
  return moved_or_kept(move_to(size, block, c.bytes()), block, size, c.bytes(), saved);
}

void* resize_fallback(void* block, std::size_t size) noexcept {
  std::size_t const old_bytes = fallback::usable_size(block);
  int const saved = errno;
  if (size <= pools::kMaxPooled && pools::layout.span != 0) {
    if (size > old_bytes / 4 && size <= old_bytes) return block;
    return moved_or_kept(move_to(size, block, old_bytes), block, size, old_bytes, saved);
  }
  pools::attach();
  if (size > old_bytes && !fits(size - old_bytes) && !make_room(size - old_bytes)) [[unlikely]]
    return out_of_memory();
  if (void* const resized = fallback::resize(block, size); resized != nullptr) return leave(resized);
  return size <= old_bytes ? block : out_of_memory();
}

}  // namespace

namespace cold {

void* allocate(std::size_t size) noexcept {
  start();
  if (is_off()) [[unlikely]]
    return libc_heap::allocate(size);
  if (size > kMostBytes) return out_of_memory();
  if (size > pools::kMaxPooled) return from_fallback(size, 16, false);
  return allocate_in_class(SizeClass::holding(size), size, 16, false);
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  start();
  if (is_off()) [[unlikely]]
    return libc_heap::release(block);
  if (pools::is_pooled(block)) {
    SizeClass const c = pools::class_of(block);
    if (!pools::is_block_start(block, c)) return misuse(Fault::invalid_free, block, c.bytes());
    if (!c.is_cached()) return pools::overflow(c, block);
    pools::ThreadCache const& cache = pools::cache();
    void** const head = cache.head[c.index()];
    if (head != cache.empty[c.index()] && head[-1] == block) return misuse(Fault::double_free, block, c.bytes());
    return pools::overflow(c, block);
  }
  pools::attach();
  switch (fallback::release(block)) {
    case fallback::Owner::live:
      return;
    case fallback::Owner::stale:
      return misuse(fallback::is_inside_live_block(block) ? Fault::invalid_free : Fault::double_free, block, 0);
    case fallback::Owner::foreign:
      return release_foreign(block);
  }
}

void* allocate_zeroed(std::size_t count, std::size_t size) noexcept {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > kMostBytes) return out_of_memory();
  start();
  if (is_off()) [[unlikely]]
    return libc_heap::allocate_zeroed(count, size);
  if (bytes > pools::kMaxPooled) return from_fallback(bytes, 16, true);
  return allocate_in_class(SizeClass::holding(bytes), bytes, 16, true);
}

void* resize(void* block, std::size_t size) noexcept {
  if (block == nullptr) return routing::allocate(size);
  start();
  if (is_off()) [[unlikely]]
    return libc_heap::resize(block, size);
  if (size == 0) {
    if (os::kEmptyResizeFrees) {
      release(block);
      return nullptr;
    }
    size = 1;
  }
  if (size > kMostBytes) return out_of_memory();
  if (pools::is_pooled(block)) return resize_pooled(block, size);
  if (is_live_fallback(block)) return resize_fallback(block, size);
  if (libc_heap::owns(block) && libc_heap::find()) return libc_heap::resize(block, size);
  return out_of_memory();  // nobody knows how many bytes to copy
}

void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept {
  if (!is_power_of_two(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  start();
  if (is_off()) [[unlikely]]
    return libc_heap::allocate_aligned(alignment, size);
  if (size > kMostBytes || alignment > kMostBytes) return out_of_memory();
  if (alignment < 16) alignment = 16;
  std::size_t const bytes = size < alignment ? alignment : size;
  if (bytes <= pools::kMaxPooled) {
    if (pools::layout.span != 0) return allocate_in_class(SizeClass::holding(bytes), size, alignment, false);
    count_small_fallback();
  }
  return from_fallback(size, alignment, false);
}

std::size_t usable_size(void* block) noexcept {
  if (block == nullptr) return 0;
  start();
  if (is_off()) [[unlikely]]
    return libc_heap::usable_size(block);
  if (pools::is_pooled(block)) {
    SizeClass const c = pools::class_of(block);
    return pools::is_block_start(block, c) ? c.bytes() : 0;
  }
  if (std::size_t const bytes = fallback::usable_size(block); bytes != 0) return bytes;
  return libc_heap::owns(block) && libc_heap::find() ? libc_heap::usable_size(block) : 0;
}

}  // namespace cold

void* allocate_zeroed_larger(std::size_t count, std::size_t size) noexcept {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return out_of_memory();
  return pools::take(
      bytes, [bytes](void* block, std::size_t) noexcept { return std::memset(block, 0, bytes); },
      [count, size]() noexcept { return cold::allocate_zeroed(count, size); });
}

bool trim() noexcept {
  std::size_t const discarded = pools::trim();
  fallback::trim();
  return discarded != 0;
}

void thread_exit() noexcept {
  pools::thread_exit();
  fallback::thread_exit();
}

void fork_prepare() noexcept {
  fallback::fork_prepare();
  pools::fork_prepare();
}

void fork_parent() noexcept {
  pools::fork_parent();
  fallback::fork_parent();
}

void fork_child() noexcept {
  pressure::forked();
  leave_summary_to_parent();
  pools::fork_child();
  fallback::fork_child();
  os::forget_others();
}

}  // namespace mempool::routing
