// A server whose requests outlive the threads that took them: each thread replaces random blocks of an array and
// hands the array on to a thread started in its place, which frees what another one allocated.
//
// Source: P. Larson and M. Krishnan, "Memory allocation for long-running server applications", ISMM 1998.
// Trap: the original runs for a time and reports a rate; here the work is fixed and the time is measured, so a thread
// that starves is seen. Sizes 8 to 1000 B, two threads at a time.
// usage: larson GENERATIONS

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "random.hpp"

namespace {

constexpr std::size_t kBlocks = 5000, kReplacements = 50000, kThreads = 2;
constexpr std::size_t kSmallest = 8, kLargest = 1000;

struct Chain {
  std::vector<char*> blocks = std::vector<char*>(kBlocks);
  Random random{0};
  std::uint64_t sum = 0;
};

char* block(Random& random) {
  std::size_t const size = kSmallest + random.below(kLargest - kSmallest);
  auto* const p = static_cast<char*>(std::malloc(size));
  if (p == nullptr) std::abort();
  p[0] = static_cast<char>(size);
  p[size - 1] = 1;  // both ends are touched: a block is memory, not an address
  return p;
}

void serve(Chain& chain) {
  for (std::size_t i = 0; i < kReplacements; ++i) {
    char*& victim = chain.blocks[chain.random.below(kBlocks)];
    chain.sum += static_cast<unsigned char>(victim[0]);
    std::free(victim);
    victim = block(chain.random);
  }
}

}  // namespace

int main(int count, char** words) {
  long const generations = count > 1 ? std::atol(words[1]) : 100;
  std::vector<Chain> chains(kThreads);
  std::vector<std::thread> threads;
  std::uint64_t seed = 1;
  for (Chain& chain : chains) {
    chain.random = Random{seed++};
    for (char*& p : chain.blocks) p = block(chain.random);
    threads.emplace_back([&chain, generations] {
      for (long left = generations; left > 0; --left) std::thread(serve, std::ref(chain)).join();
    });
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads[i].join();
    sum += chains[i].sum;
    for (char* p : chains[i].blocks) std::free(p);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
