#include "routing/mappings.hpp"

#include <algorithm>

#include "pools/pools.hpp"
#include "pressure/account.hpp"

namespace mempool::fallback {

constinit Mappings mappings;

namespace {

std::size_t hash(const void* p) noexcept {
  return static_cast<std::size_t>((reinterpret_cast<std::uintptr_t>(p) >> 12) * 0x9e3779b97f4a7c15ULL >> 47);
}

}  // namespace

/// Linear probing; a removed entry keeps its place in the chain until an insertion uses it or the chain ends before it.
Mappings::Entry* Mappings::find(const void* block) noexcept {
  if (entries_ == nullptr) return nullptr;
  for (std::size_t i = hash(block), seen = 0; seen < kEntries; i = (i + 1) % kEntries, ++seen) {
    if (entries_[i].begin == nullptr) return nullptr;
    if (entries_[i].begin == block) return &entries_[i];
  }
  return nullptr;
}

bool Mappings::prepare() noexcept {
  if (entries_ != nullptr) return true;
  os::Span const table = os::map(kEntries * sizeof(Entry), os::page_size());
  if (table.empty()) return false;
  os::refuse_huge_pages(table);
  entries_ = reinterpret_cast<Entry*>(table.begin);
  return true;
}

void Mappings::insert(os::Span block) noexcept {
  std::size_t i = hash(block.begin);
  while (entries_[i].begin != nullptr && entries_[i].begin != kRemoved) i = (i + 1) % kEntries;
  entries_[i] = {block.begin, block.bytes};
  ++live_;
  live_bytes_ += block.bytes;
  if (lowest_ == nullptr || block.begin < lowest_) lowest_ = block.begin;
  highest_ = std::max<const char*>(highest_, block.end());
  std::replace(released_, released_ + kRemembered, static_cast<const void*>(block.begin),
               static_cast<const void*>(nullptr));
}

void Mappings::remove(Entry& entry) noexcept {
  live_bytes_ -= entry.bytes;
  entry.begin = kRemoved;
  std::size_t i = static_cast<std::size_t>(&entry - entries_);
  if (entries_[(i + 1) % kEntries].begin == nullptr)
    for (; entries_[i].begin == kRemoved; i = (i + kEntries - 1) % kEntries) entries_[i].begin = nullptr;
  --live_;
}

void* Mappings::allocate(std::size_t size, std::size_t alignment, bool zeroed) noexcept {
  if (size > PTRDIFF_MAX - os::page_size()) return nullptr;
  std::size_t const bytes = round_up(size == 0 ? 1 : size, os::page_size());
  if (alignment <= os::page_size()) {
    Guard const guard{lock};
    if (guard && live_ < kMost) {
      os::Span found = zeroed ? os::Span{} : kept_.take(bytes);
      if (found.empty()) {
        if (!zeroed) learn(bytes);
        found = clean_.take(bytes);
      }
      if (!found.empty()) {
        insert(found);
        return found.begin;
      }
    }
  }
  os::Span block = os::map(bytes, std::max(alignment, os::page_size()));
  if (block.empty()) {  // what is kept stands in the way of an address limit
    purge();
    block = os::map(bytes, std::max(alignment, os::page_size()));
    if (block.empty()) return nullptr;
  }
  {
    Guard const guard{lock};
    if (guard && live_ < kMost && prepare()) {
      insert(block);
      return block.begin;
    }
  }
  os::unmap(block);
  return nullptr;
}

/// Takes out what is kept beyond the budget, oldest first, at most kAtOnce extents.
unsigned Mappings::take_surplus(std::size_t budget, os::Span (&out)[kAtOnce]) noexcept {
  unsigned taken = 0;
  budget = round_down(budget, os::page_size());
  while (taken < kAtOnce && kept_.bytes() > budget) out[taken++] = kept_.take_oldest(kept_.bytes() - budget);
  return taken;
}

/// The budget, or what was learned as long as that many blocks are live: a program that has freed them does not replace
/// them, and nobody makes it forget where no monitor runs.
std::size_t Mappings::what_to_keep(std::size_t budget) const noexcept {
  return std::max(budget, std::min(learned_, pools::most_learned(live_bytes_)));
}

/// What is mapped anew although as much was unmapped before should have been kept.
void Mappings::learn(std::size_t bytes) noexcept {
  std::size_t const missed = std::min(bytes, unmapped_);
  unmapped_ -= missed;
  learned_ = std::min(learned_ + missed, pools::most_learned(live_bytes_));
}

bool Mappings::release(void* block, std::size_t budget) noexcept {
  os::Span gone[kAtOnce + 1];
  unsigned count = 0;
  bool leaves_work = false;
  {
    Guard const guard{lock};
    Entry* const entry = guard ? find(block) : nullptr;
    if (entry == nullptr) return false;
    os::Span const freed{entry->begin, entry->bytes};
    remove(*entry);
    released_[next_released_++ % kRemembered] = block;
    budget = what_to_keep(budget);
    bool const is_left = pressure::may_leave_to_monitor(kMostLeft);
    if (freed.bytes > budget + (is_left ? kMostLeft : 0)) {
      gone[count++] = freed;
    } else {
      if (kept_.is_full()) gone[count++] = kept_.take_oldest(SIZE_MAX);
      kept_.put(freed);
      // The monitor is faster than a program that fills what it frees. Where it is not, this thread helps it.
      std::size_t room = budget;
      if (is_left) {
        std::size_t const helped = kept_.bytes() > kHelp ? kept_.bytes() - kHelp : 0;
        room += std::clamp(helped > budget ? helped - budget : 0, kSoonLeft, kMostLeft);
      }
      os::Span surplus[kAtOnce];
      unsigned const extents = take_surplus(room, surplus);
      std::copy(surplus, surplus + extents, gone + count);
      count += extents;
      leaves_work = is_left && kept_.bytes() > budget;
    }
    for (unsigned i = 0; i < count; ++i) unmapped_ += gone[i].bytes;
  }
  for (unsigned i = 0; i < count; ++i) give_back(gone[i], leaves_work);
  if (leaves_work) pressure::leave_to_monitor();
  return true;
}

/// munmap waits for whoever holds the kernel's lock over all mappings, and that thread may have lost its core; to
/// discard needs less. So the addresses are left to the monitor, where it has work to do anyway.
void Mappings::give_back(os::Span gone, bool monitor_unmaps) noexcept {
  // Refused for locked memory, which munmap alone gives back.
  if (monitor_unmaps && os::discard(gone)) {
    Guard const guard{lock};
    if (guard && !clean_.is_full()) return clean_.put(gone);
  }
  os::unmap(gone);
}

std::size_t Mappings::kept_bytes() noexcept {
  Guard const guard{lock};
  return guard ? kept_.bytes() : 0;
}

/// In steps, each taken out when its turn comes: what is to go may still find a new use, or be unmapped by a thread
/// whose own mapping was refused; and a child forked meanwhile, where nobody knows of what was taken out, loses one
/// step. All are discarded before the first is unmapped, so that the kernel's lock over all mappings is held briefly.
void Mappings::settle(std::size_t budget, unsigned halvings) noexcept {
  constexpr std::size_t kStep = std::size_t{1} << 20;
  // No more than there is now: against a program that frees as fast this would never end.
  for (std::size_t most = kept_bytes(); most != 0;) {
    os::Span gone;
    {
      Guard const guard{lock};
      if (!guard) return;
      std::size_t const keep = round_down(what_to_keep(budget) >> halvings, os::page_size());
      if (kept_.bytes() <= keep) break;
      gone = kept_.take_oldest(std::min({kept_.bytes() - keep, kStep, most}));
      unmapped_ += gone.bytes;
      most -= gone.bytes;
    }
    give_back(gone, true);
  }
  for (unsigned extents = KeptExtents::kMost; extents != 0; --extents) {
    os::Span gone;
    {
      Guard const guard{lock};
      if (guard) gone = clean_.take_oldest(SIZE_MAX);
    }
    if (gone.empty()) return;
    os::unmap(gone);
  }
}

void Mappings::forget_half() noexcept {
  Guard const guard{lock};
  if (!guard) return;
  learned_ /= 2;
  unmapped_ = 0;
}

void Mappings::purge() noexcept {
  {
    Guard const guard{lock};
    if (guard) learned_ = 0;
  }
  settle(0, 0);
  Guard const guard{lock};
  if (guard) unmapped_ = 0;
}

std::size_t Mappings::bytes_of(const void* block) noexcept {
  Guard const guard{lock};
  Entry* const entry = guard ? find(block) : nullptr;
  return entry != nullptr ? entry->bytes : 0;
}

void* Mappings::resize(void* block, std::size_t size) noexcept {
  if (size > PTRDIFF_MAX - os::page_size()) return nullptr;
  Guard const guard{lock};
  Entry* const entry = guard ? find(block) : nullptr;
  if (entry == nullptr) return nullptr;
  // Under the lock: nobody may be told that the old address is foreign while the new one is not in the table.
  os::Span const old{entry->begin, entry->bytes};
  os::Span moved;
  std::size_t const ahead = std::max(size, old.bytes + old.bytes / 8);
  // Whoever asked for `size` was not asked whether more fits.
  if (size > old.bytes && pressure::fits_hard_limit(ahead - old.bytes)) moved = os::remap(old, ahead);
  if (moved.empty()) moved = os::remap(old, size);
  if (moved.empty()) return nullptr;
  remove(*entry);
  if (moved.begin != block) released_[next_released_++ % kRemembered] = block;
  insert(moved);
  return moved.begin;
}

bool Mappings::is_interior(const void* p) noexcept {
  Guard const guard{lock};
  auto const* const at = static_cast<const char*>(p);
  if (!guard || entries_ == nullptr || at < lowest_ || at >= highest_) return false;
  return std::any_of(entries_, entries_ + kEntries, [at](Entry const& entry) {
    return entry.begin != kRemoved && entry.begin < at && at < entry.begin + entry.bytes;
  });
}

bool Mappings::was_released(const void* p) noexcept {
  Guard const guard{lock};
  return guard && std::find(released_, released_ + kRemembered, p) != released_ + kRemembered;
}

}  // namespace mempool::fallback
