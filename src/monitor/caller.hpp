// The thread in which listeners and holders are called. The monitor has a table of descriptors of its own, in which
// nothing of the program's is open, and must not be held up; a callback may log, and take its time. So it is made by a
// thread of the program's, at the first registration, and shares all with it.
#pragma once

#include <cstddef>

#include "mempool/mempool.h"

namespace mempool::monitor {

/// Makes the thread where there is none yet in this process. In a thread of the program's, no lock held.
void start_caller() noexcept;

/// Has the listeners told. A change that was not told yet is told as one with this.
void post_change(int level_before, const libmempool_snapshot& now) noexcept;

/// Has the holders asked, and waits for it, `patience_ms` at most: the bytes given back by then. Nothing where they are
/// still busy with what they were asked before.
std::size_t ask_holders(std::size_t wanted, int pass, int level, int patience_ms) noexcept;

/// Ends the thread, as soon as it is not in a call: the process has no other left.
void end_caller() noexcept;

}  // namespace mempool::monitor
