// Which addresses of memory that mimalloc uses are the start of a live block: one bit per 16 bytes, kept by us.
//
// mimalloc's own answer ("is this in your heap") is unusable across versions and takes a freed block for a live
// one. The bits lie in a reservation of their own, committed in steps up to the highest address handed out. One record
// covers the region, where there is one; else each mapping that mimalloc made has its own (mimalloc_shims.cc).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/lock.hpp"
#include "platform/os.hpp"

namespace mempool::fallback {

class LiveBlocks {
 public:
  /// Covers `region` from now on; no block of what was covered before may be live. False where there are no addresses
  /// for the bits: the region must not be used then.
  [[nodiscard]] bool reset(os::Span region) noexcept;

  bool covers(const void* p) const noexcept {
    return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(region_.begin) < region_.bytes;
  }
  /// Marks a new block. False where its bit cannot be committed.
  [[nodiscard]] bool add(const void* block) noexcept;
  /// Requires covers(block). False, and nothing done, where no live block starts there.
  [[nodiscard]] bool remove(const void* block) noexcept;
  bool has(const void* block) const noexcept;
  /// The live block that starts at or next below `p`, or nullptr. Slow: only for messages.
  const void* at_or_below(const void* p) const noexcept;

  static Lock growth;  // of all records: rarely taken. Public for fork alone

 private:
  std::size_t bit_of(const void* p) const noexcept {
    return static_cast<std::size_t>(static_cast<const char*>(p) - region_.begin) / 16;
  }
  std::atomic<std::uint64_t>& word_of(std::size_t bit) const noexcept {
    return reinterpret_cast<std::atomic<std::uint64_t>*>(bits_.begin)[bit / 64];
  }
  bool is_committed(std::size_t bit) const noexcept {
    return bit / 8 < committed_.load(std::memory_order_acquire);
  }

  os::Span region_;
  os::Span bits_;
  std::atomic<std::size_t> committed_{0};
};

}  // namespace mempool::fallback
