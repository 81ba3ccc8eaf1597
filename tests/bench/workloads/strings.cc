// Text put together: words joined to sentences by + and by append, taken apart, replaced and thrown away, beside a
// thousand sentences that live for a while.
//
// Source: the string workloads of language shoot-outs (the Computer Language Benchmarks Game's early "string
// concatenation"), in shape. Trap: std::string keeps 15 bytes in itself, so words as long as these (16 to 40) are
// meant: short ones would never allocate. No string is longer than 1 KiB. AMOUNT sentences.

#include "common.hpp"

namespace {

std::string word(Random& random) {
  std::string letters(16 + random.below(25), ' ');
  for (std::size_t i = 0; i < letters.size(); i += 4) letters[i] = static_cast<char>('a' + random.below(26));
  return letters;
}

std::string sentence(Random& random, std::string const& earlier) {
  std::string text = word(random) + ", " + word(random) + ": ";
  for (std::uint64_t left = random.below(10); left > 0; --left) text += word(random);
  std::vector<std::string> parts;
  parts.reserve(8);
  for (std::size_t at = 0; parts.size() < 8 && at + 20 < earlier.size(); at += 20)
    parts.push_back(earlier.substr(at, 20));
  for (std::string const& part : parts) text.append(part.rbegin(), part.rend());
  return text + '.';
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::vector<std::string> alive(1000);
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) {
      std::string& chosen = alive[random.below(alive.size())];
      chosen = sentence(random, alive[random.below(alive.size())]);
      sum += chosen.size() + static_cast<unsigned char>(chosen[8]);
    }
    return sum;
  }));
}
