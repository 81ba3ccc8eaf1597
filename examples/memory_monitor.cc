// Hears of memory running short. Without libmempool in the process it says what to link, and that nothing will come;
// with it, a warning is simulated, as the tests of an application would.
#include "mempool/memory_monitor.hpp"

#include <chrono>
#include <iostream>
#include <optional>
#include <semaphore>

int main() {
  mempool::memory_monitor monitor;
  std::binary_semaphore was_warned{0};
  auto const registration = monitor.on_change([&](mempool::level before, const mempool::memory_snapshot& now) {
    std::cout << "level " << static_cast<int>(before) << " -> " << static_cast<int>(now.at()) << " at "
              << static_cast<int>(100 * now.ratio()) << " % of " << now.source << std::endl;
    if (now.at() == mempool::level::warning) was_warned.release();
  });

  auto const settings = mempool::memory_monitor::configured();
  std::cout << "it looks every " << settings.interval << " at least, warns at " << settings.warning
            << " and is critical at " << settings.critical << '\n';

  if (auto const error = monitor.start(); error != mempool::monitor_error::none) {
    std::cout << "no warning will come: " << message(error) << '\n';
    return monitor.is_started() || monitor.now().looks != 0 ? 1 : 0;
  }
  if (monitor.simulate(mempool::level::warning) != mempool::monitor_error::none) return 1;
  bool const came = was_warned.try_acquire_for(std::chrono::seconds{30});
  if (monitor.simulate(std::nullopt) != mempool::monitor_error::none) return 1;
  monitor.stop();
  std::cout << (came ? "the warning came" : "no warning came") << '\n';
  return came ? 0 : 1;
}
