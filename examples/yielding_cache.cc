// A cache of std::unordered_map that lives in a container too small for it: three added lines, marked below.
//
// Usage: yielding_cache [--load [MIB]] [--stubborn]. Asks for pages of 16 KB through the cache, for all of them twice:
// for 16 MiB of them, as fast as it goes; with --load for MIB (400), at the pace of a disk. With --stubborn the lines
// are left out, and a container of 128 MiB kills the load.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "mempool/reclaim.hpp"

namespace {

constexpr std::size_t kPageBytes = 16000;
constexpr auto kDisk = std::chrono::microseconds{100};  // what a page takes; with the rest, some 60 to 100 MB/s

/// What many programs have: a map, a lock, and no limit.
class page_cache {
 public:
  explicit page_cache(std::chrono::microseconds disk) : disk_{disk} {}

  /// A copy: another thread may shrink the cache as soon as the lock is gone.
  std::string page(std::size_t number) {
    std::unique_lock guard{lock_};
    if (auto const found = pages_.find(number); found != pages_.end()) return found->second;
    guard.unlock();
    std::string read = read_from_disk(number);
    guard.lock();
    ++reads_;
    return pages_.try_emplace(number, std::move(read)).first->second;
  }
  std::size_t bytes() {
    std::lock_guard const guard{lock_};
    return pages_.size() * kPageBytes;
  }
  std::size_t shrink(std::size_t wanted) {
    std::lock_guard const guard{lock_};
    std::size_t gone = 0;
    for (auto each = pages_.begin(); each != pages_.end() && gone < wanted; gone += kPageBytes)
      each = pages_.erase(each);
    return gone;
  }
  std::size_t reads() const { return reads_; }

 private:
  std::string read_from_disk(std::size_t number) const {
    if (disk_.count() != 0) std::this_thread::sleep_for(disk_);
    return std::string(kPageBytes, static_cast<char>('a' + number % 26));
  }

  std::chrono::microseconds const disk_;
  std::mutex lock_;
  std::unordered_map<std::size_t, std::string> pages_;
  std::size_t reads_ = 0;
};

}  // namespace

int main(int count, char** words) {
  std::size_t mib = 16;
  auto disk = std::chrono::microseconds{0};
  bool is_stubborn = false;
  for (int i = 1; i < count; ++i) {
    std::string_view const word = words[i];
    if (word == "--stubborn") {
      is_stubborn = true;
    } else if (word == "--load") {
      bool const has_size = i + 1 < count && words[i + 1][0] != '-';
      mib = has_size ? std::strtoul(words[++i], nullptr, 10) : 400;
      disk = kDisk;
    } else {
      std::fprintf(stderr, "usage: yielding_cache [--load [MIB]] [--stubborn]\n");
      return 2;
    }
  }

  page_cache cache{disk};
  std::optional<mempool::holder> holder;
  if (!is_stubborn)
    holder.emplace("pages",                                                       // 1
                   [&] { return cache.bytes(); },                                 // 2
                   [&](std::size_t wanted) { return cache.shrink(wanted); });     // 3

  std::size_t const pages = (mib << 20) / kPageBytes;
  std::size_t wrong = 0;
  for (int round = 0; round < 2; ++round)
    for (std::size_t i = 0; i < pages; ++i)
      if (cache.page(i)[100] != static_cast<char>('a' + i % 26)) ++wrong;
  std::printf("%zu pages asked for twice, %zu read, %zu KiB in the cache at the end, watched: %s\n", pages,
              cache.reads(), cache.bytes() >> 10, holder && holder->is_watched() ? "yes" : "no");
  return wrong == 0 ? 0 : 1;
}
