// One buffer that grows by realloc from 4 KiB to 64 MiB, half as large again each time, with a small block taken
// after each step.
//
// Source: no published program; one that reads a file of unknown length, and every vector of plain data in C. Trap:
// mremap moves pages without copying them, and only an allocator that maps large blocks one by one can use it; the
// small block keeps the buffer from growing at the top of a heap, where it would never move. AMOUNT buffers.

#include "common.hpp"

namespace {

constexpr std::size_t kFirst = 4 << 10, kLast = 64 << 20, kPage = 4096;

std::uint64_t grow() {
  std::vector<char*> between;
  char* buffer = nullptr;
  std::uint64_t sum = 0;
  for (std::size_t old = 0, size = kFirst; size <= kLast; old = size, size += size / 2) {
    buffer = static_cast<char*>(std::realloc(buffer, size));
    if (buffer == nullptr) std::abort();
    for (std::size_t i = (old + kPage - 1) / kPage * kPage; i < size; i += kPage) buffer[i] = static_cast<char>(i / kPage);
    sum += mark(buffer + old / kPage / 2 * kPage);
    between.push_back(allocate(100));
  }
  std::free(buffer);
  for (char* const p : between) std::free(p);
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned) {
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) sum += grow();
    return sum;
  }));
}
