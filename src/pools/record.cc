// The thread cache's miss paths: attach, refill, overflow, thread exit, fork.

#include "pools/record.hpp"

#include <algorithm>

#include "platform/fatal.hpp"
#include "platform/hooks.hpp"
#include "platform/thread_state.hpp"
#include "pools/class_pool.hpp"
#include "pressure/account.hpp"

namespace mempool::pools {

constinit Records records;

namespace {

Magazine* loaded(SizeClass c) noexcept {
  void** const slots = cache().empty[c.index()];
  if (slots == nullptr) return nullptr;
  return reinterpret_cast<Magazine*>(reinterpret_cast<char*>(slots) - offsetof(Magazine, slots));
}

void set_marks(SizeClass c, void** head, void** empty, void** full) noexcept {
  cache().head[c.index()] = head;
  cache().empty[c.index()] = empty;
  cache().full[c.index()] = full;
}

/// Takes out the class's loaded magazine, its count brought up to date.
Magazine* unload(SizeClass c) noexcept {
  Magazine* const magazine = loaded(c);
  if (magazine != nullptr) magazine->count = static_cast<std::uint32_t>(cache().head[c.index()] - magazine->slots);
  set_marks(c, nullptr, nullptr, nullptr);
  cache().record->loaded[c.index()].store(nullptr, std::memory_order_relaxed);
  return magazine;
}

void load(SizeClass c, Magazine* magazine) noexcept {
  set_marks(c, magazine->slots + magazine->count, magazine->slots, magazine->slots + magazine->capacity);
  cache().record->loaded[c.index()].store(magazine, std::memory_order_relaxed);
}

/// The first refill takes little, each further one twice as much: an idle thread holds what it asked for.
constexpr std::uint8_t first_batch_lg(SizeClass c) noexcept {
  return static_cast<std::uint8_t>(c.lg() >= 12 ? 0 : std::min(12 - c.lg(), 4u));
}

/// One block, past the caches: for a thread that ended, never attached, or was interrupted in a miss path.
void* take_one(SizeClass c, bool* zeroed) noexcept {
  void* block = nullptr;
  return pool[c.index()].take(&block, 1, zeroed) == 1 ? block : nullptr;
}

void report(Rejected const& rejected, SizeClass c) noexcept {
  if (rejected.block != nullptr)
    misuse(rejected.was_free ? Fault::double_free : Fault::invalid_free, rejected.block, c.bytes());
}

/// True while this thread may change its marks: attached, and in no other miss path.
class MissPath {
 public:
  MissPath() noexcept : entered_{attach() && cache().depth == 0} {
    if (!entered_) return;
    ++cache().depth;
    std::atomic<std::uint32_t>& misses = cache().record->misses;
    misses.store(misses.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  ~MissPath() {
    if (entered_) --cache().depth;
  }
  MissPath(const MissPath&) = delete;
  MissPath& operator=(const MissPath&) = delete;
  explicit operator bool() const noexcept { return entered_; }

 private:
  bool entered_;
};

void take_batch(SizeClass c, Magazine* into, bool* zeroed) noexcept {
  std::uint8_t& batch_lg = cache().record->batch_lg[c.index()];
  std::uint32_t const want = std::min(1u << batch_lg, into->capacity);
  into->count = pool[c.index()].take(into->slots, want, zeroed);
  if (want < into->capacity) ++batch_lg;
  load(c, into);
}

}  // namespace

bool attach() noexcept {
  if (cache().record != nullptr) return true;
  if (cache().ended) return false;
  if (!os::make_own()) return false;
  if (!cache().joined) {
    cache().joined = true;
    pressure::thread_attached();
    os::call_at_thread_exit();  // may allocate, and come here again
    if (cache().record != nullptr) return true;
  }
  if (layout.span == 0) return false;
  Guard const guard{records.lock};
  if (!guard) return false;
  Record* record = records.newest.load(std::memory_order_relaxed);
  // The thread that gave it up wrote to it, and holds no lock of ours as it does.
  while (record != nullptr && record->owner.load(std::memory_order_acquire) != nullptr) record = record->next;
  if (record == nullptr) {
    record = static_cast<Record*>(metadata.take(sizeof(Record)));
    if (record == nullptr) return false;
    record->next = records.newest.load(std::memory_order_relaxed);
    records.newest.store(record, std::memory_order_release);
  }
  for (std::size_t i = 0; i < SizeClass::kCached; ++i) record->batch_lg[i] = first_batch_lg(SizeClass::at(i));
  record->owner.store(&cache(), std::memory_order_relaxed);
  cache().record = record;
  return true;
}

void* refill(SizeClass c, bool* zeroed) noexcept {
  if (zeroed != nullptr) *zeroed = false;
  if (!c.is_cached()) {
    attach();  // the thread is counted, whatever it asks for
    return take_one(c, zeroed);
  }
  MissPath const path;
  if (!path) return take_one(c, zeroed);
  ClassPool& shared = pool[c.index()];
  std::atomic<Magazine*>& slot = cache().record->spare[c.index()];
  if (void* const block = pop(c.index()); block != nullptr) return block;  // a signal handler filled it meanwhile

  Magazine* const empty = unload(c);
  Magazine* spare = slot.exchange(nullptr, std::memory_order_acquire);
  if (spare != nullptr && spare->count != 0) {
    load(c, spare);
    slot.store(empty, std::memory_order_release);
    return pop(c.index());
  }
  // Both are empty: one goes back for a full one, the other stays.
  Magazine* keep = empty != nullptr ? empty : spare;
  Magazine* const surplus = keep == empty ? spare : nullptr;
  if (Magazine* const full = shared.exchange_for_full(surplus); full != nullptr) {
    load(c, full);
    slot.store(keep, std::memory_order_release);
    return pop(c.index());
  }
  if (keep == nullptr && (keep = shared.exchange_for_empty(nullptr)) == nullptr) return take_one(c, zeroed);
  slot.store(surplus, std::memory_order_release);
  take_batch(c, keep, zeroed);
  return pop(c.index());
}

void overflow(SizeClass c, void* block) noexcept {
  ClassPool& shared = pool[c.index()];
  if (!c.is_cached()) {
    report(shared.give(&block, 1), c);
    return shared.keep_within_budget();
  }
  MissPath const path;
  if (!path) return report(shared.give(&block, 1), c);
  std::atomic<Magazine*>& slot = cache().record->spare[c.index()];

  Magazine* const full = unload(c);
  Magazine* spare = slot.exchange(nullptr, std::memory_order_acquire);
  // A thread's first free of a small class is of another thread's block: what shares its line may be in use there. It
  // goes back to its slab, so that this thread is not given the same line for its own.
  bool const shares_a_line = full == nullptr && spare == nullptr && c.lg() < kLineLg;
  if (spare != nullptr && (full == nullptr || spare->count == 0)) {
    load(c, spare);
    slot.store(full, std::memory_order_release);
  } else if (Magazine* const empty = shared.exchange_for_empty(spare); empty != nullptr) {
    load(c, empty);
    slot.store(full, std::memory_order_release);
  } else {  // no memory for a magazine: the block goes straight to its slab
    slot.store(spare, std::memory_order_release);
    if (full != nullptr) load(c, full);
    return report(shared.give(&block, 1), c);
  }
  void**& head = cache().head[c.index()];
  if (shares_a_line || head == cache().full[c.index()]) return report(shared.give(&block, 1), c);
  *head++ = block;
}

void thread_exit() noexcept {
  if (cache().ended || !cache().joined) return;
  cache().ended = true;
  pressure::thread_detached();
  Record* const record = cache().record;
  if (record == nullptr) return;
  for (std::size_t i = 0; i < SizeClass::kCached; ++i) {
    if (Magazine* const loaded = unload(SizeClass::at(i)); loaded != nullptr) pool[i].leave(loaded);
    Magazine* const spare = record->spare[i].exchange(nullptr, std::memory_order_acquire);
    if (spare != nullptr) pool[i].leave(spare);
  }
  cache().record = nullptr;
  record->owner.store(nullptr, std::memory_order_release);
}

void take_spares(bool of_idle_threads) noexcept {
  for (Record* record = records.newest.load(std::memory_order_acquire); record != nullptr; record = record->next) {
    if (of_idle_threads) {
      std::uint32_t const misses = record->misses.load(std::memory_order_relaxed);
      bool const is_idle = misses == record->misses_seen;
      record->misses_seen = misses;
      if (!is_idle) continue;
    }
    for (std::size_t i = 0; i < SizeClass::kCached; ++i)
      if (Magazine* const spare = record->spare[i].exchange(nullptr, std::memory_order_acq_rel); spare != nullptr)
        pool[i].leave(spare);
  }
}

void fork_prepare() noexcept {
  records.lock.take_for_fork();
  for (ClassPool& each : pool) each.fork_prepare();
  metadata.lock.take_for_fork();
}

void fork_parent() noexcept {
  metadata.lock.release_after_fork();
  for (ClassPool& each : pool) each.fork_parent();
  records.lock.release_after_fork();
}

void fork_child() noexcept {
  metadata.lock.release_after_fork();
  for (ClassPool& each : pool) each.fork_child();
  records.lock.release_after_fork();
  // Spares of threads that do not exist here are taken over. Their loaded magazines are left, and counted at their
  // capacity: where the heads stood is in TLS that may be gone, and fork may have stopped a thread between reading
  // its head and writing it.
  for (Record* record = records.newest.load(std::memory_order_relaxed); record != nullptr; record = record->next) {
    if (record == cache().record || record->owner.load(std::memory_order_relaxed) == nullptr) continue;
    for (std::size_t i = 0; i < SizeClass::kCached; ++i) {
      Magazine* const spare = record->spare[i].exchange(nullptr, std::memory_order_acquire);
      if (spare != nullptr) pool[i].leave(spare);
      Magazine const* const left = record->loaded[i].exchange(nullptr, std::memory_order_relaxed);
      if (left != nullptr) figures.abandoned.fetch_add(left->capacity, std::memory_order_relaxed);
    }
    record->owner.store(nullptr, std::memory_order_relaxed);
  }
}

}  // namespace mempool::pools
