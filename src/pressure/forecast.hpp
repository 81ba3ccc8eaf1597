// When the limit will be reached, where growth is steady enough to tell: a pure function of the looks so far.
//
// A forecast that is wrong by more than a factor of two is worse than none. So it is made only of growth into new
// ground (a program that fills and drops the same memory comes back before the limit), only where both halves of the
// last looks grow, and at rates within a factor of two of each other (a step, or growth that has just stopped, is
// steady in neither sense).
#pragma once

#include <algorithm>
#include <cstdint>

namespace mempool::pressure {

inline constexpr std::uint64_t kNever = UINT64_MAX;

class Forecast {
 public:
  /// Looks less than a quarter of a second apart count as one: between two of 20 ms chance has its say.
  static constexpr std::uint64_t kApart = 250'000'000;            // ns
  static constexpr std::uint64_t kGroundHolds = 300'000'000'000;  // ns: a peak of long ago is new ground again
  static constexpr std::uint64_t kFarthest = 3600;                // s

  constexpr void add(std::uint64_t now_ns, std::uint64_t usage) noexcept {
    if (count_ != 0 && now_ns - points_[count_ - 1].ns < kApart) return;
    if (count_ == kPoints) {
      if (points_[0].usage >= peak_.usage || now_ns - peak_.ns > kGroundHolds) peak_ = points_[0];
      std::copy(points_ + 1, points_ + kPoints, points_);
      --count_;
    }
    points_[count_++] = {now_ns, usage};
  }

  /// Bytes a second over the last looks; 0 where there are too few, or usage fell.
  constexpr std::uint64_t rate() const noexcept {
    return count_ < 3 ? 0 : slope(points_[count_ < kPoints ? 0 : kPoints / 2], points_[count_ - 1]);
  }

  /// Seconds until `limit` is reached, or kNever where that cannot be told or lies more than an hour ahead.
  constexpr std::uint64_t seconds_left(std::uint64_t limit) const noexcept {
    if (count_ < kPoints) return kNever;
    std::uint64_t const early = slope(points_[0], points_[kPoints / 2]);
    std::uint64_t const late = slope(points_[kPoints / 2], points_[kPoints - 1]);
    if (early == 0 || late == 0 || early > late * 2 || late > early * 2) return kNever;
    std::uint64_t const usage = points_[kPoints - 1].usage;
    // Half of what grew lately is room for noise.
    if (points_[0].usage + (usage - points_[0].usage) / 2 < peak_.usage) return kNever;
    // Milliseconds are rounded down in each half: all together may be too slow for one byte a second.
    std::uint64_t const overall = std::max<std::uint64_t>(slope(points_[0], points_[kPoints - 1]), 1);
    std::uint64_t const left = limit > usage ? (limit - usage) / overall : 0;
    return left <= kFarthest ? left : kNever;
  }

 private:
  struct Point {
    std::uint64_t ns = 0, usage = 0;
  };
  static constexpr unsigned kPoints = 9;

  static constexpr std::uint64_t slope(Point const& from, Point const& to) noexcept {
    std::uint64_t const ms = (to.ns - from.ns) / 1'000'000;
    return to.usage > from.usage && ms != 0 ? (to.usage - from.usage) * 1000 / ms : 0;
  }

  Point points_[kPoints] = {};
  unsigned count_ = 0;
  Point peak_;  // of the looks before these
};

}  // namespace mempool::pressure
