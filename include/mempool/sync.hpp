// How a pattern is shared between threads: a tag that each takes as a template parameter.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <thread>

namespace mempool::detail {

/// A lock for sections of some nanoseconds: where it is free, taking and giving it up are one atomic operation each,
/// without a call; std::mutex costs twice that. Where it is not, a thread looks on for a moment, then sleeps. For any
/// thread; not recursive. A lock for std::lock_guard and std::scoped_lock.
class short_lock {
 public:
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slowly();
  }
  bool try_lock() noexcept {
    int expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    if (state_.exchange(kFree, std::memory_order_release) == kWaitedFor) [[unlikely]]
      wake_one();
  }

 private:
  static constexpr int kFree = 0;
  static constexpr int kHeld = 1;
  static constexpr int kWaitedFor = 2;  // held, and a thread may sleep

  // Who slept cannot know whether others do, so he takes the lock as one that is waited for.
  [[gnu::noinline, gnu::cold]] void lock_slowly() noexcept {
    while (state_.exchange(kWaitedFor, std::memory_order_acquire) != kFree)
      state_.wait(kWaitedFor, std::memory_order_relaxed);
  }
  [[gnu::noinline, gnu::cold]] void wake_one() noexcept { state_.notify_one(); }

  std::atomic<int> state_{kFree};
};

}  // namespace mempool::detail

namespace mempool::sync {

/// One thread alone uses the object, and it costs no lock. The monitor never calls it: it looks at the pressure's epoch
/// on its own path (pressure_poll).
struct none {
  struct lock_type {
    void lock() noexcept {}
    void unlock() noexcept {}
    bool try_lock() noexcept { return true; }
  };
  static constexpr bool is_shared = false;
};

/// Any thread, one lock.
struct mutex {
  using lock_type = detail::short_lock;
  static constexpr bool is_shared = true;
};

/// Any thread; the object is cut into shards with a lock each, so that threads seldom meet.
struct sharded {
  using lock_type = detail::short_lock;
  static constexpr bool is_shared = true;
};

}  // namespace mempool::sync

namespace mempool::detail {

/// How many shards a pool is cut into, and which of them a thread tries first: threads are numbered as they come. Where
/// there is but one, both are known when compiling.
template <class Sync>
class thread_shards {
 public:
  static constexpr bool kIsSharded = std::same_as<Sync, sync::sharded>;
  static constexpr std::size_t kMost = kIsSharded ? 16 : 1;
  /// Of a shard: a line of its own where there are several.
  static constexpr std::size_t kAlignment = kIsSharded ? 64 : alignof(std::max_align_t);

  /// A power of two: one for each processor, as far as kMost.
  std::size_t count() const noexcept {
    if constexpr (kIsSharded)
      return count_;
    else
      return 1;
  }
  std::size_t home() const noexcept {
    if constexpr (kIsSharded) {
      static constinit std::atomic<std::size_t> threads{0};
      thread_local std::size_t const number = threads.fetch_add(1, std::memory_order_relaxed);
      return number & (count_ - 1);
    } else {
      return 0;
    }
  }
  /// The i-th that this thread tries.
  std::size_t from_home(std::size_t i) const noexcept { return (home() + i) & (count() - 1); }

 private:
  static std::size_t processors() noexcept { return std::max(1u, std::thread::hardware_concurrency()); }

  std::size_t count_ = kIsSharded ? std::min(kMost, std::bit_ceil(processors())) : 1;
};

}  // namespace mempool::detail
