// One line of text in a fixed buffer, written with one write(2).
//
// The rule it obeys: it may be used in the malloc path, in a signal handler and in a fork child, so it
// allocates nothing, takes no lock and calls nothing in the C library. What does not fit is cut, never lost
// half way: the line always ends in a newline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mempool {

template <std::size_t kCapacity>
class BasicLine {
 public:
  BasicLine& text(std::string_view s) noexcept {
    for (char const c : s) put(c);
    return *this;
  }
  BasicLine& dec(std::uint64_t n) noexcept {
    char digits[20];
    unsigned used = 0;
    do digits[used++] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    while (used != 0) put(digits[--used]);
    return *this;
  }
  BasicLine& hex(std::uint64_t n) noexcept {
    text("0x");
    unsigned shift = 60;
    while (shift != 0 && (n >> shift) == 0) shift -= 4;
    for (;; shift -= 4) {
      put("0123456789abcdef"[(n >> shift) & 15]);
      if (shift == 0) return *this;
    }
  }
  /// A size for a human: `512B`, `64.0KiB`, `1.5GiB`; one decimal, rounded down.
  BasicLine& size(std::uint64_t bytes) noexcept {
    constexpr std::string_view units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) return dec(bytes).text("B");
    unsigned unit = 0;
    std::uint64_t whole = bytes >> 10, rest = bytes & 1023;
    while (whole >= 1024) {
      rest = whole & 1023;
      whole >>= 10;
      ++unit;
    }
    return dec(whole).text(".").dec(rest * 10 / 1024).text(units[unit]);
  }

  std::string_view view() const noexcept { return {buffer_, length_}; }
  /// The text with its newline, cut to the capacity.
  std::string_view finished() noexcept {
    buffer_[length_] = '\n';
    return {buffer_, length_ + 1};
  }

 private:
  void put(char c) noexcept {
    if (length_ < kCapacity - 1) buffer_[length_++] = c;
  }
  std::size_t length_ = 0;
  char buffer_[kCapacity];
};

using Line = BasicLine<1024>;
/// For the monitor's lines alone: as much as a pipe takes in one piece.
using LongLine = BasicLine<4096>;

}  // namespace mempool
