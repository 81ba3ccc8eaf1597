// What a thread owns besides its loaded magazines, kept in metadata so that it outlives the thread.
//
// A spare sits in an atomic slot: who exchanges a non-null magazine out of it owns it, so another thread can
// empty the caches of one that sleeps. Records are recycled, never unmapped.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/lock.hpp"
#include "pools/thread_cache.hpp"

namespace mempool::pools {

struct Record {
  std::atomic<Magazine*> spare[SizeClass::kCached];
  std::atomic<Magazine*> loaded[SizeClass::kCached];  // for the fork child: what a vanished thread had
  std::atomic<ThreadCache*> owner;  // nullptr: free for the next thread
  Record* next;                     // all records, in order of their making, newest first
  std::atomic<std::uint32_t> misses;  // of the owner: it moves while the thread does something
  std::uint32_t misses_seen;          // the monitor's
  std::uint8_t batch_lg[SizeClass::kCached];  // the next refill from a slab takes 1 << batch_lg blocks
};

struct Records {
  Lock lock;
  std::atomic<Record*> newest{nullptr};
};
extern constinit Records records;

// -- The calling thread's life, used by routing ------------------------------------------------------------------

/// Reserves and lays out the regions: once, before any other call. Without `use_pools`, or where the OS refuses,
/// nothing is pooled, now or later. `for_fallback` receives the part of the reservation that is mimalloc's.
void start(bool use_pools, std::size_t fallback_bytes, os::Span& for_fallback) noexcept;

/// Gives the thread a record and its exit a hook. False where there is no memory for one, or the thread has ended.
bool attach() noexcept;
/// The thread's exit: its magazines go to the depots. Later blocks come and go one by one.
void thread_exit() noexcept;

/// Empties spare magazines into their pools: everybody's, or those of threads without a miss since the last such call.
/// Any thread; with `of_idle_threads` one at a time.
void take_spares(bool of_idle_threads) noexcept;

/// A block of the class after a miss. `zeroed`, when asked for, tells whether it reads as zero.
/// nullptr: the class is off, full or busy in this very thread; the fallback serves then.
void* refill(SizeClass c, bool* zeroed) noexcept;
/// Takes a block whose push found its magazine full. Reports misuse it finds.
void overflow(SizeClass c, void* block) noexcept;

void fork_prepare() noexcept;
void fork_parent() noexcept;
void fork_child() noexcept;

}  // namespace mempool::pools
