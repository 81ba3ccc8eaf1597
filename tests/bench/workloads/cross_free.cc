// Each thread allocates and frees blocks of many sizes; one batch in four is freed by whichever thread finds it.
//
// Source: M. Jansson's rpmalloc-benchmark (rptest), 2017: sizes with a linear fall-off, cross-thread frees.
// Trap: batches that wait unboundedly measure memory, not frees; here each of 64 slots holds one and is full from
// the start, so that handing a batch over always takes one back.
// Sizes 16 to 8000 B, small ones most. AMOUNT batches of 100 blocks of each thread.

#include <atomic>
#include <new>
#include <utility>

#include "common.hpp"

namespace {

constexpr std::size_t kSlots = 64, kBatch = 100, kSmallest = 16, kLargest = 8000;

/// Blocks in a list through themselves, each with its mark behind the link.
struct Block {
  Block* next;
  std::uint64_t mark;
};
std::array<std::atomic<Block*>, kSlots> slots;

Block* batch(Random& random) {
  Block* first = nullptr;
  for (std::size_t left = kBatch; left > 0; --left) {
    // The smaller of two draws: how likely a size is falls in a straight line to nothing at the largest.
    std::uint64_t const one = random.below(kLargest - kSmallest + 1), two = random.below(kLargest - kSmallest + 1);
    std::size_t const size = kSmallest + std::min(one, two);
    first = new (allocate(size)) Block{first, size};
  }
  return first;
}
std::uint64_t free_all(Block* block) {
  std::uint64_t sum = 0;
  while (block != nullptr) {
    sum += block->mark;
    std::free(std::exchange(block, block->next));
  }
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  Random random{99};
  for (auto& slot : slots) slot = batch(random);
  std::uint64_t sum = sum_over_threads(given.threads, [&](unsigned which) {
    Random own{which + 1};
    std::array<Block*, 16> kept{};
    std::uint64_t freed = 0;
    for (long left = given.amount; left > 0; --left) {
      Block*& chosen = kept[own.below(kept.size())];
      freed += free_all(chosen);
      chosen = batch(own);
      if (left % 4 == 0) chosen = slots[own.below(kSlots)].exchange(chosen, std::memory_order_acq_rel);
    }
    for (Block* const last : kept) freed += free_all(last);
    return freed;
  });
  for (auto& slot : slots) sum += free_all(slot);
  return print(sum);
}
