// What the monitor says: one event, one line, as text or as a JSON object. Pure: formats into a fixed buffer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/line.hpp"
#include "monitor/registry.hpp"
#include "pools/pools.hpp"
#include "pressure/forecast.hpp"
#include "pressure/limit.hpp"
#include "pressure/policy.hpp"

namespace mempool::monitor {

struct Event {
  enum class Kind : std::uint8_t {
    entered,    // a higher level
    left,       // a lower one
    stays,      // the same, said again
    gave_back,  // what came of it
    exhausted,  // nothing came of it: all is in use
    oversized,  // a request that does not fit
    new_limit,  // the limit changed while the program ran
    ended,      // the program ends, and was short of memory
  };
  static constexpr unsigned kNamed = 3, kClasses = 2;

  Kind kind = Kind::stays;
  pressure::Level level = pressure::Level::normal, was = pressure::Level::normal;
  std::string_view cause;  // "look", "tripwire", "forecast", "stalls", "throttle", "simulated"
  pressure::Bound bound;
  std::uint64_t resident = 0, heap_live = 0, heap_kept = 0;  // bytes
  std::uint64_t growth = 0, seconds_left = pressure::kNever;
  Held largest[kNamed] = {};              // holders; no name: none
  pools::InClass classes[kClasses] = {};  // size classes that hold most
  std::uint64_t given_back = 0, took_ms = 0;
  std::uint64_t bytes = 0;  // oversized: of the request; new_limit: the limit before; ended: peak resident
  std::uint64_t warnings = 0, criticals = 0;      // ended: how often the levels were entered
  unsigned some_permille = 0, full_permille = 0;  // stalls over the last ten seconds
  std::uint64_t sequence = 0, suppressed = 0;
};

/// The line without prefix and newline.
void format_text(LongLine& line, Event const& event) noexcept;
/// The same as an object. `time_ns` is the wall clock's.
void format_json(LongLine& line, Event const& event, int pid, std::uint64_t time_ns) noexcept;

std::string_view name_of(pressure::Level level) noexcept;

}  // namespace mempool::monitor
