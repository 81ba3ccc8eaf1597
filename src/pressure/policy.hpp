// What a reading means: a pure function of the readings so far.
#pragma once

#include <cstdint>

#include "options/options.hpp"

namespace mempool::pressure {

enum class Level : std::uint8_t { normal, warning, critical };

/// A threshold as the user wrote it: a percentage of the limit, or bytes that must stay free.
constexpr std::uint64_t threshold_bytes(options::Value const& value, std::uint64_t limit) noexcept {
  if (value.percent != 0) return limit / 100 * value.percent + limit % 100 * value.percent / 100;
  auto const headroom = static_cast<std::uint64_t>(value.number);
  return limit > headroom ? limit - headroom : 0;
}

class Policy {
 public:
  constexpr Policy(options::Value const& warning, options::Value const& critical) noexcept
      : warning_{warning}, critical_{critical} {}

  /// The level after this reading. Entered at once; left only five points of the limit below where it was entered,
  /// so that usage at a threshold does not flap.
  constexpr Level step(std::uint64_t usage, std::uint64_t limit) noexcept {
    std::uint64_t const slack = limit / 20;
    std::uint64_t const warning = threshold_bytes(warning_, limit), critical = threshold_bytes(critical_, limit);
    if (usage >= critical)
      level_ = Level::critical;
    else if (level_ == Level::critical && usage + slack >= critical)
      level_ = Level::critical;
    else if (usage >= warning)
      level_ = Level::warning;
    else if (level_ != Level::normal && usage + slack >= warning)
      level_ = Level::warning;
    else
      level_ = Level::normal;
    return level_;
  }
  constexpr Level level() const noexcept { return level_; }

  /// Bytes from here to the next threshold, or to the limit beyond the last one.
  constexpr std::uint64_t to_next_threshold(std::uint64_t usage, std::uint64_t limit) const noexcept {
    std::uint64_t const warning = threshold_bytes(warning_, limit), critical = threshold_bytes(critical_, limit);
    std::uint64_t const goal = usage < warning ? warning : usage < critical ? critical : limit;
    return goal > usage ? goal - usage : 0;
  }

  /// Milliseconds until the next look: a quarter of the time until the next threshold at `bytes_per_second`, 20 ms at
  /// least, `longest_ms` at most.
  constexpr std::int64_t next_look_ms(std::uint64_t usage, std::uint64_t limit, std::uint64_t bytes_per_second,
                                      std::int64_t longest_ms) const noexcept {
    std::uint64_t const left = to_next_threshold(usage, limit);
    // Where little is left, look often even while nothing grows: a process can touch a GiB in a second.
    std::uint64_t const rate = bytes_per_second > limit / 20 ? bytes_per_second : limit / 20;
    std::uint64_t const ms = rate == 0 ? UINT64_MAX : left / 4 * 1000 / rate;
    auto const longest = static_cast<std::uint64_t>(longest_ms);
    return static_cast<std::int64_t>(ms < 20 ? 20 : ms > longest ? longest : ms);
  }

 private:
  options::Value warning_, critical_;
  Level level_ = Level::normal;
};

}  // namespace mempool::pressure
