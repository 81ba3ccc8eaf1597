// The monitor: one thread that samples, decides, gives back and logs. Sampler and policy are in pressure/; here are
// the thread, the actions and the sinks.
#pragma once

#include "base/line.hpp"

namespace mempool::monitor {

/// At load, once, after options::read(): learns whether there is a limit and hooks the start. Reads files.
void install() noexcept;

/// Appends ", limit 256.0MiB (cgroup /x)". Reads files: at load alone.
void append_limit(Line& line) noexcept;

}  // namespace mempool::monitor
