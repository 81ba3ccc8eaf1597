#include "monitor/registry.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace mempool::monitor {
namespace {

struct Cache {
  std::size_t bytes = 0;
  std::vector<int> passes;
  static std::size_t usage(void* self) { return static_cast<Cache*>(self)->bytes; }
  static std::size_t reclaim(const libmempool_request* request, void* self) {
    Cache& of = *static_cast<Cache*>(self);
    of.passes.push_back(request->pass);
    std::size_t const gone = std::min(of.bytes, request->bytes);
    of.bytes -= gone;
    return gone;
  }
};

TEST(Registry, the_largest_holders_are_named_largest_first) {
  Cache small{10, {}}, large{1000, {}}, middle{100, {}}, none{0, {}};
  long const ids[] = {
      add_holder("small", Cache::usage, nullptr, &small), add_holder("large", Cache::usage, nullptr, &large),
      add_holder("none", Cache::usage, nullptr, &none), add_holder("middle", Cache::usage, nullptr, &middle)};
  Held named[2];
  Holdings const all = ask_usage(named, 2);
  EXPECT_EQ(all.sum, 1110u);
  ASSERT_EQ(all.count, 2u);
  EXPECT_STREQ(named[0].name, "large");
  EXPECT_STREQ(named[1].name, "middle");
  for (long id : ids) EXPECT_TRUE(remove(id));
  EXPECT_FALSE(anyone_is_registered());
}

TEST(Registry, holders_are_asked_until_enough_was_given_back) {
  Cache first{500, {}}, second{400, {}}, third{300, {}};
  long const ids[] = {add_holder("third", Cache::usage, Cache::reclaim, &third),
                      add_holder("first", Cache::usage, Cache::reclaim, &first),
                      add_holder("second", Cache::usage, Cache::reclaim, &second)};
  EXPECT_EQ(ask_to_reclaim(600, LIBMEMPOOL_IDLE, LIBMEMPOOL_WARNING), 600u);
  EXPECT_EQ(first.bytes, 0u);
  EXPECT_EQ(second.bytes, 300u);
  EXPECT_EQ(third.passes.size(), 0u);
  EXPECT_EQ(first.passes, std::vector<int>{LIBMEMPOOL_IDLE});
  for (long id : ids) remove(id);
}

TEST(Registry, a_full_table_refuses_and_a_place_that_is_given_up_is_used_again) {
  std::vector<long> ids;
  Cache cache;
  for (std::size_t i = 0; i < kMostRegistered; ++i) ids.push_back(add_holder("x", Cache::usage, nullptr, &cache));
  EXPECT_EQ(add_holder("x", Cache::usage, nullptr, &cache), 0);
  EXPECT_TRUE(remove(ids[7]));
  EXPECT_FALSE(remove(ids[7]));
  EXPECT_NE(ids[7] = add_holder("x", Cache::usage, nullptr, &cache), 0);
  for (long id : ids) EXPECT_TRUE(remove(id));
}

TEST(Registry, a_listener_may_unregister_itself_and_others_while_it_is_called) {
  struct Listener {
    long id = 0, other = 0;
    int calls = 0;
    static void hear(int, const libmempool_snapshot*, void* context) {
      auto& self = *static_cast<Listener*>(context);
      ++self.calls;
      EXPECT_TRUE(remove(self.id));
      if (self.other != 0) {
        EXPECT_TRUE(remove(self.other));
      }
    }
  } first, second;
  first.id = add_listener(Listener::hear, &first);
  first.other = add_listener(Listener::hear, &second);
  libmempool_snapshot const now{};
  tell_listeners(0, now);
  tell_listeners(0, now);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
}

TEST(Registry, who_unregisters_waits_for_a_call_in_flight) {
  struct Slow {
    std::atomic<bool> is_in = false, may_end = false, has_ended = false;
    static std::size_t usage(void* context) {
      auto& self = *static_cast<Slow*>(context);
      self.is_in = true;
      while (!self.may_end) std::this_thread::yield();
      self.has_ended = true;
      return 1;
    }
  } slow;
  long const id = add_holder("slow", Slow::usage, nullptr, &slow);
  std::thread asker{[] { ask_usage(nullptr, 0); }};
  while (!slow.is_in) std::this_thread::yield();
  std::thread releaser{[&] { slow.may_end = true; }};
  EXPECT_TRUE(remove(id));
  EXPECT_TRUE(slow.has_ended);
  asker.join();
  releaser.join();
}

}  // namespace
}  // namespace mempool::monitor
