// The counters of one process, laid out so that they can live in a page that another process maps.
//
// scripts/run hands its program a file (MEMPOOL_SUMMARY=FILE); the library maps it over its own page, so the
// counters survive _exit, a closed stderr and SIGKILL. Everything is written on miss paths, nothing on a hit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/largest_page.hpp"

namespace mempool {

inline constexpr unsigned kMaxClasses = 16;

struct alignas(64) FallbackShard {
  std::atomic<std::uint64_t> requests;  // calls that mimalloc (or a mapping of its own) served
  std::atomic<std::uint64_t> small;     // of these, requests that would have fitted a class
  std::atomic<std::uint64_t> bytes;     // usable bytes of the blocks served, in all
  std::atomic<std::uint64_t> freed;     // usable bytes of the blocks freed, in all
};

struct alignas(kLargestPage) Figures {
  static constexpr std::uint64_t kMagic = 0x314c4f4f504d454dULL;  // "MEMPOOL1"
  static constexpr unsigned kShards = 16;

  std::uint64_t magic;
  std::atomic<std::uint32_t> owner;  // process id of the first process that claimed the page; 0: nobody yet
  std::uint32_t classes;             // how many entries of the two arrays below are in use

  // Per class, under the class's lock. Class i holds blocks of 16 << i bytes.
  std::atomic<std::uint64_t> supplied[kMaxClasses];    // blocks handed to thread caches, from slabs or the depot
  std::atomic<std::uint64_t> taken_back[kMaxClasses];  // blocks that came back from thread caches

  std::atomic<std::uint64_t> discarded_bytes;     // bytes given back to the OS so far
  std::atomic<std::uint64_t> class_full;          // refills that found their region full
  std::atomic<std::uint64_t> foreign_frees;       // pointers that are not ours and were left alone
  std::atomic<std::uint64_t> faults;              // misuses survived under MEMPOOL_ON_ERROR=report
  std::atomic<std::uint64_t> abandoned;           // blocks, at most, that fork or a signal handler left out of reach

  std::atomic<std::uint64_t> limit_bytes;         // 0: none found, or never looked
  std::atomic<std::uint64_t> peak_resident;       // highest sample of the monitor
  std::atomic<std::uint64_t> samples;
  std::atomic<std::uint64_t> warnings;
  std::atomic<std::uint64_t> criticals;
  char limit_source[64];                          // "cgroup /a/b", "MEMPOOL_LIMIT", "physical memory"

  FallbackShard fallback[kShards];
};
static_assert(sizeof(Figures) == kLargestPage, "one page, mapped over ours");
/// The bytes of it that hold something.
inline constexpr std::size_t kFiguresBytes = offsetof(Figures, fallback) + sizeof(Figures::fallback);

/// Where this process counts: its own page, or the file's.
extern Figures figures;

}  // namespace mempool
