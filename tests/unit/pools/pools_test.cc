// The pools through the router, as the entry points use them, beside the process's ordinary malloc.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/figures.hpp"
#include "platform/os.hpp"
#include "pools/class_pool.hpp"
#include "pools/pools.hpp"
#include "pools/record.hpp"
#include "routing/router.hpp"

namespace mempool {
namespace {

using pools::SizeClass;

/// A block that knows what it should contain.
struct Filled {
  unsigned char* at = nullptr;
  std::size_t bytes = 0;
  unsigned char pattern = 0;

  static Filled make(std::size_t bytes, unsigned char pattern) {
    auto* const at = static_cast<unsigned char*>(routing::allocate(bytes));
    std::memset(at, pattern, bytes);
    return {at, bytes, pattern};
  }
  bool is_intact() const {
    return std::all_of(at, at + bytes, [this](unsigned char c) { return c == pattern; });
  }
};

TEST(Pools, a_request_gets_a_block_of_its_class_aligned_to_its_own_size) {
  for (std::size_t bytes = 0; bytes <= pools::kMaxPooled; bytes += bytes < 600 ? 1 : 97) {
    void* const block = routing::allocate(bytes);
    ASSERT_TRUE(pools::is_pooled(block)) << bytes;
    ASSERT_EQ(pools::class_of(block), SizeClass::holding(bytes));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % SizeClass::holding(bytes).bytes(), 0u);
    ASSERT_EQ(routing::usable_size(block), SizeClass::holding(bytes).bytes());
    routing::release(block);
  }
}

TEST(Pools, blocks_in_use_never_overlap_whatever_the_order_of_frees) {
  std::mt19937 random{7};
  std::vector<Filled> live;
  for (int step = 0; step < 200000; ++step) {
    if (live.size() < 3000 && random() % 5 != 0) {
      std::size_t const bytes = std::size_t{1} << (random() % 12);
      live.push_back(Filled::make(bytes + random() % bytes, static_cast<unsigned char>(random())));
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      ASSERT_TRUE(live.back().is_intact());
      routing::release(live.back().at);
      live.pop_back();
    }
  }
  for (Filled const& each : live) {
    ASSERT_TRUE(each.is_intact());
    routing::release(each.at);
  }
}

TEST(Pools, fresh_blocks_of_a_class_come_in_address_order) {
  std::thread{[] {
    std::vector<char*> blocks;
    for (int i = 0; i < 8; ++i) blocks.push_back(static_cast<char*>(routing::allocate(20000)));
    EXPECT_TRUE(std::is_sorted(blocks.begin(), blocks.end()));
    for (char* block : blocks) routing::release(block);
  }}.join();
}

TEST(Pools, calloc_zeroes_what_others_dirtied_in_every_class) {
  for (std::size_t bytes = 1; bytes <= pools::kMaxPooled; bytes *= 2) {
    std::vector<void*> dirty(300);
    for (void*& block : dirty) block = std::memset(routing::allocate(bytes), 0xAB, bytes);
    for (void* block : dirty) routing::release(block);
    for (int purged = 0; purged < 2; ++purged) {
      std::vector<unsigned char*> clean(400);
      for (unsigned char*& block : clean) {
        block = static_cast<unsigned char*>(routing::allocate_zeroed(1, bytes));
        ASSERT_TRUE(std::all_of(block, block + bytes, [](unsigned char c) { return c == 0; })) << bytes;
        std::memset(block, 0xCD, bytes);
      }
      for (unsigned char* block : clean) routing::release(block);
      pools::trim();
    }
  }
}

TEST(Pools, blocks_freed_by_another_thread_are_used_again_and_the_heap_does_not_grow) {
  constexpr int kRounds = 50, kBlocks = 20000;
  auto const round = [] {
    std::vector<Filled> blocks;
    for (int i = 0; i < kBlocks; ++i) blocks.push_back(Filled::make(48, static_cast<unsigned char>(i)));
    std::thread{[&] {
      for (Filled const& each : blocks) {
        ASSERT_TRUE(each.is_intact());
        routing::release(each.at);
      }
    }}.join();
  };
  round();
  std::size_t const before = pools::totals().committed_bytes;
  for (int i = 0; i < kRounds; ++i) round();
  EXPECT_LT(pools::totals().committed_bytes, before + (std::size_t{1} << 20));
}

TEST(Pools, a_thread_that_ends_leaves_nothing_behind_in_its_caches) {
  std::uint64_t const class_index = SizeClass::holding(1024).index();
  auto const held = [&] { return figures.supplied[class_index].load() - figures.taken_back[class_index].load(); };
  std::uint64_t const before = held();
  for (int i = 0; i < 200; ++i)
    std::thread{[] {
      std::vector<void*> blocks(100);
      for (void*& block : blocks) block = routing::allocate(1024);
      for (void* block : blocks) routing::release(block);
    }}.join();
  EXPECT_EQ(held(), before);
}

TEST(Pools, a_thread_whose_exit_has_run_still_allocates_and_frees) {
  std::thread{[] {
    void* const before = routing::allocate(100);
    routing::thread_exit();
    void* const after = routing::allocate(100);
    EXPECT_TRUE(pools::is_pooled(after));
    routing::release(before);
    routing::release(after);
    EXPECT_EQ(pools::cache().record, nullptr);
  }}.join();
}

TEST(Pools, trimming_gives_back_pages_of_shuffled_frees_and_keeps_every_block_in_use) {
  constexpr std::size_t kBlocks = 400000, kBytes = 256, kKept = 50;
  // In a thread of its own, whose magazine goes back with it: each of its 256 blocks would hold a page for the rest.
  std::thread{[] {
    std::vector<Filled> blocks;
    for (std::size_t i = 0; i < kBlocks; ++i) blocks.push_back(Filled::make(kBytes, static_cast<unsigned char>(i)));
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937{3});
    std::size_t const full = os::resident().bytes;
    for (std::size_t i = kKept; i < kBlocks; ++i) routing::release(blocks[i].at);
    pools::trim();
    EXPECT_LT(os::resident().bytes, full - kBlocks * kBytes / 2);
    for (std::size_t i = 0; i < kKept; ++i) {
      EXPECT_TRUE(blocks[i].is_intact());
      routing::release(blocks[i].at);
    }
  }}.join();
}

TEST(Pools, what_a_sleeping_thread_has_spare_is_taken_at_the_second_look_and_what_it_loaded_stays) {
  std::uint64_t const class_index = SizeClass::holding(1024).index();
  auto const held = [&] { return figures.supplied[class_index].load() - figures.taken_back[class_index].load(); };
  std::uint64_t const before = held();
  std::atomic<int> step{0};
  std::thread sleeper{[&] {
    std::vector<void*> blocks(300);
    for (void*& block : blocks) block = routing::allocate(1024);
    for (void* block : blocks) routing::release(block);
    step = 1;
    while (step != 2) std::this_thread::yield();
    routing::release(routing::allocate(1024));
  }};
  while (step != 1) std::this_thread::yield();
  std::size_t const cached = pools::magazine_capacity(SizeClass::holding(1024));
  EXPECT_GT(held(), before + cached);
  pools::take_spares_of_idle_threads();  // it worked since the last look
  pools::take_spares_of_idle_threads();
  EXPECT_LE(held(), before + cached);
  step = 2;
  sleeper.join();
  EXPECT_EQ(held(), before);
}

TEST(Pools, settling_keeps_no_more_than_the_budget_and_less_with_every_halving) {
  std::vector<void*> blocks(20000);
  for (void*& block : blocks) block = std::memset(routing::allocate(2048), 1, 2048);
  for (void* block : blocks) routing::release(block);
  pools::forget(63);
  pools::settle(0);
  EXPECT_LE(pools::kept_bytes(), pools::keep_budget());
  pools::settle(31);
  EXPECT_LT(pools::kept_bytes(), std::size_t{1} << 20);
}

TEST(Pools, what_was_discarded_and_dirtied_again_is_kept_from_then_on_until_it_is_forgotten) {
  constexpr std::size_t kCount = 100, kBytes = std::size_t{100} << 10;
  auto const use_once = [] {
    std::vector<void*> blocks(kCount);
    for (void*& block : blocks) block = routing::allocate(kBytes);
    for (void* block : blocks) routing::release(block);
  };
  pools::trim();
  use_once();
  EXPECT_LE(pools::kept_bytes(), std::size_t{3} << 20);
  use_once();
  use_once();
  EXPECT_GE(pools::kept_bytes(), std::size_t{8} << 20);
  pools::forget(63);
  pools::settle(0);
  EXPECT_LE(pools::kept_bytes(), std::size_t{3} << 20);
}

/// Blocks that leave one in use per page: garbage that nobody can give back.
std::vector<void*> one_block_a_page(std::size_t bytes) {
  std::vector<void*> blocks(bytes / 64), left;
  for (void*& block : blocks) block = std::memset(routing::allocate(64), 1, 64);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 32 == 0)
      left.push_back(blocks[i]);
    else
      routing::release(blocks[i]);
  }
  return left;
}

TEST(Pools, a_buffer_that_comes_and_goes_keeps_its_pages_beside_garbage_that_cannot_go) {
  pools::trim();
  std::vector<void*> const left = one_block_a_page(std::size_t{20} << 20);
  ASSERT_GT(pools::kept_bytes(), pools::keep_budget());
  auto const faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  for (std::size_t const bytes : {std::size_t{64} << 10, pools::kMaxPooled}) {
    auto const use = [bytes] { routing::release(std::memset(routing::allocate(bytes), 1, bytes)); };
    use();
    auto const before = faults();
    for (int i = 0; i < 100; ++i) use();
    EXPECT_LT(faults() - before, 100) << bytes;
  }
  for (void* block : left) routing::release(block);
}

TEST(Pools, what_was_in_vain_to_look_through_is_looked_through_again_once_it_was_in_use) {
  pools::trim();
  constexpr std::size_t kBytes = std::size_t{20} << 20;
  std::vector<void*> blocks = one_block_a_page(kBytes), others;
  auto const grow = [&others](std::size_t bytes) {
    for (std::size_t i = 0; i < bytes / 4096; ++i) others.push_back(std::memset(routing::allocate(4096), 1, 4096));
  };
  grow(kBytes / 2);
  EXPECT_GT(pools::kept_bytes(), kBytes / 2);  // in vain
  while (blocks.size() < kBytes / 64) blocks.push_back(std::memset(routing::allocate(64), 1, 64));
  std::sort(blocks.begin(), blocks.end());
  std::size_t const freed = blocks.size() / 10 * 9;
  for (std::size_t i = 0; i < freed; ++i) routing::release(blocks[i]);
  grow(kBytes);
  EXPECT_LT(pools::kept_bytes(), kBytes / 4);
  for (std::size_t i = freed; i < blocks.size(); ++i) routing::release(blocks[i]);
  for (void* block : others) routing::release(block);
}

TEST(Pools, survive_threads_that_hand_blocks_to_each_other_while_one_trims) {
  std::atomic<bool> stop{false};
  std::vector<Filled> shared(512);
  std::vector<std::mutex> locks(512);
  auto const worker = [&](unsigned seed) {
    std::mt19937 random{seed};
    for (int step = 0; step < 60000; ++step) {
      std::size_t const at = random() % shared.size();
      Filled mine = Filled::make(1 + random() % 3000, static_cast<unsigned char>(random()));
      {
        std::scoped_lock const guard{locks[at]};
        std::swap(mine, shared[at]);
      }
      if (mine.at == nullptr) continue;
      ASSERT_TRUE(mine.is_intact());
      routing::release(mine.at);
    }
  };
  std::thread trimmer{[&] {
    while (!stop) pools::trim();
  }};
  std::vector<std::thread> workers;
  for (unsigned seed = 1; seed <= 4; ++seed) workers.emplace_back(worker, seed);
  for (std::thread& each : workers) each.join();
  stop = true;
  trimmer.join();
  for (Filled const& each : shared) routing::release(each.at);
}

TEST(Pools, calloc_zeroes_every_byte_asked_for_and_none_of_its_neighbours) {
  for (std::size_t bytes = 0; bytes <= 200; ++bytes) {
    std::vector<unsigned char*> blocks(40);
    for (unsigned char*& block : blocks) block = static_cast<unsigned char*>(routing::allocate(bytes));
    for (unsigned char* block : blocks) std::memset(block, 0xAB, routing::usable_size(block));
    for (std::size_t i = 0; i < blocks.size(); i += 2) routing::release(blocks[i]);
    for (std::size_t i = 0; i < blocks.size(); i += 2) {
      blocks[i] = static_cast<unsigned char*>(routing::allocate_zeroed(bytes, 1));
      ASSERT_TRUE(std::all_of(blocks[i], blocks[i] + bytes, [](unsigned char c) { return c == 0; })) << bytes;
    }
    for (std::size_t i = 1; i < blocks.size(); i += 2) {
      unsigned char* const end = blocks[i] + routing::usable_size(blocks[i]);
      ASSERT_TRUE(std::all_of(blocks[i], end, [](unsigned char c) { return c == 0xAB; })) << bytes;
    }
    for (unsigned char* block : blocks) routing::release(block);
  }
}

TEST(Pools, calloc_whose_product_overflows_fails_however_small_the_product_becomes) {
  errno = 0;
  EXPECT_EQ(routing::allocate_zeroed((SIZE_MAX >> 1) + 1, 2), nullptr);  // 0 in 64 bits
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(routing::allocate_zeroed(std::size_t{1} << 32 | 1, std::size_t{1} << 32), nullptr);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(Pools, an_aligned_hit_is_aligned_and_holds_the_size) {
  for (std::size_t alignment = 1; alignment <= pools::kMaxPooled; alignment *= 2) {
    for (std::size_t const size : {std::size_t{0}, std::size_t{1}, std::size_t{24}, alignment, alignment + 1}) {
      for (int turn = 0; turn < 3; ++turn) {
        void* const block = routing::allocate_aligned(alignment, size);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0u) << size;
        ASSERT_GE(routing::usable_size(block), size) << alignment;
        routing::release(block);
      }
    }
  }
  errno = 0;
  EXPECT_EQ(routing::allocate_aligned(48, 16), nullptr);
  EXPECT_EQ(errno, EINVAL);
  errno = 0;
  EXPECT_EQ(routing::allocate_aligned(0, 16), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Pools, realloc_stays_exactly_where_the_request_fits_and_the_block_is_not_two_classes_too_large) {
  for (std::size_t i = 0; i < SizeClass::kCount; ++i) {
    std::size_t const bytes = SizeClass::at(i).bytes();
    for (std::size_t size = 0; size <= 2 * pools::kMaxPooled; ++size) {
      bool const expected = size != 0 && size <= bytes && SizeClass::holding(size).index() + 2 > i;
      ASSERT_EQ(pools::stays(size, bytes - 1), expected) << size << " in a block of " << bytes;
    }
    EXPECT_FALSE(pools::stays(SIZE_MAX, bytes - 1));
  }
}

TEST(Pools, realloc_stays_in_place_inside_a_block_and_moves_when_it_shrinks_by_two_classes) {
  void* const block = routing::allocate(1000);
  EXPECT_EQ(routing::resize(block, 1024), block);
  EXPECT_EQ(routing::resize(block, 300), block);
  std::memset(block, 0x5A, 300);
  auto* const moved = static_cast<unsigned char*>(routing::resize(block, 200));
  EXPECT_NE(moved, block);
  EXPECT_TRUE(std::all_of(moved, moved + 200, [](unsigned char c) { return c == 0x5A; }));
  routing::release(moved);
}

using PoolsDeathTest = testing::Test;

TEST(PoolsDeathTest, a_double_free_deep_in_a_magazine_is_found_when_the_slab_gets_it) {
  EXPECT_EXIT(
      {
        void* const first = routing::allocate(64);
        void* const second = routing::allocate(64);
        routing::release(first);
        routing::release(second);
        routing::release(first);
        routing::thread_exit();
        _exit(0);
      },
      testing::KilledBySignal(SIGABRT), "double free of 0x[0-9a-f]+ \\(class 64B\\)");
}

TEST(PoolsDeathTest, a_block_that_was_never_handed_out_is_found_when_the_slab_gets_it) {
  EXPECT_EXIT(
      {
        auto* const block = static_cast<char*>(routing::allocate(64));
        routing::release(block + (std::size_t{1} << 19));
        routing::thread_exit();
        _exit(0);
      },
      testing::KilledBySignal(SIGABRT), "invalid free of 0x[0-9a-f]+ \\(class 64B\\)");
}

}  // namespace
}  // namespace mempool
