// RocksDB's block cache gives back by a smaller capacity, which it takes again when memory is no longer short.

#include <rocksdb/cache.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "mempool/memory_monitor.hpp"
#include "mempool/reclaim.hpp"

int main() {
  constexpr std::size_t kCapacity = 8 << 20, kLeast = 1 << 20;
  std::shared_ptr<rocksdb::Cache> const cache = rocksdb::NewLRUCache(kCapacity);

  auto const shrink = [&](std::size_t want) {
    std::size_t const before = cache->GetUsage();
    cache->SetCapacity(std::max(kLeast, before - std::min(before, want)));
    return before - std::min(before, cache->GetUsage());
  };
  mempool::holder const holder{"rocksdb", [&] { return cache->GetUsage(); }, shrink};
  mempool::memory_monitor monitor;
  auto const regrow = monitor.on_change([&](mempool::level, mempool::memory_snapshot const& now) {
    if (now.at() == mempool::level::normal) cache->SetCapacity(kCapacity);
  });

  for (int i = 0; i < 4000; ++i) {
    auto* const block = new char[1024];
    cache->Insert(std::to_string(i), block, 1024 + 64,
                  [](const rocksdb::Slice&, void* value) { delete[] static_cast<char*>(value); });
  }
  std::size_t const full = cache->GetUsage(), gone = shrink(2 << 20);
  std::printf("%zu bytes in the cache, %zu given back\n", full, gone);
  return gone >= std::size_t{2} << 20 ? 0 : 1;
}
