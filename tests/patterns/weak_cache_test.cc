#include "mempool/weak_cache.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "level.hpp"

namespace mempool {
namespace {

/// Counts its objects, and can be neither copied nor moved.
struct thing {
  explicit thing(int n) : number{n} { ++alive; }
  thing(const thing&) = delete;
  thing& operator=(const thing&) = delete;
  virtual ~thing() { --alive; }
  int number;
  static inline std::atomic<int> alive{0};
};
struct large_thing : thing {
  using thing::thing;
  char bytes[200] = {};
};

using cache_of_things = weak_cache<std::string, thing, sync::mutex>;

// -- The seed's rows ------------------------------------------------------------------------------------------------

TEST(WeakCacheSeed, a_value_is_found_while_somebody_owns_it) {
  cache_of_things cache;
  auto const one = std::make_shared<thing>(1);
  cache.put("one", one);
  EXPECT_EQ(cache.get("one"), one);
  EXPECT_EQ(cache.get("two"), nullptr);
}

TEST(WeakCacheSeed, the_cache_keeps_nothing_alive) {
  cache_of_things cache;
  auto one = std::make_shared<thing>(1);
  cache.put("one", one);
  one.reset();
  EXPECT_EQ(thing::alive, 0);
  EXPECT_EQ(cache.get("one"), nullptr);
}

TEST(WeakCacheSeed, an_erased_entry_is_not_found_and_its_value_lives_on) {
  cache_of_things cache;
  auto one = std::make_shared<thing>(1);
  cache.put("one", one);
  EXPECT_TRUE(cache.erase("one"));
  EXPECT_EQ(cache.get("one"), nullptr);
  EXPECT_FALSE(cache.erase("one"));
  EXPECT_EQ(one->number, 1);
  cache.put("one", one);
  one.reset();
  EXPECT_FALSE(cache.erase("one")) << "there was an entry, but no value any more";
}

TEST(WeakCacheSeed, the_end_of_a_value_takes_its_entry_away_without_any_call) {
  cache_of_things cache;
  std::vector<std::shared_ptr<thing>> owners;
  for (int i = 0; i < 100; ++i) owners.push_back(cache.adopt(std::to_string(i), std::make_unique<thing>(i)));
  for (int i = 100; i < 200; ++i)
    owners.push_back(cache.get_or_create(std::to_string(i), [&](const std::string&) { return thing{i}; }));
  EXPECT_EQ(cache.stats().entries, 200u);
  owners.clear();
  EXPECT_EQ(cache.stats().entries, 0u);
  EXPECT_EQ(thing::alive, 0);
}

TEST(WeakCacheSeed, the_end_of_an_overwritten_value_leaves_the_new_entry) {
  cache_of_things cache;
  auto old_value = cache.adopt("k", std::make_unique<thing>(1));
  auto const new_value = cache.adopt("k", std::make_unique<thing>(2));
  old_value.reset();
  EXPECT_EQ(cache.get("k"), new_value);
  EXPECT_EQ(cache.stats().entries, 1u);
}

TEST(WeakCacheSeed, one_value_under_two_keys_is_erased_from_one_alone) {
  cache_of_things cache;
  auto const value = cache.adopt("x", std::make_unique<thing>(1));
  cache.put("y", value);
  EXPECT_TRUE(cache.erase("x"));
  EXPECT_EQ(cache.get("x"), nullptr);
  EXPECT_EQ(cache.get("y"), value);
}

// -- Creation -------------------------------------------------------------------------------------------------------

TEST(WeakCacheCreate, a_value_is_made_once_while_it_lives_and_again_when_it_has_died) {
  cache_of_things cache;
  int made = 0;
  auto const create = [&](const std::string&) { return thing{++made}; };
  auto first = cache.get_or_create("k", create);
  EXPECT_EQ(cache.get_or_create("k", create), first);
  EXPECT_EQ(made, 1);
  first.reset();
  EXPECT_EQ(cache.get_or_create("k", create)->number, 2);
}

TEST(WeakCacheCreate, may_return_an_object_of_a_derived_type_or_null) {
  cache_of_things cache;
  auto const large = cache.get_or_create("large", [](auto&) { return std::make_unique<large_thing>(1); });
  EXPECT_NE(dynamic_cast<large_thing*>(large.get()), nullptr);
  EXPECT_EQ(cache.get("large"), large);
  EXPECT_EQ(cache.get_or_create("none", [](auto&) { return std::unique_ptr<thing>{}; }), nullptr);
  EXPECT_EQ(cache.stats().entries, 1u);
}

TEST(WeakCacheCreate, a_create_that_throws_leaves_nothing_and_the_next_call_tries_again) {
  cache_of_things cache;
  auto const fail = [](const std::string&) -> thing { throw std::runtime_error{"no such thing"}; };
  EXPECT_THROW(cache.get_or_create("k", fail), std::runtime_error);
  EXPECT_EQ(cache.stats().entries, 0u);
  EXPECT_EQ(cache.get_or_create("k", [](auto&) { return thing{1}; })->number, 1);
}

TEST(WeakCacheCreate, a_put_during_a_create_wins_and_an_erase_keeps_its_value_out) {
  cache_of_things cache;
  auto const other = std::make_shared<thing>(2);
  auto const create_and = [&](auto meanwhile) {
    return cache.get_or_create("k", [&](auto&) {
      meanwhile();
      return thing{1};
    });
  };
  auto const own = create_and([&] { cache.put("k", other); });
  EXPECT_EQ(own->number, 1);
  EXPECT_EQ(cache.get("k"), other);
  cache.erase("k");
  EXPECT_EQ(create_and([&] { cache.erase("k"); })->number, 1);
  EXPECT_EQ(cache.get("k"), nullptr);
  auto const kept_out = create_and([&] { cache.clear(); });
  EXPECT_EQ(cache.get("k"), nullptr);
}

TEST(WeakCacheCreate, may_create_other_keys_but_not_its_own) {
  cache_of_things cache;
  std::shared_ptr<thing> inner;
  auto const outer = cache.get_or_create("outer", [&](auto&) {
    inner = cache.get_or_create("inner", [](auto&) { return thing{1}; });
    return thing{inner->number + 1};
  });
  EXPECT_EQ(outer->number, 2);
  auto const plain = [](const std::string&) { return thing{0}; };
  EXPECT_THROW(cache.get_or_create("own",
                                   [&](auto& key) {
                                     cache.get_or_create(key, plain);
                                     return thing{0};
                                   }),
               std::system_error);
  EXPECT_NE(cache.get_or_create("own", plain), nullptr);
}

TEST(WeakCacheCreate, threads_that_ask_for_one_key_wait_for_a_single_creation) {
  weak_cache<int, thing> cache;
  std::atomic<int> made{0};
  constexpr std::uint64_t others = 3;
  auto const ask = [&] {
    return cache.get_or_create(1, [&](int) {
      ++made;
      while (cache.stats().waits < others) std::this_thread::yield();
      return thing{1};
    });
  };
  std::vector<std::shared_ptr<thing>> found(others);
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < others; ++i) threads.emplace_back([&, i] { found[i] = ask(); });
  auto const mine = ask();
  threads.clear();
  for (auto const& each : found) EXPECT_EQ(each, mine);
  EXPECT_EQ(made, 1);
}

TEST(WeakCacheCreate, those_who_wait_for_a_creation_that_fails_get_its_error) {
  weak_cache<int, thing> cache;
  std::atomic<int> errors{0};
  auto const ask = [&] {
    try {
      cache.get_or_create(1, [&](int) -> thing {
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
  EXPECT_EQ(cache.get(1), nullptr);
}

TEST(WeakCacheCreate, what_is_null_is_refused) {
  cache_of_things cache;
  EXPECT_THROW(cache.put("k", nullptr), std::invalid_argument);
  EXPECT_THROW(cache.adopt("k", nullptr), std::invalid_argument);
}

// -- Lifetimes ------------------------------------------------------------------------------------------------------

TEST(WeakCacheLifetime, values_may_outlive_the_cache) {
  std::shared_ptr<thing> made;
  std::shared_ptr<thing> adopted;
  auto const put = std::make_shared<thing>(3);
  {
    weak_cache<int, thing> cache{{.keep_alive = 8}};
    made = cache.get_or_create(1, [](int) { return thing{1}; });
    adopted = cache.adopt(2, std::make_unique<large_thing>(2));
    cache.put(3, put);
  }
  EXPECT_EQ(thing::alive, 3);
  EXPECT_EQ(made->number + adopted->number, 3);
  made.reset();
  adopted.reset();
  EXPECT_EQ(thing::alive, 1);
}

TEST(WeakCacheLifetime, a_value_may_own_another_and_use_the_cache_when_it_ends) {
  struct owner {
    weak_cache<int, owner>* cache;
    int key;
    std::shared_ptr<owner> next;
    ~owner() { cache->erase(key + 1); }
  };
  weak_cache<int, owner> cache;
  std::shared_ptr<owner> last;
  for (int key = 0; key < 10; ++key)
    last = cache.get_or_create(key, [&](int) { return owner{&cache, key, std::move(last)}; });
  EXPECT_EQ(cache.stats().entries, 10u);
  last.reset();
  EXPECT_EQ(cache.stats().entries, 0u);
}

/// Counts the allocations of its objects; as large as values that get one of their own.
struct counted_allocation {
  static void* operator new(std::size_t size) {
    ++allocated;
    return ::operator new(size);
  }
  static void operator delete(void* block) {
    --allocated;
    ::operator delete(block);
  }
  static inline int allocated = 0;
  char bytes[128] = {};
};

TEST(WeakCacheLifetime, a_large_value_is_freed_though_a_weak_pointer_outlives_it) {
  weak_cache<int, counted_allocation> cache;
  auto value = cache.get_or_create(1, [](int) { return counted_allocation{}; });
  std::weak_ptr<counted_allocation> const watcher = value;
  EXPECT_EQ(counted_allocation::allocated, 1) << "it has an allocation of its own";
  value.reset();
  EXPECT_TRUE(watcher.expired());
  EXPECT_EQ(counted_allocation::allocated, 0);
}

TEST(WeakCacheLifetime, entries_of_values_put_and_dead_go_with_purge_or_as_others_come) {
  weak_cache<int, thing, sync::mutex> cache;
  {
    std::vector<std::shared_ptr<thing>> owners;
    for (int i = 0; i < 100; ++i) cache.put(i, owners.emplace_back(std::make_shared<thing>(i)));
  }
  EXPECT_EQ(cache.stats().entries, 100u);
  EXPECT_EQ(cache.purge(), 100u);
  EXPECT_EQ(cache.stats().entries, 0u);

  for (int i = 0; i < 100; ++i) cache.put(i, std::make_shared<thing>(i));
  auto const alive = std::make_shared<thing>(0);
  for (int i = 0; i < 64; ++i) cache.put(1'000, alive);
  EXPECT_EQ(cache.stats().entries, 1u);
}

using operation_list = std::vector<std::tuple<int, int>>;

RC_GTEST_PROP(WeakCacheProperty, finds_exactly_what_was_entered_last_and_is_owned, ()) {
  auto const operations = *rc::gen::container<operation_list>(
      rc::gen::tuple(rc::gen::inRange(0, 8), rc::gen::inRange(0, 12)));
  weak_cache<int, thing> cache{{.shards = 2}};
  std::map<int, std::weak_ptr<thing>> model;
  std::vector<std::shared_ptr<thing>> owners;
  int number = 0;
  auto const expected = [&](int key) {
    auto const found = model.find(key);
    return found == model.end() ? nullptr : found->second.lock();
  };
  for (auto const& [kind, key] : operations) {
    switch (kind) {
      case 0:
        owners.push_back(std::make_shared<thing>(++number));
        cache.put(key, owners.back());
        model[key] = owners.back();
        break;
      case 1:
        model[key] = owners.emplace_back(cache.adopt(key, std::make_unique<thing>(++number)));
        break;
      case 2: {
        auto const before = expected(key);
        auto const value = owners.emplace_back(cache.get_or_create(key, [&](int) { return thing{++number}; }));
        RC_ASSERT(before == nullptr || before == value);
        model[key] = value;
        break;
      }
      case 3:
        RC_ASSERT(cache.erase(key) == (expected(key) != nullptr));
        model.erase(key);
        break;
      case 4:
      case 5:
        if (!owners.empty()) owners.erase(owners.begin() + key % static_cast<int>(owners.size()));
        break;
      default:
        RC_ASSERT(cache.get(key) == expected(key));
    }
  }
  cache.purge();
  std::size_t alive = 0;
  for (auto const& [key, value] : model) alive += value.expired() ? 0u : 1u;
  RC_ASSERT(cache.stats().entries == alive);
  owners.clear();
  RC_ASSERT(thing::alive == 0);
}

// -- Soft mode ------------------------------------------------------------------------------------------------------

TEST(WeakCacheSoft, the_values_used_last_stay_alive_without_an_owner) {
  weak_cache<int, thing, sync::mutex> cache{{.keep_alive = 4}};
  for (int key = 0; key < 10; ++key) cache.adopt(key, std::make_unique<thing>(key));
  EXPECT_EQ(thing::alive, 4);
  EXPECT_EQ(cache.stats().kept, 4u);
  EXPECT_EQ(cache.stats().entries, 4u) << "the others took their entries with them";
  for (int key = 6; key < 10; ++key) EXPECT_NE(cache.get(key), nullptr) << key;
  cache.clear();
  EXPECT_EQ(thing::alive, 0);
}

TEST(WeakCacheSoft, what_was_used_since_gets_another_round) {
  weak_cache<int, thing, sync::mutex> cache{{.keep_alive = 4}};
  for (int key = 0; key < 4; ++key) cache.adopt(key, std::make_unique<thing>(key));
  cache.get(0);
  for (int key = 4; key < 7; ++key) cache.adopt(key, std::make_unique<thing>(key));
  EXPECT_NE(cache.get(0), nullptr);
  EXPECT_EQ(cache.get(1), nullptr);
}

TEST(WeakCacheSoft, an_erased_or_overwritten_value_is_let_go) {
  weak_cache<int, thing, sync::mutex> cache{{.keep_alive = 4}};
  cache.adopt(1, std::make_unique<thing>(1));
  cache.put(2, std::make_shared<thing>(2));
  EXPECT_EQ(thing::alive, 2);
  cache.put(1, std::make_shared<thing>(3));
  EXPECT_EQ(thing::alive, 2);
  EXPECT_TRUE(cache.erase(2));
  EXPECT_EQ(thing::alive, 1);
  EXPECT_EQ(cache.stats().kept, 1u);
}

TEST(WeakCacheSoft, at_warning_all_are_let_go_and_none_is_kept_until_it_is_over) {
  weak_cache<int, thing, sync::mutex> cache{{.keep_alive = 4, .weigh = [](const thing&) { return 1'000; }}};
  auto const owned = cache.adopt(0, std::make_unique<thing>(0));
  for (int key = 1; key < 4; ++key) cache.adopt(key, std::make_unique<thing>(key));
  EXPECT_EQ(cache.stats().kept_bytes, 4 * (1'000 + sizeof(thing)));
  std::size_t const before = cache.bytes();
  simulated_level now{level::warning};
  EXPECT_EQ(cache.shrink({.bytes = 1, .pass = pass::idle, .level = level::warning}), 3 * (1'000 + sizeof(thing)));
  EXPECT_EQ(thing::alive, 1);
  EXPECT_LE(cache.bytes(), before - 4 * (1'000 + sizeof(thing)));
  for (int key = 1; key < 200; ++key) cache.adopt(key, std::make_unique<thing>(key));
  EXPECT_EQ(thing::alive, 1);
  EXPECT_EQ(cache.get(0), owned) << "what somebody owns is found all the same";

  now.set(level::normal);
  cache.shrink({.bytes = 0, .pass = pass::benign, .level = level::normal});
  cache.adopt(1, std::make_unique<thing>(1));
  EXPECT_EQ(thing::alive, 2);
}

// -- Errors and threads ---------------------------------------------------------------------------------------------

TEST(WeakCacheOptions, what_is_out_of_range_is_refused_by_name) {
  auto const refusal = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  using sharded = weak_cache<int, thing>;
  EXPECT_EQ(refusal([] { sharded cache{{.shards = 2'000}}; }),
            "weak_cache: shards is 2000; 0 and powers of two up to 1024 are allowed");
  EXPECT_EQ(refusal([] { sharded cache{{.keep_alive = std::size_t{1} << 30}}; }),
            "weak_cache: keep_alive is 1073741824; 0 to 16777216 are allowed");
}

struct blown {};
/// Throws at the n-th thing that may throw.
struct fuse {
  static inline int left = 0;  // 0: out
  static void burn() {
    if (left > 0 && --left == 0) throw blown{};
  }
};
struct fragile_key {
  explicit fragile_key(int n) : number{n} {}
  fragile_key(const fragile_key& other) : number{other.number} { fuse::burn(); }
  fragile_key& operator=(const fragile_key&) = delete;
  int number;
};
struct fragile_hash {
  std::size_t operator()(const fragile_key& key) const {
    fuse::burn();
    return static_cast<std::size_t>(key.number);
  }
};
struct fragile_equal {
  bool operator()(const fragile_key& a, const fragile_key& b) const {
    fuse::burn();
    return a.number == b.number;
  }
};

TEST(WeakCacheErrors, whichever_call_throws_the_cache_is_as_it_was_and_goes_on) {
  using cache_type = weak_cache<fragile_key, thing, sync::mutex, fragile_hash, fragile_equal>;
  for (int nth = 1;; ++nth) {
    bool has_blown = false;
    {
      cache_type cache{{.weigh = [](const thing&) -> std::size_t {
        fuse::burn();
        return 1;
      }}};
      std::map<int, std::shared_ptr<thing>> model;
      auto const attempt = [&](auto&& call) {
        try {
          call();
        } catch (const blown&) {
          has_blown = true;
        }
      };
      fuse::left = nth;
      for (int i = 0; i < 30; ++i) {
        int const key = i % 11;
        attempt([&] { model[key] = cache.adopt(fragile_key{key}, std::make_unique<thing>(i)); });
        attempt([&] {
          auto value = std::make_shared<thing>(i);
          cache.put(fragile_key{20 + key}, value);
          model[20 + key] = std::move(value);
        });
        attempt([&] {
          model[40 + key] = cache.get_or_create(fragile_key{40 + key}, [&](const fragile_key&) {
            fuse::burn();
            return thing{i};
          });
        });
        int const erased = i % 5;
        attempt([&] {
          cache.erase(fragile_key{erased});
          model.erase(erased);
        });
        attempt([&] { cache.get(fragile_key{key}); });
      }
      fuse::left = 0;
      cache.purge();
      ASSERT_EQ(cache.stats().entries, model.size()) << nth;
      for (auto const& [key, value] : model) ASSERT_EQ(cache.get(fragile_key{key}), value) << nth;
    }
    ASSERT_EQ(thing::alive, 0) << nth;
    if (!has_blown) break;
  }
}

template <class Sync>
void share_between_threads(std::size_t keep_alive) {
  std::atomic<bool> is_wrong{false};
  {
    weak_cache<int, thing, Sync> cache{{.keep_alive = keep_alive, .name = "test"}};
    auto const work = [&](unsigned seed) {
      std::mt19937 random{seed};
      std::vector<std::shared_ptr<thing>> owned(16);
      for (int i = 0; i < 3'000; ++i) {
        int const key = static_cast<int>(random() % 64);
        std::shared_ptr<thing>& slot = owned[random() % owned.size()];
        switch (random() % 8) {
          case 0:
            slot = cache.adopt(key, std::make_unique<thing>(key));
            break;
          case 1:
            cache.erase(key);
            break;
          case 2:
            slot = std::make_shared<thing>(key);
            cache.put(key, slot);
            break;
          case 3:
            slot = cache.get(key);
            if (slot && slot->number != key) is_wrong = true;
            break;
          default:
            slot = cache.get_or_create(key, [](int k) { return thing{k}; });
            if (slot->number != key) is_wrong = true;
        }
      }
    };
    std::jthread one{work, 1u};
    std::jthread two{work, 2u};
    for (int i = 0; i < 50; ++i) {
      cache.shrink({.bytes = 1, .pass = pass::idle, .level = level::warning});
      cache.shrink({.bytes = 1, .pass = pass::benign, .level = level::normal});
      if (cache.stats().kept > keep_alive || cache.bytes() == 0) is_wrong = true;
    }
    one.join();
    two.join();
    cache.purge();
    if (cache.stats().entries != cache.stats().kept) is_wrong = true;  // nobody else owns anything now
  }
  EXPECT_FALSE(is_wrong);
  EXPECT_EQ(thing::alive, 0);
}

TEST(WeakCacheThreads, share_a_cache_with_one_lock) { share_between_threads<sync::mutex>(0); }
TEST(WeakCacheThreads, share_a_sharded_cache) { share_between_threads<sync::sharded>(0); }
TEST(WeakCacheThreads, share_a_sharded_cache_that_keeps_some_alive) { share_between_threads<sync::sharded>(16); }

}  // namespace
}  // namespace mempool
