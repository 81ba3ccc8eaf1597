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
  for (int spin = 0; spin < kSpins; ++spin) {
    std::uint32_t free = kFree;
    if (word_.load(std::memory_order_relaxed) == kFree &&
        word_.compare_exchange_weak(free, kHeld, std::memory_order_acquire, std::memory_order_relaxed))
      return;
    relax();
  }
  while (word_.exchange(kWaited, std::memory_order_acquire) != kFree) os::wait(word(), kWaited);
}

}  // namespace mempool
