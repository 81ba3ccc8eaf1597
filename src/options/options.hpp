// Every MEMPOOL_* variable: one row each. README's table, the man page, the start line and the messages
// about bad values are generated from these rows; a default or a sentence of help exists nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mempool::options {

enum class Opt : std::uint8_t {
  enable, pools, monitor, limit, warning, critical, interval, log, verbose, summary, on_error,
};

/// What a variable's text may look like.
enum class Unit : std::uint8_t {
  flag,       // 0 or 1
  automatic,  // 0, 1 or auto
  limit,      // a size (96MiB), a percentage of the limit found (75%), or auto
  threshold,  // a percentage of the limit (80%) or headroom in bytes (-512MiB)
  time,       // 500ms, 5s, 2m
  path,       // a file, or a word the help names
  choice,     // abort or report
};

// The table itself, value(), text() and read() are in this header and options.cc.

}  // namespace mempool::options
