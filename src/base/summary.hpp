// The summary's sentence, said by scripts/run after the program and by MEMPOOL_SUMMARY=1 at its exit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/figures.hpp"
#include "base/line.hpp"

namespace mempool {

/// "pools supplied 1234 blocks (5.6MiB) to thread caches, mimalloc served 78 requests". Supplied counts each
/// hand-over from slabs or depot to a thread's cache, not each malloc: a block that a thread frees and takes
/// again never leaves its cache.
inline Line& describe_supply(Line& line, Figures const& from) noexcept {
  std::uint64_t blocks = 0, bytes = 0, requests = 0;
  for (unsigned i = 0; i < kMaxClasses; ++i) {
    std::uint64_t const supplied = from.supplied[i].load(std::memory_order_relaxed);
    blocks += supplied;
    bytes += supplied << (i + 4);
  }
  for (FallbackShard const& shard : from.fallback) requests += shard.requests.load(std::memory_order_relaxed);
  line.text("pools supplied ").dec(blocks).text(" blocks (").dec(bytes >> 20).text(" MiB) to thread caches, mimalloc ");
  return line.text("served ").dec(requests).text(requests == 1 ? " request" : " requests");
}

}  // namespace mempool
