// How a pattern is shared between threads: a tag that each takes as a template parameter.
#pragma once

#include <cstddef>
#include <mutex>

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
