// Sets the level of pressure for a test.
#pragma once

#include <chrono>
#include <thread>

#include "mempool/reclaim.hpp"

namespace mempool {

/// What is found by whoever asks for the level, where the library is there to be asked: returns once it is so, which is
/// at the monitor's next look. Until it ends.
class simulated_level {
 public:
  explicit simulated_level(level at) { set(at); }
  simulated_level(const simulated_level&) = delete;
  simulated_level& operator=(const simulated_level&) = delete;
  ~simulated_level() {
    if (library_.is_there()) library_.simulate(-1);
  }

  void set(level at) {
    if (!library_.is_there()) return;
    library_.simulate(static_cast<int>(at));
    libmempool_snapshot seen{};
    seen.size = sizeof seen;
    for (int i = 0; i < 30'000; ++i) {
      if (library_.get_snapshot(&seen) == 0 && seen.level == static_cast<int>(at)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }

 private:
  const detail::api& library_ = detail::api::get();
};

}  // namespace mempool
