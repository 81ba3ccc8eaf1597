// What mimalloc may ask of the system: its object's references to the C library are redirected to us at the link.
//
// Memory comes from the region it was given, or, where addresses are scarce, from mappings that are noted here, so
// that ownership stays a question we can answer. There is no environment, no file and no output for it, and its
// thread exit runs when we say so.
#pragma once

#include <cstddef>

#include "routing/live_blocks.hpp"

namespace mempool::fallback {

/// True where the calling thread has a heap of mimalloc's that its end must give up.
bool thread_has_heap() noexcept;

/// Where mimalloc maps for itself: the record of the mapping that `p` lies in; nullptr outside of all.
LiveBlocks* record_of_mapping(const void* p) noexcept;

void shims_fork_prepare() noexcept;
void shims_fork_done() noexcept;

}  // namespace mempool::fallback
