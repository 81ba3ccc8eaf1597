// One class's shared half: its region cut into slabs, the bitmaps of what is free, and the depot of magazines.
//
// The rule it obeys: `lock` is held for tens of nanoseconds and never across a system call; what needs the OS
// (growth, purging) runs under a lock of its own, or on blocks withheld from everyone else. No thread waits for
// one of these locks while it holds another, but for a purge, which fork therefore does not wait for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "pools/metadata.hpp"
#include "pools/slab.hpp"
#include "pools/thread_cache.hpp"

namespace mempool::pools {

/// Slabs whose info lies in the library's own zeroed data, so that a short-lived program commits no table.
inline constexpr std::uint32_t kEarlySlabs = 8;

/// What giving blocks back to the slabs found: a block that is free already, or that was never handed out.
struct Rejected {
  void* block = nullptr;
  bool was_free = false;
  std::uint32_t given = 0;  // blocks that were all right
};

class alignas(64) ClassPool {
 public:
  constexpr ClassPool() = default;
  void reset(SizeClass c, os::Span region, os::Span slab_table, std::uint64_t* partial_slabs) noexcept;

  // -- Depot ---------------------------------------------------------------------------------------------------
  /// A magazine with at least one block in exchange for an empty one (may be nullptr); nullptr where the depot
  /// has none: `empty` is still the caller's then.
  Magazine* exchange_for_full(Magazine* empty) noexcept;
  /// An empty magazine in exchange for one with blocks (may be nullptr); new where none is left behind.
  /// nullptr where there is no memory for one: `full` is still the caller's then.
  Magazine* exchange_for_empty(Magazine* full) noexcept;
  /// Takes what an ending thread leaves. Any count.
  void leave(Magazine* magazine) noexcept;

  // -- Slabs ---------------------------------------------------------------------------------------------------
  /// Up to `want` blocks in `out`, highest address first, so that a magazine hands them out in address order.
  /// `zeroed`, when asked for, tells whether the last one fills clean pages alone. 0: the region is full, or
  /// this very thread holds the lock (a signal handler), or MEMPOOL_LIMIT_HARD allows no growth and no dirty page has
  /// a free block.
  std::uint32_t take(void** out, std::uint32_t want, bool* zeroed) noexcept;
  /// Gives blocks back to their slabs. The first one that cannot have been in use is returned and left out.
  Rejected give(void* const* blocks, std::uint32_t count) noexcept;

  /// Discards page runs that hold no block in use, at most `goal` bytes; the depot is emptied first where
  /// `depot_too`. As long as it takes: the monitor's, and malloc_trim's. Returns bytes passed to madvise.
  std::size_t purge(std::size_t goal, bool depot_too) noexcept;
  /// The same for a thread that has other things to do: about kFewRuns calls of madvise at most, from where the last
  /// such step ended. Waits for nobody, and does not look again where it lately found nothing.
  std::size_t purge_some(std::size_t goal) noexcept;

  /// Whether the block, in the region, is handed out: exact where no thread caches the class.
  bool is_handed_out(const void* block) noexcept;
  /// What a thread does that gave a large block back: discards some of what is kept beyond the budget.
  void keep_within_budget() noexcept;

  std::size_t depot_bytes() const noexcept { return depot_blocks_.load(std::memory_order_relaxed) << class_.lg(); }
  std::size_t idle_dirty_bytes() const noexcept {
    std::intptr_t const n = idle_dirty_.load(std::memory_order_relaxed);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

  /// What was discarded before is no longer missed where it has to be dirtied anew.
  void forget_discarded() noexcept;

  void fork_prepare() noexcept;
  void fork_parent() noexcept;
  void fork_child() noexcept;

 private:
  struct Run {
    std::uint32_t slab;
    std::uint32_t grains;
  };
  static constexpr unsigned kRuns = 32;     // slabs claimed at a time
  static constexpr unsigned kFewRuns = 16;  // runs of pages that a thread discards on its way: some ten microseconds

  struct Place {
    std::uint32_t slab;
    unsigned block;
  };
  Place place_of(const void* block) const noexcept;
  SlabInfo& info(std::uint32_t slab) noexcept;
  std::uint64_t& partial_word(std::uint32_t slab) noexcept;
  std::uint32_t lowest_partial() noexcept;
  bool carve_one() noexcept;
  std::uint32_t grains_of(std::size_t offset) const noexcept;
  std::uint32_t take_dirty_of(std::uint32_t slab, void** out, std::uint32_t want) noexcept;
  std::uint32_t take_dirty(void** out, std::uint32_t want) noexcept;
  bool grow() noexcept;
  Rejected give_locked(void* const* blocks, std::uint32_t count) noexcept;
  void empty_into_slabs(Magazine* magazine, Rejected& rejected) noexcept;
  void less_is_idle(std::intptr_t by) noexcept;
  SlabInfo& offer_again(Run const& run) noexcept;
  unsigned claim_idle_runs(std::size_t goal, unsigned most_runs) noexcept;
  std::size_t discard_claimed(unsigned runs) noexcept;

  // What every exchange writes, in one cache line: another core's line costs more than all else that is done under the
  // lock.
  Lock lock_;
  Magazine* full_ = nullptr;
  Magazine* empty_ = nullptr;
  std::atomic<std::size_t> depot_blocks_{0};
  std::size_t discarded_ = 0;                 // and not dirtied anew since, nor forgotten
  std::atomic<std::intptr_t> idle_dirty_{0};  // free bytes in slabs that are not clean
  std::atomic<std::uint32_t> carved_{0};
  std::uint32_t lowest_ = 0;  // no slab below this one has a free block

  SizeClass class_;
  char* region_ = nullptr;
  std::uint32_t most_slabs_ = 0;
  std::atomic<std::uint32_t> committed_slabs_{0};  // written under growth_
  unsigned slab_lg_ = 0, grain_lg_ = 0;
  char* late_ = nullptr;              // the infos past the early ones
  std::uint64_t* partial_ = nullptr;  // bit per slab: it has a free block; words of all classes interleaved

  std::uint32_t dirty_cursor_ = 0;  // the slab where take_dirty() goes on

  Lock growth_;
  GrowingPrefix blocks_prefix_, table_prefix_;
  Lock purging_;
  Run runs_[kRuns] = {};  // withheld while madvise runs without the lock
  unsigned run_count_ = 0;
  std::uint32_t purge_cursor_ = 0;  // slabs below it are still to be looked at
  bool lap_found_some_ = true;      // since purge_some() last began at the end
  std::size_t lap_began_with_ = 0;  // idle dirty bytes: what came during the lap may lie behind its back
  // Idle dirty bytes in which a lap of purge_some() found no page; never more than there are, as they are not the same
  // bytes once they were in use again.
  std::atomic<std::size_t> fruitless_{0};
};

extern constinit ClassPool pool[SizeClass::kCount];

}  // namespace mempool::pools
