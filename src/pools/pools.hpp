// The pools as the layers above see them. How they work: pools/README in docs/how-it-works.md and the files here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/figures.hpp"
#include "platform/os.hpp"

namespace mempool::pools {

/// Gives unused pool memory back to the OS: depots emptied into the bitmaps, page runs without a block in use
/// discarded, at most `goal` bytes (0: all). Returns bytes passed to madvise. Any thread; not in a handler.
std::size_t trim(std::size_t goal) noexcept;

struct Totals {
  std::size_t live_bytes;       // in blocks handed to thread caches and not taken back: includes thread caches
  std::size_t committed_bytes;  // slabs carved, less discarded pages
  std::size_t cached_bytes;     // kept without use: depot and dirty free pages
};
Totals totals() noexcept;

}  // namespace mempool::pools
