#include "mempool/generational_cache.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "level.hpp"

namespace mempool {
namespace {

using namespace std::chrono_literals;

/// Time stands still until a test says otherwise.
struct fake_clock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<fake_clock, duration>;
  [[maybe_unused]] static constexpr bool is_steady = true;
  static time_point now() noexcept { return time_point{duration{ticks.load()}}; }
  static void go_on(duration d) { ticks += d.count(); }
  static inline std::atomic<rep> ticks{1'000'000};
};

template <class Policy, class Sync = sync::mutex>
using cache_of =
    generational_cache<int, int, Policy, Sync, std::hash<int>, std::equal_to<int>, fake_clock>;

// -- The seed's rows ------------------------------------------------------------------------------------------------

TEST(GenerationalCacheSeed, a_young_entry_dies_five_minutes_after_its_put_whatever_its_first_get) {
  cache_of<policy::two_generations> cache{{.capacity = 10}};
  cache.put(1, 10);
  fake_clock::go_on(5min);
  EXPECT_EQ(cache.get(1), 10) << "at exactly its ttl it is served";
  fake_clock::go_on(1ms);
  EXPECT_EQ(cache.get(1), std::nullopt);
}

TEST(GenerationalCacheSeed, the_second_get_makes_an_entry_old_and_every_get_then_gives_it_twice_its_ttl) {
  cache_of<policy::two_generations> cache{{.capacity = 10}};
  cache.put(1, 10);
  fake_clock::go_on(4min);
  cache.get(1);
  EXPECT_EQ(cache.get(1), 10);
  for (int i = 0; i < 5; ++i) {
    fake_clock::go_on(10min);
    EXPECT_EQ(cache.get(1), 10) << i;
  }
  fake_clock::go_on(10min + 1ms);
  EXPECT_EQ(cache.get(1), std::nullopt);
}

TEST(GenerationalCacheSeed, an_entry_may_have_a_ttl_of_its_own) {
  cache_of<policy::two_generations> cache{{.capacity = 10}};
  cache.put(1, 10, 1s);
  cache.put(2, 20);
  fake_clock::go_on(1s + 1ms);
  EXPECT_EQ(cache.get(1), std::nullopt);
  EXPECT_EQ(cache.get(2), 20);
}

TEST(GenerationalCacheSeed, clean_up_takes_the_young_by_age_and_the_old_by_last_use) {
  cache_of<policy::two_generations> cache{{.capacity = 10}};
  cache.put(1, 10);
  cache.put(2, 20);
  cache.get(2);
  cache.get(2);
  fake_clock::go_on(5min + 1ms);
  EXPECT_EQ(cache.expire(), 1u);
  fake_clock::go_on(5min - 1ms);
  EXPECT_EQ(cache.expire(), 0u);
  fake_clock::go_on(1ms);
  EXPECT_EQ(cache.expire(), 1u);
}

TEST(GenerationalCacheSeed, a_put_of_an_old_key_starts_young_and_its_stale_value_never_comes_back) {
  cache_of<policy::two_generations> cache{{.capacity = 10}};
  cache.put(1, 10);
  cache.get(1);
  cache.get(1);
  cache.put(1, 11);
  EXPECT_EQ(cache.get(1), 11);
  fake_clock::go_on(5min + 1ms);
  EXPECT_EQ(cache.get(1), std::nullopt);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST(GenerationalCacheSeed, puts_take_away_what_has_expired_without_anybody_asking_for_it) {
  cache_of<policy::two_generations> cache{{.capacity = 2'000}};
  for (int key = 0; key < 1'000; ++key) cache.put(key, key);
  fake_clock::go_on(5min + 1ms);
  for (int i = 0; i < 512; ++i) cache.put(5'000, i);
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.stats().expirations, 1'000u);
}

TEST(GenerationalCacheSeed, a_put_looks_at_a_few_entries_and_not_at_all_of_them) {
  cache_of<policy::two_generations> cache{{.capacity = 2'000}};
  for (int key = 0; key < 1'000; ++key) cache.put(key, key);
  fake_clock::go_on(5min + 1ms);
  cache.put(5'000, 0);
  EXPECT_LT(cache.stats().expirations, 100u);
}

struct seed_entry {
  int value = 0;
  int accesses = 1;
  fake_clock::time_point created = fake_clock::now();
  fake_clock::time_point last_accessed = fake_clock::now();
  std::chrono::milliseconds ttl{0};
  bool is_old() const { return accesses >= 3; }
  bool has_expired() const {
    return is_old() ? fake_clock::now() - last_accessed > 2 * ttl : fake_clock::now() - created > ttl;
  }
};

RC_GTEST_PROP(GenerationalCacheSeed, with_room_two_generations_serve_what_the_seed_does_less_what_has_expired, ()) {
  auto const operations = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 6), rc::gen::inRange(0, 6), rc::gen::inRange(0, 40)));
  cache_of<policy::two_generations> cache{{.capacity = 100}};
  std::map<int, seed_entry> model;
  int value = 0;
  for (auto const& [kind, key, amount] : operations) {
    if (kind == 0) {
      std::chrono::milliseconds const ttl{amount};
      cache.put(key, ++value, ttl);
      model[key] = {.value = value, .ttl = ttl};
    } else if (kind == 1) {
      fake_clock::go_on(std::chrono::milliseconds{amount});
    } else {
      auto const found = model.find(key);
      bool const is_there = found != model.end() && !found->second.has_expired();
      std::optional<int> const served = cache.get(key);
      RC_ASSERT(served.has_value() == is_there);
      if (!is_there) {
        model.erase(key);
        continue;
      }
      RC_ASSERT(*served == found->second.value);
      ++found->second.accesses;
      found->second.last_accessed = fake_clock::now();
    }
  }
}

// -- Every policy ---------------------------------------------------------------------------------------------------

template <class Policy>
class EveryPolicy : public testing::Test {};
using policies = testing::Types<policy::lru, policy::s3_fifo, policy::two_generations>;
TYPED_TEST_SUITE(EveryPolicy, policies);

TYPED_TEST(EveryPolicy, holds_no_more_than_its_capacity_and_serves_the_last_put) {
  cache_of<TypeParam> cache{{.capacity = 16}};
  for (int key = 0; key < 1'000; ++key) {
    EXPECT_TRUE(cache.put(key, 2 * key));
    ASSERT_EQ(cache.get(key), 2 * key);
    ASSERT_LE(cache.stats().weight, 16u);
  }
  EXPECT_EQ(cache.stats().entries, 16u);
  EXPECT_EQ(cache.stats().evictions, 984u);
}

TYPED_TEST(EveryPolicy, works_with_room_for_a_single_entry) {
  cache_of<TypeParam> cache{{.capacity = 1}};
  for (int key = 0; key < 10; ++key) {
    cache.put(key, key);
    EXPECT_EQ(cache.get(key), key);
    EXPECT_EQ(cache.get(key - 1), std::nullopt);
  }
}

TYPED_TEST(EveryPolicy, serves_an_entry_up_to_its_ttl_and_not_one_tick_longer) {
  cache_of<TypeParam> cache{{.capacity = 10, .ttl = 50ms}};
  cache.put(1, 10);
  cache.put(2, 20, 0ms);
  EXPECT_EQ(cache.get(2), 20);
  fake_clock::go_on(1ms);
  EXPECT_EQ(cache.get(2), std::nullopt);
  fake_clock::go_on(49ms);
  EXPECT_EQ(cache.get(1), 10);
  fake_clock::go_on(1ms);
  EXPECT_EQ(cache.get(1), std::nullopt);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TYPED_TEST(EveryPolicy, keeps_forever_what_was_put_forever) {
  cache_of<TypeParam> cache{{.capacity = 10, .ttl = 50ms}};
  cache.put(1, 10, cache.forever);
  for (int i = 0; i < 5; ++i) {
    fake_clock::go_on(24h * 365);
    EXPECT_EQ(cache.get(1), 10);
  }
}

TYPED_TEST(EveryPolicy, tells_its_listener_what_left_and_why) {
  std::vector<std::tuple<int, int, evicted>> told;
  cache_of<TypeParam> cache{
      {.capacity = 2,
       .on_evict = [&](const int& key, int& value, evicted why) { told.emplace_back(key, value, why); }}};
  cache.put(1, 10);
  cache.put(1, 11);
  cache.erase(1);
  cache.put(2, 20, 5ms);
  fake_clock::go_on(6ms);
  cache.get(2);
  cache.put(3, 30);
  cache.clear();
  cache.put(4, 40);
  cache.resize(1);
  cache.put(5, 50);
  std::vector<std::tuple<int, int, evicted>> const expected{{1, 10, evicted::replaced}, {1, 11, evicted::erased},
                                                            {2, 20, evicted::expired},  {3, 30, evicted::erased},
                                                            {4, 40, evicted::capacity}};
  EXPECT_EQ(told, expected);
}

TYPED_TEST(EveryPolicy, shrinks_and_grows_while_in_use) {
  cache_of<TypeParam> cache{{.capacity = 100}};
  for (int key = 0; key < 100; ++key) cache.put(key, key);
  cache.resize(10);
  EXPECT_EQ(cache.stats().entries, 10u);
  for (int key = 100; key < 200; ++key) cache.put(key, key);
  EXPECT_EQ(cache.stats().entries, 10u);
  cache.resize(50);
  for (int key = 200; key < 300; ++key) cache.put(key, key);
  EXPECT_EQ(cache.stats().entries, 50u);
}

TYPED_TEST(EveryPolicy, counts_weights_and_keeps_nothing_heavier_than_its_capacity) {
  std::size_t told = 0;
  generational_cache<int, std::string, TypeParam, sync::mutex> cache{
      {.capacity = 100,
       .weigh = [](const int&, const std::string& text) { return text.size(); },
       .on_evict = [&](const int&, std::string& text, evicted) { told += text.size(); }}};
  EXPECT_TRUE(cache.put(1, std::string(60, 'a')));
  EXPECT_TRUE(cache.put(2, std::string(40, 'b')));
  EXPECT_EQ(cache.stats().weight, 100u);
  EXPECT_FALSE(cache.put(2, std::string(101, 'c')));
  EXPECT_EQ(cache.get(2), std::nullopt) << "the older value must not be served in its place";
  EXPECT_EQ(told, 141u);
  EXPECT_TRUE(cache.put(3, ""));
  EXPECT_EQ(cache.stats().weight, 61u) << "what weighs nothing counts as 1";
}

using operation_list = std::vector<std::tuple<int, int, int>>;
rc::Gen<operation_list> some_operations() {
  return rc::gen::container<operation_list>(
      rc::gen::tuple(rc::gen::inRange(0, 10), rc::gen::inRange(0, 16), rc::gen::inRange(0, 30)));
}

/// Against a map that forgets nothing. With room for all, what is fresh is served; without, it may be missing. Never is
/// anything else served, and never is there more than the capacity.
template <class Cache>
void compare_with_a_map(const operation_list& operations, std::size_t capacity, bool has_room) {
  struct put_value {
    int value;
    fake_clock::time_point last;
  };
  Cache cache{{.capacity = capacity}};
  std::map<int, put_value> model;
  int value = 0;
  for (auto const& [kind, key, amount] : operations) {
    if (kind < 3) {
      std::chrono::milliseconds const ttl{amount};
      cache.put(key, ++value, ttl);
      model[key] = {value, fake_clock::now() + ttl};
    } else if (kind == 3) {
      cache.erase(key);
      model.erase(key);
    } else if (kind == 4) {
      fake_clock::go_on(std::chrono::milliseconds{amount / 3});
    } else if (kind == 5 && !has_room) {
      cache.resize(static_cast<std::size_t>(amount / 3 + 1));
    } else {
      auto const found = model.find(key);
      bool const is_fresh = found != model.end() && found->second.last >= fake_clock::now();
      std::optional<int> const served = cache.get(key);
      if (served) {
        RC_ASSERT(is_fresh);
        RC_ASSERT(*served == found->second.value);
      } else if (has_room) {
        RC_ASSERT(!is_fresh);
      }
    }
    auto const now = cache.stats();
    RC_ASSERT(now.weight <= now.limit);
    RC_ASSERT(now.entries == now.weight);
  }
}

RC_GTEST_PROP(CacheProperty, lru_with_room_agrees_with_a_map, ()) {
  compare_with_a_map<cache_of<policy::lru>>(*some_operations(), 100, true);
}
RC_GTEST_PROP(CacheProperty, s3_fifo_with_room_agrees_with_a_map, ()) {
  compare_with_a_map<cache_of<policy::s3_fifo>>(*some_operations(), 100, true);
}
RC_GTEST_PROP(CacheProperty, a_cache_of_one_thread_agrees_with_a_map, ()) {
  compare_with_a_map<cache_of<policy::s3_fifo, sync::none>>(*some_operations(), 100, true);
}
RC_GTEST_PROP(CacheProperty, lru_without_room_serves_the_last_put_or_nothing, ()) {
  compare_with_a_map<cache_of<policy::lru>>(*some_operations(), 5, false);
}
RC_GTEST_PROP(CacheProperty, s3_fifo_without_room_serves_the_last_put_or_nothing, ()) {
  compare_with_a_map<cache_of<policy::s3_fifo>>(*some_operations(), 5, false);
}
RC_GTEST_PROP(CacheProperty, a_sharded_cache_without_room_serves_the_last_put_or_nothing, ()) {
  compare_with_a_map<cache_of<policy::s3_fifo, sync::sharded>>(*some_operations(), 5, false);
}

// -- Which go first -------------------------------------------------------------------------------------------------

TEST(Lru, hits_what_an_exact_lru_hits_on_a_skewed_trace) {
  constexpr std::size_t capacity = 100;
  cache_of<policy::lru> cache{{.capacity = capacity}};
  std::list<int> order;
  std::unordered_map<int, std::list<int>::iterator> reference;
  std::mt19937_64 random{7};
  for (int i = 0; i < 50'000; ++i) {
    int const key = static_cast<int>((random() % 1'000) * (random() % 1'000) / 1'000);
    auto const found = reference.find(key);
    ASSERT_EQ(cache.get(key).has_value(), found != reference.end()) << i;
    if (found != reference.end()) {
      order.splice(order.end(), order, found->second);
      continue;
    }
    cache.put(key, key);
    if (reference.size() == capacity) {
      reference.erase(order.front());
      order.pop_front();
    }
    reference[key] = order.insert(order.end(), key);
  }
}

TEST(S3Fifo, a_scan_of_things_asked_for_once_does_not_push_out_what_is_asked_for_often) {
  cache_of<policy::s3_fifo> cache{{.capacity = 100}};
  for (int round = 0; round < 3; ++round) {
    for (int key = 0; key < 50; ++key)
      if (!cache.get(key)) cache.put(key, key);
  }
  for (int key = 1'000; key < 11'000; ++key)
    if (!cache.get(key)) cache.put(key, key);
  for (int key = 0; key < 50; ++key) EXPECT_EQ(cache.get(key), key);
}

TEST(S3Fifo, what_comes_back_soon_after_it_was_dropped_stays) {
  cache_of<policy::s3_fifo> cache{{.capacity = 100}};
  for (int key = 0; key < 150; ++key) cache.put(key, key);  // the first 50 were dropped, not long ago
  ASSERT_EQ(cache.get(10), std::nullopt);
  cache.put(10, 10);
  for (int key = 1'000; key < 1'150; ++key) cache.put(key, key);
  EXPECT_EQ(cache.get(10), 10);
  EXPECT_EQ(cache.get(149), std::nullopt) << "it came just before 10 did, and for the first time";
}

TEST(TwoGenerations, the_young_give_way_to_the_old) {
  cache_of<policy::two_generations> cache{{.capacity = 10}};
  for (int key = 0; key < 5; ++key) {
    cache.put(key, key);
    cache.get(key);
    cache.get(key);
  }
  for (int key = 100; key < 200; ++key) cache.put(key, key);
  for (int key = 0; key < 5; ++key) EXPECT_EQ(cache.get(key), key);
}

// -- Loading --------------------------------------------------------------------------------------------------------

TEST(GenerationalCacheLoad, a_value_is_loaded_where_there_is_none_and_served_from_then_on) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10}};
  int loads = 0;
  auto const load = [&](int key) {
    ++loads;
    return 10 * key;
  };
  EXPECT_EQ(cache.get_or_load(1, load, 50ms), 10);
  EXPECT_EQ(cache.get_or_load(1, load, 50ms), 10);
  EXPECT_EQ(loads, 1);
  fake_clock::go_on(51ms);
  EXPECT_EQ(cache.get_or_load(1, load, 50ms), 10);
  EXPECT_EQ(loads, 2);
}

TEST(GenerationalCacheLoad, a_load_that_throws_leaves_nothing_and_the_next_call_tries_again) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10}};
  EXPECT_THROW(cache.get_or_load(1, [](int) -> int { throw std::runtime_error{"no such thing"}; }), std::runtime_error);
  EXPECT_EQ(cache.get(1), std::nullopt);
  EXPECT_EQ(cache.get_or_load(1, [](int) { return 10; }), 10);
}

TEST(GenerationalCacheLoad, a_put_during_a_load_wins) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10}};
  EXPECT_EQ(cache.get_or_load(1,
                              [&](int) {
                                cache.put(1, 11);
                                return 10;
                              }),
            10);
  EXPECT_EQ(cache.get(1), 11);
}

TEST(GenerationalCacheLoad, what_was_erased_during_its_load_is_not_kept) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10}};
  auto const load_and = [&](auto meanwhile) {
    return cache.get_or_load(1, [&](int) {
      meanwhile();
      return 10;
    });
  };
  EXPECT_EQ(load_and([&] { cache.erase(1); }), 10);
  EXPECT_EQ(cache.get(1), std::nullopt);
  EXPECT_EQ(load_and([&] { cache.clear(); }), 10);
  EXPECT_EQ(cache.get(1), std::nullopt);
}

TEST(GenerationalCacheLoad, a_load_may_load_other_keys_but_not_its_own) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10}};
  EXPECT_EQ(cache.get_or_load(1, [&](int) { return 1 + cache.get_or_load(2, [](int) { return 20; }); }), 21);
  EXPECT_THROW(cache.get_or_load(3, [&](int) { return cache.get_or_load(3, [](int) { return 0; }); }),
               std::system_error);
  EXPECT_EQ(cache.get_or_load(3, [](int) { return 30; }), 30);
}

TEST(GenerationalCacheLoad, threads_that_ask_for_one_key_wait_for_a_single_load) {
  cache_of<policy::s3_fifo, sync::sharded> cache{{.capacity = 10}};
  std::atomic<int> loads{0};
  constexpr std::uint64_t others = 3;
  auto const ask = [&] {
    return cache.get_or_load(1, [&](int) {
      ++loads;
      while (cache.stats().waits < others) std::this_thread::yield();
      return 10;
    });
  };
  std::atomic<int> sum{0};
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < others; ++i) threads.emplace_back([&] { sum += ask(); });
  sum += ask();
  threads.clear();
  EXPECT_EQ(sum, 40);
  EXPECT_EQ(loads, 1);
}

TEST(GenerationalCacheLoad, those_who_wait_for_a_load_that_fails_get_its_error) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10}};
  std::atomic<int> loads{0};
  std::atomic<int> errors{0};
  auto const ask = [&] {
    try {
      cache.get_or_load(1, [&](int) -> int {
        ++loads;
        while (cache.stats().waits == 0) std::this_thread::yield();
        throw std::runtime_error{"no such thing"};
      });
    } catch (const std::runtime_error&) {
      ++errors;
    }
  };
  {
    std::jthread other{ask};
    ask();
  }
  EXPECT_EQ(errors, 2);
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(cache.get(1), std::nullopt);
}

// -- Pressure -------------------------------------------------------------------------------------------------------

TEST(GenerationalCachePressure, a_cache_that_gave_back_stays_small_while_it_lasts_and_regrows_slowly_when_it_is_over) {
  cache_of<policy::lru> cache{{.capacity = 100}};
  int key = 0;
  auto const fill = [&] {
    for (int i = 0; i < 200; ++i, ++key) cache.put(key, key);
  };
  fill();
  simulated_level now{level::critical};
  EXPECT_GT(cache.shrink({.bytes = 1, .pass = pass::destructive, .level = level::critical}), 0u);
  EXPECT_EQ(cache.stats().weight, 50u);
  fake_clock::go_on(10min);
  fill();
  EXPECT_EQ(cache.stats().weight, 50u) << "refilled before the pressure was over";

  now.set(level::normal);
  cache.shrink({.bytes = 0, .pass = pass::benign, .level = level::normal});
  EXPECT_EQ(cache.stats().limit, 50u);
  for (std::size_t limit = 55; limit <= 100; limit += 5) {
    fake_clock::go_on(1s);
    fill();
    EXPECT_EQ(cache.stats().weight, limit);
  }
}

TEST(GenerationalCachePressure, each_pass_takes_more_and_asking_again_takes_nothing) {
  cache_of<policy::lru> cache{{.capacity = 100}};
  for (int key = 0; key < 100; ++key) cache.put(key, key);
  simulated_level now{level::normal};
  auto const weight_after = [&](pass how, level at) {
    now.set(at);
    cache.shrink({.bytes = 1, .pass = how, .level = at});
    cache.shrink({.bytes = 1, .pass = how, .level = at});
    return cache.stats().weight;
  };
  EXPECT_EQ(weight_after(pass::benign, level::warning), 100u);
  EXPECT_EQ(weight_after(pass::idle, level::warning), 80u);
  EXPECT_EQ(weight_after(pass::destructive, level::critical), 50u);
  EXPECT_EQ(weight_after(pass::destructive, level::emergency), 20u);
  EXPECT_EQ(cache.get(99), 99) << "the coldest go first";
  EXPECT_EQ(cache.stats().evictions, 80u);
}

TEST(GenerationalCachePressure, a_benign_pass_takes_what_has_expired_and_tables_that_grew_too_large) {
  cache_of<policy::s3_fifo> cache{{.capacity = 10'000}};
  std::size_t const when_empty = cache.bytes();
  for (int key = 0; key < 5'000; ++key) cache.put(key, key, 1ms);
  std::size_t const when_full = cache.bytes();
  EXPECT_GE(when_full, when_empty + 5'000 * 56);
  fake_clock::go_on(2ms);
  EXPECT_EQ(cache.shrink({.bytes = 0, .pass = pass::benign, .level = level::normal}), when_full - when_empty);
  EXPECT_EQ(cache.bytes(), when_empty);
}

TEST(GenerationalCachePressure, a_cache_that_holds_little_keeps_it) {
  cache_of<policy::lru> cache{{.capacity = 800}};
  for (int key = 0; key < 10; ++key) cache.put(key, key);
  cache.shrink({.bytes = 1, .pass = pass::destructive, .level = level::critical});
  EXPECT_EQ(cache.stats().entries, 10u);
}

// -- Errors ---------------------------------------------------------------------------------------------------------

TEST(GenerationalCacheOptions, what_is_out_of_range_is_refused_by_name) {
  auto const refusal = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  using sharded = cache_of<policy::lru, sync::sharded>;
  EXPECT_EQ(refusal([] { sharded cache{sharded::options{}}; }),
            "generational_cache: capacity is 0; 1 and more are allowed");
  EXPECT_EQ(refusal([] { sharded cache{{.capacity = 1, .ttl = -5ms}}; }),
            "generational_cache: ttl is -5 ticks of the clock; 0 and more are allowed");
  EXPECT_EQ(refusal([] { sharded cache{{.capacity = 1, .shards = 3}}; }),
            "generational_cache: shards is 3; 0 and powers of two up to 1024 are allowed");
  EXPECT_EQ(refusal([] { cache_of<policy::lru> cache{{.capacity = 1, .shards = 2}}; }),
            "generational_cache: shards is 2; 0 and powers of two up to 1 are allowed");
  sharded cache{{.capacity = 1}};
  EXPECT_EQ(refusal([&] { cache.resize(0); }), "generational_cache: capacity is 0; 1 and more are allowed");
  EXPECT_EQ(refusal([&] { cache.put(1, 1, -1ms); }),
            "generational_cache: ttl is -1 ticks of the clock; 0 and more are allowed");
}

TEST(GenerationalCacheListener, may_use_the_cache_and_take_the_value) {
  std::unique_ptr<int> taken;
  using cache_type = generational_cache<int, std::unique_ptr<int>, policy::lru, sync::mutex>;
  cache_type* self = nullptr;
  cache_type cache{{.capacity = 1, .on_evict = [&](const int& key, std::unique_ptr<int>& value, evicted) {
                      taken = std::move(value);
                      self->erase(key);
                    }}};
  self = &cache;
  cache.put(1, std::make_unique<int>(10));
  cache.put(2, std::make_unique<int>(20));
  ASSERT_NE(taken, nullptr);
  EXPECT_EQ(*taken, 10);
  int seen = 0;
  EXPECT_TRUE(cache.visit(2, [&](const std::unique_ptr<int>& value) { seen = *value; }));
  EXPECT_EQ(seen, 20);
}

TEST(GenerationalCacheListener, that_throws_is_counted_and_the_rest_are_told_all_the_same) {
  int told = 0;
  cache_of<policy::lru> cache{{.capacity = 10, .on_evict = [&](const int&, int&, evicted) {
                                 ++told;
                                 throw std::runtime_error{"not now"};
                               }}};
  for (int key = 0; key < 5; ++key) cache.put(key, key);
  auto const before = faults_contained.load();
  EXPECT_NO_THROW(cache.clear());
  EXPECT_EQ(told, 5);
  EXPECT_EQ(faults_contained.load() - before, 5u);
}

struct blown {};
/// Throws at the n-th thing that may throw.
struct fuse {
  static inline int left = 0;  // 0: out
  static void burn() {
    if (left > 0 && --left == 0) throw blown{};
  }
};
struct fragile {
  explicit fragile(int n) : number{n} { ++alive; }
  fragile(const fragile& other) : number{other.number} {
    fuse::burn();
    ++alive;
  }
  fragile(fragile&& other) noexcept : number{other.number} { ++alive; }
  fragile& operator=(const fragile&) = delete;
  ~fragile() { --alive; }
  int number;
  static inline int alive = 0;
};
struct fragile_hash {
  std::size_t operator()(const fragile& f) const {
    fuse::burn();
    return static_cast<std::size_t>(f.number);
  }
};
struct fragile_equal {
  bool operator()(const fragile& a, const fragile& b) const {
    fuse::burn();
    return a.number == b.number;
  }
};

TEST(GenerationalCacheErrors, whichever_call_throws_the_cache_is_as_it_was_and_goes_on) {
  using cache_type = generational_cache<fragile, fragile, policy::s3_fifo, sync::mutex, fragile_hash, fragile_equal>;
  for (int nth = 1;; ++nth) {
    bool has_blown = false;
    {
      cache_type cache{{.capacity = 100, .weigh = [](const fragile&, const fragile&) -> std::size_t {
                          fuse::burn();
                          return 1;
                        }}};
      std::map<int, int> model;
      auto const attempt = [&](auto&& call, auto&& on_success) {
        try {
          call();
        } catch (const blown&) {
          has_blown = true;
          return;
        }
        on_success();
      };
      fuse::left = nth;
      for (int i = 0; i < 30; ++i) {
        int const put_key = i % 11;
        attempt([&] { cache.put(fragile{put_key}, fragile{i}); }, [&] { model[put_key] = i; });
        int const loaded_key = 20 + i % 3;
        attempt(
            [&] {
              cache.get_or_load(fragile{loaded_key}, [&](const fragile&) {
                fuse::burn();
                return fragile{i};
              });
            },
            [&] { model.try_emplace(loaded_key, i); });
        int const erased_key = i % 7;
        attempt([&] { cache.erase(fragile{erased_key}); }, [&] { model.erase(erased_key); });
        attempt([&] { cache.get(fragile{put_key}); }, [] {});
      }
      fuse::left = 0;
      ASSERT_EQ(cache.stats().entries, model.size()) << nth;
      for (auto const& [key, value] : model) {
        auto const served = cache.get(fragile{key});
        ASSERT_TRUE(served.has_value()) << nth;
        ASSERT_EQ(served->number, value) << nth;
      }
    }
    ASSERT_EQ(fragile::alive, 0) << nth;
    if (!has_blown) break;
  }
}

// -- Threads --------------------------------------------------------------------------------------------------------

template <class Sync>
void share_between_threads() {
  std::atomic<std::size_t> told{0};
  std::atomic<std::size_t> puts{0};
  std::atomic<std::size_t> loads{0};
  cache_of<policy::s3_fifo, Sync> cache{
      {.capacity = 600, .on_evict = [&](const int&, int&, evicted) { ++told; }, .name = "test"}};
  std::atomic<bool> is_wrong{false};
  auto const load = [&](int key) {
    ++loads;
    return 3 * key;
  };
  auto const work = [&](unsigned seed) {
    std::mt19937 random{seed};
    for (int i = 0; i < 3'000; ++i) {
      int const key = static_cast<int>(random() % 1'000);
      switch (random() % 8) {
        case 0:
          cache.put(key, 3 * key);
          ++puts;
          break;
        case 1:
          cache.erase(key);
          break;
        case 2:
          if (cache.get_or_load(key, load) != 3 * key) is_wrong = true;
          break;
        default:
          if (auto const served = cache.get(key); served && *served != 3 * key) is_wrong = true;
      }
    }
  };
  {
    std::jthread one{work, 1u};
    std::jthread two{work, 2u};
    for (std::size_t i = 0; i < 50; ++i) {
      cache.resize(300 + 10 * i);
      cache.shrink({.bytes = 1, .pass = pass::idle, .level = level::warning});
      cache.shrink({.bytes = 1, .pass = pass::benign, .level = level::normal});
      if (cache.stats().weight > 1'000 || cache.bytes() == 0) is_wrong = true;
    }
  }
  EXPECT_FALSE(is_wrong);
  EXPECT_LE(cache.stats().weight, cache.stats().limit);
  std::size_t const seen = told + cache.stats().entries;
  EXPECT_GE(seen, puts) << "every entry is there still, or the listener was told of it";
  EXPECT_LE(seen, puts + loads);
}

TEST(GenerationalCacheThreads, share_a_cache_with_one_lock) { share_between_threads<sync::mutex>(); }
TEST(GenerationalCacheThreads, share_a_sharded_cache) { share_between_threads<sync::sharded>(); }

TEST(GenerationalCacheThreads, a_sharded_cache_shares_its_capacity_out_exactly) {
  cache_of<policy::lru, sync::sharded> cache{{.capacity = 1'003, .shards = 8}};
  EXPECT_EQ(cache.stats().limit, 1'003u);
  for (int key = 0; key < 20'000; ++key) cache.put(key, key);
  EXPECT_EQ(cache.stats().weight, 1'003u);
  cache.clear();
  EXPECT_EQ(cache.stats().weight, 0u);
}

}  // namespace
}  // namespace mempool
