// The standard library's containers growing, shrinking to a quarter and growing again: doubling buffers beside
// nodes, freed in another order than they came.
//
// Source: no published program; how ISO C++'s containers must grow (amortised constant time, so by a factor) and
// where they let go. Trap: a vector that is reserved once tests nothing; here every one starts empty.
// AMOUNT rounds over five containers of up to 3000 elements each.

#include <deque>
#include <map>
#include <unordered_map>

#include "common.hpp"

namespace {

constexpr std::size_t kMost = 3000;

template <class Sequence>
std::uint64_t grow_and_shrink(Random& random) {
  Sequence sequence;
  std::uint64_t sum = 0;
  for (std::size_t most = kMost / 2 + random.below(kMost / 2); most > 4; most /= 2) {
    while (sequence.size() < most) sequence.push_back(static_cast<typename Sequence::value_type>(random.next()));
    sum += static_cast<std::uint64_t>(sequence[random.below(most)]) & 0xffU;
    while (sequence.size() > most / 4) sequence.pop_back();
    sequence.shrink_to_fit();
  }
  return sum;
}

template <class Table>
std::uint64_t insert_and_erase(Random& random) {
  Table table;
  std::uint64_t sum = 0;
  for (std::size_t most = kMost / 2 + random.below(kMost / 2); most > 4; most /= 4) {
    while (table.size() < most) table[static_cast<unsigned>(random.below(kMost * 4))] += 1;
    for (unsigned key = 0; table.size() > most / 4; ++key) {  // in order of keys, which is not that of arrival
      auto const found = table.find(key);
      if (found == table.end()) continue;
      sum += key + found->second;
      table.erase(found);
    }
  }
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) {
      sum += grow_and_shrink<std::vector<std::uint64_t>>(random);
      sum += grow_and_shrink<std::deque<std::uint64_t>>(random);
      sum += grow_and_shrink<std::string>(random);
      sum += insert_and_erase<std::map<unsigned, std::uint64_t>>(random);
      sum += insert_and_erase<std::unordered_map<unsigned, std::uint64_t>>(random);
    }
    return sum;
  }));
}
