#include "monitor/event.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace mempool::monitor {
namespace {

using pressure::Level;

constexpr std::uint64_t kMiB = 1 << 20;

Event usual() {
  Event event;
  event.kind = Event::Kind::entered;
  event.level = Level::warning;
  event.cause = "tripwire";
  event.bound.limit = 256 * kMiB;
  event.bound.usage = 205 * kMiB;
  std::strcpy(event.bound.source, "cgroup /x");
  event.resident = 206 * kMiB;
  event.heap_live = 200 * kMiB;
  event.heap_kept = 2 * kMiB;
  return event;
}
std::string text(Event const& event) {
  LongLine line;
  format_text(line, event);
  return std::string{line.view()};
}
std::string json(Event const& event) {
  LongLine line;
  format_json(line, event, 42, 1000);
  return std::string{line.view()};
}

TEST(Event, a_line_tells_how_near_whose_limit_and_where_the_memory_is) {
  EXPECT_EQ(text(usual()),
            "80% of the limit of 256.0MiB (cgroup /x) is used: 205.0MiB, rss 206.0MiB; heap live 200.0MiB, kept "
            "2.0MiB, other "
            "4.0MiB");
}

TEST(Event, a_line_tells_growth_a_forecast_holders_classes_stalls_and_what_was_left_out) {
  Event event = usual();
  event.growth = 41 * kMiB;
  event.seconds_left = 42;
  event.largest[0] = {"orders", 120 * kMiB};
  event.largest[1] = {"sessions", 3 * kMiB};
  event.classes[0] = {256, 190 * kMiB};
  event.some_permille = 123;
  event.cause = "forecast";
  event.suppressed = 4;
  std::string const line = text(event);
  EXPECT_TRUE(line.ends_with(
      "; growing 41.0MiB/s, the limit is reached in 42s; held by orders 120.0MiB, sessions 3.0MiB; most in "
      "blocks of 256B: 190.0MiB; stalled 12.3% of the time; said for the forecast; 4 "
      "lines left out"))
      << line;
}

TEST(Event, what_comes_of_it_is_a_line_of_its_own) {
  Event event = usual();
  event.kind = Event::Kind::gave_back;
  event.given_back = 12 * kMiB;
  event.took_ms = 3;
  EXPECT_EQ(text(event), "gave back 12.0MiB in 3ms");
  event.kind = Event::Kind::oversized;
  event.bytes = 70 * kMiB;
  EXPECT_EQ(text(event), "a request of 70.0MiB exceeds the headroom of 51.0MiB (limit 256.0MiB, cgroup /x)");
  event.kind = Event::Kind::ended;
  event.warnings = 1;
  event.criticals = 2;
  EXPECT_EQ(text(event),
            "ended, with a peak of 70.0MiB (limit 256.0MiB, cgroup /x), 1 warning and 2 critical; gave back 12.0MiB in "
            "all");
  event.kind = Event::Kind::new_limit;
  event.bytes = 512 * kMiB;
  EXPECT_EQ(text(event), "the limit changed from 512.0MiB to 256.0MiB (cgroup /x)");
}

TEST(Event, json_has_the_same_in_bytes_and_escapes_names) {
  Event event = usual();
  event.largest[0] = {"or\"ders\\\n", 5};
  std::string const object = json(event);
  EXPECT_TRUE(
      object.starts_with(R"({"schema":1,"time_ns":1000,"pid":42,"event":"entered","level":"warning","was":"normal")"))
      << object;
  EXPECT_NE(object.find(R"("limit":268435456,"usage":214958080,"source":"cgroup /x")"), std::string::npos) << object;
  EXPECT_NE(object.find(R"("held_by":[{"name":"or\"ders\\\u000a","bytes":5}])"), std::string::npos) << object;
  EXPECT_EQ(object.find("seconds_left"), std::string::npos);
  EXPECT_TRUE(object.ends_with(R"("sequence":0,"suppressed":0})")) << object;
}

TEST(Event, the_longest_line_fits_what_a_pipe_takes_in_one_piece) {
  Event event = usual();
  for (Held& each : event.largest) {
    std::memset(each.name, '\n', sizeof each.name - 1);
    each.bytes = UINT64_MAX;
  }
  event.growth = event.seconds_left = event.bytes = UINT64_MAX - 1;
  EXPECT_LT(json(event).size(), 4095u);
  EXPECT_LT(text(event).size(), 2000u);
}

}  // namespace
}  // namespace mempool::monitor
