// How a pattern is shared between threads: a tag that each takes as a template parameter.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <mutex>
#include <thread>

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
  using lock_type = std::mutex;
  static constexpr bool is_shared = true;
};

/// Any thread; the object is cut into shards with a lock each, so that threads seldom meet.
struct sharded {
  using lock_type = std::mutex;
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
