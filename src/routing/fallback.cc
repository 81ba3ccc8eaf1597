#include "routing/fallback.hpp"

#include <mimalloc.h>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/figures.hpp"
#include "platform/keep_errno.hpp"
#include "platform/lock.hpp"
#include "platform/thread_state.hpp"
#include "pools/pools.hpp"
#include "pressure/account.hpp"
#include "routing/gate.hpp"
#include "routing/live_blocks.hpp"
#include "routing/mappings.hpp"
#include "routing/mimalloc_shims.hpp"

namespace mempool::fallback {
namespace {

/// From here on (alignment included) a block is a mapping of its own: a system call is little beside its pages, and
/// growing it moves page tables instead of bytes.
constexpr std::size_t kOwnMapping = std::size_t{1} << 20;
/// Half of mimalloc's segment: for larger blocks 2.0.9 does not look whether the OS committed what it asked for.
constexpr std::size_t kMostOfMimallocs = std::size_t{16} << 20;
/// mimalloc serves alignments from here on past its arenas, which are all it may use.
constexpr std::size_t kOwnAlignment = std::size_t{1} << 20;
/// What is reserved for mimalloc where addresses are free: 1 TiB.
constexpr std::size_t kRegion = std::size_t{1} << 40;

constinit os::Span region;
constinit LiveBlocks live;
constinit Lock starting;
constinit std::atomic<bool> started{false};

/// Whether the calling thread's exit has run.
bool& ended() noexcept { return os::own<os::Part::fallback, bool>(); }
/// mimalloc makes a heap for a thread that asks it for memory: not where nobody would give it up.
bool may_have_heap() noexcept { return !ended() && os::make_own(); }

FallbackShard& my_shard() noexcept { return figures.fallback[(os::thread_mark() >> 12) % Figures::kShards]; }

void count_new(std::size_t bytes) noexcept {
  FallbackShard& shard = my_shard();
  shard.requests.fetch_add(1, std::memory_order_relaxed);
  shard.bytes.fetch_add(bytes, std::memory_order_relaxed);
  pressure::heap_grew(bytes);
}

void count_freed(std::size_t bytes) noexcept {
  my_shard().freed.fetch_add(bytes, std::memory_order_relaxed);
  pressure::heap_shrank(bytes);
}

/// Every option is set, so that mimalloc never looks for one, and the region is its only arena, given before its first
/// allocation: later is too late.
void start_mimalloc() noexcept {
  if (started.load(std::memory_order_acquire)) return;
  Guard const guard{starting};
  if (!guard || started.load(std::memory_order_relaxed)) return;
  for (int i = 0; i < _mi_option_last; ++i) {
    auto const option = static_cast<mi_option_t>(i);
    mi_option_set(option, mi_option_get(option));
  }
  mi_option_disable(mi_option_show_errors);
  mi_option_disable(mi_option_verbose);
  mi_option_disable(mi_option_eager_commit);  // as above: a whole segment would be used whether committed or not
  if (!region.empty()) {
#if MI_MALLOC_VERSION < 210
    mi_option_enable(mi_option_limit_os_alloc);
#else
    mi_option_enable(mi_option_disallow_os_alloc);
#endif
    mi_manage_os_memory(region.begin, region.bytes, false, false, true, -1);
  }
  // It does not guard its own start: two threads with the first requests would both take its one main heap.
  mi_process_init();
  started.store(true, std::memory_order_release);
}

/// A thread whose exit has run must not leave a heap of mimalloc's behind: whatever it made goes at once.
void give_up_late_heap() noexcept {
  if (ended() && thread_has_heap()) mi_thread_done();
}

/// Of the memory that mimalloc has `p` from; nullptr where it is none of its.
LiveBlocks* record_of(const void* p) noexcept {
  if (region.empty()) return record_of_mapping(p);
  return live.covers(p) ? &live : nullptr;
}

void* from_mimalloc(std::size_t size, std::size_t alignment, bool zeroed) noexcept {
  Inside const inside;
  if (!inside) return nullptr;
  start_mimalloc();
  void* block = zeroed ? mi_zalloc_aligned(size, alignment) : mi_malloc_aligned(size, alignment);
  if (reinterpret_cast<std::uintptr_t>(block) % alignment != 0) {
    // 2.0.9 takes a block of 256 to 1024 bytes for aligned to its size, which the first of a page need not be. A size
    // that is no multiple of the alignment makes it look.
    mi_free(block);
    block = zeroed ? mi_zalloc_aligned(size + 1, alignment) : mi_malloc_aligned(size + 1, alignment);
  }
  if (block == nullptr) return nullptr;
  if (LiveBlocks* const record = record_of(block); record == nullptr || !record->add(block)) {
    mi_free(block);
    return nullptr;
  }
  count_new(mi_usable_size(block));
  return block;
}

/// Of a pointer that is no live block: what it was, or lies in.
Owner stale_or_foreign(const void* p) noexcept {
  return mappings.was_released(p) || mappings.is_interior(p) ? Owner::stale : Owner::foreign;
}

Owner release_to_mimalloc(void* block, LiveBlocks& record) noexcept {
  if (!record.remove(block)) return Owner::stale;
  Inside const inside;
  if (!inside) {  // a signal handler interrupted this thread inside mimalloc: the block is lost, the program is not
    figures.abandoned.fetch_add(1, std::memory_order_relaxed);
    return Owner::live;
  }
  count_freed(mi_usable_size(block));
  mi_free(block);
  give_up_late_heap();
  return Owner::live;
}

}  // namespace

std::size_t region_bytes_wanted(std::size_t address_space) noexcept { return address_space == SIZE_MAX ? kRegion : 0; }

void set_region(os::Span given) noexcept {
  if (live.reset(given)) region = given;
}

void* allocate(std::size_t size, std::size_t alignment, bool zeroed) noexcept {
  KeepErrno const keep;
  if (size + alignment < kOwnMapping && alignment < kOwnAlignment && may_have_heap())
    if (void* const block = from_mimalloc(size, alignment, zeroed); block != nullptr) return block;
  void* const block = mappings.allocate(size, alignment, zeroed);
  if (block != nullptr) {
    count_new(round_up(size == 0 ? 1 : size, os::page_size()));
    return block;
  }
  // The OS has no addresses left for a mapping, as where a program lowered its own RLIMIT_AS; the region has.
  if (size + alignment >= kMostOfMimallocs || alignment >= kOwnAlignment || !may_have_heap()) return nullptr;
  return from_mimalloc(size, alignment, zeroed);
}

Owner owner_of(const void* block) noexcept {
  if (const LiveBlocks* const record = record_of(block); record != nullptr)
    return record->has(block) ? Owner::live : Owner::stale;
  if (mappings.bytes_of(block) != 0) return Owner::live;
  return stale_or_foreign(block);
}

std::size_t keep_budget() noexcept { return live_bytes() / 8; }

Owner release(void* block) noexcept {
  KeepErrno const keep;
  if (LiveBlocks* const record = record_of(block); record != nullptr) return release_to_mimalloc(block, *record);
  std::size_t const bytes = mappings.bytes_of(block);
  if (bytes == 0) return stale_or_foreign(block);
  // First: what is kept of it is counted again, and counted twice it would be what others are refused for.
  count_freed(bytes);
  if (mappings.release(block, keep_budget())) return Owner::live;
  count_new(bytes);
  return stale_or_foreign(block);
}

std::size_t usable_size(const void* block) noexcept {
  const LiveBlocks* const record = record_of(block);
  if (record == nullptr) return mappings.bytes_of(block);
  return record->has(block) ? mi_usable_size(block) : 0;
}

void* resize(void* block, std::size_t size) noexcept {
  KeepErrno const keep;
  std::size_t const old_bytes = usable_size(block);
  if (size <= old_bytes && size >= old_bytes / 2) return block;
  if (record_of(block) == nullptr && size >= kOwnMapping) {
    bool const shrinks = size < old_bytes;
    if (shrinks) count_freed(old_bytes);  // before the pages go: a look in between would think that there is more room
    void* const moved = mappings.resize(block, size);
    if (moved != nullptr && !shrinks) count_freed(old_bytes);
    if (moved != nullptr || shrinks) count_new(moved != nullptr ? mappings.bytes_of(moved) : old_bytes);
    if (moved != nullptr) return moved;
  }
  void* const moved = allocate(size, 16, false);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, size < old_bytes ? size : old_bytes);
  release(block);
  return moved;
}

bool is_inside_live_block(const void* p) noexcept {
  const LiveBlocks* const record = record_of(p);
  if (record == nullptr) return mappings.is_interior(p);
  const void* const below = record->at_or_below(p);
  return below != nullptr && static_cast<const char*>(p) < static_cast<const char*>(below) + mi_usable_size(below);
}

std::size_t kept_bytes() noexcept { return mappings.kept_bytes(); }
void settle(unsigned halvings) noexcept { mappings.settle(keep_budget(), halvings); }
void forget_half() noexcept { mappings.forget_half(); }

void trim() noexcept {
  KeepErrno const keep;
  mappings.purge();
  if (!started.load(std::memory_order_acquire)) return;
  Inside const inside;
  if (inside) mi_collect(true);
  give_up_late_heap();
}

void thread_exit() noexcept {
  if (os::has_own()) ended() = true;
  if (started.load(std::memory_order_acquire)) {
    KeepErrno const keep;
    Inside const inside;
    if (inside) give_up_late_heap();
  }
  gate.give_back_slot();
}

std::size_t supplied_bytes() noexcept {
  std::size_t in = 0;
  for (FallbackShard const& shard : figures.fallback) in += shard.bytes.load(std::memory_order_relaxed);
  return in;
}

std::size_t live_bytes() noexcept {
  std::size_t in = 0, out = 0;
  for (FallbackShard const& shard : figures.fallback) {
    in += shard.bytes.load(std::memory_order_relaxed);
    out += shard.freed.load(std::memory_order_relaxed);
  }
  return in > out ? in - out : 0;
}

void fork_prepare() noexcept {
  gate.close_for_fork();
  starting.take_for_fork();
  LiveBlocks::growth.take_for_fork();
  mappings.lock.take_for_fork();
  shims_fork_prepare();
}

namespace {

void fork_done(bool in_child) noexcept {
  shims_fork_done();
  mappings.lock.release_after_fork();
  LiveBlocks::growth.release_after_fork();
  starting.release_after_fork();
  gate.open_after_fork(in_child);
}

}  // namespace

void fork_parent() noexcept { fork_done(false); }
void fork_child() noexcept { fork_done(true); }

}  // namespace mempool::fallback
