// The two moments of a process that the C library tells us about: a thread ends, the process forks.
#pragma once

namespace mempool::os {

using Hook = void (*)() noexcept;

/// Once, at start: `hook` runs in every thread that asked for it, after its thread_local destructors, in a round of
/// key destructors. Without a thread library (an older C library, a program without threads) nothing ever calls it.
void set_thread_exit(Hook hook) noexcept;
/// The calling thread asks for the hook. May allocate. Keeps errno.
void call_at_thread_exit() noexcept;

/// Once: the hooks run in the forking thread. Registered early, `prepare` runs after everybody else's and `parent`
/// and `child` before theirs. May allocate.
void call_at_fork(Hook prepare, Hook parent, Hook child) noexcept;

#if defined(__APPLE__)
/// What the zone calls when libSystem locks the zones for a fork: runs the hooks.
void before_fork() noexcept;
void after_fork(bool in_child) noexcept;
#endif

}  // namespace mempool::os
