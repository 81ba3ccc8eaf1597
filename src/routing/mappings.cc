#include "routing/mappings.hpp"

#include <algorithm>

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
  std::replace(released_, released_ + kRemembered, static_cast<const void*>(block.begin),
               static_cast<const void*>(nullptr));
}

void Mappings::remove(Entry& entry) noexcept {
  entry.begin = kRemoved;
  std::size_t i = static_cast<std::size_t>(&entry - entries_);
  if (entries_[(i + 1) % kEntries].begin == nullptr)
    for (; entries_[i].begin == kRemoved; i = (i + kEntries - 1) % kEntries) entries_[i].begin = nullptr;
  --live_;
}

void* Mappings::allocate(std::size_t size, std::size_t alignment) noexcept {
  if (size > PTRDIFF_MAX - os::page_size()) return nullptr;
  os::Span const block = os::map(size == 0 ? 1 : size, std::max(alignment, os::page_size()));
  if (block.empty()) return nullptr;
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

bool Mappings::release(void* block) noexcept {
  os::Span gone;
  {
    Guard const guard{lock};
    Entry* const entry = guard ? find(block) : nullptr;
    if (entry == nullptr) return false;
    gone = {entry->begin, entry->bytes};
    remove(*entry);
    released_[next_released_++ % kRemembered] = block;
  }
  os::unmap(gone);
  return true;
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
  os::Span const moved = os::remap({entry->begin, entry->bytes}, size);
  if (moved.empty()) return nullptr;
  remove(*entry);
  if (moved.begin != block) released_[next_released_++ % kRemembered] = block;
  insert(moved);
  return moved.begin;
}

bool Mappings::was_released(const void* p) noexcept {
  Guard const guard{lock};
  return guard && std::find(released_, released_ + kRemembered, p) != released_ + kRemembered;
}

}  // namespace mempool::fallback
