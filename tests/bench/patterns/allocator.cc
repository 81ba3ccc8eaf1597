// ns per element of containers that come and go, with our allocator and resource beside the standard ones and Boost's,
// and of scratch memory from an arena beside std::pmr::monotonic_buffer_resource.
//
//   g++ -std=c++20 -O2 -DNDEBUG -I include tests/bench/patterns/allocator.cc -lbenchmark -pthread -o /tmp/allocators
//   LD_PRELOAD=$PWD/build/release/libmempool.so /tmp/allocators
//
// (libboost-dev; left out where it is not installed.) Each contender builds a container of 1000 elements, takes half of
// them out, puts others in, and drops it.
//
// Traps: "ours" is what operator new is in this process: without the preload (or -lmempool) it is glibc's, with sizes
// rounded up, and tells nothing of the library. Boost's fast_pool_allocator never gives memory back, and locks. A list
// that was built in one go lies in order in memory, as no list of some age does: the middle part shuffles it.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <string>
#include <unordered_map>
#include <vector>

#include "mempool/allocator.hpp"

#if __has_include(<boost/pool/pool_alloc.hpp>)
#include <boost/pool/pool_alloc.hpp>
#define HAS_BOOST_POOL
#endif

namespace {

constexpr int kElements = 1000;

template <template <class> class Alloc>
void list_churn(benchmark::State& state) {
  for (auto _ : state) {
    std::list<int, Alloc<int>> list;
    for (int i = 0; i < kElements; ++i) list.push_back(i);
    for (auto it = list.begin(); it != list.end(); ++it) it = list.erase(it);
    for (int i = 0; i < kElements / 2; ++i) list.push_front(i);
    benchmark::DoNotOptimize(list);
  }
  state.SetItemsProcessed(state.iterations() * kElements * 3 / 2);
}

template <template <class> class Alloc>
void map_churn(benchmark::State& state) {
  for (auto _ : state) {
    std::map<int, int, std::less<>, Alloc<std::pair<const int, int>>> map;
    for (int i = 0; i < kElements; ++i) map.emplace(i * 7919 % kElements, i);
    for (int i = 0; i < kElements; i += 2) map.erase(i);
    for (int i = 0; i < kElements; i += 2) map.emplace(i, i);
    benchmark::DoNotOptimize(map);
  }
  state.SetItemsProcessed(state.iterations() * kElements * 3 / 2);
}

template <template <class> class Alloc>
void unordered_map_churn(benchmark::State& state) {
  for (auto _ : state) {
    std::unordered_map<int, int, std::hash<int>, std::equal_to<>, Alloc<std::pair<const int, int>>> map;
    for (int i = 0; i < kElements; ++i) map.emplace(i * 7919 % kElements, i);
    for (int i = 0; i < kElements; i += 2) map.erase(i);
    for (int i = 0; i < kElements; i += 2) map.emplace(i, i);
    benchmark::DoNotOptimize(map);
  }
  state.SetItemsProcessed(state.iterations() * kElements * 3 / 2);
}

template <template <class> class Alloc>
void string_churn(benchmark::State& state) {
  using text = std::basic_string<char, std::char_traits<char>, Alloc<char>>;
  for (auto _ : state) {
    std::vector<text, Alloc<text>> texts;
    for (std::size_t i = 0; i < kElements; ++i) texts.emplace_back(16 + i % 100, 'x');
    benchmark::DoNotOptimize(texts.data());
  }
  state.SetItemsProcessed(state.iterations() * kElements);
}

#define ALLOCATOR_BENCHMARKS(prefix, alloc)                            \
  BENCHMARK(list_churn<alloc>)->Name(prefix "/list");                  \
  BENCHMARK(map_churn<alloc>)->Name(prefix "/map");                    \
  BENCHMARK(unordered_map_churn<alloc>)->Name(prefix "/unordered_map"); \
  BENCHMARK(string_churn<alloc>)->Name(prefix "/string")

ALLOCATOR_BENCHMARKS("ours", mempool::allocator);
ALLOCATOR_BENCHMARKS("std_allocator", std::allocator);
#ifdef HAS_BOOST_POOL
// For nodes alone, which is what it is for: arrays from it are searched for, block by block.
template <class T>
using boost_fast_pool = boost::fast_pool_allocator<T>;
BENCHMARK(list_churn<boost_fast_pool>)->Name("boost_fast_pool/list");
BENCHMARK(map_churn<boost_fast_pool>)->Name("boost_fast_pool/map");
#endif

// -- std::pmr -------------------------------------------------------------------------------------------------------

void pmr_list(benchmark::State& state, std::pmr::memory_resource* resource) {
  for (auto _ : state) {
    std::pmr::list<int> list{resource};
    for (int i = 0; i < kElements; ++i) list.push_back(i);
    benchmark::DoNotOptimize(list);
  }
  state.SetItemsProcessed(state.iterations() * kElements);
}
std::pmr::memory_resource* synchronized() {
  static std::pmr::synchronized_pool_resource pool;
  return &pool;
}
std::pmr::memory_resource* unsynchronized() {
  static std::pmr::unsynchronized_pool_resource pool;
  return &pool;
}
BENCHMARK_CAPTURE(pmr_list, ours, mempool::resource())->Name("ours/pmr_list");
BENCHMARK_CAPTURE(pmr_list, new_delete, std::pmr::new_delete_resource())->Name("new_delete_resource/pmr_list");
BENCHMARK_CAPTURE(pmr_list, synchronized, synchronized())->Name("synchronized_pool_resource/pmr_list");
BENCHMARK_CAPTURE(pmr_list, unsynchronized, unsynchronized())->Name("unsynchronized_pool_resource/pmr_list");

// -- Scratch memory: some 100 KiB in pieces of 16 to 272 bytes, dropped at once ---------------------------------------

void fill(std::pmr::memory_resource& scratch) {
  for (std::size_t i = 0; i < kElements; ++i) {
    void* piece = scratch.allocate(16 + i % 256, 8);
    benchmark::DoNotOptimize(piece);
  }
}
void arena_scratch(benchmark::State& state) {
  mempool::arena scratch;
  for (auto _ : state) {
    auto const mark = scratch.mark();
    fill(scratch);
  }
  state.SetItemsProcessed(state.iterations() * kElements);
}
void monotonic_scratch(benchmark::State& state) {
  for (auto _ : state) {
    std::pmr::monotonic_buffer_resource scratch;
    fill(scratch);
  }
  state.SetItemsProcessed(state.iterations() * kElements);
}
BENCHMARK(arena_scratch)->Name("ours/scratch");
BENCHMARK(monotonic_scratch)->Name("monotonic_buffer_resource/scratch");

}  // namespace

BENCHMARK_MAIN();
