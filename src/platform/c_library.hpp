// Where C libraries differ in what a program may expect of its allocator, and we of them. glibc tells itself by
// __GLIBC__; musl, on purpose, does not tell.
#pragma once

#include <climits>  // any header of the C library's own defines __GLIBC__

namespace mempool::os {

#ifdef __GLIBC__
inline constexpr bool kIsGlibc = true;
#else
inline constexpr bool kIsGlibc = false;
#endif

/// realloc(p, 0) frees and returns nullptr. Elsewhere it is a request for the smallest block.
inline constexpr bool kEmptyResizeFrees = kIsGlibc;
/// A thread's stack, as its size is asked for, has to hold the thread-local storage of all libraries too.
inline constexpr bool kStacksHoldThreadLocals = kIsGlibc;

}  // namespace mempool::os
