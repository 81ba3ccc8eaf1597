// calloc of small records, and of a table of 256 KiB among every thousand; each block is read as zero and then
// written whole, so that the next owner of its memory has something to clear.
//
// Source: no published program; the habit of interpreters and of glib-based programs to ask for cleared memory.
// Trap: memory fresh from the kernel is zero already, so what clears nothing wins the first round only.
// Sizes 16 B to 1 KiB beside the tables. AMOUNT replacements.

#include "common.hpp"

namespace {

constexpr std::size_t kAlive = 4000, kTable = 256 << 10;

struct Record {
  char* block;
  std::size_t size;
};

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::vector<Record> alive(kAlive);
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) {
      Record& chosen = alive[random.below(kAlive)];
      if (chosen.block != nullptr) sum += mark(chosen.block);
      std::free(chosen.block);
      chosen.size = left % 1000 == 0 ? kTable : 16 + random.below(1009);
      chosen.block = static_cast<char*>(std::calloc(1, chosen.size));
      if (chosen.block == nullptr) std::abort();
      for (std::size_t i = 0; i < chosen.size; i += 16)
        if (chosen.block[i] != 0) std::abort();
      std::memset(chosen.block, 1 + static_cast<int>(left % 100), chosen.size);
    }
    for (Record const& record : alive) std::free(record.block);
    return sum;
  }));
}
