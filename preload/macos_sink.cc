// No spdlog on macOS: the monitor's lines go out raw.

#include "monitor/seam.h"

bool libmempool_sink_open(const libmempool_sink_style*, unsigned) { return false; }
void libmempool_sink_write(int, const char*, std::size_t) {}
