#include "mempool/object_pool.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory_resource>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace mempool {
namespace {

using namespace std::chrono_literals;

/// What became of parts, and when something is to fail. Counts calls from 1; 0 fails none.
struct ledger {
  int created = 0, recycled = 0, retired = 0, destroyed = 0;
  int create_calls = 0, recycle_calls = 0;
  int fail_create = 0, fail_recycle = 0;
};

/// Stays where it was made.
class part {
 public:
  explicit part(ledger& book) : book_{&book} { ++book.created; }
  part(const part&) = delete;
  part& operator=(const part&) = delete;
  ~part() { ++book_->destroyed; }
  int value = 0;

 private:
  ledger* book_;
};

struct part_policy {
  ledger* book;
  part create() {
    if (++book->create_calls == book->fail_create) throw std::runtime_error{"create"};
    return part{*book};
  }
  void recycle(part& used) {
    if (++book->recycle_calls == book->fail_recycle) throw std::runtime_error{"recycle"};
    ++book->recycled;
    used.value = 0;
  }
  void retire(part&) noexcept { ++book->retired; }
};
struct eager_part_policy : part_policy {
  static constexpr recycling mode = recycling::eager;
};

using part_pool = object_pool<part, part_policy>;

/// Counts what it supplies; refuses one call, counted from 1.
class accounted : public std::pmr::memory_resource {
 public:
  std::size_t out = 0;
  int calls = 0, refuse = 0;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (++calls == refuse) throw std::bad_alloc{};
    out += bytes;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    out -= bytes;
    std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

// -- What the seed does

TEST(ObjectPool, is_filled_with_ten_objects_where_nothing_else_is_said) {
  ledger book;
  part_pool pool{part_policy{&book}};
  EXPECT_EQ(book.created, 10);
  EXPECT_EQ(pool.size(), 10u);
}

TEST(ObjectPool, keeps_a_hundred_idle_objects_at_most_where_nothing_else_is_said) {
  ledger book;
  part_pool pool{part_policy{&book}};
  std::vector<part_pool::handle> parts;
  for (int i = 0; i < 150; ++i) parts.push_back(pool.acquire());
  parts.clear();
  EXPECT_EQ(pool.size(), 100u);
}

TEST(ObjectPool, hands_out_what_came_back_last) {
  ledger book;
  part_pool pool{part_policy{&book}};
  auto first = pool.acquire(), second = pool.acquire();
  part* const last = first.get();
  second.reset();
  first.reset();
  EXPECT_EQ(pool.acquire().get(), last);
}

TEST(ObjectPool, makes_an_object_where_none_is_idle) {
  ledger book;
  part_pool pool{part_policy{&book}, {.initial = 1}};
  auto first = pool.acquire();
  EXPECT_EQ(book.created, 1);
  auto second = pool.acquire();
  EXPECT_EQ(book.created, 2);
  EXPECT_NE(first.get(), second.get());
}

TEST(ObjectPool, resets_an_object_when_it_comes_back) {
  ledger book;
  part_pool pool{part_policy{&book}, {.initial = 1}};
  pool.acquire()->value = 7;
  EXPECT_EQ(book.recycled, 1);
  EXPECT_EQ(pool.acquire()->value, 0);
}

TEST(ObjectPool, drops_what_comes_back_to_a_full_pool_without_resetting_it) {
  ledger book;
  part_pool pool{part_policy{&book}, {.initial = 2, .max_idle = 2}};
  {
    auto a = pool.acquire(), b = pool.acquire(), c = pool.acquire();
  }
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_EQ(book.recycled, 2);
  EXPECT_EQ(book.destroyed, 1);
}

TEST(ObjectPool, clear_drops_what_is_idle_and_leaves_what_is_in_use) {
  ledger book;
  part_pool pool{part_policy{&book}};
  auto kept = pool.acquire();
  pool.clear();
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(book.destroyed, 9);
  kept.reset();
  EXPECT_EQ(pool.size(), 1u);
}

TEST(ObjectPool, size_is_the_number_of_idle_objects) {
  object_pool<int> pool{{.initial = 3}};
  EXPECT_EQ(pool.size(), 3u);
  auto const taken = pool.acquire();
  EXPECT_EQ(pool.size(), 2u);
}

// -- What the seed does not

TEST(ObjectPool, an_object_that_equals_zero_is_as_good_as_any) {
  object_pool<int> pool{{.initial = 3}};
  { auto a = pool.acquire(), b = pool.acquire(); }
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_EQ(pool.stats().made, 3u);
}

TEST(ObjectPool, makes_no_more_at_the_start_than_it_may_keep_or_hand_out) {
  EXPECT_EQ((object_pool<int>{{.initial = 10, .max_idle = 5}}.size()), 5u);
  EXPECT_EQ((object_pool<int>{{.initial = 10, .max_live = 4}}.size()), 4u);
}

TEST(ObjectPool, a_reset_that_throws_costs_that_object_and_nothing_else) {
  ledger book;
  book.fail_recycle = 1;
  part_pool pool{part_policy{&book}, {.initial = 1}};
  pool.acquire().reset();
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(book.destroyed, 1);
  EXPECT_EQ(pool.stats().faults, 1u);
  pool.acquire().reset();
  EXPECT_EQ(pool.size(), 1u);
}

TEST(ObjectPool, an_object_goes_home_whichever_pool_its_handle_is_next_to) {
  ledger book;
  part_pool one{part_policy{&book}, {.initial = 1}}, other{part_policy{&book}, {.initial = 1}};
  auto borrowed = one.acquire();
  auto own = other.acquire();
  std::swap(borrowed, own);
  borrowed.reset();
  EXPECT_EQ(one.size(), 0u);
  EXPECT_EQ(other.size(), 1u);
  own.reset();
  EXPECT_EQ(one.size(), 1u);
}

TEST(ObjectPool, every_object_is_retired_once_wherever_it_ends) {
  ledger book;
  {
    part_pool pool{part_policy{&book}, {.initial = 1, .max_idle = 1}};
    { auto a = pool.acquire(), b = pool.acquire(); }
    EXPECT_EQ(book.retired, 1) << "the one the full pool did not keep";
    pool.clear();
    EXPECT_EQ(book.retired, 2) << "the idle one";
    pool.acquire().reset();
  }
  EXPECT_EQ(book.retired, 3) << "the one that went with the pool";
  EXPECT_EQ(book.created, 3);
}

TEST(ObjectPool, a_factory_that_throws_while_the_pool_is_filled_leaves_nothing_behind) {
  for (int nth = 1; nth <= 10; ++nth) {
    ledger book;
    accounted memory;
    book.fail_create = nth;
    EXPECT_THROW((pmr::object_pool<part, part_policy>{part_policy{&book}, {}, &memory}), std::runtime_error);
    EXPECT_EQ(book.created, nth - 1);
    EXPECT_EQ(book.retired, nth - 1);
    EXPECT_EQ(book.destroyed, nth - 1);
    EXPECT_EQ(memory.out, 0u);
  }
}

#ifndef NDEBUG
TEST(ObjectPoolDeathTest, an_object_that_comes_back_twice_traps_in_a_debug_build) {
  object_pool<int> pool{{.initial = 0}};
  int* const raw = pool.acquire().detach();
  pool.adopt(raw).reset();
  EXPECT_DEATH(pool.adopt(raw).reset(), "came back twice");
}
#endif

// -- Handles

TEST(PoolHandle, moves_its_object_and_gives_back_the_one_it_had) {
  object_pool<int> pool{{.initial = 2}};
  auto a = pool.acquire(), b = pool.acquire();
  int* const of_b = b.get();
  a = std::move(b);
  EXPECT_EQ(a.get(), of_b);
  EXPECT_FALSE(b);
  EXPECT_EQ(pool.size(), 1u);
  b.reset();
  EXPECT_EQ(pool.size(), 1u) << "an empty handle gives nothing back";
}

TEST(PoolHandle, carries_its_object_through_a_plain_pointer_and_back) {
  object_pool<int> pool{{.initial = 1}};
  void* const context = pool.acquire().detach();
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(pool.stats().live, 1u);
  { auto const handle = pool.adopt(static_cast<int*>(context)); }
  EXPECT_EQ(pool.size(), 1u);
}

TEST(PoolHandle, shared_ownership_ends_with_the_last_owner) {
  object_pool<int> pool{{.initial = 1}};
  std::shared_ptr<int> one = pool.acquire_shared();
  std::shared_ptr<int> two = one;
  std::weak_ptr<int> const weak = one;
  one.reset();
  EXPECT_EQ(pool.size(), 0u);
  two.reset();
  EXPECT_EQ(pool.size(), 1u);
  EXPECT_TRUE(weak.expired());
}

template <class Sync>
class PoolOfAnySync : public testing::Test {};
using Syncs = testing::Types<sync::none, sync::mutex, sync::sharded>;
TYPED_TEST_SUITE(PoolOfAnySync, Syncs);

TYPED_TEST(PoolOfAnySync, its_handles_may_outlive_it) {
  ledger book;
  accounted memory;
  {
    using pool_type = pmr::object_pool<part, part_policy, TypeParam>;
    typename pool_type::handle survivor;
    std::shared_ptr<part> shared;
    {
      pool_type pool{part_policy{&book}, {.initial = 3}, &memory};
      survivor = pool.acquire();
      shared = pool.acquire_shared();
    }
    EXPECT_EQ(book.destroyed, 1);
    survivor->value = 1;
    survivor.reset();
    EXPECT_EQ(book.destroyed, 2);
    shared->value = 2;
  }
  EXPECT_EQ(book.destroyed, 3);
  EXPECT_EQ(book.retired, 3);
  EXPECT_EQ(memory.out, 0u);
}

TYPED_TEST(PoolOfAnySync, keeps_as_many_as_it_may_though_one_thread_brings_them_all) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.initial = 0, .max_idle = 37}};
  std::vector<typename decltype(pool)::handle> handles;
  for (int i = 0; i < 50; ++i) handles.push_back(pool.acquire());
  handles.clear();
  EXPECT_EQ(pool.size(), 37u);
  for (int i = 0; i < 37; ++i) handles.push_back(pool.acquire());
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(pool.stats().made, 50u);
  EXPECT_EQ(pool.stats().reused, 37u);
  EXPECT_EQ(pool.stats().peak, 50u);
}

TYPED_TEST(PoolOfAnySync, keeps_nothing_where_max_idle_is_zero) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.max_idle = 0}};
  pool.acquire().reset();
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(pool.bytes(), 0u);
}

// -- Policies

struct picky_policy {
  std::string create() const { return "new"; }
  bool recycle(std::string& used) const { return used != "broken"; }
};

TEST(PoolPolicy, may_refuse_to_keep_an_object) {
  object_pool<std::string, picky_policy> pool{{.initial = 1}};
  *pool.acquire() = "broken";
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(*pool.acquire(), "new");
  EXPECT_EQ(pool.size(), 1u);
}

struct functions {
  std::function<int()> create;
  std::function<void(int&)> recycle;
};

TEST(PoolPolicy, may_be_two_functions_as_in_the_seed) {
  int next = 0;
  object_pool<int, functions> pool{functions{[&] { return ++next; }, [](int& used) { used = -1; }}, {.initial = 2}};
  EXPECT_EQ(*pool.acquire(), 2);
  EXPECT_EQ(*pool.acquire(), -1);
}

TEST(EagerPool, builds_an_object_for_each_use_and_keeps_the_block) {
  ledger book;
  object_pool<part, eager_part_policy> pool{eager_part_policy{{&book}}, {.initial = 1}};
  EXPECT_EQ(book.created, 0);
  part* first = nullptr;
  {
    auto const handle = pool.acquire();
    first = handle.get();
    EXPECT_EQ(book.created, 1);
  }
  EXPECT_EQ(book.destroyed, 1);
  EXPECT_EQ(book.retired, 1);
  EXPECT_EQ(book.recycled, 0);
  EXPECT_EQ(pool.acquire().get(), first);
  EXPECT_EQ(pool.stats().made, 1u);
}

TEST(EagerPool, keeps_the_block_where_the_factory_throws) {
  ledger book;
  book.fail_create = 1;
  object_pool<part, eager_part_policy> pool{eager_part_policy{{&book}}, {.initial = 1}};
  EXPECT_THROW(pool.acquire(), std::runtime_error);
  EXPECT_EQ(pool.size(), 1u);
  EXPECT_TRUE(pool.acquire());
}

TEST(ObjectPool, a_factory_that_throws_leaves_the_pool_as_it_was) {
  ledger book;
  part_pool pool{part_policy{&book}, {.initial = 0, .max_live = 1}};
  book.fail_create = 1;
  EXPECT_THROW(pool.acquire(), std::runtime_error);
  EXPECT_EQ(pool.stats().live, 0u);
  EXPECT_TRUE(pool.acquire()) << "the failure takes no place of max_live";
}

TEST(ObjectPool, objects_are_aligned_as_their_type_asks) {
  struct alignas(256) wide {
    char bytes[256];
  };
  object_pool<wide> pool{{.initial = 3}};
  auto const a = pool.acquire(), b = pool.acquire();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.get()) % 256, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.get()) % 256, 0u);
}

struct link_policy;
struct link {
  object_pool<link, link_policy>::handle next;
};
struct link_policy {
  ledger* book = nullptr;
  link create() const { return {}; }
  void recycle(link& used) const { used.next.reset(); }
  void retire(link&) const noexcept { ++book->retired; }
};

TEST(ObjectPool, an_object_may_hold_another_of_its_own_pool) {
  ledger book;
  {
    object_pool<link, link_policy> pool{link_policy{&book}, {.initial = 0, .max_idle = 2}};
    auto chain = pool.acquire();
    for (int length = 1; length < 5; ++length) {
      auto longer = pool.acquire();
      longer->next = std::move(chain);
      chain = std::move(longer);
    }
    chain.reset();
    EXPECT_EQ(pool.size(), 2u);
    EXPECT_EQ(pool.stats().live, 0u);
    EXPECT_EQ(book.retired, 3);
  }
  EXPECT_EQ(book.retired, 5);
}

// -- Limits and memory

TEST(ObjectPool, hands_out_no_more_than_max_live_at_once) {
  object_pool<int> pool{{.initial = 0, .max_live = 2}};
  auto a = pool.acquire();
  auto const b = pool.acquire();
  EXPECT_FALSE(pool.try_acquire());
  EXPECT_THROW(pool.acquire(), pool_exhausted);
  a.reset();
  EXPECT_TRUE(pool.try_acquire());
}

TEST(ObjectPool, a_bad_option_is_named_with_its_value_and_what_is_allowed) {
  try {
    object_pool<int>{{.max_idle = 20'000'000}};
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "object_pool: max_idle is 20000000, and may be 0 to 16777216");
  }
  EXPECT_THROW((object_pool<int>{{.max_live = 0}}), std::invalid_argument);
}

TEST(ObjectPool, takes_all_its_memory_from_its_allocator_and_survives_its_refusing_any_one_call) {
  for (int nth = 1;; ++nth) {
    ledger book;
    accounted memory;
    memory.refuse = nth;
    bool refused = false;
    try {
      pmr::object_pool<part, part_policy> pool{part_policy{&book}, {.initial = 2}, &memory};
      auto const a = pool.acquire(), b = pool.acquire(), c = pool.acquire();
      auto const shared = pool.acquire_shared();
      EXPECT_EQ(pool.stats().live, 4u);
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    EXPECT_EQ(memory.out, 0u);
    EXPECT_EQ(book.created, book.destroyed);
    EXPECT_EQ(book.created, book.retired);
    if (!refused) break;  // no call left to refuse
    ASSERT_LT(nth, 100);
  }
}

TEST(ObjectPool, gives_back_the_spare_in_the_benign_pass_and_all_that_is_idle_in_the_others) {
  object_pool<std::array<char, 100>> pool{{.initial = 2, .max_idle = 10}};
  std::vector<decltype(pool)::handle> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(pool.acquire());
  handles.clear();
  EXPECT_EQ(pool.bytes(), 1000u);
  EXPECT_EQ(pool.shrink({150, pass::benign, level::warning}), 200u) << "as many as it takes, and no more";
  EXPECT_EQ(pool.size(), 8u);
  EXPECT_EQ(pool.shrink({SIZE_MAX, pass::benign, level::warning}), 600u);
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_EQ(pool.shrink({SIZE_MAX, pass::idle, level::warning}), 200u);
  EXPECT_EQ(pool.bytes(), 0u);
}

struct text_policy {
  std::string create() const { return {}; }
  std::size_t footprint(const std::string& idle) const noexcept { return idle.capacity(); }
};

TEST(ObjectPool, counts_what_idle_objects_own_where_the_policy_can_tell) {
  object_pool<std::string, text_policy> pool{{.initial = 1}};
  std::size_t const empty = pool.bytes();
  pool.acquire()->reserve(1000);
  EXPECT_GE(pool.bytes(), empty + 900);
  EXPECT_GE(pool.shrink({1, pass::destructive, level::critical}), 1000u);
  EXPECT_EQ(pool.bytes(), 0u);
}

TEST(ObjectPool, of_one_thread_gives_back_at_its_next_acquire_after_the_monitor_asked) {
  auto const& library = detail::api::get();
  if (!library.is_there()) GTEST_SKIP() << "libmempool is not in this process";
  long const listening = library.on_pressure([](int, const ::libmempool_snapshot*, void*) {}, nullptr);
  if (listening == 0) GTEST_SKIP() << "no monitor may run here";
  ledger book;
  part_pool pool{part_policy{&book}, {.initial = 5}};
  std::uint32_t const* const epoch = library.epoch();
  std::uint32_t const before = __atomic_load_n(epoch, __ATOMIC_RELAXED);
  library.simulate(LIBMEMPOOL_CRITICAL);
  while (__atomic_load_n(epoch, __ATOMIC_RELAXED) == before) std::this_thread::yield();
  for (int i = 0; i < 256 && book.retired == 0; ++i) pool.acquire().reset();
  EXPECT_GE(book.retired, 5);
  library.simulate(-1);
  library.unregister(listening);
}

// -- Threads

template <class Sync>
class SharedPool : public testing::Test {};
using SharedSyncs = testing::Types<sync::mutex, sync::sharded>;
TYPED_TEST_SUITE(SharedPool, SharedSyncs);

TYPED_TEST(SharedPool, never_hands_one_object_to_two_threads) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.initial = 2, .max_idle = 3, .max_live = 8}};
  auto const use = [&pool](int mark) {
    for (int round = 0; round < 500; ++round) {
      auto const handle = pool.acquire();
      *handle = mark;  // TSan tells if another thread has it too
      if (round % 7 == 0) std::this_thread::yield();
      ASSERT_EQ(*handle, mark);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int mark = 1; mark <= 4; ++mark) threads.emplace_back(use, mark);
  }
  EXPECT_EQ(pool.stats().live, 0u);
  EXPECT_LE(pool.size(), 3u);
}

TYPED_TEST(SharedPool, objects_may_go_back_from_another_thread_than_acquired_them) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.initial = 0}};
  for (int round = 0; round < 50; ++round) {
    auto a = pool.acquire(), b = pool.acquire();
    std::jthread{[x = std::move(a), y = std::move(b)] {}};
  }
  EXPECT_EQ(pool.stats().made, 2u) << "what another thread brought back is found before one is made";
}

TYPED_TEST(SharedPool, an_acquire_with_a_timeout_waits_for_an_object_to_come_back) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.initial = 1, .max_live = 1}};
  auto const use = [&pool] {
    for (int round = 0; round < 300; ++round) ASSERT_TRUE(pool.try_acquire(10min)) << "a wake-up was lost";
  };
  std::jthread const a{use}, b{use}, c{use};
}

struct wasteful_policy {
  int create() const { return 0; }
  bool recycle(int&) const { return false; }
};

TYPED_TEST(SharedPool, an_acquire_with_a_timeout_waits_for_the_place_of_one_that_was_let_go) {
  object_pool<int, wasteful_policy, TypeParam> pool{{.initial = 0, .max_live = 1}};
  auto const use = [&pool] {
    for (int round = 0; round < 300; ++round) ASSERT_TRUE(pool.try_acquire(10min)) << "a wake-up was lost";
  };
  std::jthread const a{use}, b{use};
}

TYPED_TEST(SharedPool, an_acquire_with_a_timeout_gives_up_in_the_end) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.max_live = 1}};
  auto const held = pool.acquire();
  EXPECT_FALSE(pool.try_acquire(1ms));
  EXPECT_FALSE(pool.try_acquire(-1h));
}

struct counted {
  static inline std::atomic<int> alive{0};
  counted() { ++alive; }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  ~counted() { --alive; }
};

TYPED_TEST(SharedPool, may_go_while_other_threads_bring_its_objects_back) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::jthread> threads;
    object_pool<counted, default_pool_policy<counted>, TypeParam> pool{{.initial = 1}};
    for (int i = 0; i < 3; ++i) threads.emplace_back([handle = pool.acquire()]() mutable { handle.reset(); });
  }
  EXPECT_EQ(counted::alive.load(), 0);
}

TYPED_TEST(SharedPool, may_be_shrunk_and_looked_at_while_others_use_it) {
  object_pool<int, default_pool_policy<int>, TypeParam> pool{{.initial = 4, .name = "numbers"}};
  std::jthread const user{[&pool] {
    for (int round = 0; round < 500; ++round) {
      auto const a = pool.acquire(), b = pool.acquire();
    }
  }};
  for (int round = 0; round < 200; ++round) {
    pool.shrink({SIZE_MAX, pass::destructive, level::critical});
    EXPECT_LE(pool.bytes(), 100 * sizeof(int));
    EXPECT_LE(pool.stats().idle, 100u);
  }
}

// -- Whatever the order

/// acquire, bring back, clear and shrink in any order, with factories and resets that throw now and then.
template <class Policy>
void behaves_in_any_order(const std::vector<std::uint8_t>& steps) {
  ledger book;
  auto const max_idle = *rc::gen::inRange<std::size_t>(0, 6);
  auto const max_live = *rc::gen::inRange<std::size_t>(1, 8);
  book.fail_create = *rc::gen::inRange(0, 20);
  book.fail_recycle = *rc::gen::inRange(0, 20);
  std::vector<typename object_pool<part, Policy>::handle> live;
  try {
    Policy policy{};
    policy.book = &book;
    object_pool<part, Policy> pool{policy, {.initial = 3, .max_idle = max_idle, .max_live = max_live}};
    for (std::uint8_t const step : steps) {
      switch (step % 6) {
        case 0:
        case 1:
        case 2:
          try {
            if (auto handle = pool.try_acquire())
              live.push_back(std::move(handle));
            else
              RC_ASSERT(live.size() == max_live);
          } catch (const std::runtime_error&) {
          }
          break;
        case 3:
        case 4:
          if (!live.empty()) live.erase(live.begin() + step % static_cast<int>(live.size()));
          break;
        case 5: pool.shrink({step, step % 4 < 2 ? pass::benign : pass::destructive, level::warning}); break;
      }
      std::set<const part*> objects;
      for (auto const& handle : live) objects.insert(handle.get());
      RC_ASSERT(objects.size() == live.size());
      auto const now = pool.stats();
      RC_ASSERT(now.idle <= max_idle);
      RC_ASSERT(now.live == live.size());
      RC_ASSERT(now.live <= max_live);
      RC_ASSERT(now.idle + now.live <= now.peak);
      RC_ASSERT(pool.bytes() == (now.idle + now.live) * sizeof(part));
      bool const is_eager = requires { requires Policy::mode == recycling::eager; };
      RC_ASSERT(static_cast<std::size_t>(book.created - book.destroyed) == now.live + (is_eager ? 0 : now.idle));
    }
  } catch (const std::runtime_error&) {
    RC_ASSERT(book.create_calls == book.fail_create);
  }
  live.clear();
  RC_ASSERT(book.created == book.destroyed);
  RC_ASSERT(book.created == book.retired);
}

RC_GTEST_PROP(ObjectPoolInAnyOrder, keeps_its_limits_and_retires_every_object_once, (std::vector<std::uint8_t> steps)) {
  behaves_in_any_order<part_policy>(steps);
}
RC_GTEST_PROP(ObjectPoolInAnyOrder, keeps_its_limits_where_it_is_eager, (std::vector<std::uint8_t> steps)) {
  behaves_in_any_order<eager_part_policy>(steps);
}

}  // namespace
}  // namespace mempool
