#include "pressure/policy.hpp"

#include <gtest/gtest.h>

namespace mempool::pressure {
namespace {

constexpr options::Value percent(std::uint8_t n) { return {.number = 0, .percent = n}; }
constexpr options::Value headroom(std::int64_t bytes) { return {.number = bytes, .percent = 0}; }
constexpr std::uint64_t kLimit = 1000;

TEST(Policy, enters_a_level_at_once_and_leaves_it_five_points_lower) {
  Policy policy{percent(80), percent(90)};
  EXPECT_EQ(policy.step(799, kLimit), Level::normal);
  EXPECT_EQ(policy.step(800, kLimit), Level::warning);
  EXPECT_EQ(policy.step(760, kLimit), Level::warning);
  EXPECT_EQ(policy.step(900, kLimit), Level::critical);
  EXPECT_EQ(policy.step(850, kLimit), Level::critical);
  EXPECT_EQ(policy.step(849, kLimit), Level::warning);
  EXPECT_EQ(policy.step(750, kLimit), Level::warning);
  EXPECT_EQ(policy.step(749, kLimit), Level::normal);
}

TEST(Policy, a_sawtooth_around_a_threshold_changes_the_level_once) {
  Policy policy{percent(80), percent(90)};
  int changes = 0;
  Level before = policy.level();
  for (int i = 0; i < 100; ++i) {
    Level const now = policy.step(i % 2 == 0 ? 805 : 795, kLimit);
    changes += now != before;
    before = now;
  }
  EXPECT_EQ(changes, 1);
}

TEST(Policy, jumps_over_warning_where_one_reading_does) {
  Policy policy{percent(80), percent(90)};
  EXPECT_EQ(policy.step(950, kLimit), Level::critical);
  EXPECT_EQ(policy.step(100, kLimit), Level::normal);
}

TEST(Policy, headroom_thresholds_count_from_the_limit_down) {
  Policy policy{headroom(300), headroom(100)};
  EXPECT_EQ(policy.step(699, kLimit), Level::normal);
  EXPECT_EQ(policy.step(700, kLimit), Level::warning);
  EXPECT_EQ(policy.step(900, kLimit), Level::critical);
}

TEST(Policy, headroom_larger_than_the_limit_is_always_short_of_memory_and_nothing_wraps) {
  Policy policy{headroom(5000), headroom(4000)};
  EXPECT_EQ(policy.step(0, kLimit), Level::critical);
}

TEST(Policy, looks_more_often_the_nearer_and_the_faster_but_not_below_20_ms_nor_above_the_interval) {
  Policy const policy{percent(80), percent(90)};
  EXPECT_EQ(policy.next_look_ms(0, 1 << 30, 0, 3000), 3000);
  EXPECT_LT(policy.next_look_ms(700 << 20, 1 << 30, 0, 5000), policy.next_look_ms(100 << 20, 1 << 30, 0, 5000));
  EXPECT_LT(policy.next_look_ms(100 << 20, 1 << 30, 1 << 30, 5000), 250);
  EXPECT_EQ(policy.next_look_ms((1 << 30) - 1, 1 << 30, 1 << 30, 5000), 20);
  EXPECT_EQ(policy.next_look_ms(2000, 1000, 0, 5000), 20) << "usage above the limit";
}

static_assert(Policy{percent(80), percent(90)}.to_next_threshold(0, 1000) == 800);
static_assert(Policy{percent(80), percent(90)}.to_next_threshold(850, 1000) == 50);
static_assert(Policy{percent(80), percent(90)}.to_next_threshold(950, 1000) == 50);
static_assert(Policy{percent(80), percent(90)}.to_next_threshold(1100, 1000) == 0);

}  // namespace
}  // namespace mempool::pressure
