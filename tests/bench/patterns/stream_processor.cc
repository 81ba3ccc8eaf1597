// ns per item of a stream that is cut into chunks of 1000, beside a loop written by hand and range-v3's views::chunk.
//
//   g++ -std=c++20 -O2 -DNDEBUG -I include tests/bench/patterns/stream_processor.cc -lbenchmark -o /tmp/streams
//
// (librange-v3-dev; left out where it is not installed.) The work on a chunk is next to nothing, so that what is timed
// is the way of an item into a chunk and of its result out: 2 ns more than by hand are allowed.
//
// Traps: by hand the compiler sees source, work and sink at once and may turn all into one loop on registers; both the
// items and the results go through memory here, as they do where items are worth streaming. views::chunk needs
// a source that is there already, copies no item, and bounds no bytes.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "mempool/stream_processor.hpp"

#if __has_include(<range/v3/view/chunk.hpp>)
#include <range/v3/view/chunk.hpp>
#define HAS_RANGE_V3
#endif

namespace {

constexpr std::size_t kChunk = 1000;
constexpr std::size_t kItems = 1'000'000;

std::vector<int> const& numbers() {
  static std::vector<int> const made = [] {
    std::vector<int> values(kItems);
    std::iota(values.begin(), values.end(), 0);
    return values;
  }();
  return made;
}
std::vector<std::string> const& lines() {
  static std::vector<std::string> const made(kItems / 10, std::string(80, 'x'));
  return made;
}

template <class T>
std::int64_t worth(const T& item) {
  if constexpr (std::is_same_v<T, int>)
    return item;
  else
    return static_cast<std::int64_t>(item.size());
}

template <class Items>
auto work(const Items& chunk) {
  std::vector<std::int64_t> results;
  results.reserve(kChunk);
  for (const auto& item : chunk) results.push_back(2 * worth(item));
  benchmark::DoNotOptimize(results.data());
  benchmark::ClobberMemory();
  return results;
}

template <class T>
void by_hand(benchmark::State& state, const std::vector<T>& source) {
  for (auto _ : state) {
    std::int64_t sum = 0;
    std::vector<T> chunk;
    chunk.reserve(kChunk);
    auto const flush = [&] {
      for (std::int64_t result : work(chunk)) {
        benchmark::DoNotOptimize(result);
        sum += result;
      }
      chunk.clear();
    };
    for (const T& item : source) {
      chunk.push_back(item);
      if (chunk.size() == kChunk) flush();
    }
    if (!chunk.empty()) flush();
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(source.size()) * state.iterations());
}

template <class T>
void ours(benchmark::State& state, const std::vector<T>& source) {
  mempool::stream_processor const processor{[](std::span<T> chunk) { return work(chunk); }, {.chunk_items = kChunk}};
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (std::int64_t result : processor.process(source)) {
      benchmark::DoNotOptimize(result);
      sum += result;
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(source.size()) * state.iterations());
}

BENCHMARK_CAPTURE(by_hand, int, numbers())->Name("by_hand/int");
BENCHMARK_CAPTURE(ours, int, numbers())->Name("ours/int");
BENCHMARK_CAPTURE(by_hand, string, lines())->Name("by_hand/string");
BENCHMARK_CAPTURE(ours, string, lines())->Name("ours/string");

#ifdef HAS_RANGE_V3
template <class T>
void range_v3(benchmark::State& state, const std::vector<T>& source) {
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (auto&& chunk : source | ranges::views::chunk(static_cast<std::ptrdiff_t>(kChunk)))
      for (std::int64_t result : work(chunk)) {
        benchmark::DoNotOptimize(result);
        sum += result;
      }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(source.size()) * state.iterations());
}
BENCHMARK_CAPTURE(range_v3, int, numbers())->Name("range_v3/int");
BENCHMARK_CAPTURE(range_v3, string, lines())->Name("range_v3/string");
#endif

}  // namespace

BENCHMARK_MAIN();
