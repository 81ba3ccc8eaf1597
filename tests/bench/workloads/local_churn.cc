// Each thread fills and empties slots of a table of its own, a few of them often: sizes and ages fall off as a
// power law, and nothing is shared. What an allocator's thread cache is for.
//
// Source: OLogN Technologies, "Testing memory allocators: ptmalloc2 vs tcmalloc vs hoard vs jemalloc while trying to
// simulate real-world loads", ithare.com 2018 (alloc-test). Trap: a test that never reads what it allocated prefers
// allocators that scatter blocks; here each block is written and read whole.
// Sizes 17 B to 1 KiB, half of them up to 32. AMOUNT visits of slots.

#include <bit>

#include "common.hpp"

namespace {

constexpr unsigned kSlotsLg = 15;

/// Pareto-like: each doubling is half as likely as the one before; within a doubling all are alike.
std::uint64_t falling_off(Random& random, std::uint64_t smallest, unsigned doublings) {
  unsigned const heads = static_cast<unsigned>(std::countl_zero(random.next() | 1));
  std::uint64_t const base = smallest << std::min(heads, doublings - 1);
  return base + random.below(base);
}

std::uint64_t visit_slots(std::uint64_t seed, long visits) {
  struct Slot {
    char* block;
    std::size_t size;
  };
  std::vector<Slot> slots(std::size_t{1} << kSlotsLg);
  Random random{seed};
  std::uint64_t sum = 0;
  auto const empty = [&sum](Slot& slot) {
    for (std::size_t i = 0; i < slot.size; i += 8) sum += mark(slot.block + i);
    std::free(slot.block);
    slot.block = nullptr;
  };
  for (; visits > 0; --visits) {
    Slot& slot = slots[falling_off(random, 32, kSlotsLg - 5) % slots.size()];
    std::size_t const size = falling_off(random, 16, 6) + 1;
    if (slot.block != nullptr) {
      empty(slot);
    } else {
      slot = {allocate(size), size};
      std::memset(slot.block, static_cast<int>(size % 251), size);
    }
  }
  for (Slot& slot : slots)
    if (slot.block != nullptr) empty(slot);
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) { return visit_slots(which + 1, given.amount); }));
}
