// Hit ratios of each policy of generational_cache, of an exact LRU and of the optimum, on generated traces.
//
// The optimum knows the future (Belady, 1966): it drops what is needed last, the new entry itself if need be. Traces
// are drawn from fixed seeds, so every run prints the same. The trap: generated traces flatter whatever they were made
// for; they show that a policy has no hole, not how it does on yours.
//
// Exit status 1: our lru differs from the exact one, or the default is more than 3 points below the best policy in a
// row. Takes some seconds.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <list>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mempool/generational_cache.hpp"

namespace {

using trace = std::vector<std::uint32_t>;
constexpr std::size_t kRequests = 400'000;

class zipf {
 public:
  zipf(std::size_t keys, double skew) {
    double sum = 0;
    for (std::size_t rank = 1; rank <= keys; ++rank) sums_.push_back(sum += std::pow(static_cast<double>(rank), -skew));
  }
  std::uint32_t operator()(std::mt19937_64& random) const {
    double const at = sums_.back() * static_cast<double>(random() >> 11) * 0x1p-53;
    return static_cast<std::uint32_t>(std::upper_bound(sums_.begin(), std::prev(sums_.end()), at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

trace skewed(double skew) {
  zipf const rank{50'000, skew};
  std::mt19937_64 random{1};
  trace made;
  while (made.size() < kRequests) made.push_back(rank(random));
  return made;
}

/// Skewed use, and now and then somebody reads 10,000 things from end to end, once.
trace with_scans() {
  zipf const rank{20'000, 0.9};
  std::mt19937_64 random{2};
  trace made;
  std::uint32_t fresh = 1'000'000;
  while (made.size() < kRequests) {
    for (int i = 0; i < 20'000; ++i) made.push_back(rank(random));
    for (int i = 0; i < 10'000; ++i) made.push_back(fresh++);
  }
  return made;
}

trace loop(std::uint32_t length) {
  trace made;
  for (std::uint32_t i = 0; made.size() < kRequests; ++i) made.push_back(i % length);
  return made;
}

/// Skewed use of what changes: every 40,000 requests half of the keys fall out of use and new ones come in.
trace shifting() {
  zipf const rank{20'000, 0.9};
  std::mt19937_64 random{3};
  trace made;
  while (made.size() < kRequests) {
    std::uint32_t const phase = static_cast<std::uint32_t>(made.size() / 40'000);
    std::uint32_t const drawn = rank(random);
    made.push_back(drawn + 20'000u * (drawn % 2 == 0 ? phase : 0u));
  }
  return made;
}

std::size_t exact_lru(const trace& requests, std::size_t capacity) {
  std::list<std::uint32_t> order;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> index;
  std::size_t hits = 0;
  for (std::uint32_t const key : requests) {
    if (auto const found = index.find(key); found != index.end()) {
      ++hits;
      order.splice(order.end(), order, found->second);
      continue;
    }
    if (index.size() == capacity) {
      index.erase(order.front());
      order.pop_front();
    }
    index[key] = order.insert(order.end(), key);
  }
  return hits;
}

std::size_t optimum(const trace& requests, std::size_t capacity) {
  std::vector<std::size_t> next(requests.size());
  std::unordered_map<std::uint32_t, std::size_t> last_seen;
  for (std::size_t i = requests.size(); i-- > 0;) {
    auto const [seen, is_new] = last_seen.try_emplace(requests[i], i);
    next[i] = is_new ? requests.size() : std::exchange(seen->second, i);
  }
  std::set<std::pair<std::size_t, std::uint32_t>> by_next_use;
  std::unordered_map<std::uint32_t, std::size_t> next_use;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    std::uint32_t const key = requests[i];
    if (auto const found = next_use.find(key); found != next_use.end()) {
      ++hits;
      by_next_use.erase({found->second, key});
    }
    next_use[key] = next[i];
    by_next_use.insert({next[i], key});
    if (by_next_use.size() <= capacity) continue;
    auto const latest = std::prev(by_next_use.end());
    next_use.erase(latest->second);
    by_next_use.erase(latest);
  }
  return hits;
}

template <class Policy>
std::size_t ours(const trace& requests, std::size_t capacity) {
  mempool::generational_cache<std::uint32_t, char, Policy, mempool::sync::none> cache{
      {.capacity = capacity, .ttl = mempool::generational_cache<std::uint32_t, char>::forever}};
  for (std::uint32_t const key : requests)
    if (!cache.get(key)) cache.put(key, ' ');
  return cache.stats().hits;
}

}  // namespace

int main() {
  struct row {
    const char* name;
    trace requests;
  };
  row const rows[] = {{"zipf 0.7", skewed(0.7)},    {"zipf 0.9", skewed(0.9)},   {"zipf 1.1", skewed(1.1)},
                      {"scans", with_scans()},      {"loop of 600", loop(600)},  {"loop of 6000", loop(6'000)},
                      {"loop of 8000", loop(8'000)}, {"shifting", shifting()}};
  std::printf("hit ratio, percent\n%-14s %8s %8s %8s %16s %8s %8s\n", "trace", "capacity", "s3_fifo", "lru",
              "two_generations", "exact", "optimum");
  bool is_good = true;
  for (row const& each : rows) {
    for (std::size_t const capacity : {std::size_t{500}, std::size_t{5'000}}) {
      auto const percent = [&](std::size_t hits) {
        return 100.0 * static_cast<double>(hits) / static_cast<double>(each.requests.size());
      };
      double const s3_fifo = percent(ours<mempool::policy::s3_fifo>(each.requests, capacity));
      double const lru = percent(ours<mempool::policy::lru>(each.requests, capacity));
      double const two = percent(ours<mempool::policy::two_generations>(each.requests, capacity));
      double const exact = percent(exact_lru(each.requests, capacity));
      double const best = percent(optimum(each.requests, capacity));
      bool const is_row_good = lru == exact && s3_fifo + 3 >= std::max(lru, two);
      std::printf("%-14s %8zu %8.2f %8.2f %16.2f %8.2f %8.2f%s\n", each.name, capacity, s3_fifo, lru, two, exact, best,
                  is_row_good ? "" : "  <- not as claimed");
      is_good = is_good && is_row_good;
    }
  }
  return is_good ? 0 : 1;
}
