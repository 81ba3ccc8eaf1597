// The gate before mimalloc: who goes in can be seen, and fork can wait until everybody is out.
//
// mimalloc registers no fork handlers, so a child must never inherit one of its locks held. Entering costs one
// exchange on a slot of the thread's own; leaving, one store. A signal handler that interrupted its thread inside is
// refused, and is served past mimalloc.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/lock.hpp"
#include "platform/os.hpp"

namespace mempool::fallback {

class Gate {
 public:
  /// False in a thread that is inside already. Waits while a fork is under way in another thread.
  [[nodiscard]] bool enter() noexcept;
  void leave() noexcept;
  /// The calling thread ends: its slot is another's. Should it enter again, it uses the shared one.
  void give_back_slot() noexcept;

  /// Closes the gate and waits for everyone but this thread to leave. One fork at a time: the second thread's waits
  /// here, or the first one's end would open the gate under it.
  void close_for_fork() noexcept;
  void open_after_fork(bool in_child) noexcept;

 private:
  struct alignas(64) Slot {
    std::atomic<std::uint32_t> inside;  // threads inside: 0 or 1, more in the last slot alone
    std::atomic<std::uintptr_t> owner;
  };
  static constexpr unsigned kSlots = 256;  // the last one is shared by all threads beyond the others
  Slot& my_slot() noexcept;

  Slot slots_[kSlots] = {};
  std::atomic<std::uint32_t> closed_{0};
  Lock forking_;
};

extern constinit Gate gate;

/// Inside mimalloc for a scope.
class [[nodiscard]] Inside {
 public:
  Inside() noexcept : entered_{gate.enter()} {}
  ~Inside() {
    if (entered_) gate.leave();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  explicit operator bool() const noexcept { return entered_; }

 private:
  bool entered_;
};

}  // namespace mempool::fallback
