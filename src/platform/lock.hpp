// A lock that is one futex word: a bounded spin, then sleep, never yield.
//
// It knows its owner, for two reasons. fork's prepare must take every lock and admit those its own thread
// holds already (fork may come from a signal handler that interrupted us). And a signal handler that
// allocates while its thread is inside a miss path must not wait for itself: lock() says false there, and
// the caller serves the request from elsewhere.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/os.hpp"

namespace mempool {

class Lock {
 public:
  /// Waits for the lock. False, without it, where this very thread holds it already.
  [[nodiscard]] bool lock() noexcept {
    std::uint32_t free = kFree;
    if (!word_.compare_exchange_strong(free, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) {
      if (held_by_me()) return false;
      wait_for_it();
    }
    owner_.store(os::thread_mark(), std::memory_order_relaxed);
    return true;
  }
  void unlock() noexcept {
    owner_.store(0, std::memory_order_relaxed);
    if (word_.exchange(kFree, std::memory_order_release) == kWaited) os::wake_one(word());
  }
  /// fork's prepare: waits for every other thread and admits this one. A lock that fork's own thread holds already
  /// (it forked in a signal handler that interrupted us) stays as it is: the interrupted code goes on in the
  /// parent and in the child, and gives it back itself.
  /// A second fork between the first one's prepare and its end (a signal handler's) finds it taken, and gives it back.
  void take_for_fork() noexcept {
    if (lock()) taken_for_fork_ = true;
  }
  void release_after_fork() noexcept {
    if (!taken_for_fork_) return;
    taken_for_fork_ = false;
    unlock();
  }
  /// The fork child's answer to a lock that a thread holds which does not exist there.
  void forget_owner() noexcept {
    owner_.store(0, std::memory_order_relaxed);
    word_.store(kFree, std::memory_order_relaxed);
  }
  bool held_by_me() const noexcept { return owner_.load(std::memory_order_relaxed) == os::thread_mark(); }

 private:
  enum : std::uint32_t { kFree, kHeld, kWaited };
  const std::uint32_t* word() const noexcept { return reinterpret_cast<const std::uint32_t*>(&word_); }
  void wait_for_it() noexcept;

  std::atomic<std::uint32_t> word_{kFree};
  std::atomic<std::uintptr_t> owner_{0};
  bool taken_for_fork_ = false;  // written between prepare and parent or child alone
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
