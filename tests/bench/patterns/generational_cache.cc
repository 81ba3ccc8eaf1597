// ns per look-up in a cache of 16-byte keys, skewed (Zipf 0.9), by one thread and by two.
//
//   hit           every key is there: hashing, comparing, the lock and the policy's mark
//   read_through  a quarter of the keys fit; a miss is followed by a put: eviction and allocation too
//   mixed         as hit, and every twentieth call is a put of a key that is there
//
// The trap: caches that charge their own overhead to the capacity hold fewer entries and look slower in read_through
// than they are. RocksDB's is told not to. Keys are drawn beforehand, so that drawing them is not measured, and the
// threads start at different places of the same list. Peers are built where their headers are (librocksdb-dev,
// libpoco-dev); std_list is what one writes by hand: a list, a map and a mutex.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#if __has_include(<rocksdb/cache.h>)
#include <rocksdb/cache.h>
#endif
#if __has_include(<Poco/ExpireLRUCache.h>)
#include <Poco/ExpireLRUCache.h>
#endif

#include "mempool/generational_cache.hpp"

namespace {

constexpr std::size_t kKeys = 1 << 16;
constexpr std::size_t kDraws = 1 << 20;

const std::vector<std::string>& keys() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < kKeys; ++i) {
      std::string digits = std::to_string(i);
      made.push_back("key:" + std::string(12 - digits.size(), '0') + digits);
    }
    return made;
  }();
  return all;
}

const std::vector<std::uint32_t>& draws() {
  static const std::vector<std::uint32_t> all = [] {
    std::vector<double> sums;
    double sum = 0;
    for (std::size_t rank = 1; rank <= kKeys; ++rank) sums.push_back(sum += std::pow(static_cast<double>(rank), -0.9));
    std::vector<std::uint32_t> key_of(kKeys);  // neighbours in rank are no neighbours in memory
    for (std::size_t i = 0; i < kKeys; ++i) key_of[i] = static_cast<std::uint32_t>(i);
    std::mt19937_64 random{1};
    std::shuffle(key_of.begin(), key_of.end(), random);
    std::vector<std::uint32_t> made;
    for (std::size_t i = 0; i < kDraws; ++i) {
      double const at = sum * static_cast<double>(random() >> 11) * 0x1p-53;
      auto const rank = std::upper_bound(sums.begin(), sums.end(), at) - sums.begin();
      made.push_back(key_of[std::min(static_cast<std::size_t>(rank), kKeys - 1)]);
    }
    return made;
  }();
  return all;
}

template <class Policy, class Sync>
class ours {
 public:
  explicit ours(std::size_t capacity) : cache_{{.capacity = capacity}} {}
  bool get(const std::string& key) { return cache_.get(key).has_value(); }
  void put(const std::string& key, std::uint64_t value) { cache_.put(key, value); }

 private:
  mempool::generational_cache<std::string, std::uint64_t, Policy, Sync> cache_;
};

class std_list {
 public:
  explicit std_list(std::size_t capacity) : capacity_{capacity} {}
  bool get(const std::string& key) {
    std::lock_guard guard{lock_};
    auto const found = index_.find(key);
    if (found == index_.end()) return false;
    order_.splice(order_.end(), order_, found->second);
    benchmark::DoNotOptimize(found->second->second);
    return true;
  }
  void put(const std::string& key, std::uint64_t value) {
    std::lock_guard guard{lock_};
    if (auto const found = index_.find(key); found != index_.end()) {
      found->second->second = value;
      order_.splice(order_.end(), order_, found->second);
      return;
    }
    if (index_.size() == capacity_) {
      index_.erase(order_.front().first);
      order_.pop_front();
    }
    index_[key] = order_.insert(order_.end(), {key, value});
  }

 private:
  std::size_t capacity_;
  std::mutex lock_;
  std::list<std::pair<std::string, std::uint64_t>> order_;
  std::unordered_map<std::string, std::list<std::pair<std::string, std::uint64_t>>::iterator> index_;
};

#if __has_include(<rocksdb/cache.h>)
class rocksdb_lru {
 public:
  explicit rocksdb_lru(std::size_t capacity) {
    rocksdb::LRUCacheOptions options;
    options.capacity = capacity;
    options.num_shard_bits = 4;
    options.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
    cache_ = rocksdb::NewLRUCache(options);
  }
  bool get(const std::string& key) {
    rocksdb::Cache::Handle* const handle = cache_->Lookup(key);
    if (handle == nullptr) return false;
    void* value = cache_->Value(handle);
    benchmark::DoNotOptimize(value);
    cache_->Release(handle);
    return true;
  }
  void put(const std::string& key, std::uint64_t value) {
    static_cast<void>(cache_->Insert(key, reinterpret_cast<void*>(value), 1, [](const rocksdb::Slice&, void*) {}));
  }

 private:
  std::shared_ptr<rocksdb::Cache> cache_;
};
#endif

#if __has_include(<Poco/ExpireLRUCache.h>)
class poco_lru {
 public:
  explicit poco_lru(std::size_t capacity) : cache_{capacity, 600'000} {}
  bool get(const std::string& key) { return !cache_.get(key).isNull(); }
  void put(const std::string& key, std::uint64_t value) { cache_.update(key, value); }

 private:
  Poco::ExpireLRUCache<std::string, std::uint64_t> cache_;
};
#endif

/// One cache for all threads of a run; the first thread makes it before the others pass the start.
template <class Contender>
class shared {
 public:
  shared(const benchmark::State& state, std::size_t capacity) : is_owner_{state.thread_index() == 0} {
    if (!is_owner_) return;
    cache = std::make_unique<Contender>(capacity);
    for (std::size_t i = 0; i < std::min(capacity, kKeys); ++i) cache->put(keys()[i], i);
  }
  ~shared() {
    if (is_owner_) cache.reset();
  }
  static inline std::unique_ptr<Contender> cache;

 private:
  bool is_owner_;
};

std::size_t start_of(const benchmark::State& state) {
  return static_cast<std::size_t>(state.thread_index()) * (kDraws / 2 + 17);
}

template <class Contender>
void hit(benchmark::State& state) {
  shared<Contender> const run{state, 2 * kKeys};  // shards are never filled evenly: with no more room some would evict
  auto const& drawn = draws();
  std::size_t at = start_of(state);
  for (auto _ : state) {
    bool found = run.cache->get(keys()[drawn[at++ % kDraws]]);
    benchmark::DoNotOptimize(found);
  }
}

template <class Contender>
void read_through(benchmark::State& state) {
  shared<Contender> const run{state, kKeys / 4};
  auto const& drawn = draws();
  std::size_t at = start_of(state);
  std::size_t hits = 0;
  for (auto _ : state) {
    std::uint32_t const key = drawn[at++ % kDraws];
    if (run.cache->get(keys()[key]))
      ++hits;
    else
      run.cache->put(keys()[key], key);
  }
  state.counters["hit_percent"] =
      benchmark::Counter(100.0 * static_cast<double>(hits) / static_cast<double>(state.iterations()),
                         benchmark::Counter::kAvgThreads);
}

template <class Contender>
void mixed(benchmark::State& state) {
  shared<Contender> const run{state, 2 * kKeys};
  auto const& drawn = draws();
  std::size_t at = start_of(state);
  for (auto _ : state) {
    std::uint32_t const key = drawn[at++ % kDraws];
    if (at % 20 == 0) {
      run.cache->put(keys()[key], key);
    } else {
      bool found = run.cache->get(keys()[key]);
      benchmark::DoNotOptimize(found);
    }
  }
}

template <class Contender>
void add(const std::string& name, int most_threads = 2) {
  for (auto const& [workload, function] : {std::pair{"/hit", &hit<Contender>},
                                           std::pair{"/read_through", &read_through<Contender>},
                                           std::pair{"/mixed", &mixed<Contender>}})
    benchmark::RegisterBenchmark((name + workload).c_str(), function)->ThreadRange(1, most_threads)->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mempool;
  keys();
  draws();
  add<ours<policy::s3_fifo, sync::sharded>>("ours/s3_fifo/sharded");
  add<ours<policy::s3_fifo, sync::mutex>>("ours/s3_fifo/mutex");
  add<ours<policy::s3_fifo, sync::none>>("ours/s3_fifo/none", 1);
  add<ours<policy::lru, sync::sharded>>("ours/lru/sharded");
  add<ours<policy::two_generations, sync::sharded>>("ours/two_generations/sharded");
  add<std_list>("std_list");
#if __has_include(<rocksdb/cache.h>)
  add<rocksdb_lru>("rocksdb_lru");
#endif
#if __has_include(<Poco/ExpireLRUCache.h>)
  add<poco_lru>("poco_expire_lru");
#endif
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
