// A cache of std::unordered_map that lives in a container too small for it: three added lines, marked below.
//
// Usage: yielding_cache [MIB [stubborn]]. Loads MIB (400) of pages of 16 KiB through the cache, each page twice; with
// `stubborn` the lines are left out, and a container of 128 MiB kills it.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "mempool/reclaim.hpp"

namespace {

/// What many programs have: a map, a lock, and no limit.
class page_cache {
 public:
  const std::string& page(int number) {
    std::lock_guard const guard{lock_};
    auto const [entry, is_new] = pages_.try_emplace(number);
    if (is_new) {
      entry->second.assign(kPageBytes, static_cast<char>('a' + number % 26));  // stands for a read from a disk
      ++loads_;
    }
    return entry->second;
  }
  std::size_t bytes() {
    std::lock_guard const guard{lock_};
    return pages_.size() * kPageBytes;
  }
  std::size_t shrink(std::size_t wanted) {
    std::lock_guard const guard{lock_};
    std::size_t gone = 0;
    for (auto each = pages_.begin(); each != pages_.end() && gone < wanted; gone += kPageBytes) each = pages_.erase(each);
    return gone;
  }
  std::size_t loads() const { return loads_; }

  static constexpr std::size_t kPageBytes = 16 << 10;

 private:
  std::mutex lock_;
  std::unordered_map<int, std::string> pages_;
  std::size_t loads_ = 0;
};

}  // namespace

int main(int count, char** words) {
  int const mib = count > 1 ? std::atoi(words[1]) : 400;
  int const pages = mib * static_cast<int>((std::size_t{1} << 20) / page_cache::kPageBytes);
  page_cache cache;
  std::optional<mempool::holder> holder;
  if (count < 3)
    holder.emplace(                                                    // 1
        "pages", [&] { return cache.bytes(); },                        // 2
        [&](std::size_t wanted) { return cache.shrink(wanted); });     // 3
  std::size_t sum = 0;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < pages; ++i) sum += static_cast<unsigned char>(cache.page(i)[100]);
  std::printf("%d pages read twice, %zu loaded, %.0f MiB in the cache at the end, watched: %s\n", pages, cache.loads(),
              static_cast<double>(cache.bytes()) / (1 << 20), holder && holder->is_watched() ? "yes" : "no");
  return sum == 0;
}
