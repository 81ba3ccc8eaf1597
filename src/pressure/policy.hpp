// What looks at memory mean: a pure function of the looks so far.
//
// A level is entered at once where the tripwire brought the look, and on a second look that agrees otherwise: what is
// freed again within milliseconds is no pressure. It is left five points of the limit lower and ten seconds later, so
// that usage at a threshold does not flap.
#pragma once

#include <algorithm>
#include <cstdint>

#include "options/options.hpp"

namespace mempool::pressure {

enum class Level : std::uint8_t { normal, warning, critical, emergency };
inline constexpr unsigned kLevels = 4;

struct Look {
  std::uint64_t now_ns = 0;
  std::uint64_t usage = 0, limit = 0;  // bytes
  bool is_sure = false;                // one look is enough
  Level at_least = Level::normal;      // what other signals say: stalls, a throttle, a forecast
};

/// A threshold as the user wrote it: a percentage of the limit, or bytes that must stay free.
constexpr std::uint64_t threshold_bytes(options::Value const& value, std::uint64_t limit) noexcept {
  if (value.percent != 0) return limit / 100 * value.percent + limit % 100 * value.percent / 100;
  auto const headroom = static_cast<std::uint64_t>(value.number);
  return limit > headroom ? limit - headroom : 0;
}

class Policy {
 public:
  static constexpr std::uint64_t kHold = 10'000'000'000;  // ns

  constexpr Policy(options::Value const& warning, options::Value const& critical,
                   options::Value const& emergency) noexcept
      : thresholds_{warning, critical, emergency} {}

  /// The level after this look.
  constexpr Level step(Look const& look) noexcept {
    Level const reached = reached_by(look.usage, look.limit);
    Level const sure = std::max(look.is_sure ? reached : std::min(reached, before_), look.at_least);
    before_ = reached;
    if (sure > level_) {
      level_ = sure;
      is_leaving_ = false;
      return level_;
    }
    Level const held = std::max(reached_by(look.usage + look.limit / 20, look.limit), look.at_least);
    if (held >= level_) {
      is_leaving_ = false;
      return level_;
    }
    if (!is_leaving_) {
      is_leaving_ = true;
      left_at_ns_ = look.now_ns;
      goes_to_ = held;
    }
    goes_to_ = std::max(goes_to_, held);
    if (look.now_ns - left_at_ns_ >= kHold) {
      level_ = goes_to_;
      is_leaving_ = false;
    }
    return level_;
  }
  constexpr Level level() const noexcept { return level_; }
  /// True where the last look was above the level, and a second one is to tell.
  constexpr bool awaits_second_look() const noexcept { return before_ > level_; }

  /// The level whose threshold this usage reaches.
  constexpr Level reached_by(std::uint64_t usage, std::uint64_t limit) const noexcept {
    for (unsigned i = kLevels - 1; i != 0; --i)
      if (usage >= threshold_bytes(thresholds_[i - 1], limit)) return static_cast<Level>(i);
    return Level::normal;
  }

  /// Bytes from here to the next threshold, or to the limit beyond the last one.
  constexpr std::uint64_t to_next_threshold(std::uint64_t usage, std::uint64_t limit) const noexcept {
    std::uint64_t goal = limit;
    for (options::Value const& each : thresholds_)
      if (std::uint64_t const bytes = threshold_bytes(each, limit); bytes > usage) goal = std::min(goal, bytes);
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
  options::Value thresholds_[kLevels - 1];
  Level level_ = Level::normal;
  Level before_ = Level::normal;  // what the look before this one reached
  bool is_leaving_ = false;
  Level goes_to_ = Level::normal;  // the highest since it began to leave
  std::uint64_t left_at_ns_ = 0;
};

}  // namespace mempool::pressure
