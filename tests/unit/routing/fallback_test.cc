// mimalloc and own mappings behind the fallback's contract. The process's one region is set up by routing::start().

#include "routing/fallback.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "platform/os.hpp"
#include "pressure/account.hpp"
#include "routing/router.hpp"

namespace mempool::fallback {
namespace {

constexpr std::size_t kKiB = 1 << 10, kMiB = 1 << 20;

class Fallback : public testing::Test {
 protected:
  void SetUp() override { routing::start(); }
};

TEST_F(Fallback, blocks_of_every_size_and_alignment_are_usable_to_their_last_byte) {
  for (std::size_t size : {std::size_t{1}, 40 * kKiB, 100 * kKiB, kMiB, 9 * kMiB, 70 * kMiB})
    for (std::size_t alignment : {std::size_t{16}, 4 * kKiB, 64 * kKiB, 2 * kMiB, 1024 * kMiB}) {
      auto* const block = static_cast<char*>(allocate(size, alignment, false));
      ASSERT_NE(block, nullptr) << size << " at " << alignment;
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0u);
      ASSERT_GE(usable_size(block), size);
      block[0] = block[usable_size(block) - 1] = 1;
      EXPECT_EQ(release(block), Owner::live);
    }
}

TEST_F(Fallback, zeroed_blocks_are_zero_after_dirty_ones_were_freed) {
  for (std::size_t size : {40 * kKiB, 300 * kKiB, 5 * kMiB, 80 * kMiB})
    for (int i = 0; i < 5; ++i) {
      auto* const block = static_cast<unsigned char*>(allocate(size, 16, true));
      ASSERT_TRUE(std::all_of(block, block + size, [](unsigned char c) { return c == 0; })) << size;
      std::memset(block, 0xEE, size);
      release(block);
    }
}

TEST_F(Fallback, a_block_whose_size_is_its_alignment_lies_at_a_multiple_of_it) {
  std::vector<void*> blocks;
  for (std::size_t alignment = 16; alignment <= 8 * kKiB; alignment *= 2)
    for (std::size_t multiple : {1, 2, 3})
      for (int i = 0; i < 100; ++i) {
        blocks.push_back(allocate(alignment * multiple, alignment, i % 2 != 0));
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back()) % alignment, 0u) << multiple << " times " << alignment;
      }
  for (void* block : blocks) EXPECT_EQ(release(block), Owner::live);
}

TEST_F(Fallback, a_freed_block_is_stale_and_what_never_was_ours_is_foreign) {
  static int of_the_program;
  for (std::size_t size : {100 * kKiB, 100 * kMiB}) {
    void* const block = allocate(size, 16, false);
    EXPECT_EQ(owner_of(block), Owner::live);
    EXPECT_EQ(release(block), Owner::live);
    EXPECT_EQ(owner_of(block), Owner::stale);
    EXPECT_EQ(release(block), Owner::stale);
  }
  int on_the_stack = 0;
  EXPECT_EQ(release(&of_the_program), Owner::foreign);
  EXPECT_EQ(release(&on_the_stack), Owner::foreign);
  EXPECT_EQ(usable_size(&on_the_stack), 0u);
}

TEST_F(Fallback, the_inside_of_a_live_block_is_not_a_block) {
  auto* const block = static_cast<char*>(allocate(200 * kKiB, 16, false));
  for (std::size_t offset : {1, 8, 16, 4096, 200 * 1024 - 1}) {
    EXPECT_EQ(owner_of(block + offset), Owner::stale) << offset;
    EXPECT_TRUE(is_inside_live_block(block + offset)) << offset;
  }
  EXPECT_EQ(release(block), Owner::live);
}

TEST_F(Fallback, resizing_keeps_the_contents_across_mimalloc_and_own_mappings) {
  std::size_t const sizes[] = {40 * kKiB, 3 * kMiB, 90 * kMiB, 200 * kMiB, 70 * kMiB, kMiB, 50 * kKiB};
  auto* block = static_cast<unsigned char*>(allocate(sizes[0], 16, false));
  std::memset(block, 0x3C, 40 * kKiB);
  for (std::size_t size : sizes) {
    block = static_cast<unsigned char*>(resize(block, size));
    ASSERT_NE(block, nullptr);
    ASSERT_TRUE(std::all_of(block, block + 40 * kKiB, [](unsigned char c) { return c == 0x3C; })) << size;
  }
  release(block);
}

TEST_F(Fallback, errno_is_kept_by_everything) {
  errno = 1234;
  void* const block = allocate(500 * kKiB, 16, false);
  void* const huge = allocate(std::size_t{1} << 46, 16, false);
  EXPECT_EQ(huge, nullptr);
  release(resize(block, 90 * kMiB));
  EXPECT_EQ(errno, 1234);
}

TEST_F(Fallback, memory_goes_back_to_the_system_after_a_trim) {
#ifdef MEMPOOL_TEST_UNDER_TSAN
  GTEST_SKIP() << "ThreadSanitizer's shadow of a block stays resident";
#endif
  std::size_t const before = os::resident().bytes;
  std::vector<void*> blocks;
  for (int i = 0; i < 400; ++i) blocks.push_back(std::memset(allocate(500 * kKiB, 16, false), 1, 500 * kKiB));
  for (void* block : blocks) release(block);
  trim();
  EXPECT_LT(os::resident().bytes, before + 32 * kMiB);
}

TEST_F(Fallback, what_was_learned_of_many_large_blocks_does_not_outlive_them_where_no_monitor_runs) {
  trim();
  std::vector<void*> blocks(60);
  for (void*& block : blocks) block = allocate(10 * kMiB, 16, false);
  // A third is replaced by larger ones, which what was freed cannot hold: all is mapped anew, and that is learned.
  for (std::size_t larger = 11; larger < 15; ++larger)
    for (std::size_t i = 0; i < 20; ++i) {
      release(blocks[i]);
      blocks[i] = allocate(larger * kMiB, 16, false);
    }
  for (void* block : blocks) release(block);
  EXPECT_LE(kept_bytes(), 32 * kMiB);
  trim();
  EXPECT_EQ(kept_bytes(), 0u);
}

bool is_mapped(char* page) {
  unsigned char resident[1];
  return mincore(page, 1, resident) == 0;
}

/// 0, or the number of what was wrong.
int free_far_beyond_the_budget() {
  trim();
  std::vector<char*> blocks(120);
  for (char*& block : blocks) block = static_cast<char*>(allocate(kMiB, 16, false));
  void* const large = allocate(1000 * kMiB, 16, false);
  std::vector<char*> freed;
  for (std::size_t i = 0; i < blocks.size(); i += 2) freed.push_back(blocks[i]);  // no two are neighbours
  for (std::size_t i = 1; i < freed.size(); ++i) release(freed[i]);
  if (kept_bytes() != (freed.size() - 1) * kMiB) return 1;
  release(large);  // and with it goes most of the budget, which one free does not make up for
  release(freed[0]);
  if (kept_bytes() <= keep_budget()) return 2;
  auto const mapped = static_cast<std::size_t>(std::count_if(freed.begin(), freed.end(), is_mapped));
  return mapped * kMiB - kept_bytes() < kMiB ? 0 : 3;  // of one block a part may have gone
}

TEST_F(Fallback, where_no_monitor_runs_what_is_not_kept_is_unmapped_at_once) {
  EXPECT_EXIT(_exit(free_far_beyond_the_budget()), testing::ExitedWithCode(0), "");
}

/// What is left to a monitor that is only said to run. 0, or the number of what was wrong.
int discard_for_a_monitor() {
  constexpr std::size_t kBlocks = 12, kBytes = 10 * kMiB, kReused = 15;
  trim();
  pressure::monitor_started();
  std::vector<char*> blocks(kBlocks);
  for (char*& block : blocks) block = static_cast<char*>(std::memset(allocate(kBytes, 16, false), 0xEE, kBytes));
  for (char* block : blocks) release(block);
  std::size_t const discarded = kBlocks * kBytes - kept_bytes();
  if (discarded < kReused * kMiB) return 1;
  for (std::size_t i = 0; i < kReused; ++i) {
    auto* const block = static_cast<char*>(allocate(kMiB, 16, true));
    auto const holds = [block](char* old) { return block >= old && block < old + kBytes; };
    if (std::none_of(blocks.begin(), blocks.end(), holds)) return 2;
    if (!std::all_of(block, block + kMiB, [](char c) { return c == 0; })) return 3;
    release(std::memset(block, 0xEE, kMiB));
  }
  settle(31);
  for (char* block : blocks)
    for (std::size_t at = 0; at < kBytes; at += kMiB)
      if (is_mapped(block + at)) return 4;
  return 0;
}

TEST_F(Fallback, what_threads_discard_for_the_monitor_is_given_out_again_zeroed_and_unmapped_in_the_end) {
  EXPECT_EXIT(_exit(discard_for_a_monitor()), testing::ExitedWithCode(0), "");
}

TEST_F(Fallback, threads_that_free_each_others_blocks_find_the_contents_intact) {
  std::vector<std::atomic<unsigned char*>> shared(64);
  auto const worker = [&](unsigned seed) {
    std::mt19937 random{seed};
    for (int step = 0; step < 4000; ++step) {
      std::size_t const size = 33 * kKiB + random() % (200 * kKiB);
      auto* mine = static_cast<unsigned char*>(allocate(size, 16, false));
      mine[0] = mine[33 * kKiB - 1] = static_cast<unsigned char>(size);
      mine = shared[random() % shared.size()].exchange(mine);
      if (mine == nullptr) continue;
      ASSERT_EQ(mine[0], mine[33 * kKiB - 1]);
      ASSERT_EQ(release(mine), Owner::live);
    }
    thread_exit();
  };
  std::vector<std::thread> workers;
  for (unsigned seed = 1; seed <= 4; ++seed) workers.emplace_back(worker, seed);
  for (std::thread& each : workers) each.join();
  for (auto& each : shared)
    if (unsigned char* const block = each.load(); block != nullptr) release(block);
}

TEST_F(Fallback, a_thread_whose_exit_has_run_still_allocates_and_frees) {
  void* const before = allocate(100 * kKiB, 16, false);
  std::thread{[before] {
    void* const own = allocate(100 * kKiB, 16, false);
    thread_exit();
    EXPECT_EQ(release(before), Owner::live);
    EXPECT_EQ(release(own), Owner::live);
    void* const after = allocate(100 * kKiB, 16, false);
    ASSERT_NE(after, nullptr);
    EXPECT_EQ(release(after), Owner::live);
  }}.join();
}

TEST_F(Fallback, a_fork_from_among_busy_threads_leaves_a_child_that_can_allocate) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i)
    workers.emplace_back([&] {
      while (!stop) release(allocate(300 * kKiB, 16, false));
    });
  for (int i = 0; i < 100; ++i) {
    pid_t const child = fork();  // start() has registered the handlers
    if (child == 0) {
      alarm(10);
      for (std::size_t size : {100 * kKiB, 2 * kMiB, 90 * kMiB}) release(allocate(size, 16, false));
      _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "fork " << i;
  }
  stop = true;
  for (std::thread& each : workers) each.join();
}

}  // namespace
}  // namespace mempool::fallback
