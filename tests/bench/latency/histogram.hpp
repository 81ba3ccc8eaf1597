// A histogram of durations that allocates nothing: 32 steps per power of two, so a figure is right to 3 %.
//
// Source: the idea of HdrHistogram (G. Tene, 2012). A percentile is the upper end of its step, never less than what
// was measured; the longest is exact, and the size that was asked for stands beside it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace histogram {

constexpr unsigned kLg = 5;
constexpr std::size_t kSteps = std::size_t{64 - kLg + 1} << kLg;

/// Where a duration is counted. Below 64 every ns is a step of its own.
constexpr std::size_t step(std::uint64_t ns) {
  unsigned const width = static_cast<unsigned>(std::bit_width(ns)), shift = width > kLg + 1 ? width - kLg - 1 : 0;
  return (std::size_t{shift} << kLg) + static_cast<std::size_t>(ns >> shift);
}
/// The last ns of a step.
constexpr std::uint64_t end_of(std::size_t step) {
  std::size_t const shift = step >> kLg > 1 ? (step >> kLg) - 1 : 0;
  return ((std::uint64_t{step} - (shift << kLg) + 1) << shift) - 1;
}
static_assert(step(0) == 0 && step(63) == 63 && step(64) == 64 && step(65) == 64 && step(66) == 65);
static_assert(end_of(63) == 63 && end_of(64) == 65 && end_of(step(1'000'000)) < 1'032'000);
static_assert(end_of(step(1'000'000)) >= 1'000'000 && end_of(step(1'000'000) - 1) < 1'000'000);
static_assert(step(~std::uint64_t{0}) == kSteps - 1, "the longest time there is has a step");

}  // namespace histogram

class Histogram {
 public:
  void add(std::uint64_t ns, std::size_t size = 0) {
    ++steps_[histogram::step(ns)];
    ++count_;
    if (ns < longest_) return;
    longest_ = ns;
    size_of_longest_ = size;
  }

  void add(Histogram const& other) {
    for (std::size_t i = 0; i < histogram::kSteps; ++i) steps_[i] += other.steps_[i];
    count_ += other.count_;
    if (other.longest_ >= longest_) size_of_longest_ = other.size_of_longest_;
    longest_ = std::max(longest_, other.longest_);
  }

  /// What all but `beyond` of `out_of` took at most, in ns.
  std::uint64_t percentile(std::uint64_t beyond, std::uint64_t out_of) const {
    std::uint64_t left = count_ - count_ * beyond / out_of;
    for (std::size_t i = 0; i < histogram::kSteps; ++i) {
      if (steps_[i] >= left) return std::min(histogram::end_of(i), longest_);
      left -= steps_[i];
    }
    return longest_;
  }

  /// "what,count,p50,p99,p99.9,p99.99,max,size", in ns and bytes; nothing where nothing was counted.
  void print(char const* what) const {
    if (count_ == 0) return;
    std::printf("%s", what);
    for (std::uint64_t const value : {count_, percentile(1, 2), percentile(1, 100), percentile(1, 1000),
                                      percentile(1, 10000), longest_, std::uint64_t{size_of_longest_}})
      std::printf(",%llu", static_cast<unsigned long long>(value));
    std::printf("\n");
  }

 private:
  std::array<std::uint64_t, histogram::kSteps> steps_;
  std::uint64_t count_, longest_;
  std::size_t size_of_longest_;
};
