#include "pressure/forecast.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace mempool::pressure {
namespace {

constexpr std::uint64_t kMiB = 1 << 20, kLimit = 1000 * kMiB;
constexpr std::uint64_t kMs = 1'000'000;

/// Looks each `every_ms` at usage_of(seconds), in MiB, until the limit or `seconds` are over. Each forecast that is
/// made is held against when the limit is really reached (never: 0).
struct Judged {
  int made = 0, wrong = 0;
};
Judged judge(std::function<double(double)> usage_of, double reached_at, double seconds, int every_ms = 250) {
  Forecast forecast;
  Judged judged;
  for (double at = 0; at < seconds; at += every_ms / 1000.0) {
    auto const usage = static_cast<std::uint64_t>(usage_of(at) * static_cast<double>(kMiB));
    if (usage >= kLimit) break;
    forecast.add(static_cast<std::uint64_t>(at * 1e9) + 1, usage);
    std::uint64_t const told = forecast.seconds_left(kLimit);
    if (told == kNever) continue;
    ++judged.made;
    double const left = reached_at - at, said = static_cast<double>(told) + 0.5;
    judged.wrong += reached_at == 0 || said > 2 * left + 1 || said < left / 2 - 1;
  }
  return judged;
}

TEST(Forecast, linear_growth_is_told_right_from_the_third_second_on) {
  for (double rate : {1.0, 10.0, 100.0}) {
    Judged const judged = judge([rate](double s) { return 10 + rate * s; }, 990 / rate, 990 / rate);
    EXPECT_GT(judged.made, rate == 100.0 ? 20 : 300) << rate;
    EXPECT_EQ(judged.wrong, 0) << rate;
  }
}

TEST(Forecast, looks_five_seconds_apart_tell_it_too) {
  Judged const judged = judge([](double s) { return 10 + s; }, 990, 990, 5000);
  EXPECT_GT(judged.made, 100);
  EXPECT_EQ(judged.wrong, 0);
}

TEST(Forecast, growth_in_steps_is_told_right_or_not_at_all) {
  for (double step : {0.3, 1.0, 2.9, 7.0}) {
    Judged const judged = judge([step](double s) { return 10 + 10 * static_cast<double>(static_cast<int>(s / step)); },
                                99 * step, 99 * step);
    EXPECT_EQ(judged.wrong, 0) << step;
  }
}

TEST(Forecast, a_sawtooth_is_not_told_once_its_height_is_known) {
  for (double period : {2.0, 20.0}) {
    auto const tooth = [period](double s) {
      double const at = s - period * static_cast<double>(static_cast<int>(s / period));
      return 400 + 300 * at / period;
    };
    Forecast forecast;
    int told = 0;
    for (double at = 0; at < 10 * period; at += 0.25) {
      forecast.add(static_cast<std::uint64_t>(at * 1e9) + 1,
                   static_cast<std::uint64_t>(tooth(at) * static_cast<double>(kMiB)));
      told += at >= period && forecast.seconds_left(kLimit) != kNever;
    }
    EXPECT_EQ(told, 0) << period;
  }
}

TEST(Forecast, growth_that_has_stopped_is_not_told_a_second_later) {
  Forecast forecast;
  int told_late = 0;
  for (double at = 0; at < 60; at += 0.25) {
    double const usage = at < 10 ? 10 + 50 * at : 510;
    forecast.add(static_cast<std::uint64_t>(at * 1e9) + 1,
                 static_cast<std::uint64_t>(usage * static_cast<double>(kMiB)));
    told_late += at > 11 && forecast.seconds_left(kLimit) != kNever;
  }
  EXPECT_EQ(told_late, 0);
}

TEST(Forecast, nothing_is_told_of_memory_that_shrinks_or_stands_still) {
  EXPECT_EQ(judge([](double) { return 500.0; }, 0, 100).made, 0);
  EXPECT_EQ(judge([](double s) { return 900 - s; }, 0, 100).made, 0);
}

TEST(Forecast, a_rate_is_told_of_three_looks_and_is_zero_where_usage_falls) {
  Forecast forecast;
  forecast.add(1, 0);
  forecast.add(500 * kMs, 5 * kMiB);
  EXPECT_EQ(forecast.rate(), 0u);
  forecast.add(1000 * kMs + 1, 10 * kMiB);
  EXPECT_EQ(forecast.rate(), 10 * kMiB);
  forecast.add(3000 * kMs, 0);
  EXPECT_EQ(forecast.rate(), 0u);
}

TEST(Forecast, growth_of_a_byte_a_second_divides_by_nothing) {
  Forecast forecast;
  for (std::uint64_t i = 0; i < 9; ++i) forecast.add(i * 1'000'600'000 / 4, i / 4);
  EXPECT_EQ(forecast.seconds_left(10), 8u);
}

}  // namespace
}  // namespace mempool::pressure
