// Numbers of a few words, a fresh block for each intermediate result: tiny blocks that live for some hundred
// instructions, freed nearly in the order of a stack.
//
// Source: cfrac (D. Barrett's continued-fraction factoring, 1989), as described in D. Grunwald, B. Zorn and
// R. Henderson, "Improving the cache locality of memory allocation", PLDI 1993. Here: numerators of the convergents
// of a continued fraction, modulo a number of 192 bits. Trap: the arithmetic is most of the time, as it is in cfrac;
// the rows of two allocators differ less than their malloc does. AMOUNT convergents.

#include <bit>
#include <memory>
#include <utility>

#include "common.hpp"

namespace {

/// An unsigned number that is never changed: its length and its words, least first, in one block.
class Number {
 public:
  explicit Number(std::uint32_t word) : Number{fresh(1)} { words_[1] = word; }
  Number(std::uint32_t const* words, std::uint32_t count) : Number{fresh(count)} {
    std::copy_n(words, count, words_ + 1);
  }
  Number(Number&& other) noexcept : words_{std::exchange(other.words_, nullptr)} {}
  Number& operator=(Number&& other) noexcept {
    std::swap(words_, other.words_);
    return *this;
  }
  ~Number() { std::free(words_); }

  std::uint32_t word(std::uint32_t i) const { return i < words_[0] ? words_[i + 1] : 0; }
  friend Number operator*(Number const& left, std::uint32_t right) {
    return made(left.words_[0] + 1, [&](std::uint32_t i) { return std::int64_t{left.word(i)} * right; });
  }
  friend Number operator+(Number const& left, Number const& right) {
    return made(std::max(left.words_[0], right.words_[0]) + 1,
                [&](std::uint32_t i) { return std::int64_t{left.word(i)} + right.word(i); });
  }
  friend Number operator-(Number const& left, Number const& right) {  // requires left >= right
    return made(left.words_[0], [&](std::uint32_t i) { return std::int64_t{left.word(i)} - right.word(i); });
  }
  friend bool operator<(Number const& left, Number const& right) {
    for (std::uint32_t i = std::max(left.words_[0], right.words_[0]); i-- > 0;)
      if (left.word(i) != right.word(i)) return left.word(i) < right.word(i);
    return false;
  }

 private:
  explicit Number(std::uint32_t* words) : words_{words} {}
  static std::uint32_t* fresh(std::uint32_t count) {
    auto* const words = static_cast<std::uint32_t*>(std::malloc((count + 1) * sizeof(std::uint32_t)));
    if (words == nullptr) std::abort();
    words[0] = count;
    return words;
  }
  template <class Digit>
  static Number made(std::uint32_t count, Digit digit) {
    Number result{fresh(count)};
    std::int64_t carry = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      carry += digit(i);
      result.words_[i + 1] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    while (count > 1 && result.words_[count] == 0) --count;  // leading zeros: the block stays, as in cfrac
    result.words_[0] = count;
    return result;
  }
  std::uint32_t* words_;
};

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    static constexpr std::uint32_t kModulus[] = {0x8f1bbcdd, 0x5a827999, 0x6ed9eba1,
                                                 0xca62c1d6, 0x243f6a88, 0x13198a2e};
    Number const modulus{kModulus, std::size(kModulus)};
    Number before{1}, last{3};
    Random random{which + 1};
    for (long left = given.amount; left > 0; --left) {
      // Partial quotients as those of almost every number: 1 most often, each doubling half as likely.
      auto const quotient = static_cast<std::uint32_t>(1 + std::countl_zero(random.next() | 1) % 8);
      Number next = last * quotient + before;
      while (!(next < modulus)) next = next - modulus;
      before = std::move(last);
      last = std::move(next);
    }
    return std::uint64_t{last.word(0)};
  }));
}
