// Where the monitor's lines go: spdlog where it is linked in, one raw write(2) otherwise.
#pragma once

#include <cstdint>

#include "monitor/event.hpp"

namespace mempool::monitor {

/// At load: the path of MEMPOOL_LOG, before the program can write over its environment, as setproctitle does.
void remember_log() noexcept;

/// Called by the monitor's thread alone, once what it opens is in its own table of descriptors. In a fork child the
/// parent's spdlog is never touched: a vanished thread may hold its mutex.
void say(Event const& event) noexcept;
/// Lines that could not be written: a full pipe, a full disk, a stderr that is none any more.
std::uint64_t lines_lost() noexcept;

/// In a fork child, once, before the first line.
void forget_parents_sink() noexcept;

}  // namespace mempool::monitor
