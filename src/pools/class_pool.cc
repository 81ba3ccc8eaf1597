#include "pools/class_pool.hpp"

#include <algorithm>
#include <array>

#include "base/figures.hpp"
#include "options/options.hpp"
#include "platform/fatal.hpp"
#include "pools/pools.hpp"
#include "pressure/account.hpp"

namespace mempool::pools {
namespace {

// The infos of a class's first slabs, the classes side by side, so that a small program touches few pages.
constexpr auto kEarlyAt = [] {
  std::array<std::size_t, SizeClass::kCount + 1> at{};
  for (std::size_t i = 0; i < SizeClass::kCount; ++i) at[i + 1] = at[i] + info_bytes(SizeClass::at(i));
  return at;
}();
alignas(SlabInfo) constinit char early[kEarlySlabs * kEarlyAt[SizeClass::kCount]] = {};

void count(std::atomic<std::uint64_t>& counter, std::uint64_t n) noexcept {
  // One writer at a time (the class's lock), so no locked instruction.
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// Slabs that take_dirty() looks at while the class's lock is held.
constexpr unsigned kLookedAt = 32;

constinit std::atomic<std::size_t> learned{0};
constinit std::atomic<std::size_t> left_by_monitor{0};  // kept when it last gave back

void learn(std::size_t missed) noexcept {
  if (missed == 0) return;
  std::size_t const before = learned.load(std::memory_order_relaxed);
  learned.store(std::min(before + missed, most_learned(totals().live_bytes)), std::memory_order_relaxed);
}

constexpr std::size_t kNear = std::size_t{16} << 20;

/// Short of memory, growth comes out of what is free elsewhere: pages, and depots too.
void reclaim_before_growth(std::size_t dirtied) noexcept {
  std::size_t discarded = 0;
  for (ClassPool& each : pool) {
    if (each.idle_dirty_bytes() + each.depot_bytes() >= os::page_size())
      discarded += each.purge(dirtied - discarded, true);
    if (discarded >= dirtied) return;
  }
}

/// While more is kept than the budget allows, what is dirtied is discarded elsewhere: a program that goes from one
/// block size to the next would pile up memory else. In steps as small as the growth: nobody waits long.
void make_up_for(std::size_t dirtied) noexcept {
  // Near the limit nothing waits for the monitor's word: it may get no core in time.
  bool const is_tight = pressure::is_tight();
  if (!is_tight && beyond_budget() == 0) return;
  bool const is_near = !pressure::fits(kNear) && options::number(options::Opt::trim) != 0;
  if (is_tight || is_near) [[unlikely]]
    return reclaim_before_growth(dirtied);
  std::size_t const budget = keep_budget();
  std::size_t discarded = 0;
  for (ClassPool& each : pool) {
    if (each.idle_dirty_bytes() > budget / 8) discarded += each.purge_some(dirtied - discarded);
    if (discarded >= dirtied) return;
  }
}

}  // namespace

constinit ClassPool pool[SizeClass::kCount];

void ClassPool::reset(SizeClass c, os::Span region, os::Span slab_table, std::uint64_t* partial_slabs) noexcept {
  class_ = c;
  slab_lg_ = slab_lg(c);
  grain_lg_ = grain_lg(c, static_cast<unsigned>(std::countr_zero(os::page_size())));
  region_ = region.begin;
  most_slabs_ = static_cast<std::uint32_t>(region.bytes >> slab_lg(c));
  late_ = slab_table.begin;
  partial_ = partial_slabs;
  blocks_prefix_.reset(region);
  table_prefix_.reset(slab_table);
}

SlabInfo& ClassPool::info(std::uint32_t slab) noexcept {
  char* const at = slab < kEarlySlabs ? early + slab * kEarlyAt[SizeClass::kCount] + kEarlyAt[class_.index()]
                                      : late_ + (slab - kEarlySlabs) * info_bytes(class_);
  return *reinterpret_cast<SlabInfo*>(at);
}

ClassPool::Place ClassPool::place_of(const void* block) const noexcept {
  std::size_t const offset = static_cast<std::size_t>(static_cast<const char*>(block) - region_);
  return {static_cast<std::uint32_t>(offset >> slab_lg_),
          static_cast<unsigned>((offset & ((std::size_t{1} << slab_lg_) - 1)) >> class_.lg())};
}

std::uint64_t& ClassPool::partial_word(std::uint32_t slab) noexcept {
  return partial_[slab / 64 * SizeClass::kCount + class_.index()];
}

/// The lowest slab with a free block; carved_ where there is none. First fit keeps the heap's end free.
std::uint32_t ClassPool::lowest_partial() noexcept {
  std::uint32_t const carved = carved_.load(std::memory_order_relaxed);
  for (std::uint32_t slab = lowest_ / 64 * 64; slab < carved; slab += 64)
    if (std::uint64_t const word = partial_word(slab); word != 0)
      return lowest_ = slab + static_cast<std::uint32_t>(std::countr_zero(word));
  return lowest_ = carved;
}

bool ClassPool::carve_one() noexcept {
  std::uint32_t const slab = carved_.load(std::memory_order_relaxed);
  if (slab >= committed_slabs_.load(std::memory_order_acquire)) return false;
  info(slab).carve(class_, 1u << (slab_lg_ - grain_lg_));
  partial_word(slab) |= std::uint64_t{1} << (slab % 64);
  carved_.store(slab + 1, std::memory_order_relaxed);
  lowest_ = std::min(lowest_, slab);
  return true;
}

/// Commits room for at least one more slab. Called without lock_: this is where system calls are made.
bool ClassPool::grow() noexcept {
  Guard const guard{growth_};
  if (!guard) return false;
  std::uint32_t const carved = carved_.load(std::memory_order_relaxed);
  std::uint32_t const committed = committed_slabs_.load(std::memory_order_relaxed);
  if (carved < committed) return true;  // another thread grew it while this one waited
  if (carved >= most_slabs_) return false;
  if (!blocks_prefix_.grow_to((std::size_t{carved} + 1) << slab_lg_)) return false;
  auto const slabs = static_cast<std::uint32_t>(blocks_prefix_.committed() >> slab_lg_);
  if (slabs > kEarlySlabs && !table_prefix_.grow_to((slabs - kEarlySlabs) * info_bytes(class_))) return false;
  committed_slabs_.store(slabs, std::memory_order_release);
  return true;
}

/// The grains that the block at `offset` in its slab has a part of.
std::uint32_t ClassPool::grains_of(std::size_t offset) const noexcept {
  unsigned const first = static_cast<unsigned>(offset >> grain_lg_);
  unsigned const last = static_cast<unsigned>((offset + class_.bytes() - 1) >> grain_lg_);
  return ((2u << last) - 1) & ~((1u << first) - 1);
}

/// One slab's part in take_dirty(). Called under lock_.
std::uint32_t ClassPool::take_dirty_of(std::uint32_t slab, void** out, std::uint32_t want) noexcept {
  SlabInfo& from = info(slab);
  std::uint32_t taken = 0;
  for (unsigned word = 0; taken < want && word * 64 < blocks_per_slab(class_); ++word)
    for (std::uint64_t bits = from.free[word]; bits != 0 && taken < want; bits &= bits - 1) {
      auto const block = word * 64 + static_cast<unsigned>(std::countr_zero(bits));
      std::size_t const offset = std::size_t{block} << class_.lg();
      if ((from.clean_grains & grains_of(offset)) != 0) continue;
      from.free[word] &= ~(bits & -bits);
      --from.free_blocks;
      out[taken++] = region_ + (std::size_t{slab} << slab_lg_) + offset;
    }
  if (from.free_blocks == 0) partial_word(slab) &= ~(std::uint64_t{1} << (slab % 64));
  return taken;
}

/// Free blocks in pages that are dirty anyway: what a heap that may not grow has left. One lap through the slabs at
/// most, from where the last one ended, a few at a time under lock_.
std::uint32_t ClassPool::take_dirty(void** out, std::uint32_t want) noexcept {
  std::uint32_t const carved = carved_.load(std::memory_order_relaxed);
  std::uint32_t taken = 0, passed = 0;
  while (taken < want && passed < carved && idle_dirty_bytes() >= class_.bytes()) {
    Guard const guard{lock_};
    if (!guard) break;
    std::uint32_t const before = taken;
    for (unsigned left = kLookedAt; left != 0 && taken < want && passed < carved; --left) {
      if (dirty_cursor_ >= carved) dirty_cursor_ = 0;
      std::uint32_t const slab = dirty_cursor_;
      std::uint64_t const partial = partial_word(slab) >> (slab % 64);
      if ((partial & 1) != 0) taken += take_dirty_of(slab, out + taken, want - taken);
      if (taken == want) break;  // there may be more in this one
      std::uint32_t const rest = 64 - slab % 64;
      std::uint32_t const step = partial > 1 ? 1 + static_cast<std::uint32_t>(std::countr_zero(partial >> 1)) : rest;
      dirty_cursor_ += step;
      passed += step;
    }
    less_is_idle(static_cast<std::intptr_t>(taken - before) << class_.lg());
    count(figures.supplied[class_.index()], taken - before);
  }
  std::reverse(out, out + taken);
  return taken;
}

std::uint32_t ClassPool::take(void** out, std::uint32_t want, bool* zeroed) noexcept {
  if (most_slabs_ == 0) return 0;
  if (!pressure::fits_hard_limit(std::size_t{want} << class_.lg())) [[unlikely]] {
    if (zeroed != nullptr) *zeroed = false;
    if (std::uint32_t const taken = take_dirty(out, want); taken != 0) return taken;
    reclaim_before_growth(std::size_t{want} << class_.lg());
    if (!pressure::fits_hard_limit(std::size_t{want} << class_.lg())) return 0;
  }
  for (;;) {
    if (!lock_.lock()) return 0;
    std::uint32_t taken = 0;
    std::size_t dirtied = 0, missed = 0;
    bool clean = false;
    while (taken < want) {
      std::uint32_t const slab = lowest_partial();
      if (slab == carved_.load(std::memory_order_relaxed) && !(taken == 0 && carve_one())) break;
      SlabInfo& from = info(slab);
      char* const base = region_ + (std::size_t{slab} << slab_lg_);
      // Whole cache lines first, so that threads come to share few; a single block is no reason to break into one.
      bool whole_lines = class_.lg() < kLineLg && want != 1;
      for (unsigned word = 0; taken < want && from.free_blocks != 0; ++word) {
        if (word * 64 >= blocks_per_slab(class_)) whole_lines = (word = 0) != 0;
        for (std::uint64_t bits = whole_lines ? from.free_in_whole_lines(class_, word) : from.free[word];
             bits != 0 && taken < want; bits &= bits - 1) {
          auto const block = word * 64 + static_cast<unsigned>(std::countr_zero(bits));
          from.free[word] &= ~(bits & -bits);
          --from.free_blocks;
          std::size_t const offset = std::size_t{block} << class_.lg();
          out[want - ++taken] = base + offset;
          if (from.clean_grains == 0) continue;
          std::uint32_t const grains = grains_of(offset);
          if (taken == 1) clean = (from.clean_grains & grains) == grains && class_.lg() >= grain_lg_;
          dirtied += static_cast<std::size_t>(std::popcount(from.clean_grains & grains)) << grain_lg_;
          from.clean_grains = static_cast<std::uint16_t>(from.clean_grains & ~grains);
        }
      }
      if (from.free_blocks == 0) partial_word(slab) &= ~(std::uint64_t{1} << (slab % 64));
    }
    less_is_idle((static_cast<std::intptr_t>(taken) << class_.lg()) - static_cast<std::intptr_t>(dirtied));
    missed = std::min(dirtied, discarded_);
    discarded_ -= missed;
    count(figures.supplied[class_.index()], taken);
    lock_.unlock();
    if (dirtied != 0) {
      pressure::heap_grew(dirtied);
      learn(missed);
      make_up_for(dirtied);
    }
    if (taken != 0) {
      for (std::uint32_t i = 0; taken != want && i < taken; ++i) out[i] = out[want - taken + i];
      if (zeroed != nullptr) *zeroed = clean;
      return taken;
    }
    if (carved_.load(std::memory_order_relaxed) >= most_slabs_) {
      figures.class_full.fetch_add(1, std::memory_order_relaxed);
      return 0;
    }
    if (!grow()) {
      figures.class_full.fetch_add(1, std::memory_order_relaxed);
      return 0;
    }
  }
}

/// Of dirty bytes that were idle `by` are in use or clean now. Called under lock_.
void ClassPool::less_is_idle(std::intptr_t by) noexcept {
  idle_dirty_.store(idle_dirty_.load(std::memory_order_relaxed) - by, std::memory_order_relaxed);
  if (std::size_t const left = idle_dirty_bytes(); left < fruitless_.load(std::memory_order_relaxed)) [[unlikely]]
    fruitless_.store(left, std::memory_order_relaxed);
}

Rejected ClassPool::give_locked(void* const* blocks, std::uint32_t n) noexcept {
  Rejected rejected;
  std::uint32_t const carved = carved_.load(std::memory_order_relaxed);
  std::uint32_t given = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    auto const [slab, block] = place_of(blocks[i]);
    if (slab >= carved || info(slab).is_free(block)) {
      rejected = {blocks[i], slab < carved, 0};
      continue;
    }
    SlabInfo& to = info(slab);
    if (to.free_blocks == 0) partial_word(slab) |= std::uint64_t{1} << (slab % 64);
    to.give(block);
    lowest_ = std::min(lowest_, slab);
    ++given;
  }
  idle_dirty_.store(idle_dirty_.load(std::memory_order_relaxed) + (static_cast<std::intptr_t>(given) << class_.lg()),
                    std::memory_order_relaxed);
  rejected.given = given;
  return rejected;
}

Rejected ClassPool::give(void* const* blocks, std::uint32_t n) noexcept {
  if (!lock_.lock()) {
    figures.abandoned.fetch_add(n, std::memory_order_relaxed);
    return {};
  }
  Rejected const rejected = give_locked(blocks, n);
  count(figures.taken_back[class_.index()], rejected.given);
  lock_.unlock();
  return rejected;
}

bool ClassPool::is_handed_out(const void* block) noexcept {
  Place const at = place_of(block);
  Guard const guard{lock_};
  if (!guard) return true;
  return at.slab < carved_.load(std::memory_order_relaxed) && !info(at.slab).is_free(at.block);
}

Magazine* ClassPool::exchange_for_full(Magazine* empty) noexcept {
  if (depot_blocks_.load(std::memory_order_relaxed) == 0 || !lock_.lock()) return nullptr;
  Magazine* const full = full_;
  if (full != nullptr) {
    full_ = full->next;
    depot_blocks_.store(depot_blocks_.load(std::memory_order_relaxed) - full->count, std::memory_order_relaxed);
    count(figures.supplied[class_.index()], full->count);
    if (empty != nullptr) {
      empty->next = empty_;
      empty_ = empty;
    }
  }
  lock_.unlock();
  return full;
}

void ClassPool::empty_into_slabs(Magazine* magazine, Rejected& rejected) noexcept {
  if (Rejected const found = give_locked(magazine->slots, magazine->count); found.block != nullptr) rejected = found;
  magazine->count = 0;
  magazine->next = empty_;
  empty_ = magazine;
}

Magazine* ClassPool::exchange_for_empty(Magazine* full) noexcept {
  Rejected rejected;
  bool const enough = keeps_too_much();
  if (!lock_.lock()) return nullptr;
  Magazine* empty = empty_;
  if (empty != nullptr) empty_ = empty->next;
  if (empty == nullptr && !(full != nullptr && enough)) {
    lock_.unlock();
    empty = new_magazine(class_);
    if (empty == nullptr || !lock_.lock()) return nullptr;
  }
  if (full != nullptr) {
    count(figures.taken_back[class_.index()], full->count);
    if (enough) {
      empty_into_slabs(full, rejected);
      if (empty == nullptr) {
        empty = empty_;
        empty_ = empty->next;
      }
    } else {
      depot_blocks_.store(depot_blocks_.load(std::memory_order_relaxed) + full->count, std::memory_order_relaxed);
      full->next = full_;
      full_ = full;
    }
  }
  lock_.unlock();
  if (rejected.block != nullptr)
    misuse(rejected.was_free ? Fault::double_free : Fault::invalid_free, rejected.block, class_.bytes());
  empty->next = nullptr;
  return empty;
}

void ClassPool::leave(Magazine* magazine) noexcept {
  Rejected rejected;
  if (!lock_.lock()) {
    figures.abandoned.fetch_add(magazine->count, std::memory_order_relaxed);
    return;
  }
  // A magazine less than half full is not worth a turn of the depot: its blocks serve better from the bitmaps.
  count(figures.taken_back[class_.index()], magazine->count);
  if (magazine->count * 2 < magazine->capacity || keeps_too_much()) {
    empty_into_slabs(magazine, rejected);
  } else {
    depot_blocks_.store(depot_blocks_.load(std::memory_order_relaxed) + magazine->count, std::memory_order_relaxed);
    magazine->next = full_;
    full_ = magazine;
  }
  lock_.unlock();
  if (rejected.block != nullptr)
    misuse(rejected.was_free ? Fault::double_free : Fault::invalid_free, rejected.block, class_.bytes());
}

void forget(unsigned halvings) noexcept {
  learned.store(learned.load(std::memory_order_relaxed) >> halvings, std::memory_order_relaxed);
  for (ClassPool& each : pool) each.forget_discarded();
}

void note_left_by_monitor() noexcept { left_by_monitor.store(kept_bytes(), std::memory_order_relaxed); }

std::size_t kept_bytes() noexcept {
  std::size_t kept = 0;
  for (ClassPool const& each : pool) kept += each.depot_bytes() + each.idle_dirty_bytes();
  return kept;
}

std::size_t beyond_budget() noexcept {
  std::size_t const kept = kept_bytes();
  if (kept <= kLeastBudget) return 0;
  std::size_t const budget = keep_budget();
  if (kept <= budget) return 0;
  // What the monitor could not discard is in pages that each hold a block in use: to ask again would wake it in vain.
  std::size_t const left = left_by_monitor.load(std::memory_order_relaxed);
  std::size_t const surplus = kept - std::min(kept, std::max(budget, left));
  if (surplus > kMostLeft || !pressure::may_leave_to_monitor(kMostLeft)) return kept - budget;
  if (surplus > kLeastBudget / 4) pressure::leave_to_monitor();
  return 0;
}

std::size_t keep_budget() noexcept {
  if (pressure::is_tight()) [[unlikely]]
    return 0;
  std::size_t const live = totals().live_bytes;
  return std::max({kLeastBudget, live / 8, std::min(learned.load(std::memory_order_relaxed), most_learned(live))});
}

bool keeps_too_much() noexcept {
  std::size_t const kept = kept_bytes();
  if (kept <= kLeastBudget && !pressure::is_tight()) return false;
  return kept > keep_budget();  // what is live is summed up only where it matters
}

}  // namespace mempool::pools
