// The mean of the last five readings, and the hand-over of readings between two threads.
#include "mempool/circular_buffer.hpp"
#include "mempool/spsc_ring.hpp"

#include <iostream>
#include <optional>
#include <thread>

int main() {
  // What the push evicts is returned, so the sum is kept up to date without a loop.
  mempool::circular_buffer<int> last{5};
  int sum = 0;
  for (int reading = 1; reading <= 8; ++reading) {
    sum += reading;
    if (std::optional<int> const evicted = last.push_back(reading)) sum -= *evicted;
  }
  std::cout << "last " << last.size() << " of 8 readings:";
  for (int reading : last) std::cout << ' ' << reading;
  std::cout << "; their sum is " << sum << '\n';

  // The elements in one piece, for an interface that wants an array.
  auto const whole = last.linearize();
  std::cout << "in one piece: " << whole.front() << " to " << whole.back() << '\n';

  // One thread makes readings, another one takes them; a full ring makes the first one wait.
  mempool::spsc_ring<int> ring{64};
  std::thread making([&ring] {
    for (int reading = 1; reading <= 1000; ++reading)
      while (!ring.try_push(reading)) std::this_thread::yield();
  });
  int total = 0;
  for (int taken = 0; taken < 1000;) {
    if (auto const reading = ring.try_pop()) {
      total += *reading;
      ++taken;
    } else {
      std::this_thread::yield();
    }
  }
  making.join();
  std::cout << "1000 readings through a ring of " << ring.capacity() << ": their sum is " << total << '\n';

  bool const is_right = sum == 4 + 5 + 6 + 7 + 8 && last.front() == 4 && last.pop_back() == 8 && total == 500'500;
  return is_right ? 0 : 1;
}
