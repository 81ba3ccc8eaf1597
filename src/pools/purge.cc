// Giving pages back to the OS, and what fork does with pages that were on their way.
//
// The unit is the page, not the slab: shuffled frees leave few slabs empty but many pages. The pages' blocks are
// withheld from allocation under the lock, discarded without it, and offered again as clean.

#include <algorithm>
#include <utility>

#include "base/figures.hpp"
#include "platform/fatal.hpp"
#include "pools/class_pool.hpp"
#include "pools/pools.hpp"
#include "pools/record.hpp"
#include "pressure/account.hpp"

namespace mempool::pools {
namespace {

/// Slabs looked at, or groups of 64 passed over, while the class's lock is held: about a microsecond.
constexpr unsigned kLookedAt = 32;
/// Times that a thread with other things to do takes the lock to look.
constexpr unsigned kLooks = 8;

}  // namespace

/// Withholds idle dirty grains of up to kRuns slabs, from the highest address down: first fit fills from below,
/// so the end is what stays idle. Stops at `most_runs` runs of grains, but never amid a slab. Called under lock_.
unsigned ClassPool::claim_idle_runs(std::size_t goal, unsigned most_runs) noexcept {
  std::size_t claimed = 0;
  unsigned runs = 0;
  auto const goes_on = [&] { return run_count_ < kRuns && claimed < goal && runs < most_runs && purge_cursor_ != 0; };
  for (unsigned left = kLookedAt; left != 0 && goes_on(); --left) {
    std::uint32_t const slab = --purge_cursor_;
    if (partial_word(slab) == 0) {
      purge_cursor_ = slab / 64 * 64;  // none of these 64 has a free block
      continue;
    }
    SlabInfo& of = info(slab);
    if ((static_cast<std::size_t>(of.free_blocks) << class_.lg()) < os::page_size()) continue;
    std::uint32_t const grains = of.idle_grains(class_, grain_lg_) & ~std::uint32_t{of.clean_grains};
    if (grains == 0) continue;
    of.withhold(class_, grains, grain_lg_);
    if (of.free_blocks == 0) partial_word(slab) &= ~(std::uint64_t{1} << (slab % 64));
    runs_[run_count_++] = {slab, grains};
    runs += static_cast<unsigned>(std::popcount(grains & ~(grains << 1)));
    claimed += static_cast<std::size_t>(std::popcount(grains)) << grain_lg_;
  }
  return run_count_;
}

SlabInfo& ClassPool::offer_again(Run const& run) noexcept {
  SlabInfo& of = info(run.slab);
  of.offer(class_, run.grains, grain_lg_);
  partial_word(run.slab) |= std::uint64_t{1} << (run.slab % 64);
  lowest_ = std::min(lowest_, run.slab);
  return of;
}

std::size_t ClassPool::discard_claimed(unsigned runs) noexcept {
  std::size_t discarded = 0;
  os::Span pending;
  std::uint32_t refused = 0;  // slabs whose pages the OS kept: bit per run
  unsigned pending_from = 0;
  auto const flush = [&](unsigned upto) noexcept {
    if (pending.empty()) return;
    if (os::discard(pending))
      discarded += pending.bytes;
    else
      for (unsigned i = pending_from; i < upto; ++i) refused |= 1u << i;
    pending = {};
  };
  // Runs were claimed from high to low, so walking back visits rising addresses and neighbours join.
  for (unsigned i = runs; i-- > 0;) {
    char* const base = region_ + (std::size_t{runs_[i].slab} << slab_lg_);
    for (std::uint32_t rest = runs_[i].grains; rest != 0;) {
      auto const first = static_cast<unsigned>(std::countr_zero(rest));
      auto const length = static_cast<unsigned>(std::countr_one(rest >> first));
      os::Span const run{base + (std::size_t{first} << grain_lg_), std::size_t{length} << grain_lg_};
      rest &= ~(((length == 32 ? 0u : 1u << length) - 1) << first);
      if (!pending.empty() && pending.end() == run.begin) {
        pending.bytes += run.bytes;
        pending_from = i;
        continue;
      }
      flush(runs);
      pending = run;
      pending_from = i;
    }
  }
  flush(runs);
  if (!lock_.lock()) return discarded;
  std::intptr_t cleaned = 0;
  for (unsigned i = 0; i < runs; ++i) {
    SlabInfo& of = offer_again(runs_[i]);
    if ((refused >> i & 1) == 0) {
      of.clean_grains = static_cast<std::uint16_t>(of.clean_grains | runs_[i].grains);
      cleaned += static_cast<std::intptr_t>(std::popcount(runs_[i].grains)) << grain_lg_;
    }
  }
  run_count_ = 0;
  discarded_ += static_cast<std::size_t>(cleaned);
  less_is_idle(cleaned);
  lock_.unlock();
  pressure::heap_shrank(static_cast<std::size_t>(cleaned));
  figures.discarded_bytes.fetch_add(discarded, std::memory_order_relaxed);
  return discarded;
}

std::size_t ClassPool::purge(std::size_t goal, bool depot_too) noexcept {
  if (most_slabs_ == 0 || (idle_dirty_bytes() < os::page_size() && !depot_too) || !purging_.lock()) return 0;
  Rejected rejected;
  if (depot_too && depot_blocks_.load(std::memory_order_relaxed) != 0) {
    for (bool more = true; more && rejected.block == nullptr;) {
      if (!lock_.lock()) break;
      Magazine* const full = full_;
      more = full != nullptr;
      if (more) {
        full_ = full->next;
        depot_blocks_.store(depot_blocks_.load(std::memory_order_relaxed) - full->count, std::memory_order_relaxed);
        empty_into_slabs(full, rejected);
      }
      lock_.unlock();
    }
  }
  std::size_t discarded = 0;
  purge_cursor_ = carved_.load(std::memory_order_relaxed);
  while (discarded < goal && purge_cursor_ != 0) {
    if (!lock_.lock()) break;
    unsigned const runs = claim_idle_runs(goal - discarded, UINT32_MAX);
    lock_.unlock();
    if (runs == 0) continue;
    std::size_t const went = discard_claimed(runs);
    if (went == 0) break;  // refused, as under mlockall: the others would be too
    discarded += went;
  }
  lap_found_some_ = true;
  purging_.unlock();
  if (rejected.block != nullptr)
    misuse(rejected.was_free ? Fault::double_free : Fault::invalid_free, rejected.block, class_.bytes());
  return discarded;
}

std::size_t ClassPool::purge_some(std::size_t goal) noexcept {
  std::size_t const idle_dirty = idle_dirty_bytes();
  std::size_t const fruitless = fruitless_.load(std::memory_order_relaxed);
  if (idle_dirty < os::page_size()) return 0;
  if (fruitless != 0 && idle_dirty < fruitless + std::max(kLongestStep / 2, fruitless / 8)) return 0;
  if (!purging_.try_lock()) return 0;
  unsigned runs = 0;
  for (unsigned looks = kLooks; looks != 0 && runs == 0; --looks) {
    if (purge_cursor_ == 0) {
      fruitless_.store(lap_found_some_ ? 0 : std::min(idle_dirty, lap_began_with_), std::memory_order_relaxed);
      lap_began_with_ = idle_dirty;
      purge_cursor_ = carved_.load(std::memory_order_relaxed);
      if (!std::exchange(lap_found_some_, false)) break;
    }
    if (!lock_.lock()) break;
    runs = claim_idle_runs(goal, kFewRuns);
    lock_.unlock();
  }
  std::size_t const discarded = runs != 0 ? discard_claimed(runs) : 0;
  lap_found_some_ |= discarded != 0;  // not under mlockall
  purging_.unlock();
  return discarded;
}

void ClassPool::forget_discarded() noexcept {
  Guard const guard{lock_};
  if (guard) discarded_ = 0;
}

void ClassPool::keep_within_budget() noexcept {
  std::size_t const surplus = beyond_budget();
  if (surplus == 0) return;
  // Others may keep more than the budget for good, in pages that each hold a block in use: a program that takes and
  // frees one buffer would fault its pages in each time.
  std::size_t const here = idle_dirty_bytes(), share = keep_budget() / 4;
  if (here > share) purge_some(std::min(surplus, here - share));
}

void ClassPool::fork_prepare() noexcept {
  growth_.take_for_fork();
  lock_.take_for_fork();
}

void ClassPool::fork_parent() noexcept {
  lock_.release_after_fork();
  growth_.release_after_fork();
}

void ClassPool::fork_child() noexcept {
  // A thread that was purging does not exist here; whether its madvise came before the fork nobody can tell, so
  // its pages count as dirty.
  if (!purging_.held_by_me()) {
    for (unsigned i = 0; i < run_count_; ++i) offer_again(runs_[i]);
    run_count_ = 0;
    purging_.forget_owner();
  }
  fork_parent();
}

namespace {

std::size_t purge_all(std::size_t goal, bool depots_too) noexcept {
  std::size_t discarded = 0;
  for (ClassPool& each : pool)
    if (discarded < goal) discarded += each.purge(goal - discarded, depots_too);
  return discarded;
}

}  // namespace

std::size_t trim() noexcept {
  take_spares(false);
  std::size_t const discarded = purge_all(SIZE_MAX, true);
  forget(63);
  return discarded;
}

void take_spares_of_idle_threads() noexcept { take_spares(true); }

void settle(unsigned halvings) noexcept {
  std::size_t const keep = keep_budget() >> halvings;
  for (bool const depots_too : {false, true})
    if (std::size_t const kept = kept_bytes(); kept > keep) purge_all(kept - keep, depots_too);
  note_left_by_monitor();
}

void largest_classes(InClass* into, unsigned count) noexcept {
  InClass all[SizeClass::kCount];
  for (std::size_t i = 0; i < SizeClass::kCount; ++i) {
    std::uint64_t const supplied = figures.supplied[i].load(std::memory_order_relaxed);
    std::uint64_t const back = figures.taken_back[i].load(std::memory_order_relaxed);
    all[i] = {SizeClass::at(i).bytes(), (supplied > back ? supplied - back : 0) << SizeClass::at(i).lg()};
  }
  std::partial_sort_copy(all, all + SizeClass::kCount, into, into + count,
                         [](InClass const& a, InClass const& b) { return a.bytes > b.bytes; });
}

Totals totals() noexcept {
  Totals all{};
  for (std::size_t i = 0; i < SizeClass::kCount; ++i) {
    std::uint64_t const supplied = figures.supplied[i].load(std::memory_order_relaxed);
    std::uint64_t const back = figures.taken_back[i].load(std::memory_order_relaxed);
    all.supplied_bytes += supplied << SizeClass::at(i).lg();
    all.live_bytes += (supplied > back ? supplied - back : 0) << SizeClass::at(i).lg();
    all.cached_bytes += pool[i].depot_bytes() + pool[i].idle_dirty_bytes();
  }
  all.committed_bytes = all.live_bytes + all.cached_bytes;
  return all;
}

}  // namespace mempool::pools
