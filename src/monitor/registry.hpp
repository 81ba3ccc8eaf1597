// Who is told of pressure, and who holds memory: the registrations behind mempool.h's listeners and holders.
//
// A fixed table under one lock, which is never held across a call. Who unregisters waits for calls in flight, so that
// what a callback uses may go right after; from within the very call it does not wait for itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mempool/mempool.h"

namespace mempool::monitor {

inline constexpr std::size_t kMostRegistered = 256;
inline constexpr std::size_t kLongestName = 47;

/// Each returns the registration, or 0 where the table is full.
long add_listener(libmempool_listener listener, void* context) noexcept;
/// Requires a name of 1 to kLongestName bytes.
long add_holder(const char* name, libmempool_usage usage, libmempool_reclaim reclaim, void* context) noexcept;
/// False where there is no such registration. Waits for a call in flight.
bool remove(long registration) noexcept;
bool anyone_is_registered() noexcept;

struct Held {
  char name[kLongestName + 1];
  std::size_t bytes;
};
/// Asks every holder for its usage: the sum, and the `most` largest in `largest`, largest first.
struct Holdings {
  std::uint64_t sum = 0;
  unsigned count = 0;
};
Holdings ask_usage(Held* largest, unsigned most) noexcept;

/// Calls every listener, oldest first.
void tell_listeners(int level_before, const libmempool_snapshot& now) noexcept;
/// Asks the holders, the largest first, until `wanted` bytes were given back; how many were.
std::size_t ask_to_reclaim(std::size_t wanted, int pass, int level) noexcept;

/// The word behind libmempool_epoch().
const std::uint32_t* epoch() noexcept;
void next_epoch() noexcept;

void registry_fork_prepare() noexcept;
void registry_fork_parent() noexcept;
/// Calls that other threads had under way do not exist here.
void registry_fork_child() noexcept;

}  // namespace mempool::monitor
