// Many buffers that grow by realloc side by side, a few bytes at a time, and start again when full: what string
// builders, readers of lines and interpreters' lists do.
//
// Source: no published program; the loops of getline and of string builders. Trap: one buffer alone at the top of a
// heap grows in place for nothing; here 1000 grow in turn, so most must move or have been rounded up.
// Up to 1 KiB. AMOUNT calls of realloc.

#include <utility>

#include "common.hpp"

namespace {

constexpr std::size_t kBuffers = 1000, kFull = 1024;

struct Buffer {
  char* bytes;
  std::size_t size;
};

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::vector<Buffer> buffers(kBuffers);
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) {
      Buffer& buffer = buffers[random.below(kBuffers)];
      std::size_t const more = 8 + buffer.size / 4 + random.below(17);
      if (buffer.size + more > kFull) {
        for (std::size_t i = 0; i < buffer.size; i += 64) sum += mark(buffer.bytes + i);
        std::free(std::exchange(buffer.bytes, nullptr));
        buffer.size = 0;
      }
      buffer.bytes = static_cast<char*>(std::realloc(buffer.bytes, buffer.size + more));
      if (buffer.bytes == nullptr) std::abort();
      std::memset(buffer.bytes + buffer.size, static_cast<int>(left % 100), more);
      buffer.size += more;
    }
    for (Buffer const& buffer : buffers) std::free(buffer.bytes);
    return sum;
  }));
}
