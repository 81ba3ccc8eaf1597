// ns per get_or_create with 10,000 string keys, skewed (Zipf 0.9), by one thread and by two.
//
//   alive  every value has an owner: a look-up and one more owner, given up again
//   churn  nobody owns anything: each call makes a value, and its end takes the entry away
//
// The trap: in churn a map of weak pointers leaves its dead entries behind and is spared the work of removing them;
// what it then holds is printed as `left`. flyweight (boost) has a mutex and a map too, and is built where its headers
// are.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#if __has_include(<boost/flyweight.hpp>)
#include <boost/flyweight.hpp>
#include <boost/flyweight/key_value.hpp>
#endif

#include "mempool/weak_cache.hpp"

namespace {

constexpr std::size_t kKeys = 10'000;
constexpr std::size_t kDraws = 1 << 20;

struct payload {
  payload() = default;
  explicit payload(const std::string&) {}
  std::uint64_t words[6] = {};
};

const std::vector<std::string>& keys() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < kKeys; ++i) made.push_back("textures/" + std::to_string(i) + ".png");
    return made;
  }();
  return all;
}

const std::vector<std::uint32_t>& draws() {
  static const std::vector<std::uint32_t> all = [] {
    std::vector<double> sums;
    double sum = 0;
    for (std::size_t rank = 1; rank <= kKeys; ++rank) sums.push_back(sum += std::pow(static_cast<double>(rank), -0.9));
    std::mt19937_64 random{1};
    std::vector<std::uint32_t> made;
    for (std::size_t i = 0; i < kDraws; ++i) {
      double const at = sum * static_cast<double>(random() >> 11) * 0x1p-53;
      auto const rank = std::upper_bound(sums.begin(), sums.end(), at) - sums.begin();
      made.push_back(static_cast<std::uint32_t>(std::min(static_cast<std::size_t>(rank), kKeys - 1)));
    }
    return made;
  }();
  return all;
}

template <class Sync>
class ours {
 public:
  using handle = std::shared_ptr<payload>;
  handle get(const std::string& key) {
    return cache_.get_or_create(key, [](const std::string& k) { return payload{k}; });
  }
  std::size_t left() const { return cache_.stats().entries; }

 private:
  mempool::weak_cache<std::string, payload, Sync> cache_;
};

class mutex_map {
 public:
  using handle = std::shared_ptr<payload>;
  handle get(const std::string& key) {
    std::lock_guard guard{lock_};
    std::weak_ptr<payload>& entry = index_[key];
    handle value = entry.lock();
    if (value == nullptr) entry = value = std::make_shared<payload>(key);
    return value;
  }
  std::size_t left() const { return index_.size(); }

 private:
  std::mutex lock_;
  std::unordered_map<std::string, std::weak_ptr<payload>> index_;
};

#if __has_include(<boost/flyweight.hpp>)
class boost_flyweight {
 public:
  using handle = boost::flyweight<boost::flyweights::key_value<std::string, payload>>;
  handle get(const std::string& key) { return handle{key}; }
  std::size_t left() const { return 0; }  // it does not tell
};
#endif

/// One cache for all threads of a run; the first thread makes it before the others pass the start.
template <class Contender>
class shared {
 public:
  explicit shared(const benchmark::State& state) : is_owner_{state.thread_index() == 0} {
    if (is_owner_) cache = std::make_unique<Contender>();
  }
  ~shared() {
    if (is_owner_) cache.reset();
  }
  static inline std::unique_ptr<Contender> cache;

 private:
  bool is_owner_;
};

template <class Contender>
void run(benchmark::State& state, bool is_owned) {
  shared<Contender> const all{state};
  std::vector<typename Contender::handle> owners;
  if (is_owned && state.thread_index() == 0)
    for (std::string const& key : keys()) owners.push_back(all.cache->get(key));
  auto const& drawn = draws();
  std::size_t at = static_cast<std::size_t>(state.thread_index()) * (kDraws / 2 + 17);
  for (auto _ : state) {
    auto value = all.cache->get(keys()[drawn[at++ % kDraws]]);
    benchmark::DoNotOptimize(value);
  }
  if (state.thread_index() == 0) state.counters["left"] = static_cast<double>(all.cache->left());
}
template <class Contender>
void alive(benchmark::State& state) {
  run<Contender>(state, true);
}
template <class Contender>
void churn(benchmark::State& state) {
  run<Contender>(state, false);
}

template <class Contender>
void add(const std::string& name, int most_threads = 2) {
  for (auto const& [workload, function] :
       {std::pair{"/alive", &alive<Contender>}, std::pair{"/churn", &churn<Contender>}}) {
    benchmark::RegisterBenchmark((name + workload).c_str(), function)->Threads(1);
    if (most_threads > 1)
      benchmark::RegisterBenchmark((name + workload).c_str(), function)->Threads(most_threads)->UseRealTime();
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mempool;
  keys();
  draws();
  add<ours<sync::sharded>>("ours/sharded");
  add<ours<sync::mutex>>("ours/mutex");
  add<ours<sync::none>>("ours/none", 1);
  add<mutex_map>("mutex_map");
#if __has_include(<boost/flyweight.hpp>)
  add<boost_flyweight>("boost_flyweight");
#endif
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
