#include "routing/gate.hpp"

#include "platform/thread_state.hpp"

namespace mempool::fallback {

constinit Gate gate;

namespace {

struct Mine {
  std::uint16_t slot;  // index + 1; 0: none yet
  bool inside;
};
Mine& mine() noexcept { return os::own<os::Part::gate, Mine>(); }

const std::uint32_t* word_of(std::atomic<std::uint32_t>& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word);
}

}  // namespace

Gate::Slot& Gate::my_slot() noexcept {
  if (mine().slot != 0) return slots_[mine().slot - 1];
  if (!os::has_own()) return slots_[kSlots - 1];
  std::uintptr_t const self = os::thread_mark();
  for (unsigned i = 0; i + 1 < kSlots; ++i) {
    std::uintptr_t nobody = 0;
    if (slots_[i].owner.load(std::memory_order_relaxed) == 0 &&
        slots_[i].owner.compare_exchange_strong(nobody, self, std::memory_order_relaxed)) {
      mine().slot = static_cast<std::uint16_t>(i + 1);
      return slots_[i];
    }
  }
  mine().slot = kSlots;
  return slots_[kSlots - 1];
}

bool Gate::enter() noexcept {
  if (mine().inside) return false;
  if (os::make_own()) mine().inside = true;
  Slot& slot = my_slot();
  for (;;) {
    // Sequentially consistent on both sides: either we see the gate closed, or fork sees us inside.
    slot.inside.fetch_add(1, std::memory_order_seq_cst);
    if (closed_.load(std::memory_order_seq_cst) == 0) [[likely]] return true;
    if (forking_.held_by_me()) return true;  // between prepare and the end of fork other handlers allocate too
    slot.inside.fetch_sub(1, std::memory_order_seq_cst);
    os::wake_all(word_of(slot.inside));
    os::wait(word_of(closed_), 1);
  }
}

void Gate::leave() noexcept {
  Slot& slot = my_slot();
  slot.inside.fetch_sub(1, std::memory_order_seq_cst);
  if (os::has_own()) mine().inside = false;
  if (closed_.load(std::memory_order_seq_cst) != 0) [[unlikely]] os::wake_all(word_of(slot.inside));
}

void Gate::give_back_slot() noexcept {
  if (mine().inside || !os::has_own()) return;
  if (mine().slot != 0 && mine().slot != kSlots) slots_[mine().slot - 1].owner.store(0, std::memory_order_release);
  mine().slot = kSlots;
}

void Gate::close_for_fork() noexcept {
  forking_.take_for_fork();
  closed_.store(1, std::memory_order_seq_cst);
  for (unsigned i = 0; i < kSlots; ++i) {
    // fork came from a signal handler that interrupted this thread inside mimalloc: it may stay.
    std::uint32_t const own = mine().inside && mine().slot == i + 1 ? 1 : 0;
    for (;;) {
      std::uint32_t const inside = slots_[i].inside.load(std::memory_order_seq_cst);
      if (inside <= own) break;
      os::wait(word_of(slots_[i].inside), inside, 10);
    }
  }
}

void Gate::open_after_fork(bool in_child) noexcept {
  if (in_child)
    for (unsigned i = 0; i < kSlots; ++i) {
      if (mine().slot == i + 1 && i + 1 < kSlots) continue;
      // A thread that was about to see the gate closed may have counted itself in for a moment, and it is not here to
      // take that back.
      slots_[i].inside.store(mine().inside && mine().slot == i + 1 ? 1 : 0, std::memory_order_relaxed);
      slots_[i].owner.store(0, std::memory_order_relaxed);
    }
  closed_.store(0, std::memory_order_seq_cst);
  os::wake_all(word_of(closed_));
  forking_.release_after_fork();
}

}  // namespace mempool::fallback
