// Every MEMPOOL_* variable: one row each. README's table, the start line and the messages about bad values are
// generated from these rows; a default or a sentence of help exists nowhere else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/line.hpp"

namespace mempool::options {

enum class Opt : std::uint8_t {
  enable,
  pools,
  monitor,
  limit,
  hard_limit,
  warning,
  critical,
  emergency,
  trim,
  interval,
  log,
  log_format,
  verbose,
  summary,
  on_error,
};

/// What a variable's text may look like.
enum class Unit : std::uint8_t {
  flag,       // 0 or 1
  automatic,  // 0, 1 or auto
  limit,      // a size (96MiB), a percentage of the limit found (75%), or auto
  hard,       // a size, a percentage of the limit found, or 0
  threshold,  // a percentage of the limit (80%), or what must stay free (-512MiB)
  time,       // 500ms, 5s, 2m
  path,       // a file, or a word the help names
  choice,     // abort or report
  format,     // text or json
};

struct Row {
  Opt id;
  std::string_view name;
  Unit unit;
  std::string_view fallback;  // the default, as a user would write it
  std::string_view allowed;
  std::string_view help;
};

inline constexpr std::array kTable = {
    Row{Opt::enable, "MEMPOOL_ENABLE", Unit::flag, "1", "0 or 1",
        "0 hands every call to the C library's malloc, from the first one on: no reservation, thread, file or line."},
    Row{Opt::pools, "MEMPOOL_POOLS", Unit::flag, "1", "0 or 1",
        "0 leaves small sizes to mimalloc as well: tells whether the pools are to blame."},
    Row{Opt::monitor, "MEMPOOL_MONITOR", Unit::automatic, "auto", "0, 1 or auto",
        "0 never starts the monitor thread, 1 starts it at once, auto starts it once the process matters."},
    Row{Opt::limit, "MEMPOOL_LIMIT", Unit::limit, "auto", "a size like 96MiB, a percentage like 75%, or auto",
        "Memory the process may use. auto: the nearest of the cgroup's limits and physical memory; a percentage "
        "is of that."},
    Row{Opt::hard_limit, "MEMPOOL_LIMIT_HARD", Unit::hard, "0", "a size like 96MiB, a percentage like 95%, or 0",
        "Usage beyond which malloc refuses to grow the heap: nullptr and ENOMEM, after all that is free was given "
        "back. 0: "
        "never."},
    Row{Opt::warning, "MEMPOOL_WARNING", Unit::threshold, "80%", "1% to 100%, or headroom like -512MiB",
        "Usage at which the monitor warns and gives back free memory."},
    Row{Opt::critical, "MEMPOOL_CRITICAL", Unit::threshold, "90%", "1% to 100%, or headroom like -128MiB",
        "Usage at which the monitor warns once more, as critical; from here on growth first gives back what is free."},
    Row{Opt::emergency, "MEMPOOL_EMERGENCY", Unit::threshold, "97%", "1% to 100%, or headroom like -32MiB",
        "Usage at which the monitor says for the last time that the limit is near."},
    Row{Opt::trim, "MEMPOOL_TRIM", Unit::flag, "1", "0 or 1",
        "0 leaves all memory where it is under pressure: nothing is given back, no holder is asked; lines are "
        "written."},
    Row{Opt::interval, "MEMPOOL_INTERVAL", Unit::time, "5s", "20ms to 1h",
        "Longest time between two looks at memory; near the limit the monitor looks more often by itself."},
    Row{Opt::log, "MEMPOOL_LOG", Unit::path, "stderr", "stderr, termination, termination=FILE, files; a comma between",
        "Where the monitor's lines go. A file is appended to, and made when the first line is due; termination keeps "
        "the last line that names the limit, in /dev/termination-log."},
    Row{Opt::log_format, "MEMPOOL_LOG_FORMAT", Unit::format, "text", "text or json",
        "json writes each of the monitor's lines as one object, sizes in bytes."},
    Row{Opt::verbose, "MEMPOOL_VERBOSE", Unit::flag, "0", "0 or 1",
        "1 prints one line at start: version, limit and whose, options that differ, unknown MEMPOOL_ names."},
    Row{Opt::summary, "MEMPOOL_SUMMARY", Unit::path, "0", "0, 1 or a file's path",
        "1 prints what was served at exit, best effort. A path: the counter page that scripts/run hands over."},
    Row{Opt::on_error, "MEMPOOL_ON_ERROR", Unit::choice, "abort", "abort or report",
        "report counts a double or invalid free, says so once a kind, leaks the block and goes on."},
};

constexpr bool table_is_sound() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    Row const& row = kTable[i];
    if (static_cast<std::size_t>(row.id) != i || !row.name.starts_with("MEMPOOL_") || !row.help.ends_with('.'))
      return false;
  }
  return kTable.size() <= 32;
}
static_assert(table_is_sound(), "a row out of order, a name without the prefix, or help without its full stop");

/// A parsed value. Which of the two numbers counts, and what it means, follows from the row's unit.
struct Value {
  std::int64_t number = 0;   // flag 0/1; automatic -1/0/1; bytes; milliseconds; choice 0/1
  std::uint8_t percent = 0;  // limit, threshold: not 0 where a percentage was given
  bool operator==(const Value&) const = default;
};

/// Parses `text` as the row's unit. False where it is not allowed. Pure. `path` accepts anything but nothing.
bool parse(Unit unit, std::string_view text, Value& into) noexcept;

/// Reads the environment, once, at start; later calls do nothing. A bad value gets its default and one line on fd 2
/// that names the variable, the value and what is allowed. Ignores everything in a set-user-ID program.
void read() noexcept;

/// Appends ", NAME=value" for each option that differs from its default, and the names beginning with MEMPOOL_ that
/// are not in the table: they belong to somebody else, or are mistyped.
void append_differences(Line& line) noexcept;

/// After read() (before it: the defaults). Cost: one load.
const Value& value(Opt which) noexcept;
inline std::int64_t number(Opt which) noexcept { return value(which).number; }
/// The text of a `path` row: the user's, or the default. Lives as long as the process.
const char* text(Opt which) noexcept;

}  // namespace mempool::options
