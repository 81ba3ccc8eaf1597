// A lock that is one word with a futex in it: a bounded spin, then sleep, never yield.
//
// It knows its owner, from the very instruction that takes it: a signal may come after any. For two reasons. fork's
// prepare must take every lock and admit those its own thread holds already (fork may come from a signal handler that
// interrupted us). And a signal handler that allocates while its thread is inside a miss path must not wait for
// itself: lock() says false there, and the caller serves the request from elsewhere.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "platform/os.hpp"

namespace mempool {

class Lock {
 public:
  /// Waits for the lock. False, without it, where this very thread holds it already; between fork's prepare and its end
  /// the forking thread is let in again, since what the lock guards is whole then: other handlers allocate too.
  [[nodiscard]] bool lock() noexcept {
    std::uint64_t free = kFree;
    if (word_.compare_exchange_strong(free, os::thread_mark(), std::memory_order_acquire, std::memory_order_relaxed))
      return true;
    if (held_by_me()) {
      if (taken_for_fork_) ++nested_;
      return taken_for_fork_;
    }
    wait_for_it();
    return true;
  }
  /// The lock if nobody has it, this thread included.
  [[nodiscard]] bool try_lock() noexcept {
    std::uint64_t free = kFree;
    return word_.compare_exchange_strong(free, os::thread_mark(), std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    if (nested_ != 0) [[unlikely]] {
      --nested_;
      return;
    }
    if ((word_.exchange(kFree, std::memory_order_release) & kWaited) != 0) os::wake_one(futex());
  }
  /// fork's prepare: waits for every other thread and admits this one. A lock that fork's own thread holds already
  /// (it forked in a signal handler that interrupted us) stays as it is: the interrupted code goes on in the
  /// parent and in the child, and gives it back itself.
  /// A second fork between the first one's prepare and its end (a signal handler's) finds it taken, and gives it back.
  void take_for_fork() noexcept {
    if (!(held_by_me() && taken_for_fork_)) taken_for_fork_ = lock();
  }
  void release_after_fork() noexcept {
    if (!taken_for_fork_) return;
    taken_for_fork_ = false;
    unlock();
  }
  /// The fork child's answer to a lock that a thread holds which does not exist there.
  void forget_owner() noexcept { word_.store(kFree, std::memory_order_relaxed); }
  bool held_by_me() const noexcept {
    return (word_.load(std::memory_order_relaxed) & ~std::uint64_t{kWaited}) == os::thread_mark();
  }

 private:
  // The word: 0, or the owner's mark, and a bit while somebody may sleep.
  static constexpr std::uint64_t kFree = 0, kWaited = 1;
  static_assert(std::endian::native == std::endian::little, "the futex is the word's first half, where the bit is");
  const std::uint32_t* futex() const noexcept { return reinterpret_cast<const std::uint32_t*>(&word_); }
  void wait_for_it() noexcept;

  std::atomic<std::uint64_t> word_{kFree};
  // Both belong to the owner: written between prepare and parent or child alone.
  bool taken_for_fork_ = false;
  std::uint32_t nested_ = 0;
};

/// Holds a lock for a scope; false in a condition where the thread held it before.
class [[nodiscard]] Guard {
 public:
  explicit Guard(Lock& lock) noexcept : lock_{lock.lock() ? &lock : nullptr} {}
  ~Guard() {
    if (lock_ != nullptr) lock_->unlock();
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  explicit operator bool() const noexcept { return lock_ != nullptr; }

 private:
  Lock* lock_;
};

}  // namespace mempool
