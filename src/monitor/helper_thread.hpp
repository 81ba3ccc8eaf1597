// A thread of libmempool's own: all signals blocked, so that it never runs a handler of the program's, and a stack of
// its own size.
#pragma once

#include <cstddef>

namespace mempool::monitor {

/// At load: what has to be looked up, which takes the loader's lock.
void prepare_helpers() noexcept;
/// Called in a thread of the program's. False where no thread can be had, or the program has no thread library.
bool start_helper(void* (*run)(void*), std::size_t stack_bytes) noexcept;

}  // namespace mempool::monitor
