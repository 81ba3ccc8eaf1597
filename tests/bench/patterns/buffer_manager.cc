// ns per buffer taken and brought back, by Google Benchmark: buffer_manager beside its peers.
//
//   g++ -std=c++20 -O2 -DNDEBUG -I include -pthread tests/bench/patterns/buffer_manager.cc -lbenchmark -o /tmp/buffers
//
// Stresses what buffers go through in a server: one thread takes them, another brings them back (across_threads; sizes
// spread evenly over the powers of two from 16 B to 1 MiB); a window of live buffers of which a random one is replaced
// (window); and the hit alone (pair). Traps: no peer overwrites what comes back, so ours does not either, except where
// its name says so; and each buffer's first byte is written, or an allocator that only maps would look fast. malloc is
// whatever the process has: preload another one to compare.

#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory_resource>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "mempool/buffer_manager.hpp"

namespace {

// Each has take(), give(), and data() of what it hands out.
template <mempool::scrub Scrub>
struct ours {
  using block = mempool::buffer;
  block take(std::size_t size) { return manager.allocate(size); }
  void give(block& taken) { taken.reset(); }
  static std::byte* data(block& of) { return of.data(); }
  mempool::buffer_manager manager{{.max_bytes = std::size_t{1} << 30, .scrub = Scrub}};
};
struct raw {
  struct block {
    void* start = nullptr;
    std::size_t size = 0;
  };
  static std::byte* data(block& of) { return static_cast<std::byte*>(of.start); }
};
struct pmr_synchronized_pool : raw {
  block take(std::size_t size) { return {pool.allocate(size), size}; }
  void give(block& taken) { pool.deallocate(taken.start, taken.size); }
  std::pmr::synchronized_pool_resource pool;
};
struct malloc_free : raw {
  block take(std::size_t size) { return {std::malloc(size), size}; }
  void give(block& taken) { std::free(taken.start); }
};

std::vector<std::size_t> log_uniform_sizes() {
  std::mt19937 random{1};
  std::uniform_real_distribution<double> lg{4, 20};
  std::vector<std::size_t> sizes(4096);
  for (auto& size : sizes) size = static_cast<std::size_t>(std::exp2(lg(random)));
  return sizes;
}

/// Two batches go round between two threads.
template <class Batch>
class hand_over {
 public:
  void give(Batch* batch) {
    {
      std::lock_guard const guard{lock_};
      batches_[count_++] = batch;
    }
    came_.notify_one();
  }
  Batch* take() {
    std::unique_lock guard{lock_};
    came_.wait(guard, [this] { return count_ != 0; });
    return batches_[--count_];
  }

 private:
  std::mutex lock_;
  std::condition_variable came_;
  std::array<Batch*, 3> batches_{};
  std::size_t count_ = 0;
};

// An iteration is a batch of 64; items are buffers.
template <class Source>
void across_threads(benchmark::State& state) {
  constexpr std::size_t kBatch = 64;
  using batch = std::vector<typename Source::block>;
  auto const sizes = log_uniform_sizes();
  Source source;
  batch one, two;
  hand_over<batch> to_fill, to_empty;
  to_fill.give(&one);
  to_fill.give(&two);
  std::jthread const consumer{[&] {
    while (batch* const full = to_empty.take()) {
      for (auto& block : *full) source.give(block);
      full->clear();
      to_fill.give(full);
    }
  }};
  std::size_t next = 0;
  for (auto _ : state) {
    batch* const filling = to_fill.take();
    for (std::size_t i = 0; i < kBatch; ++i) {
      filling->push_back(source.take(sizes[next++ % sizes.size()]));
      *Source::data(filling->back()) = std::byte{1};
    }
    to_empty.give(filling);
  }
  to_fill.take();
  to_fill.take();  // both are empty
  to_empty.give(nullptr);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

template <class Source>
void window(benchmark::State& state) {
  auto const sizes = log_uniform_sizes();
  Source source;
  std::array<typename Source::block, 64> live;
  std::size_t next = 0;
  for (auto& block : live) block = source.take(sizes[next++]);
  std::mt19937 random{2};
  for (auto _ : state) {
    auto& block = live[random() % live.size()];
    source.give(block);
    block = source.take(sizes[next++ % sizes.size()]);
    *Source::data(block) = std::byte{1};
  }
  if constexpr (requires { source.manager; }) {
    auto const now = source.manager.stats();
    state.counters["reserved_per_in_use"] = static_cast<double>(now.reserved) / static_cast<double>(now.in_use);
  }
  for (auto& block : live) source.give(block);
}

template <class Source>
void pair(benchmark::State& state) {
  auto const size = static_cast<std::size_t>(state.range(0));
  Source source;
  for (auto _ : state) {
    auto block = source.take(size);
    benchmark::DoNotOptimize(Source::data(block));
    *Source::data(block) = std::byte{1};
    source.give(block);
  }
}

using mempool::scrub;

BENCHMARK(across_threads<ours<scrub::never>>)->Name("ours/across_threads")->UseRealTime();
BENCHMARK(across_threads<ours<scrub::on_release>>)->Name("ours_scrubbing/across_threads")->UseRealTime();
BENCHMARK(across_threads<pmr_synchronized_pool>)->Name("pmr_synchronized_pool/across_threads")->UseRealTime();
BENCHMARK(across_threads<malloc_free>)->Name("malloc/across_threads")->UseRealTime();

BENCHMARK(window<ours<scrub::never>>)->Name("ours/window");
BENCHMARK(window<pmr_synchronized_pool>)->Name("pmr_synchronized_pool/window");
BENCHMARK(window<malloc_free>)->Name("malloc/window");

BENCHMARK(pair<ours<scrub::never>>)->Name("ours/pair")->Arg(64)->Arg(4096)->Arg(1 << 20);
BENCHMARK(pair<pmr_synchronized_pool>)->Name("pmr_synchronized_pool/pair")->Arg(64)->Arg(4096)->Arg(1 << 20);
BENCHMARK(pair<malloc_free>)->Name("malloc/pair")->Arg(64)->Arg(4096)->Arg(1 << 20);

}  // namespace

BENCHMARK_MAIN();
