// The monitor: one thread that looks at memory, decides, says so and gives back. What is read and what it means is in
// pressure/; here are the thread and what it does.
#pragma once

#include <cstdint>

#include "base/line.hpp"
#include "mempool/mempool.h"

namespace mempool::monitor {

/// At load, once, after options::read(): learns whether there is a limit and hooks the start. Reads files.
void install() noexcept;

/// Appends ", limit 256.0MiB (cgroup /x)". Reads files: at load alone.
void append_limit(Line& line) noexcept;

/// What was seen at the last look; looks itself where no monitor runs in this process.
libmempool_snapshot snapshot() noexcept;

/// Somebody registered: the monitor starts, where it may. In a thread of the program's, no lock held.
void start_for_registration() noexcept;

/// At exit: where the process was short of memory the monitor says how it went. Waits for that, 100 ms at most.
void say_farewell() noexcept;

/// The next look comes at once: the monitor starts, where it may.
void look_soon() noexcept;

/// As though this level had been reached, until called with -1. Requires -1 or a level.
void simulate(int level) noexcept;

/// Gives back what is free; the bytes that went. Any thread.
std::size_t give_back() noexcept;

}  // namespace mempool::monitor
