// A million lines through chunks of at most 100 KiB: what is held at once is one chunk, however long the stream is.
#include "mempool/stream_processor.hpp"

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <span>
#include <string>

namespace {

/// Stands for a file that does not fit in memory: a line exists when it is asked for.
mempool::generator<std::string> lines(int count) {
  for (int i = 0; i < count; ++i) co_yield "line number " + std::to_string(i) + ", and some more text that fills it";
}

}  // namespace

int main() {
  std::size_t chunks = 0;
  std::size_t largest = 0;
  mempool::stream_processor const lengths{
      [&](std::span<std::string> chunk) -> mempool::generator<std::size_t> {
        ++chunks;
        std::size_t held = 0;
        for (const std::string& line : chunk) held += mempool::footprint(line);
        largest = std::max(largest, held);
        for (const std::string& line : chunk) co_yield std::size_t{line.size()};
      },
      {.chunk_items = 5000, .chunk_bytes = 100 * 1024}};

  std::size_t results = 0;
  std::size_t total = 0;
  for (std::size_t length : lengths.process(lines(1'000'000))) {
    ++results;
    total += length;
  }
  std::cout << results << " lines of " << total / results << " bytes in " << chunks << " chunks; the largest held "
            << largest << " bytes\n";

  // Only what is pulled is done: ten results need one chunk, whatever the length of the stream.
  chunks = 0;
  std::size_t pulled = 0;
  for ([[maybe_unused]] std::size_t length : lengths.process(lines(1'000'000)))
    if (++pulled == 10) break;
  std::cout << pulled << " results need " << chunks << " chunk\n";

  return results == 1'000'000 && largest <= 100 * 1024 && pulled == 10 && chunks == 1 ? 0 : 1;
}
