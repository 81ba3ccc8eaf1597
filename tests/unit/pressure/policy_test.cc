#include "pressure/policy.hpp"

#include <gtest/gtest.h>

namespace mempool::pressure {
namespace {

constexpr options::Value percent(std::uint8_t n) { return {.number = 0, .percent = n}; }
constexpr options::Value headroom(std::int64_t bytes) { return {.number = bytes, .percent = 0}; }
constexpr std::uint64_t kLimit = 1000, kSecond = 1'000'000'000;

constexpr Policy usual() { return {percent(80), percent(90), percent(97)}; }

/// A policy and a clock: one look a second.
class Watched {
 public:
  explicit Watched(Policy policy = usual()) : policy_{policy} {}
  Level look(std::uint64_t usage, bool is_sure = false, Level at_least = Level::normal) {
    now_ += kSecond;
    return policy_.step({.now_ns = now_, .usage = usage, .limit = kLimit, .is_sure = is_sure, .at_least = at_least});
  }
  Level looks(int times, std::uint64_t usage) {
    for (int i = 1; i < times; ++i) look(usage);
    return look(usage);
  }
  Policy const& policy() const { return policy_; }

 private:
  Policy policy_;
  std::uint64_t now_ = 5 * kSecond;
};

TEST(Policy, a_level_is_entered_on_the_second_look_that_agrees) {
  Watched watched;
  EXPECT_EQ(watched.look(800), Level::normal);
  EXPECT_TRUE(watched.policy().awaits_second_look());
  EXPECT_EQ(watched.look(800), Level::warning);
  EXPECT_FALSE(watched.policy().awaits_second_look());
  EXPECT_EQ(watched.look(900), Level::warning);
  EXPECT_EQ(watched.look(970), Level::critical) << "both were above critical, one above emergency";
  EXPECT_EQ(watched.look(970), Level::emergency);
}

TEST(Policy, a_level_is_entered_at_once_where_the_tripwire_brought_the_look) {
  Watched watched;
  EXPECT_EQ(watched.look(970, true), Level::emergency);
}

TEST(Policy, what_is_freed_before_the_second_look_is_no_pressure) {
  Watched watched;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(watched.look(i % 2 == 0 ? 950 : 500), Level::normal);
}

TEST(Policy, a_level_is_left_five_points_lower_and_ten_seconds_later) {
  Watched watched;
  watched.looks(2, 900);
  EXPECT_EQ(watched.looks(30, 850), Level::critical) << "five points lower is not below that";
  EXPECT_EQ(watched.looks(10, 849), Level::critical) << "nine seconds";
  EXPECT_EQ(watched.look(849), Level::warning);
  EXPECT_EQ(watched.looks(10, 749), Level::warning);
  EXPECT_EQ(watched.look(700), Level::normal);
}

TEST(Policy, usage_that_comes_back_within_the_ten_seconds_starts_them_anew) {
  Watched watched;
  watched.looks(2, 800);
  watched.looks(8, 700);
  EXPECT_EQ(watched.look(760), Level::warning);
  EXPECT_EQ(watched.looks(10, 700), Level::warning);
  EXPECT_EQ(watched.look(700), Level::normal);
}

TEST(Policy, a_level_is_left_for_the_highest_of_the_ten_seconds) {
  Watched watched;
  watched.looks(2, 980);
  watched.looks(5, 860);
  EXPECT_EQ(watched.looks(6, 100), Level::critical);
}

TEST(Policy, a_sawtooth_around_a_threshold_changes_the_level_once) {
  Watched watched;
  int changes = 0;
  Level before = Level::normal;
  for (int i = 0; i < 100; ++i) {
    Level const now = watched.look(i / 2 % 2 == 0 ? 805 : 795);
    changes += now != before;
    before = now;
  }
  EXPECT_EQ(changes, 1);
}

TEST(Policy, other_signals_raise_the_level_and_hold_it_while_they_last) {
  Watched watched;
  EXPECT_EQ(watched.look(100, false, Level::warning), Level::warning);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(watched.look(100, false, Level::warning), Level::warning);
  EXPECT_EQ(watched.looks(11, 100), Level::normal);
}

TEST(Policy, headroom_thresholds_count_from_the_limit_down) {
  Watched watched{{headroom(300), headroom(100), headroom(50)}};
  EXPECT_EQ(watched.look(699, true), Level::normal);
  EXPECT_EQ(watched.look(700, true), Level::warning);
  EXPECT_EQ(watched.look(900, true), Level::critical);
  EXPECT_EQ(watched.look(950, true), Level::emergency);
}

TEST(Policy, headroom_larger_than_the_limit_is_always_short_of_memory_and_nothing_wraps) {
  Watched watched{{headroom(5000), headroom(4000), headroom(3000)}};
  EXPECT_EQ(watched.look(0, true), Level::emergency);
}

TEST(Policy, looks_more_often_the_nearer_and_the_faster_but_not_below_20_ms_nor_above_the_interval) {
  Policy const policy = usual();
  EXPECT_EQ(policy.next_look_ms(0, 1 << 30, 0, 3000), 3000);
  EXPECT_LT(policy.next_look_ms(700 << 20, 1 << 30, 0, 5000), policy.next_look_ms(100 << 20, 1 << 30, 0, 5000));
  EXPECT_LT(policy.next_look_ms(100 << 20, 1 << 30, 1 << 30, 5000), 250);
  EXPECT_EQ(policy.next_look_ms((1 << 30) - 1, 1 << 30, 1 << 30, 5000), 20);
  EXPECT_EQ(policy.next_look_ms(2000, 1000, 0, 5000), 20) << "usage above the limit";
}

static_assert(usual().to_next_threshold(0, 1000) == 800);
static_assert(usual().to_next_threshold(850, 1000) == 50);
static_assert(usual().to_next_threshold(950, 1000) == 20);
static_assert(usual().to_next_threshold(980, 1000) == 20);
static_assert(usual().to_next_threshold(1100, 1000) == 0);

}  // namespace
}  // namespace mempool::pressure
