// Where the monitor's lines go: spdlog where it is linked in, one raw write(2) otherwise.
#pragma once

#include <string_view>

#include "pressure/policy.hpp"

namespace mempool::monitor {

/// At load: the path of MEMPOOL_LOG, before the program can write over its environment, as setproctitle does.
void remember_log() noexcept;

/// Called by the monitor's thread alone. `text` has no newline and no prefix. In a fork child the parent's spdlog is
/// never touched: a vanished thread may hold its mutex.
void say(pressure::Level level, std::string_view text) noexcept;

/// In a fork child, once, before the first line.
void forget_parents_sink() noexcept;

}  // namespace mempool::monitor
