// The pools as the layers above see them. How they work: pools/README in docs/how-it-works.md and the files here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/figures.hpp"
#include "platform/os.hpp"

namespace mempool::pools {

/// Gives unused pool memory back to the OS: spare magazines of all threads and depots emptied into the bitmaps, page
/// runs without a block in use discarded. Returns bytes passed to madvise. Any thread; not in a handler.
std::size_t trim() noexcept;

/// The monitor's housekeeping: discards pages until what is kept without use is within the budget halved `halvings`
/// times. One thread.
void settle(unsigned halvings) noexcept;
/// Takes the spares of threads that missed nothing since the call before. One thread.
void take_spares_of_idle_threads() noexcept;
/// What was learned to keep is halved `halvings` times: the program asked for little lately, or is short of memory.
void forget(unsigned halvings) noexcept;

struct Totals {
  std::size_t live_bytes;       // in blocks handed to thread caches and not taken back: includes thread caches
  std::size_t committed_bytes;  // slabs carved, less discarded pages
  std::size_t cached_bytes;     // kept without use: depot and dirty free pages
  std::size_t supplied_bytes;   // handed to thread caches so far: moves while the program works
};
Totals totals() noexcept;

/// The size classes of which most is live, thread caches included: the first `count`, the largest first.
struct InClass {
  std::uint64_t block, bytes;
};
void largest_classes(InClass* into, unsigned count) noexcept;

/// What the pools may keep without use, however little is live. docs/decisions/0003-a-small-budget.md.
inline constexpr std::size_t kLeastBudget = std::size_t{2} << 20;

/// What had to be dirtied anew although as much of its class was discarded before should have been kept: so much is,
/// from then on, up to this or half of what is live.
constexpr std::size_t most_learned(std::size_t live) noexcept {
  return live / 2 > std::size_t{32} << 20 ? live / 2 : std::size_t{32} << 20;
}

/// Bytes kept without use, all classes together (depots and idle dirty pages), and what may be kept:
/// max(kLeastBudget, an eighth of the live heap, what was learned).
std::size_t kept_bytes() noexcept;
std::size_t keep_budget() noexcept;
bool keeps_too_much() noexcept;

/// What a thread has to discard itself of what is kept beyond the budget. Where a monitor runs, that does it: taking
/// pages from a process costs each of its threads an interrupt, and this one would wait for them.
std::size_t beyond_budget() noexcept;
void note_left_by_monitor() noexcept;
inline constexpr std::size_t kMostLeft = std::size_t{64} << 20;

}  // namespace mempool::pools
