// A server whose requests outlive the threads that took them: each thread replaces random blocks of an array and
// hands the array on to a thread started in its place, which frees what another one allocated.
//
// Source: P. Larson and M. Krishnan, "Memory allocation for long-running server applications", ISMM 1998.
// Trap: the original runs for a time and reports a rate; here the work is fixed and the time is measured, so a thread
// that starves is seen. Sizes 8 to 1000 B; THREADS at a time, AMOUNT generations of each.

#include "common.hpp"

namespace {

constexpr std::size_t kBlocks = 5000, kReplacements = 10000;
constexpr std::size_t kSmallest = 8, kLargest = 1000;

struct Chain {
  std::vector<char*> blocks = std::vector<char*>(kBlocks);
  Random random;
  std::uint64_t sum = 0;
  explicit Chain(std::uint64_t seed) : random{seed} {
    for (char*& p : blocks) p = block();
  }
  char* block() { return allocate(kSmallest + random.below(kLargest - kSmallest + 1)); }

  void serve() {
    for (std::size_t left = kReplacements; left > 0; --left) {
      char*& victim = blocks[random.below(kBlocks)];
      sum += mark(victim);
      std::free(victim);
      victim = block();
    }
  }
};

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Chain chain{which + 1};
    for (long left = given.amount; left > 0; --left) std::thread(&Chain::serve, &chain).join();
    for (char* const p : chain.blocks) std::free(p);
    return chain.sum;
  }));
}
