// Buffers of 5 to 25 MiB, ten alive at a time, written at every page.
//
// Source: malloc-large, described in mimalloc-bench's README (D. Leijen and contributors, 2019 on). Trap: a page
// that came from the kernel is cleared by it, so an allocator that returns each buffer at once pays a fault a page,
// and one that never returns any looks fast: read time and peak RSS together. AMOUNT buffers.

#include "common.hpp"

namespace {

constexpr std::size_t kAlive = 10, kMiB = 1 << 20, kPage = 4096;

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::array<char*, kAlive> buffers{};
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) {
      char*& buffer = buffers[random.below(kAlive)];
      if (buffer != nullptr) sum += mark(buffer + 2 * kPage);
      std::free(buffer);
      std::size_t const size = 5 * kMiB + random.below(20 * kMiB + 1);
      buffer = allocate(size);
      for (std::size_t i = 0; i < size; i += kPage) buffer[i] = static_cast<char>(left);
    }
    for (char* const buffer : buffers) std::free(buffer);
    return sum;
  }));
}
