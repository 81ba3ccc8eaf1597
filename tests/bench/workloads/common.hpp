// What the workloads share: two arguments, threads that add up, blocks that are memory, one line of output.
//
// Rule: the line is the same under every allocator. So each thread draws from a generator of its own, how much it
// draws depends on no other thread, and what threads find out is only added up.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "random.hpp"

struct Arguments {
  unsigned threads;
  long amount;  // rounds of each thread
};

inline Arguments arguments(int count, char** words) {
  Arguments const given{count == 3 ? static_cast<unsigned>(std::atoi(words[1])) : 0,
                        count == 3 ? std::atol(words[2]) : 0};
  if (given.threads == 0 || given.amount <= 0) {
    std::fprintf(stderr, "usage: %s THREADS AMOUNT\n", words[0]);
    std::exit(2);
  }
  return given;
}

/// The sum of work(0) to work(threads - 1), each in a thread of its own; one alone runs in main's, because a program
/// that never starts a thread is a case of its own (glibc's malloc then takes no lock).
template <class Work>
std::uint64_t sum_over_threads(unsigned threads, Work work) {
  if (threads == 1) return work(0U);
  std::vector<std::uint64_t> sums(threads);
  std::vector<std::thread> all;
  for (unsigned i = 0; i < threads; ++i) all.emplace_back([&, i] { sums[i] = work(i); });
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < threads; ++i) {
    all[i].join();
    sum += sums[i];
  }
  return sum;
}

/// Marks a fresh block at both ends: a block is memory, not an address. Ends the program where there is none.
inline char* touched(void* fresh, std::size_t size) {
  auto* const p = static_cast<char*>(fresh);
  if (p == nullptr) std::abort();
  p[size - 1] = 1;
  p[0] = static_cast<char>(size);
  return p;
}
inline char* allocate(std::size_t size) { return touched(std::malloc(size), size); }

/// What touched() wrote at the block's beginning.
inline std::uint64_t mark(char const* p) { return static_cast<unsigned char>(p[0]); }

inline int print(std::uint64_t sum) {
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
  return 0;
}
