#include "platform/lock.hpp"

namespace mempool {
namespace {

/// About a microsecond: a class lock is held for less, so a sleeper is rare.
constexpr int kSpins = 100;

inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

}  // namespace

void Lock::wait_for_it() noexcept {
  std::uint64_t const mine = os::thread_mark();
  for (int spin = 0; spin < kSpins; ++spin) {
    std::uint64_t free = kFree;
    if (word_.load(std::memory_order_relaxed) == kFree &&
        word_.compare_exchange_weak(free, mine, std::memory_order_acquire, std::memory_order_relaxed))
      return;
    relax();
  }
  // Taken after a sleep the lock is marked as waited for: others may sleep still.
  for (std::uint64_t seen = word_.load(std::memory_order_relaxed);;) {
    if (seen == kFree) {
      if (word_.compare_exchange_weak(seen, mine | kWaited, std::memory_order_acquire, std::memory_order_relaxed))
        return;
    } else if ((seen & kWaited) != 0 ||
               word_.compare_exchange_weak(seen, seen | kWaited, std::memory_order_relaxed)) {
      os::wait(futex(), static_cast<std::uint32_t>(seen | kWaited));
      seen = word_.load(std::memory_order_relaxed);
    }
  }
}

}  // namespace mempool
