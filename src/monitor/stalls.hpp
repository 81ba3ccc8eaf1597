// Stalls of memory, as the kernel counts them (PSI), and systemd's memory-pressure protocol, which is a PSI file of the
// service manager's choice. A second signal beside usage: of thrashing, of a throttle, of limits that are out of sight.
// Alone it is blind to the commonest death, of memory that grows where there is no swap.
// Source: the kernel's Documentation/accounting/psi.rst; systemd.io/MEMORY_PRESSURE.
#pragma once

#include "pressure/limit.hpp"
#include "pressure/policy.hpp"

namespace mempool::monitor {

/// At load: MEMORY_PRESSURE_WATCH and MEMORY_PRESSURE_WRITE, before the program can write over its environment.
void remember_pressure_watch() noexcept;

/// One thread uses it, the monitor's.
class Stalls {
 public:
  /// Opens the file and sets the trigger; nothing where there is none, or the manager says /dev/null.
  void open() noexcept;
  void close() noexcept;
  /// Whether they say anything of this limit: the whole machine's stalls are those of others too.
  bool are_of(pressure::Reading const& reading) const noexcept { return !are_of_machine_ || reading.is_physical; }
  /// What has happened since the last look: warning where the trigger fired, critical where all of the group's tasks
  /// stood still for a tenth of the last ten seconds.
  pressure::Level look() noexcept;
  /// Thousandths of the last ten seconds in which some, or all, tasks waited for memory. As of the last look that had a
  /// trigger fire, or of read_shares().
  unsigned some_permille() const noexcept { return some_; }
  unsigned full_permille() const noexcept { return full_; }
  void read_shares() noexcept;

 private:
  int descriptor_ = -1;
  bool are_of_machine_ = true;
  unsigned some_ = 0, full_ = 0;
};

}  // namespace mempool::monitor
