// ns per object taken from a pool and brought back, by Google Benchmark: object_pool beside its peers.
//
//   g++ -std=c++20 -O2 -DNDEBUG -I include -pthread tests/bench/patterns/object_pool.cc -lbenchmark -o /tmp/object_pool
//
// Stresses the hit (pair_64), an order of return that a sorted free list cannot bear (random_10000), and objects whose
// worth is the memory they own (request). Traps: a pool whose address never leaves the loop is kept in registers, some
// more easily than others, so each is shown to the compiler and has to be in memory between calls. Some peers hand out
// raw memory and some built objects, so in pair_64 and random_10000 nobody initialises anything, new_delete included.
// Poco is measured where libpoco-dev is installed (then add -lPocoFoundation); the others need libboost-dev.

#include <benchmark/benchmark.h>
#include <boost/pool/object_pool.hpp>
#include <boost/pool/pool.hpp>
#if __has_include(<Poco/ObjectPool.h>)
#include <Poco/ObjectPool.h>
#endif

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mempool/http_request_pool.hpp"
#include "mempool/object_pool.hpp"

namespace {

struct item {
  item() noexcept {}  // leaves the bytes as they are
  std::array<char, 64> bytes;
};

// Each has take() and give(), and says what it hands out.
template <class Sync>
struct ours {
  using object = typename mempool::object_pool<item, mempool::default_pool_policy<item>, Sync>::handle;
  object take() { return pool.acquire(); }
  void give(object& taken) { taken.reset(); }
  static item* address(const object& of) { return of.get(); }
  mempool::object_pool<item, mempool::default_pool_policy<item>, Sync> pool{{.max_idle = 10'000}};
};
struct raw {
  using object = item*;
  static item* address(object of) { return of; }
};
struct boost_pool : raw {
  object take() { return static_cast<object>(pool.malloc()); }
  void give(object taken) { pool.free(taken); }
  boost::pool<> pool{sizeof(item)};
};
struct boost_object_pool : raw {
  object take() { return pool.construct(); }
  void give(object taken) { pool.destroy(taken); }
  boost::object_pool<item> pool;
};
struct pmr_unsynchronized_pool : raw {
  object take() { return static_cast<object>(pool.allocate(sizeof(item), alignof(item))); }
  void give(object taken) { pool.deallocate(taken, sizeof(item), alignof(item)); }
  std::pmr::unsynchronized_pool_resource pool;
};
struct new_delete : raw {
  object take() { return new item; }
  void give(object taken) { delete taken; }
};
#if __has_include(<Poco/ObjectPool.h>)
struct poco : raw {
  object take() { return pool.borrowObject(); }
  void give(object taken) { pool.returnObject(taken); }
  Poco::ObjectPool<item, item*> pool{10'000, 10'000};
};
#endif

template <class Pool>
void pair_64(benchmark::State& state) {
  Pool pool;
  Pool* shown = &pool;
  benchmark::DoNotOptimize(shown);
  for (auto _ : state) {
    typename Pool::object taken = pool.take();
    benchmark::DoNotOptimize(Pool::address(taken));
    benchmark::ClobberMemory();
    pool.give(taken);
    benchmark::ClobberMemory();
  }
}

// ns per object: 10,000 are taken, and brought back in a random order that is the same for all.
template <class Pool>
void random_10000(benchmark::State& state) {
  constexpr std::size_t kObjects = 10'000;
  Pool pool;
  std::vector<std::size_t> order(kObjects);
  for (std::size_t i = 0; i < kObjects; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937{1});
  std::vector<typename Pool::object> taken(kObjects);
  for (auto _ : state) {
    for (auto& object : taken) object = pool.take();
    for (std::size_t const at : order) pool.give(taken[at]);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kObjects));
}

const std::array<std::pair<std::string, std::string>, 8> kHeaders{{
    {"host", "api.example.com"},
    {"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
    {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
    {"accept-language", "en-US,en;q=0.5"},
    {"accept-encoding", "gzip, deflate, br, zstd"},
    {"authorization", "Bearer 0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"if-none-match", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""},
    {"connection", "keep-alive"},
}};
const std::string kUrl = "/v1/accounts/0123456789/orders?state=open&sort=created&limit=100";

void request_of_ours(benchmark::State& state) {
  mempool::http_request_pool pool;
  for (auto _ : state) {
    auto request = pool.create("GET", kUrl);
    for (auto const& [name, value] : kHeaders) request->headers.set(name, value);
    benchmark::DoNotOptimize(request.get());
  }
}
// The same type, made anew for each request.
void request_anew(benchmark::State& state) {
  for (auto _ : state) {
    auto request = std::make_unique<mempool::http_request>();
    request->method = "GET";
    request->url = kUrl;
    request->timestamp = std::chrono::system_clock::now();
    for (auto const& [name, value] : kHeaders) request->headers.set(name, value);
    benchmark::DoNotOptimize(request.get());
  }
}
// What one would write without a library.
struct plain_request {
  std::string method, url;
  std::unordered_map<std::string, std::string> headers;
  std::string body;
  std::chrono::system_clock::time_point timestamp;
};
void plain_request_anew(benchmark::State& state) {
  for (auto _ : state) {
    auto request = std::make_unique<plain_request>();
    request->method = "GET";
    request->url = kUrl;
    request->timestamp = std::chrono::system_clock::now();
    for (auto const& [name, value] : kHeaders) request->headers.emplace(name, value);
    benchmark::DoNotOptimize(request.get());
  }
}

BENCHMARK(pair_64<ours<mempool::sync::none>>)->Name("ours/pair_64");
BENCHMARK(pair_64<ours<mempool::sync::mutex>>)->Name("ours_mutex/pair_64");
BENCHMARK(pair_64<ours<mempool::sync::sharded>>)->Name("ours_sharded/pair_64");
BENCHMARK(pair_64<boost_pool>)->Name("boost_pool/pair_64");
BENCHMARK(pair_64<boost_object_pool>)->Name("boost_object_pool/pair_64");
BENCHMARK(pair_64<pmr_unsynchronized_pool>)->Name("pmr_unsynchronized_pool/pair_64");
BENCHMARK(pair_64<new_delete>)->Name("new_delete/pair_64");

BENCHMARK(random_10000<ours<mempool::sync::none>>)->Name("ours/random_10000");
BENCHMARK(random_10000<boost_pool>)->Name("boost_pool/random_10000");
BENCHMARK(random_10000<boost_object_pool>)->Name("boost_object_pool/random_10000");
BENCHMARK(random_10000<pmr_unsynchronized_pool>)->Name("pmr_unsynchronized_pool/random_10000");
BENCHMARK(random_10000<new_delete>)->Name("new_delete/random_10000");

#if __has_include(<Poco/ObjectPool.h>)
BENCHMARK(pair_64<poco>)->Name("poco/pair_64");
BENCHMARK(random_10000<poco>)->Name("poco/random_10000");
#endif

BENCHMARK(request_of_ours)->Name("ours/request");
BENCHMARK(request_anew)->Name("new_delete/request");
BENCHMARK(plain_request_anew)->Name("unordered_map_new_delete/request");

}  // namespace

BENCHMARK_MAIN();
