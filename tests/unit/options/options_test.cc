#include "options/options.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/line.hpp"

namespace mempool::options {
namespace {

Value parsed(Unit unit, std::string_view text) {
  Value value;
  EXPECT_TRUE(parse(unit, text, value)) << text;
  return value;
}

void expect_refused(Unit unit, std::string_view text) {
  Value const before{.number = 77, .percent = 7};
  Value value = before;
  EXPECT_FALSE(parse(unit, text, value)) << text;
  EXPECT_EQ(value, before) << "a refused text leaves the value alone: " << text;
}

TEST(Options, every_default_in_the_table_is_allowed_by_its_own_unit) {
  for (Row const& row : kTable) {
    Value value;
    EXPECT_TRUE(parse(row.unit, row.fallback, value)) << row.name;
  }
}

TEST(Options, sizes_come_with_binary_units_in_any_case) {
  EXPECT_EQ(parsed(Unit::limit, "96MiB").number, 96ll << 20);
  EXPECT_EQ(parsed(Unit::limit, "64k").number, 64ll << 10);
  EXPECT_EQ(parsed(Unit::limit, "2G").number, 2ll << 30);
  EXPECT_EQ(parsed(Unit::limit, "1tib").number, 1ll << 40);
  EXPECT_EQ(parsed(Unit::limit, "4096").number, 4096);
}

TEST(Options, a_limit_may_be_a_percentage_or_auto) {
  EXPECT_EQ(parsed(Unit::limit, "75%").percent, 75);
  EXPECT_EQ(parsed(Unit::limit, "auto"), Value{});
}

TEST(Options, a_threshold_is_a_percentage_or_headroom) {
  EXPECT_EQ(parsed(Unit::threshold, "80%").percent, 80);
  EXPECT_EQ(parsed(Unit::threshold, "-512MiB").number, 512ll << 20);
}

TEST(Options, times_come_with_units_between_20_ms_and_an_hour) {
  EXPECT_EQ(parsed(Unit::time, "500ms").number, 500);
  EXPECT_EQ(parsed(Unit::time, "5s").number, 5000);
  EXPECT_EQ(parsed(Unit::time, "2m").number, 120000);
  for (const char* text : {"5", "19ms", "2h", "0s", "s", "-1s"}) expect_refused(Unit::time, text);
}

TEST(Options, what_is_not_allowed_is_refused_whatever_it_is) {
  std::string const huge(4096, '9');
  for (std::string_view text : {"", " ", "-", "1e9", "0x10", "5MB ", "99999999999999999999", "9223372036854775808", "NaN",
                                "0", "0%", "101%", "%", "MiB", "1MiBB", "\xff\xfe", "9999999TiB", huge.c_str()}) {
    expect_refused(Unit::limit, text);
    expect_refused(Unit::threshold, text);
  }
  expect_refused(Unit::limit, "-1");
  for (const char* text : {"", "2", "yes", "01", "1 ", "auto"}) expect_refused(Unit::flag, text);
  for (const char* text : {"", "2", "on"}) expect_refused(Unit::automatic, text);
  for (const char* text : {"", "die", "abort "}) expect_refused(Unit::choice, text);
}

TEST(Options, a_number_that_would_overflow_is_refused_and_not_wrapped) {
  for (int zeros = 0; zeros < 40; ++zeros) {
    std::string const text = "1" + std::string(static_cast<std::size_t>(zeros), '0') + "TiB";
    Value value;
    if (parse(Unit::limit, text, value)) {
      EXPECT_GT(value.number, 0) << text;
    }
  }
}

}  // namespace
}  // namespace mempool::options
