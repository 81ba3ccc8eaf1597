#include "mempool/memory_monitor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using mempool::level;
using mempool::memory_monitor;
using mempool::memory_snapshot;
using mempool::monitor_error;

/// Stands for libmempool: a test says when the level changes. One at a time, in the test's own thread.
struct fake_library {
  static inline std::map<long, std::pair<libmempool_listener, void*>> listeners;
  static inline long last = 0;
  static inline int refusal = 0;
  static inline int simulated = -2;
  static inline std::uint64_t limit = 0;

  static void reset() {
    listeners.clear();
    refusal = 0;
    simulated = -2;
    limit = 0;
  }

  static libmempool_snapshot state(level now) {
    libmempool_snapshot snapshot{};
    snapshot.size = sizeof snapshot;
    snapshot.level = static_cast<int>(now);
    snapshot.limit = 1000;
    snapshot.usage = 850;
    return snapshot;
  }
  static void change(level before, level now) {
    libmempool_snapshot const snapshot = state(now);
    for (long told = 0;;) {
      auto const next = listeners.upper_bound(told);
      if (next == listeners.end()) return;
      told = next->first;
      auto const [function, context] = next->second;
      function(static_cast<int>(before), &snapshot, context);
    }
  }

  static mempool::detail::api api() {
    mempool::detail::api functions;
    functions.register_holder = [](const char*, libmempool_usage, libmempool_reclaim, void*) -> long { return 0; };
    functions.on_pressure = [](libmempool_listener function, void* context) -> long {
      if (refusal != 0) {
        errno = refusal;
        return 0;
      }
      listeners[++last] = {function, context};
      return last;
    };
    functions.unregister = [](long registration) -> int { return listeners.erase(registration) == 1 ? 0 : ENOENT; };
    functions.get_snapshot = [](libmempool_snapshot* into) -> int {
      *into = state(level::warning);
      return 0;
    };
    functions.set_limit = [](std::uint64_t bytes) -> int {
      limit = bytes;
      return 0;
    };
    functions.simulate = [](int reached) -> int {
      simulated = reached;
      return 0;
    };
    return functions;
  }
};

class MemoryMonitor : public testing::Test {
 protected:
  MemoryMonitor() { fake_library::reset(); }
  memory_monitor monitor_{fake_library::api()};
};

// -- What the seed's MemoryMonitor does -----------------------------------------------------------------------------

TEST_F(MemoryMonitor, tells_its_listeners_what_is_in_use_and_of_how_much) {
  std::vector<std::pair<level, level>> heard;
  auto const registration = monitor_.on_change([&](level before, const memory_snapshot& now) {
    heard.emplace_back(before, now.at());
    EXPECT_EQ(now.limit, 1000u);
    EXPECT_EQ(now.usage, 850u);
    EXPECT_DOUBLE_EQ(now.ratio(), 0.85);
  });
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  fake_library::change(level::normal, level::warning);
  fake_library::change(level::warning, level::critical);
  EXPECT_EQ(heard, (std::vector<std::pair<level, level>>{{level::normal, level::warning},
                                                         {level::warning, level::critical}}));
}

TEST_F(MemoryMonitor, a_second_start_does_nothing) {
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  EXPECT_EQ(fake_library::listeners.size(), 1u);
}

TEST_F(MemoryMonitor, calls_nobody_before_it_is_started_or_after_it_is_stopped_and_may_be_started_again) {
  int calls = 0;
  auto const registration = monitor_.on_change([&](level, const memory_snapshot&) { ++calls; });
  fake_library::change(level::normal, level::warning);
  EXPECT_EQ(calls, 0);
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  EXPECT_TRUE(monitor_.is_started());
  fake_library::change(level::normal, level::warning);
  EXPECT_EQ(calls, 1);
  monitor_.stop();
  monitor_.stop();
  EXPECT_FALSE(monitor_.is_started());
  fake_library::change(level::warning, level::normal);
  EXPECT_EQ(calls, 1);
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  fake_library::change(level::normal, level::critical);
  EXPECT_EQ(calls, 2);
}

TEST_F(MemoryMonitor, interval_and_thresholds_are_what_the_environment_says) {
  ::unsetenv("MEMPOOL_INTERVAL");
  ::unsetenv("MEMPOOL_CRITICAL");
  ::setenv("MEMPOOL_WARNING", "-512MiB", 1);
  auto const settings = memory_monitor::configured();
  ::unsetenv("MEMPOOL_WARNING");
  EXPECT_EQ(settings.interval, "5s");
  EXPECT_EQ(settings.warning, "-512MiB");
  EXPECT_EQ(settings.critical, "90%");
}

// -- Where the seed fails -------------------------------------------------------------------------------------------

TEST_F(MemoryMonitor, calls_no_listener_whose_registration_has_ended) {
  int calls = 0;
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  {
    auto const registration = monitor_.on_change([&](level, const memory_snapshot&) { ++calls; });
    fake_library::change(level::normal, level::warning);
  }
  auto moved = monitor_.on_change([&](level, const memory_snapshot&) { calls += 10; });
  auto owner = std::move(moved);
  fake_library::change(level::warning, level::critical);
  owner = {};
  fake_library::change(level::critical, level::normal);
  EXPECT_EQ(calls, 11);
}

TEST_F(MemoryMonitor, what_a_listener_has_captured_goes_with_its_registration) {
  auto large = std::make_shared<std::vector<char>>(1'000'000);
  std::weak_ptr const seen = large;
  auto registration = monitor_.on_change([large = std::move(large)](level, const memory_snapshot&) {});
  EXPECT_FALSE(seen.expired());
  registration.reset();
  EXPECT_TRUE(seen.expired());
}

TEST_F(MemoryMonitor, a_listener_that_throws_is_counted_and_keeps_no_other_from_its_call) {
  int calls = 0;
  auto const first = monitor_.on_change([](level, const memory_snapshot&) { throw std::runtime_error("no"); });
  auto const second = monitor_.on_change([&](level, const memory_snapshot&) { ++calls; });
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  auto const faults = mempool::faults_contained.load();
  for (int i = 0; i < 3; ++i) fake_library::change(level::normal, level::warning);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(mempool::faults_contained.load(), faults + 3);
}

// -- Life and death -------------------------------------------------------------------------------------------------

TEST_F(MemoryMonitor, a_listener_may_end_its_own_registration_and_begin_others) {
  int calls = 0;
  std::vector<memory_monitor::registration> later;
  memory_monitor::registration once;
  once = monitor_.on_change([&](level, const memory_snapshot&) {
    ++calls;
    later.push_back(monitor_.on_change([&](level, const memory_snapshot&) { calls += 10; }));
    once.reset();
  });
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  fake_library::change(level::normal, level::warning);
  EXPECT_EQ(calls, 1);  // the new one hears of the next change
  fake_library::change(level::warning, level::normal);
  EXPECT_EQ(calls, 11);
}

TEST_F(MemoryMonitor, a_listener_that_ends_another_keeps_that_from_being_called) {
  int calls = 0;
  memory_monitor::registration second;
  auto const first = monitor_.on_change([&](level, const memory_snapshot&) { second.reset(); });
  second = monitor_.on_change([&](level, const memory_snapshot&) { ++calls; });
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  fake_library::change(level::normal, level::warning);
  EXPECT_EQ(calls, 0);
}

TEST_F(MemoryMonitor, a_listener_may_stop_or_destroy_its_monitor_and_the_rest_are_not_called) {
  int calls = 0;
  auto owned = std::make_unique<memory_monitor>(fake_library::api());
  auto const first = owned->on_change([&](level, const memory_snapshot&) { owned.reset(); });
  auto const second = owned->on_change([&](level, const memory_snapshot&) { ++calls; });
  ASSERT_EQ(owned->start(), monitor_error::none);
  fake_library::change(level::normal, level::warning);
  EXPECT_EQ(owned, nullptr);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(fake_library::listeners.empty());
}

TEST_F(MemoryMonitor, a_registration_may_outlive_its_monitor) {
  memory_monitor::registration registration;
  {
    memory_monitor short_lived{fake_library::api()};
    registration = short_lived.on_change([](level, const memory_snapshot&) {});
    ASSERT_EQ(short_lived.start(), monitor_error::none);
  }
  EXPECT_TRUE(fake_library::listeners.empty());
  registration.reset();
}

TEST_F(MemoryMonitor, ending_a_registration_waits_for_the_call_in_flight) {
  std::binary_semaphore has_begun{0};
  std::binary_semaphore may_end{0};
  std::atomic<bool> has_ended{false};
  auto registration = monitor_.on_change([&](level, const memory_snapshot&) {
    has_begun.release();
    may_end.acquire();
    has_ended = true;
  });
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  std::thread calling([] { fake_library::change(level::normal, level::warning); });
  has_begun.acquire();
  bool had_ended = false;
  std::binary_semaphore is_about_to{0};
  std::thread ending([&] {
    is_about_to.release();
    registration.reset();
    had_ended = has_ended;
  });
  is_about_to.acquire();
  may_end.release();
  ending.join();
  calling.join();
  EXPECT_TRUE(had_ended);
}

TEST_F(MemoryMonitor, an_empty_function_is_no_listener) {
  EXPECT_THROW(static_cast<void>(monitor_.on_change({})), std::invalid_argument);
}

// -- The library, there or not --------------------------------------------------------------------------------------

TEST(MemoryMonitorAlone, says_what_to_link_where_the_library_is_not_there) {
  mempool::detail::api const nothing;
  memory_monitor monitor{nothing};
  auto const error = monitor.start();
  EXPECT_EQ(error, monitor_error::not_there);
  EXPECT_NE(message(error).find("link mempool::mempool"), std::string_view::npos);
  EXPECT_NE(message(error).find("LD_PRELOAD"), std::string_view::npos);
  EXPECT_FALSE(monitor.is_started());
  EXPECT_EQ(monitor.simulate(level::warning), monitor_error::not_there);
  EXPECT_EQ(monitor.set_limit(0), monitor_error::not_there);
  EXPECT_EQ(monitor.now().at(), level::normal);
  EXPECT_EQ(monitor.now().ratio(), 0);
  auto const registration = monitor.on_change([](level, const memory_snapshot&) {});
  monitor.stop();
}

TEST_F(MemoryMonitor, says_why_the_library_refused) {
  fake_library::refusal = EPERM;
  EXPECT_EQ(monitor_.start(), monitor_error::not_allowed);
  fake_library::refusal = ENOSPC;
  EXPECT_EQ(monitor_.start(), monitor_error::no_room);
  EXPECT_FALSE(monitor_.is_started());
  fake_library::refusal = 0;
  EXPECT_EQ(monitor_.start(), monitor_error::none);
}

TEST_F(MemoryMonitor, passes_simulated_levels_and_limits_on_and_refuses_a_limit_below_1_MiB) {
  EXPECT_EQ(monitor_.simulate(level::critical), monitor_error::none);
  EXPECT_EQ(fake_library::simulated, LIBMEMPOOL_CRITICAL);
  EXPECT_EQ(monitor_.simulate(std::nullopt), monitor_error::none);
  EXPECT_EQ(fake_library::simulated, -1);
  EXPECT_EQ(monitor_.set_limit(1 << 20), monitor_error::none);
  EXPECT_EQ(fake_library::limit, 1u << 20);
  EXPECT_THROW(static_cast<void>(monitor_.set_limit(1000)), std::invalid_argument);
  EXPECT_EQ(monitor_.now().at(), level::warning);
}

TEST_F(MemoryMonitor, understands_a_library_whose_snapshot_is_shorter) {
  level heard = level::normal;
  std::uint64_t usage = 1;
  auto const registration = monitor_.on_change([&](level, const memory_snapshot& now) {
    heard = now.at();
    usage = now.usage;
  });
  ASSERT_EQ(monitor_.start(), monitor_error::none);
  auto snapshot = fake_library::state(level::emergency);
  snapshot.size = offsetof(libmempool_snapshot, limit);
  auto const [function, context] = fake_library::listeners.begin()->second;
  function(LIBMEMPOOL_NORMAL, &snapshot, context);
  EXPECT_EQ(heard, level::emergency);
  EXPECT_EQ(usage, 0u);
}

// Where the tests run under the library, linked or preloaded.
TEST(MemoryMonitorWithLibrary, a_simulated_level_reaches_the_listener) {
  if (!mempool::detail::api::get().is_there()) GTEST_SKIP() << message(monitor_error::not_there);
  memory_monitor monitor;
  std::counting_semaphore<> warned{0};
  auto const registration = monitor.on_change([&](level, const memory_snapshot& now) {
    if (now.at() == level::warning && now.is_simulated == 1) warned.release();
  });
  if (monitor.start() == monitor_error::not_allowed) GTEST_SKIP() << message(monitor_error::not_allowed);
  ASSERT_EQ(monitor.simulate(level::warning), monitor_error::none);
  warned.acquire();
  ASSERT_EQ(monitor.simulate(std::nullopt), monitor_error::none);
}

// -- Any order of registering, unregistering, starting and stopping -------------------------------------------------

RC_GTEST_PROP(MemoryMonitorModel, calls_exactly_those_that_are_registered_while_started, ()) {
  auto const operations = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 12));
  fake_library::reset();
  memory_monitor monitor{fake_library::api()};
  std::map<int, memory_monitor::registration> registrations;
  std::vector<int> called;
  std::vector<int> expected;
  bool is_started = false;
  int last = 0;
  for (int operation : operations) {
    if (operation <= 2) {
      int const number = ++last;
      registrations[number] = monitor.on_change([&called, number](level, const memory_snapshot&) {
        called.push_back(number);
      });
    } else if (operation <= 4) {
      if (!registrations.empty())
        registrations.erase(operation == 3 ? registrations.begin() : std::prev(registrations.end()));
    } else if (operation <= 6) {
      RC_ASSERT(monitor.start() == monitor_error::none);
      is_started = true;
    } else if (operation == 7) {
      monitor.stop();
      is_started = false;
    } else {
      fake_library::change(level::normal, level::warning);
      if (is_started)
        for (auto const& [number, registration] : registrations) expected.push_back(number);
    }
    RC_ASSERT(called == expected);
    RC_ASSERT(monitor.is_started() == is_started);
  }
}

}  // namespace
