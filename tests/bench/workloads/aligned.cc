// aligned_alloc with alignments from 32 B (a vector register) to 4 KiB (a page), blocks of one to four times their
// alignment.
//
// Source: no published program; what numeric programs and storage engines ask for. Trap: an allocator that finds an
// alignment by asking for more and cutting it off shows in peak RSS, not in time.
// AMOUNT replacements.

#include "common.hpp"

namespace {

constexpr std::size_t kAlive = 2000;

char* block(Random& random) {
  std::size_t const alignment = std::size_t{32} << random.below(8);
  std::size_t const size = alignment * (1 + random.below(4));
  char* const p = touched(std::aligned_alloc(alignment, size), size);
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0) std::abort();
  p[0] = static_cast<char>(size / 32);
  return p;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::vector<char*> alive(kAlive);
    for (char*& p : alive) p = block(random);
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) {
      char*& victim = alive[random.below(kAlive)];
      sum += mark(victim);
      std::free(victim);
      victim = block(random);
    }
    for (char* const p : alive) std::free(p);
    return sum;
  }));
}
