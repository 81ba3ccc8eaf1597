// Litmus tests of how threads hand memory to each other; the argument for each is in docs/decisions/0009-arm64.md.
//
// What is handed over is plain memory: where the order were missing, a weak processor would show a wrong value and
// ThreadSanitizer a race. An x86 processor, and so an emulator that runs on one, is too strong to show the former.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "mempool/spsc_ring.hpp"
#include "monitor/registry.hpp"
#include "platform/lock.hpp"
#include "pools/metadata.hpp"
#include "pools/record.hpp"
#include "routing/gate.hpp"
#include "routing/router.hpp"

namespace mempool {
namespace {

struct alignas(64) Line {
  std::uint64_t word = 0;
};

TEST(Order, a_lock_hands_over_all_that_was_written_under_it) {
  constexpr int kRounds = 20000;
  static Lock lock;
  static Line lines[8];
  auto const work = [] {
    for (int round = 0; round < kRounds; ++round) {
      Guard const guard{lock};
      for (Line& each : lines) {
        ASSERT_EQ(each.word, lines[7].word);
        if (&each == &lines[7]) break;
      }
      for (Line& each : lines) ++each.word;
    }
  };
  std::thread first{work}, second{work}, third{work};
  first.join();
  second.join();
  third.join();
  EXPECT_EQ(lines[0].word, 3u * kRounds);
}

/// Store buffering: each side announces itself and then looks for the other.
TEST(Order, a_thread_at_the_gate_and_a_fork_never_both_go_on) {
  constexpr int kThreads = 2, kForks = 500;
  static Line inside[kThreads];
  std::atomic<bool> stop{false};
  std::vector<std::uint64_t> entered(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      while (!stop.load(std::memory_order_relaxed)) {
        fallback::Inside const here;
        ++inside[i].word;
        ++entered[static_cast<std::size_t>(i)];
      }
      fallback::gate.give_back_slot();
    });
  for (int fork = 0; fork < kForks; ++fork) {
    fallback::gate.close_for_fork();
    for (Line& each : inside) ++each.word;
    fallback::gate.open_after_fork(false);
  }
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& each : threads) each.join();
  for (int i = 0; i < kThreads; ++i)
    EXPECT_EQ(inside[i].word, entered[static_cast<std::size_t>(i)] + kForks) << "one overwrote what the other did";
}

/// Message passing, twice: the pointer through the ring, and the block back through magazine, depot and lock.
TEST(Order, a_block_that_another_thread_freed_comes_back_with_all_that_was_written_to_it) {
  constexpr std::uint64_t kBlocks = 60000;
  spsc_ring<std::uint64_t*> ring{256};
  std::thread consumer{[&] {
    for (std::uint64_t n = 0; n < kBlocks;) {
      auto const popped = ring.try_pop();
      if (!popped) {
        std::this_thread::yield();
        continue;
      }
      std::uint64_t* const block = *popped;
      ASSERT_EQ(block[0], n);
      ASSERT_EQ(block[15], n);
      block[0] = block[15] = ~n;
      routing::release(block);
      ++n;
    }
  }};
  std::thread producer{[&] {
    for (std::uint64_t n = 0; n < kBlocks; ++n) {
      auto* const block = static_cast<std::uint64_t*>(routing::allocate(128));
      block[0] = block[15] = n;
      while (!ring.try_push(block)) std::this_thread::yield();
    }
  }};
  producer.join();
  consumer.join();
}

TEST(Order, a_spare_magazine_belongs_to_who_exchanged_it_out_with_all_its_blocks) {
  constexpr int kRounds = 200;
  constexpr std::size_t kBytes = 1024;
  std::size_t const held = 4 * pools::magazine_capacity(pools::SizeClass::holding(kBytes));
  std::atomic<bool> stop{false};
  auto const work = [&](std::uint64_t name) {
    std::vector<std::uint64_t*> blocks(held);
    for (int round = 0; round < kRounds; ++round) {
      for (std::uint64_t*& block : blocks) {
        block = static_cast<std::uint64_t*>(routing::allocate(kBytes));
        block[0] = name;
      }
      for (std::uint64_t* block : blocks) {
        ASSERT_EQ(block[0], name) << "a block was handed to two threads";
        routing::release(block);
      }
    }
  };
  std::thread taker{[&] {
    while (!stop.load(std::memory_order_relaxed)) pools::take_spares(false);
  }};
  std::thread first{work, 1}, second{work, 2};
  first.join();
  second.join();
  stop.store(true, std::memory_order_relaxed);
  taker.join();
}

/// The two threads are ordered by nothing but the record's owner: the flags are relaxed.
TEST(Order, a_record_that_a_thread_gave_up_is_the_next_ones_with_all_that_was_written_to_it) {
  std::atomic<int> step{0};
  std::atomic<pools::Record*> given_up{nullptr}, taken{nullptr};
  auto const wait_for = [&](int wanted) {
    while (step.load(std::memory_order_relaxed) != wanted) std::this_thread::yield();
  };
  std::thread first{[&] {
    for (int i = 0; i < 100; ++i) routing::release(routing::allocate(48));
    given_up.store(pools::cache().record, std::memory_order_relaxed);
    routing::thread_exit();
    step.store(1, std::memory_order_relaxed);
    wait_for(2);
  }};
  std::thread second{[&] {
    wait_for(1);
    routing::release(routing::allocate(48));
    taken.store(pools::cache().record, std::memory_order_relaxed);
    step.store(2, std::memory_order_relaxed);
  }};
  first.join();
  second.join();
  EXPECT_EQ(given_up.load(), taken.load());
}

TEST(Order, after_a_registration_was_removed_nobody_touches_what_its_calls_used) {
  struct Cache {
    std::uint64_t calls = 0;
    static std::size_t usage(void* self) { return ++static_cast<Cache*>(self)->calls; }
  };
  std::atomic<bool> stop{false};
  std::thread asker{[&] {
    while (!stop.load(std::memory_order_relaxed)) monitor::ask_usage(nullptr, 0);
  }};
  std::uint64_t calls = 0;
  for (int round = 0; round < 300; ++round) {
    auto const cache = std::make_unique<Cache>();
    long const id = monitor::add_holder("cache", Cache::usage, nullptr, cache.get());
    for (int spin = 0; spin < round % 64; ++spin) std::this_thread::yield();
    ASSERT_TRUE(monitor::remove(id));
    calls += cache->calls;
    cache->calls = UINT64_MAX;
  }
  stop.store(true, std::memory_order_relaxed);
  asker.join();
  EXPECT_GT(calls, 0u);
}

}  // namespace
}  // namespace mempool
