// Threads that come, allocate, exchange blocks with others through common slots and go; what lies in the slots
// outlives them and is freed by threads that come later.
//
// Source: mstress, as described in mimalloc-bench's README (D. Leijen, 2019 on).
// Trap: a thread that finds an empty slot does less; the slots are full from the start, so an exchange always gives
// and takes one block, and the work is the same in every order. Peak RSS is half of what it tells: an allocator that
// loses what a dead thread's cache held grows with every generation.
// Powers of two, 16 B to 32 KiB, small ones most. THREADS at a time, AMOUNT generations.

#include <atomic>
#include <bit>

#include "common.hpp"

namespace {

constexpr std::size_t kSlots = 1000, kOwn = 500, kSteps = 20000;
std::array<std::atomic<char*>, kSlots> slots;

char* block(Random& random) {  // each power is two thirds as likely as the one below
  unsigned lg = 4;
  for (std::uint64_t tosses = random.next() >> 32; lg < 15 && tosses % 3 != 0; tosses /= 3) ++lg;
  std::size_t const size = std::size_t{1} << lg;
  char* const p = allocate(size);
  p[0] = static_cast<char>(lg);
  return p;
}

std::uint64_t live(std::uint64_t seed) {
  Random random{seed};
  std::vector<char*> own(kOwn);
  for (char*& p : own) p = block(random);
  std::uint64_t sum = 0;
  for (std::size_t left = kSteps; left > 0; --left) {
    char*& chosen = own[random.below(kOwn)];
    if (random.below(4) == 0) {
      chosen = slots[random.below(kSlots)].exchange(chosen, std::memory_order_acq_rel);
    } else {
      sum += mark(chosen);
      std::free(chosen);
      chosen = block(random);
    }
  }
  for (char* const p : own) {
    sum += mark(p);
    std::free(p);
  }
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  Random random{99};
  for (auto& slot : slots) slot = block(random);
  std::uint64_t sum = 0, seed = 1;
  for (long left = given.amount; left > 0; --left) {
    sum += sum_over_threads(given.threads, [seed](unsigned which) { return live(seed + which); });
    seed += given.threads;
  }
  for (auto& slot : slots) {
    sum += mark(slot);
    std::free(slot);
  }
  return print(sum);
}
