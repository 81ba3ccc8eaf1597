// One pattern of calls per name, a given number of times: what scripts/count runs under callgrind.
//
// usage: operations PATTERN ROUNDS. Prints nothing. Two runs of different length have the same start-up, the same
// loading of libraries and the same first misses; their difference is the pattern alone.

#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "hand_over.hpp"
#include "operations.hpp"

namespace {

using micro::Batch;
constexpr std::size_t kBytes = 64;

/// Blocks that stay meanwhile: a real program's heap is not empty, and some allocators give a page back with its last
/// block.
void hold_some() {
  for (int i = 0; i < 10; ++i) {
    void* volatile const held = micro::call_malloc(kBytes);
    static_cast<void>(held);
  }
}

void pair(long rounds) {
  for (long i = 0; i < rounds; ++i) micro::call_free(micro::call_malloc(kBytes));
}
void new_delete(long rounds) {
  for (long i = 0; i < rounds; ++i) micro::call_delete(micro::call_new(kBytes));
}
void sized_delete(long rounds) {
  for (long i = 0; i < rounds; ++i) micro::call_sized_delete(micro::call_new(kBytes), kBytes);
}
void zeroed(long rounds) {
  for (long i = 0; i < rounds; ++i) micro::call_free(micro::call_calloc(kBytes));
}
void aligned(long rounds) {
  for (long i = 0; i < rounds; ++i) micro::call_free(micro::call_aligned_alloc(kBytes, kBytes));
}
void in_place(long rounds) {
  void* block = micro::call_malloc(kBytes);
  for (long i = 0; i < rounds; ++i) block = micro::call_realloc(block, i % 2 == 0 ? kBytes - 8 : kBytes);
  micro::call_free(block);
}
void usable_size(long rounds) {
  void* const block = micro::call_malloc(kBytes);
  for (long i = 0; i < rounds; ++i) micro::call_malloc_usable_size(block);
  micro::call_free(block);
}

void in_order(long rounds, std::size_t size) {
  Batch blocks(size);
  for (long i = 0; i < rounds; ++i) {
    for (void*& block : blocks) block = micro::call_malloc(kBytes);
    for (void* block : blocks) micro::call_free(block);
  }
}
void batch_in_order(long rounds) { in_order(rounds, 100); }
void batch_of_10000(long rounds) { in_order(rounds, 10'000); }
void batch_reversed(long rounds) {
  Batch blocks(100);
  for (long i = 0; i < rounds; ++i) {
    for (void*& block : blocks) block = micro::call_malloc(kBytes);
    for (std::size_t at = blocks.size(); at-- > 0;) micro::call_free(blocks[at]);
  }
}

/// One thread allocates 1000 at a time, the other one frees them.
void across_threads(long rounds) {
  micro::HandOver to_free, to_fill;
  std::thread consumer{[&] {
    for (long i = 0; i < rounds; ++i) {
      Batch* const blocks = to_free.take();
      for (void* block : *blocks) micro::call_free(block);
      to_fill.give(blocks);
    }
  }};
  Batch first(1000), second(1000);
  to_fill.give(&first);
  to_fill.give(&second);
  for (long i = 0; i < rounds; ++i) {
    Batch* const blocks = to_fill.take();
    for (void*& block : *blocks) block = micro::call_malloc(kBytes);
    to_free.give(blocks);
  }
  consumer.join();
}

struct Pattern {
  const char* name;
  void (*run)(long rounds);
};
constexpr Pattern kPatterns[] = {
    {"pair", pair},
    {"new_delete", new_delete},
    {"sized_delete", sized_delete},
    {"zeroed", zeroed},
    {"aligned", aligned},
    {"in_place", in_place},
    {"usable_size", usable_size},
    {"batch_in_order", batch_in_order},
    {"batch_reversed", batch_reversed},
    {"across_threads", across_threads},
    {"batch_of_10000", batch_of_10000},
};

}  // namespace

int main(int count, char** words) {
  long const rounds = count == 3 ? std::atol(words[2]) : 0;
  for (Pattern const& pattern : kPatterns) {
    if (rounds <= 0 || std::strcmp(words[1], pattern.name) != 0) continue;
    hold_some();
    pattern.run(rounds);
    return 0;
  }
  std::fputs("usage: operations PATTERN ROUNDS; the patterns are:", stderr);
  for (Pattern const& pattern : kPatterns) std::fprintf(stderr, " %s", pattern.name);
  std::fputs("\n", stderr);
  return 2;
}
