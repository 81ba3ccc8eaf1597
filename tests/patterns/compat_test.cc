// The seed's names and defaults. What they do is compared with the seed's own classes in tests/patterns/oracle.
#include "mempool/compat/seed.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mempool::compat {
namespace {

TEST(SeedObjectPool, has_ten_objects_at_the_start_and_a_hundred_at_most) {
  ObjectPool<int> pool{[] { return 1; }, [](int& object) { object = 0; }};
  EXPECT_EQ(pool.size(), 10u);
  std::vector<ObjectPool<int>::handle> taken;
  for (int i = 0; i < 120; ++i) taken.push_back(pool.acquire());
  for (auto& each : taken) pool.release(std::move(each));
  EXPECT_EQ(pool.size(), 100u);
  EXPECT_EQ(*pool.acquire(), 0) << "it was reset";
  pool.clear();
  EXPECT_EQ(pool.size(), 0u);
}

TEST(SeedHttpRequestPool, gives_out_empty_requests) {
  HttpRequestPool pool;
  auto request = pool.createRequest("GET", "/a");
  request->body = "text";
  pool.releaseRequest(std::move(request));
  auto const next = pool.createRequest("PUT", "/b");
  EXPECT_EQ(next->method + next->url + next->body, "PUT/b");
}

TEST(SeedBufferManager, has_a_hundred_mebibytes_and_buffers_as_long_as_their_block) {
  BufferManager manager;
  auto buffer = manager.allocate(100);
  EXPECT_EQ(buffer.size(), 128u);
  manager.release(std::move(buffer));
  EXPECT_EQ(manager.getStats().allocatedBytes, 128u);
  EXPECT_EQ(manager.getStats().poolSizes, (std::map<std::size_t, std::size_t>{{128, 1}}));
  EXPECT_NO_THROW(manager.allocate(std::size_t{64} << 20));
  EXPECT_THROW(manager.allocate(std::size_t{100} << 20), budget_exceeded) << "which is a block of 128 MiB";
}

TEST(SeedStreamProcessor, makes_chunks_of_a_thousand) {
  std::vector<std::size_t> chunks;
  StreamProcessor<int, int> const processor{[&](std::span<int> chunk) {
    chunks.push_back(chunk.size());
    return std::vector<int>(chunk.begin(), chunk.end());
  }};
  int last = -1;
  for (int const result : processor.processStream(std::views::iota(0, 2500))) EXPECT_EQ(result, ++last);
  EXPECT_EQ(chunks, (std::vector<std::size_t>{1000, 1000, 500}));
}

TEST(SeedGCOptimizedCache, serves_what_was_set) {
  GCOptimizedCache<std::string> cache;
  cache.set("a", "first");
  cache.set("a", "second", std::chrono::hours{1});
  EXPECT_EQ(cache.get("a"), "second");
  EXPECT_EQ(cache.get("b"), std::nullopt);
}

TEST(SeedCircularBuffer, evicts_the_oldest) {
  CircularBuffer<int> ring{2};
  EXPECT_EQ(ring.push(1), std::nullopt);
  EXPECT_EQ(ring.push(2), std::nullopt);
  EXPECT_EQ(ring.push(3), 1);
  EXPECT_EQ(ring.toArray(), (std::vector{2, 3}));
  EXPECT_EQ(ring.pop(), 3);
  EXPECT_EQ(ring.shift(), 2);
  ring.push(4);
  ring.clear();
  EXPECT_EQ(ring.shift(), std::nullopt);
}

TEST(SeedWeakCache, finds_what_somebody_owns) {
  WeakCache<int> cache;
  auto owner = std::make_shared<int>(1);
  cache.set("a", owner);
  EXPECT_EQ(cache.get("a"), owner);
  EXPECT_TRUE(cache.has("a"));
  EXPECT_TRUE(cache.erase("a"));
  EXPECT_FALSE(cache.erase("a"));
  cache.set("a", owner);
  owner.reset();
  EXPECT_FALSE(cache.has("a"));
}

/// Stands for libmempool: half of 1000 bytes is in use.
detail::api half_full() {
  detail::api functions;
  functions.register_holder = [](const char*, libmempool_usage, libmempool_reclaim, void*) -> long { return 0; };
  functions.on_pressure = [](libmempool_listener, void*) -> long { return 1; };
  functions.unregister = [](long) -> int { return 0; };
  functions.get_snapshot = [](libmempool_snapshot* into) -> int {
    into->usage = 500;
    into->limit = 1000;
    return 0;
  };
  return functions;
}

TEST(SeedMemoryMonitor, tells_every_listener_at_every_interval_though_one_throws) {
  MemoryMonitor monitor{half_full()};
  std::counting_semaphore<> told{0};
  double seen = 0;
  monitor.onMemoryUsage([](const MemoryUsage&) { throw std::runtime_error{"listener"}; });
  monitor.onMemoryUsage([&](const MemoryUsage& usage) {
    seen = usage.heapUsedPercent;
    told.release();
  });
  for (int times = 0; times < 2; ++times) {  // it may be started again
    ASSERT_EQ(monitor.start(std::chrono::milliseconds{1}), monitor_error::none);
    ASSERT_EQ(monitor.start(std::chrono::milliseconds{1}), monitor_error::none);
    for (int interval = 0; interval < 3; ++interval) told.acquire();
    monitor.stop();
    monitor.stop();
  }
  EXPECT_EQ(seen, 0.5);
}

TEST(SeedMemoryMonitor, says_what_is_missing_where_there_is_no_library) {
  MemoryMonitor monitor{detail::api{}};
  EXPECT_EQ(monitor.start(), monitor_error::not_there);
}

}  // namespace
}  // namespace mempool::compat
