// ns per operation, the same operations that scripts/count counts, by Google Benchmark.
//
// It calls whatever malloc the process has, so the allocator is chosen by a preload:
//
//   g++ -std=c++20 -O2 -fsized-deallocation -pthread tests/bench/micro/timings.cc -lbenchmark -o /tmp/timings
//   LD_PRELOAD=$PWD/build/release/libmempool.so /tmp/timings --benchmark_filter=pair
//
// (libbenchmark-dev is in `scripts/deps bench`.) Trap: two processes are never in the same state of the machine. To
// compare allocators run them in turn, many times, and take each one's best; --benchmark_repetitions is not that.

#include <benchmark/benchmark.h>

#include <thread>
#include <vector>

#include "hand_over.hpp"
#include "operations.hpp"

namespace {

using micro::Batch;

std::size_t bytes_of(benchmark::State const& state) { return static_cast<std::size_t>(state.range(0)); }

// ns per malloc and free of a block that was freed last: both always hit. A call_ function is not inlined, which keeps
// the compiler from dropping the pair (C++14, N3664), and costs the same for every allocator.
void pair(benchmark::State& state) {
  for (auto _ : state) micro::call_free(micro::call_malloc(bytes_of(state)));
}
BENCHMARK(pair)->Arg(16)->Arg(64)->Arg(1024)->Arg(32768);

void new_and_delete(benchmark::State& state) {
  for (auto _ : state) micro::call_delete(micro::call_new(bytes_of(state)));
}
BENCHMARK(new_and_delete)->Arg(64);

void new_and_sized_delete(benchmark::State& state) {
  for (auto _ : state) micro::call_sized_delete(micro::call_new(bytes_of(state)), bytes_of(state));
}
BENCHMARK(new_and_sized_delete)->Arg(64);

void calloc_and_free(benchmark::State& state) {
  for (auto _ : state) micro::call_free(micro::call_calloc(bytes_of(state)));
}
BENCHMARK(calloc_and_free)->Arg(16)->Arg(64)->Arg(100)->Arg(1024);

void aligned_alloc_and_free(benchmark::State& state) {
  for (auto _ : state) micro::call_free(micro::call_aligned_alloc(64, bytes_of(state)));
}
BENCHMARK(aligned_alloc_and_free)->Arg(64);

void realloc_in_place(benchmark::State& state) {
  void* block = micro::call_malloc(64);
  for (auto _ : state) {
    block = micro::call_realloc(block, 56);
    block = micro::call_realloc(block, 64);
  }
  micro::call_free(block);
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(realloc_in_place);

void usable_size(benchmark::State& state) {
  void* const block = micro::call_malloc(64);
  for (auto _ : state) benchmark::DoNotOptimize(micro::call_malloc_usable_size(block));
  micro::call_free(block);
}
BENCHMARK(usable_size);

// ns per batch. 100 blocks fit what a thread caches; 10,000 do not, so part of them goes through the miss path.
void batch(benchmark::State& state) {
  Batch blocks(static_cast<std::size_t>(state.range(0)));
  bool const in_reverse = state.range(1) != 0;
  for (auto _ : state) {
    for (void*& block : blocks) block = micro::call_malloc(64);
    if (in_reverse)
      for (std::size_t at = blocks.size(); at-- > 0;) micro::call_free(blocks[at]);
    else
      for (void* block : blocks) micro::call_free(block);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(batch)->ArgNames({"blocks", "in_reverse"})->Args({100, 0})->Args({100, 1})->Args({10'000, 0});

// ns per batch of 1000 that this thread allocates and another frees. Trap: what is timed is the slower of the two, with
// the hand-over; a machine with one core tells only of its scheduler.
void across_threads(benchmark::State& state) {
  micro::HandOver to_free, to_fill;
  std::thread consumer{[&] {
    while (Batch* const blocks = to_free.take()) {
      for (void* block : *blocks) micro::call_free(block);
      to_fill.give(blocks);
    }
  }};
  Batch first(1000), second(1000);
  to_fill.give(&first);
  to_fill.give(&second);
  for (auto _ : state) {
    Batch* const blocks = to_fill.take();
    for (void*& block : *blocks) block = micro::call_malloc(64);
    to_free.give(blocks);
  }
  to_fill.take();
  to_fill.take();
  to_free.give(nullptr);
  consumer.join();
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(across_threads)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
