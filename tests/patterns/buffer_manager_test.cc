#include "mempool/buffer_manager.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {
/// Calls of operator new in this thread until one fails; 0: none does.
thread_local int new_calls_left = 0;
}  // namespace

// Not inline: a compiler that sees malloc under one operator and not the other takes them for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (new_calls_left != 0 && --new_calls_left == 0) throw std::bad_alloc{};
  if (void* const block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace mempool {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;

/// Stands still until a test moves it.
struct fake_clock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<fake_clock>;
  [[maybe_unused]] static constexpr bool is_steady = true;
  static inline duration time{0};
  static time_point now() noexcept { return time_point{time}; }
};
using aging_manager = basic_buffer_manager<sync::none, fake_clock>;
using local_manager = basic_buffer_manager<sync::none>;

bool is_zero(const buffer& of) {
  return std::all_of(of.begin(), of.end(), [](std::byte b) { return b == std::byte{0}; });
}
void fill(buffer& of) { std::fill(of.begin(), of.end(), std::byte{0xAB}); }

/// Leaves `count` idle blocks that hold `size` bytes.
template <class Manager>
void leave_idle(Manager& buffers, std::size_t size, int count) {
  std::vector<buffer> held;
  for (int i = 0; i < count; ++i) held.push_back(buffers.allocate(size));
}

// -- What the seed does

TEST(BufferManager, has_a_hundred_mebibytes_where_nothing_else_is_said) {
  EXPECT_EQ(buffer_manager{}.stats().max_bytes, 100 * kMiB);
}

TEST(BufferManager, takes_blocks_of_the_next_power_of_two) {
  local_manager buffers;
  EXPECT_EQ(buffers.allocate(100).capacity(), 128u);
  EXPECT_EQ(buffers.allocate(128).capacity(), 128u);
  EXPECT_EQ(buffers.allocate(129).capacity(), 256u);
  EXPECT_EQ(buffers.allocate(1).capacity(), 64u);
  EXPECT_EQ(buffers.allocate(kMiB + 1).capacity(), 2 * kMiB);
}

TEST(BufferManager, reuses_what_came_back_last_for_a_size_of_the_same_class) {
  local_manager buffers;
  auto a = buffers.allocate(1000), b = buffers.allocate(1000);
  auto* const block = a.data();
  b.reset();
  a.reset();
  EXPECT_EQ(buffers.allocate(600).data(), block);
  EXPECT_EQ(buffers.stats().hits, 1u);
  EXPECT_EQ(buffers.stats().misses, 2u);
}

TEST(BufferManager, throws_where_the_budget_is_used_up) {
  local_manager buffers{{.max_bytes = 1024}};
  auto const half = buffers.allocate(512);
  auto const other_half = buffers.allocate(512);
  EXPECT_THROW(buffers.allocate(1), budget_exceeded);
  EXPECT_THROW(buffers.allocate(1), std::bad_alloc);
  EXPECT_FALSE(buffers.try_allocate(1).has_value());
  EXPECT_EQ(buffers.stats().refused, 3u);
}

TEST(BufferManager, a_buffer_that_comes_back_is_overwritten_with_zeros) {
  local_manager buffers;
  auto used = buffers.allocate(100);
  fill(used);
  auto* const block = used.data();
  used.reset();
  auto const next = buffers.allocate(100);
  EXPECT_EQ(next.data(), block);
  EXPECT_TRUE(is_zero(next));
}

TEST(BufferManager, a_trim_that_hurts_nobody_keeps_ten_blocks_of_a_size) {
  local_manager buffers{{.idle_after = 0ms}};
  leave_idle(buffers, 1024, 15);
  leave_idle(buffers, 2048, 3);
  EXPECT_EQ(buffers.shrink({SIZE_MAX, pass::benign, level::normal}), 5 * 1024u);
  EXPECT_EQ(buffers.stats().idle_blocks[10], 10u);
  EXPECT_EQ(buffers.stats().idle_blocks[11], 3u);
}

TEST(BufferManager, tells_what_it_holds_and_how_many_blocks_of_each_size_are_idle) {
  local_manager buffers;
  auto const held = buffers.allocate(5000);
  leave_idle(buffers, 100, 2);
  auto const now = buffers.stats();
  EXPECT_EQ(now.reserved, 8192u + 2 * 128);
  EXPECT_EQ(now.in_use, 8192u);
  EXPECT_EQ(now.idle, 256u);
  EXPECT_EQ(now.idle_blocks[7], 2u);
  EXPECT_EQ(buffers.bytes(), now.reserved);
}

// -- What the seed does not

TEST(BufferManager, a_buffer_has_the_size_that_was_asked_for) {
  local_manager buffers;
  EXPECT_EQ(buffers.allocate(100).size(), 100u);
}

TEST(BufferManager, a_buffer_of_no_bytes_is_empty_and_counts_for_nothing) {
  local_manager buffers{{.max_bytes = 64}};
  auto const all = buffers.allocate(64);
  auto none = buffers.allocate(0);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.capacity(), 0u);
  EXPECT_TRUE(buffers.try_allocate(0).has_value());
  EXPECT_EQ(std::move(none).share().slice(0).size(), 0u);
  EXPECT_EQ(buffers.stats().in_use, 64u);
}

TEST(BufferManager, a_size_beyond_reason_is_refused_like_any_that_does_not_fit) {
  local_manager buffers{{.max_bytes = SIZE_MAX}};
  for (std::size_t const size : {SIZE_MAX, SIZE_MAX / 2 + 2, (std::size_t{1} << 47) + 1})
    EXPECT_THROW(buffers.allocate(size), budget_exceeded) << size;
  EXPECT_EQ(buffers.bytes(), 0u);
}

TEST(BufferManager, idle_memory_is_no_reason_to_fail) {
  local_manager buffers{{.max_bytes = kMiB}};
  leave_idle(buffers, 64 * kKiB, 10);
  auto const half = buffers.allocate(512 * kKiB);
  auto const now = buffers.stats();
  EXPECT_EQ(now.in_use, 512 * kKiB);
  EXPECT_LE(now.reserved, kMiB);
  EXPECT_GT(now.idle, 0u) << "no more goes than has to";
}

TEST(BufferManager, what_cannot_fit_is_refused_before_anything_idle_goes_for_it) {
  local_manager buffers{{.max_bytes = kMiB}};
  auto const held = buffers.allocate(kMiB / 2);
  leave_idle(buffers, 1024, 10);
  EXPECT_FALSE(buffers.try_allocate(kMiB).has_value());
  EXPECT_FALSE(buffers.try_allocate(2 * kMiB).has_value());
  EXPECT_EQ(buffers.stats().idle, 10 * kKiB);
}

TEST(BufferManager, detects_the_release_of_a_foreign_pointer) {
  local_manager buffers, others;
  std::byte* const theirs = others.allocate(100).detach();
  int local = 0;
  EXPECT_THROW(buffers.release(&local), std::invalid_argument);
  try {
    buffers.release(theirs);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string{error.what()}.find("no buffer::detach of this manager's gave away"), std::string::npos);
  }
  EXPECT_EQ(buffers.stats().idle, 0u);
  others.release(theirs);
  EXPECT_EQ(others.stats().idle, 128u);
}

TEST(BufferManager, detects_a_double_release) {
  local_manager buffers;
  std::byte* const raw = buffers.allocate(100).detach();
  buffers.release(raw);
  try {
    buffers.release(raw);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string{error.what()}.find("released already"), std::string::npos);
  }
  EXPECT_EQ(buffers.stats().idle, 128u);
  auto const next = buffers.allocate(100);
  EXPECT_EQ(next.data(), raw);
  EXPECT_THROW(buffers.release(raw), std::invalid_argument) << "it is the buffer's now";
}

TEST(BufferManager, a_buffer_that_is_dropped_leaves_the_account) {
  local_manager buffers{{.max_bytes = kMiB}};
  for (int i = 0; i < 100; ++i) static_cast<void>(buffers.allocate(kMiB));
  EXPECT_EQ(buffers.stats().in_use, 0u);
}

TEST(BufferManager, a_new_buffer_reads_as_zeros_like_one_that_was_used) {
  for (auto const when : {scrub::on_release, scrub::on_reuse}) {
    local_manager buffers{{.scrub = when}};
    for (int round = 0; round < 3; ++round) {
      auto a = buffers.allocate(3000);
      a.resize(a.capacity());
      EXPECT_TRUE(is_zero(a));
      fill(a);
    }
  }
}

TEST(BufferManager, small_buffers_have_a_block_each) {
  local_manager buffers;
  std::vector<buffer> all;
  for (int i = 0; i < 100; ++i) all.push_back(buffers.allocate(64));
  std::sort(all.begin(), all.end(), [](const buffer& a, const buffer& b) { return std::less<>{}(a.data(), b.data()); });
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LE(all[i - 1].data() + all[i - 1].capacity(), all[i].data());
  all.resize(1);
  buffers.trim();
  EXPECT_EQ(buffers.stats().reserved, 64u) << "the one that is in use keeps no other";
}

TEST(BufferManager, a_bad_option_is_named_with_its_value_and_what_is_allowed) {
  try {
    buffer_manager{{.max_bytes = 63}};
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "buffer_manager: max_bytes is 63, and may be 64 or more");
  }
  EXPECT_THROW((buffer_manager{{.idle_after = -1ms}}), std::invalid_argument);
}

// -- Buffers

TEST(Buffer, moves_and_gives_back_what_it_had) {
  local_manager buffers;
  auto a = buffers.allocate(10), b = buffers.allocate(20);
  auto const* const of_b = b.data();
  a = std::move(b);
  EXPECT_EQ(a.data(), of_b);
  EXPECT_EQ(a.size(), 20u);
  EXPECT_EQ(b.data(), nullptr);
  EXPECT_EQ(buffers.stats().in_use, 64u);
}

TEST(Buffer, grows_within_its_block_and_no_further) {
  local_manager buffers;
  auto a = buffers.allocate(100);
  a.resize(128);
  EXPECT_EQ(a.size(), 128u);
  a.resize(0);
  EXPECT_TRUE(a.empty());
  try {
    a.resize(129);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "buffer::resize: size is 129, and may be 0 to 128");
  }
}

TEST(Buffer, may_outlive_its_manager_as_may_what_was_shared) {
  buffer survivor;
  shared_buffer shared;
  {
    buffer_manager buffers;
    survivor = buffers.allocate(1000);
    shared = buffers.allocate(2000).share();
    leave_idle(buffers, 100, 3);
  }
  fill(survivor);
  EXPECT_EQ(shared.size(), 2000u);
}

TEST(Buffer, is_a_range_of_bytes) {
  local_manager buffers;
  auto a = buffers.allocate(8);
  std::span<std::byte> const bytes{a};
  bytes[7] = std::byte{1};
  EXPECT_EQ(std::as_const(a).data()[7], std::byte{1});
}

TEST(Buffer, keeps_its_block_where_detach_finds_no_memory) {
  local_manager buffers;
  auto a = buffers.allocate(100);
  new_calls_left = 1;
  EXPECT_THROW(static_cast<void>(a.detach()), std::bad_alloc);
  new_calls_left = 0;
  EXPECT_EQ(a.size(), 100u);
  buffers.release(a.detach());
  EXPECT_EQ(buffers.stats().in_use, 0u);
}

TEST(BufferManager, a_refusal_of_the_heap_leaves_the_account_as_it_was) {
  local_manager buffers{{.max_bytes = kMiB}};
  leave_idle(buffers, 100, 1);
  new_calls_left = 1;  // the record's; there is another try, after all that is idle went
  auto const second_try = buffers.try_allocate(1000);
  new_calls_left = 0;
  EXPECT_TRUE(second_try.has_value());
  EXPECT_EQ(buffers.stats().reserved, 1024u);
  new_calls_left = 1;
  EXPECT_FALSE(buffers.try_allocate(1000).has_value()) << "nothing is idle, so there is no second try";
  new_calls_left = 1;
  try {
    static_cast<void>(buffers.allocate(1000));
    FAIL();
  } catch (const budget_exceeded&) {
    FAIL() << "the budget is not to blame";
  } catch (const std::bad_alloc&) {
  }
  new_calls_left = 0;
  EXPECT_EQ(buffers.stats().reserved, 1024u);
  EXPECT_EQ(buffers.stats().misses, 2u);
}

TEST(SharedBuffer, parts_point_into_the_same_block_and_keep_it_until_the_last_is_gone) {
  local_manager buffers;
  auto packet = buffers.allocate(100);
  packet.data()[20] = std::byte{7};
  auto const* const block = packet.data();
  auto shared = std::move(packet).share();
  EXPECT_EQ(packet.data(), nullptr);
  {
    auto const header = shared.slice(0, 20);
    auto body = shared.slice(20);
    shared = {};
    EXPECT_EQ(header.data(), block);
    EXPECT_EQ(header.size(), 20u);
    EXPECT_EQ(body.size(), 80u);
    EXPECT_EQ(*body.begin(), std::byte{7});
    auto const copy = body;
    body = body.slice(80);
    EXPECT_TRUE(body.empty());
    EXPECT_EQ(buffers.stats().in_use, 128u);
  }
  EXPECT_EQ(buffers.stats().in_use, 0u);
}

TEST(SharedBuffer, a_part_beyond_it_is_refused) {
  local_manager buffers;
  auto const shared = buffers.allocate(100).share();
  EXPECT_THROW(static_cast<void>(shared.slice(101)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(shared.slice(101, 0)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(shared.slice(50, 51)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(shared.slice(1, SIZE_MAX)), std::invalid_argument);
  EXPECT_EQ(shared.slice(100, 0).size(), 0u);
}

TEST(SharedBuffer, is_overwritten_with_zeros_when_the_last_part_is_gone) {
  local_manager buffers;
  auto a = buffers.allocate(100);
  fill(a);
  auto shared = std::move(a).share();
  shared = shared.slice(99);
  shared = {};
  EXPECT_TRUE(is_zero(buffers.allocate(100)));
}

// -- Scrubbing

TEST(Scrub, touches_no_more_than_the_owner_could_write) {
  local_manager buffers;
  auto a = buffers.allocate(100);
  a.data()[110] = std::byte{1};  // what no owner may do; it shows which bytes were overwritten
  a.reset();
  a = buffers.allocate(128);
  EXPECT_EQ(a.data()[110], std::byte{1});
}

TEST(Scrub, covers_the_largest_size_the_buffer_ever_had) {
  local_manager buffers;
  auto a = buffers.allocate(10);
  a.resize(60);
  fill(a);
  a.resize(1);
  a.reset();
  EXPECT_TRUE(is_zero(buffers.allocate(64)));
}

TEST(Scrub, on_reuse_leaves_idle_bytes_until_they_are_needed) {
  local_manager buffers{{.scrub = scrub::on_reuse}};
  auto a = buffers.allocate(64);
  fill(a);
  auto const* const block = a.data();
  a.reset();
  EXPECT_EQ(block[63], std::byte{0xAB});
  a = buffers.allocate(1);
  EXPECT_EQ(a.data(), block);
  a.resize(64);
  EXPECT_TRUE(is_zero(a));
}

TEST(Scrub, never_leaves_the_bytes_alone) {
  local_manager buffers{{.scrub = scrub::never}};
  auto a = buffers.allocate(64);
  fill(a);
  a.reset();
  EXPECT_EQ(buffers.allocate(64).data()[63], std::byte{0xAB});
}

// -- Giving back

TEST(BufferManager, gives_back_by_age_first_and_everything_idle_when_it_has_to) {
  aging_manager buffers{{.keep_per_class = 1, .idle_after = 30s}};
  auto held = buffers.allocate(1024);
  leave_idle(buffers, 1024, 3);
  fake_clock::time += 14s;
  EXPECT_EQ(buffers.shrink({SIZE_MAX, pass::idle, level::warning}), 0u) << "nothing is 15 seconds old";
  fake_clock::time += 2s;
  held.reset();
  EXPECT_EQ(buffers.shrink({SIZE_MAX, pass::benign, level::normal}), 0u) << "nothing is 30 seconds old";
  EXPECT_EQ(buffers.shrink({1, pass::idle, level::warning}), 1024u) << "as much as was asked for";
  EXPECT_EQ(buffers.shrink({SIZE_MAX, pass::idle, level::warning}), 2048u) << "the one that came last is the one kept";
  fake_clock::time += 31s;
  leave_idle(buffers, 1024, 2);
  EXPECT_EQ(buffers.stats().idle_blocks[10], 2u);
  EXPECT_EQ(buffers.shrink({SIZE_MAX, pass::benign, level::normal}), 0u) << "both were used just now";
  EXPECT_EQ(buffers.shrink({SIZE_MAX, pass::destructive, level::critical}), 2048u);
  EXPECT_EQ(buffers.bytes(), 0u);
}

TEST(BufferManager, makes_room_with_the_blocks_that_lay_longest) {
  aging_manager buffers{{.max_bytes = 4096}};
  for (std::size_t const size : {1024u, 512u, 256u}) {
    leave_idle(buffers, size, 1);
    fake_clock::time += 1s;
  }
  auto const large = buffers.allocate(2048), small = buffers.allocate(128), smaller = buffers.allocate(128);
  EXPECT_EQ(buffers.stats().reserved, 4096u);
  auto const evicts = buffers.allocate(128);
  EXPECT_EQ(buffers.stats().idle_blocks[10], 0u);
  EXPECT_EQ(buffers.stats().idle_blocks[9], 1u);
  EXPECT_EQ(buffers.stats().idle_blocks[8], 1u);
}

TEST(BufferManager, trims_to_what_is_asked) {
  local_manager buffers;
  auto const held = buffers.allocate(1024);
  leave_idle(buffers, 1024, 8);
  EXPECT_EQ(buffers.trim(4 * kKiB), 5 * kKiB);
  EXPECT_EQ(buffers.stats().reserved, 4 * kKiB);
  EXPECT_EQ(buffers.trim(), 3 * kKiB);
  EXPECT_EQ(buffers.trim(), 0u);
  EXPECT_EQ(buffers.stats().given_back, 8 * kKiB);
  EXPECT_EQ(buffers.stats().peak, 9 * kKiB);
}

TEST(BufferManager, of_one_thread_gives_back_at_its_next_allocation_after_the_monitor_asked) {
  auto const& library = detail::api::get();
  if (!library.is_there()) GTEST_SKIP() << "libmempool is not in this process";
  long const listening = library.on_pressure([](int, const ::libmempool_snapshot*, void*) {}, nullptr);
  if (listening == 0) GTEST_SKIP() << "no monitor may run here";
  local_manager buffers;
  leave_idle(buffers, kMiB, 3);
  std::uint32_t const* const epoch = library.epoch();
  std::uint32_t const before = __atomic_load_n(epoch, __ATOMIC_RELAXED);
  library.simulate(LIBMEMPOOL_CRITICAL);
  while (__atomic_load_n(epoch, __ATOMIC_RELAXED) == before) std::this_thread::yield();
  for (int i = 0; i < 256 && buffers.stats().given_back == 0; ++i) static_cast<void>(buffers.allocate(64));
  EXPECT_GE(buffers.stats().given_back, 3 * kMiB);
  library.simulate(-1);
  library.unregister(listening);
}

// -- Threads

template <class Sync>
class SharedBufferManager : public testing::Test {};
using SharedSyncs = testing::Types<sync::mutex, sync::sharded>;
TYPED_TEST_SUITE(SharedBufferManager, SharedSyncs);

/// A short queue, so that both sides wait for each other now and then.
class conveyor {
 public:
  void put(buffer item) {
    std::unique_lock guard{lock_};
    moved_.wait(guard, [this] { return items_.size() < 8; });
    items_.push_back(std::move(item));
    moved_.notify_all();
  }
  buffer take() {
    std::unique_lock guard{lock_};
    moved_.wait(guard, [this] { return !items_.empty(); });
    buffer item = std::move(items_.front());
    items_.pop_front();
    moved_.notify_all();
    return item;
  }

 private:
  std::mutex lock_;
  std::condition_variable moved_;
  std::deque<buffer> items_;
};

TYPED_TEST(SharedBufferManager, one_thread_fills_buffers_and_another_empties_them) {
  basic_buffer_manager<TypeParam> buffers{{.max_bytes = 64 * kKiB, .name = "packets"}};
  conveyor between;
  {
    std::jthread const consumer{[&between] {
      for (int i = 0; i < 1000; ++i) {
        auto const item = between.take();
        EXPECT_TRUE(std::all_of(item.begin(), item.end(), [&](std::byte b) { return b == item.data()[0]; }));
      }
    }};
    for (std::size_t i = 0; i < 1000; ++i) {
      auto item = buffers.allocate(1 + i * 37 % 4000);  // at most ten in use, of 4 KiB: never over the budget
      EXPECT_TRUE(is_zero(item));
      std::fill(item.begin(), item.end(), static_cast<std::byte>(i));
      between.put(std::move(item));
    }
  }
  auto const now = buffers.stats();
  EXPECT_EQ(now.in_use, 0u);
  EXPECT_EQ(now.hits + now.misses, 1000u);
  EXPECT_GT(now.hits, 500u) << "what another thread brought back is found before a block is made";
}

TYPED_TEST(SharedBufferManager, is_never_over_budget_nor_fails_within_it_whoever_asks) {
  basic_buffer_manager<TypeParam> buffers{{.max_bytes = 4 * 4096}};
  {
    auto const use = [&buffers](std::size_t seed) {
      for (std::size_t i = 0; i < 300; ++i) {
        auto const one = buffers.try_allocate(1 + (i * seed) % 4096);  // four threads, 4 KiB each: fits
        ASSERT_TRUE(one.has_value());
      }
    };
    std::jthread const a{use, 31u}, b{use, 1009u}, c{use, 77u}, d{use, 501u};
    for (int i = 0; i < 100; ++i) {
      auto const now = buffers.stats();
      ASSERT_LE(now.reserved, now.max_bytes);
      ASSERT_EQ(now.reserved, now.in_use + now.idle);
      buffers.shrink({1024, pass::destructive, level::critical});
    }
  }
  EXPECT_EQ(buffers.stats().in_use, 0u);
}

TYPED_TEST(SharedBufferManager, the_parts_of_a_buffer_may_end_in_any_thread_and_after_the_manager) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::jthread> threads;
    basic_buffer_manager<TypeParam> buffers;
    auto const whole = buffers.allocate(1000).share();
    for (std::size_t i = 0; i < 3; ++i)
      threads.emplace_back([part = whole.slice(i * 100, 100)]() mutable { part = {}; });
  }
}

// -- Whatever the order

template <class Manager>
void behaves_in_any_order(const std::vector<std::pair<std::uint8_t, std::uint16_t>>& steps) {
  auto const max_bytes = *rc::gen::inRange<std::size_t>(64, 40'000);
  auto const when = *rc::gen::element(scrub::on_release, scrub::on_reuse, scrub::never);
  Manager buffers{{.max_bytes = max_bytes, .keep_per_class = 1, .scrub = when}};
  std::vector<buffer> live;
  std::vector<shared_buffer> shared;
  std::map<const std::byte*, std::size_t> blocks;  // in use, by address
  for (auto const& [what, size] : steps) {
    switch (what % 6) {
      case 0:
      case 1:
      case 2: {
        std::size_t const needed = size == 0 ? 0 : std::bit_ceil(std::max<std::size_t>(size, 64));
        bool const fits = needed == 0 || buffers.stats().in_use + needed <= max_bytes;
        auto one = buffers.try_allocate(size);
        RC_ASSERT(one.has_value() == fits);
        if (!one) break;
        RC_ASSERT(one->size() == size);
        RC_ASSERT(one->capacity() == needed);
        if (needed == 0) break;
        one->resize(needed);
        if (when != scrub::never) RC_ASSERT(is_zero(*one));
        fill(*one);
        RC_ASSERT(blocks.emplace(one->data(), needed).second);
        live.push_back(std::move(*one));
        break;
      }
      case 3:
        if (live.empty()) break;
        std::swap(live[size % live.size()], live.back());
        blocks.erase(live.back().data());
        if (size % 3 == 0) buffers.release(live.back().detach());
        live.pop_back();
        break;
      case 4:
        if (live.empty()) break;
        blocks.erase(live.back().data());
        shared.push_back(std::move(live.back()).share().slice(1));
        live.pop_back();
        break;
      case 5:
        if (size % 2 == 0)
          shared.clear();
        else
          buffers.shrink({size, static_cast<pass>(size % 3), level::warning});
        break;
    }
    std::size_t held = 0;
    for (auto const& [block, bytes] : blocks) held += bytes;
    for (auto const& part : shared) held += part.size() + 1;
    auto const now = buffers.stats();
    RC_ASSERT(now.in_use == held);
    RC_ASSERT(now.reserved == now.in_use + now.idle);
    RC_ASSERT(now.reserved <= max_bytes);
    RC_ASSERT(now.peak <= max_bytes);
    RC_ASSERT(buffers.bytes() == now.reserved);
  }
}

using Steps = std::vector<std::pair<std::uint8_t, std::uint16_t>>;
RC_GTEST_PROP(BufferManagerInAnyOrder, keeps_its_budget_and_its_promises_for_one_thread, (Steps steps)) {
  behaves_in_any_order<local_manager>(steps);
}
RC_GTEST_PROP(BufferManagerInAnyOrder, keeps_its_budget_and_its_promises_sharded, (Steps steps)) {
  behaves_in_any_order<buffer_manager>(steps);
}

}  // namespace
}  // namespace mempool
