// A call when a thread ends, after its thread_local destructors, through one pthread key.
#pragma once

namespace mempool::os {

/// Once, at start: `hook` runs in every thread that asked for it, in one of the rounds of key destructors. Without
/// a thread library (an older C library, a program without threads) there are no such threads. May allocate.
void set_thread_exit(void (*hook)() noexcept) noexcept;
/// The calling thread asks for the hook. May allocate. Keeps errno.
void call_at_thread_exit() noexcept;

}  // namespace mempool::os
