// Freed mappings that are kept for the next large block: page faults cost more than all else such a block costs.
//
// A short list, oldest first, neighbours joined. No system call in here: what has to go is handed to the caller, who
// unmaps it with no lock held. Not synchronised.
#pragma once

#include <cstddef>

#include "platform/os.hpp"

namespace mempool::fallback {

class KeptExtents {
 public:
  static constexpr unsigned kMost = 64;

  /// `bytes` cut from the front of the smallest extent that holds them; empty where none does.
  os::Span take(std::size_t bytes) noexcept;
  /// Keeps an extent, joined with its neighbours, as the newest. Requires !is_full().
  void put(os::Span extent) noexcept;
  /// At most `most` bytes off the end of the extent kept longest; empty where there is none.
  os::Span take_oldest(std::size_t most) noexcept;

  bool is_full() const noexcept { return count_ == kMost; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  void remove(unsigned at) noexcept;

  os::Span extents_[kMost] = {};
  unsigned count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace mempool::fallback
