// Which limit would kill this process, and how much of it is used: pure functions over the text of /proc and cgroup
// files, and one that reads those files.
//
// Limit and usage always come from the same cgroup level; every ancestor counts; the least headroom wins and is
// named. Reads files: called by the monitor's thread and at start under MEMPOOL_VERBOSE alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mempool::pressure {

inline constexpr std::uint64_t kNoLimit = UINT64_MAX;

/// A limit, what is used of it, and whose it is: "cgroup /a/b", "MEMPOOL_LIMIT", "RLIMIT_AS", "physical memory".
struct Bound {
  std::uint64_t limit = kNoLimit;  // bytes
  std::uint64_t usage = 0;         // bytes, what the kernel cannot drop
  char source[64] = {};

  std::uint64_t headroom() const noexcept { return limit > usage ? limit - usage : 0; }
};

/// The nearest limit, of those that end the process or refuse it memory, and this process's own memory. No limit is one
/// of three things: there is none, or only the machine's memory, or one that cannot be read.
struct Reading : Bound {
  Bound throttle;                // the nearest memory.high, which slows its group down and kills nobody
  std::uint64_t all_limits = 0;  // the sum of all that were found: another is nearest though none changed
  std::uint64_t resident = 0;    // bytes, this process
  std::uint64_t anonymous = 0;   // bytes of these without a file behind them
  bool is_physical = false;      // the machine's memory: nobody set a limit
  bool is_unreadable = false;    // a group's files are there and may not be read: its limit may be nearer

  bool is_finite() const noexcept { return limit != kNoLimit && !is_physical; }
  /// The smaller of limit and throttle, in bytes: what the size of a process is measured by.
  std::uint64_t smallest() const noexcept { return throttle.limit < limit ? throttle.limit : limit; }
};

/// A number at the start of `text`, or kNoLimit for "max", cgroup v1's "unlimited" (PAGE_COUNTER_MAX) and no number.
std::uint64_t parse_limit(std::string_view text) noexcept;
/// The value of `key` in lines of "key value"; 0 where it is missing.
std::uint64_t parse_field(std::string_view text, std::string_view key) noexcept;

/// This process's group in a hierarchy, out of /proc/self/cgroup: of the v1 controller `memory`, or of v2 ("0::").
/// Empty where there is none.
std::string_view parse_group(std::string_view proc_self_cgroup, bool version2) noexcept;

/// Where a hierarchy is mounted and which of its groups that is, out of /proc/self/mountinfo, octal escapes decoded.
struct Mount {
  char point[256] = {};
  char root[256] = {};
  bool found() const noexcept { return point[0] != 0; }
};
Mount parse_mount(std::string_view proc_self_mountinfo, bool version2) noexcept;

/// The folder of `group` under a mount, "" where the mount does not show it. What lies above the mount's root is out
/// of sight; a group outside of it ("/../..") is taken for the root itself.
bool group_folder(Mount const& mount, std::string_view group, char* folder, std::size_t capacity) noexcept;

/// The PSI file of this process's own group of cgroup v2; false where there is none, or memory is not its business.
/// After read_limits().
bool own_pressure_file(char* path, std::size_t capacity, const char* root = "") noexcept;

/// What MEMPOOL_LIMIT says, from now on; 0: nothing.
void set_own_limit(std::uint64_t bytes) noexcept;
/// Bytes to what MEMPOOL_LIMIT_HARD says: a percentage of the reading's limit and its usage, a size of this process's
/// own memory. kNoLimit: it says nothing.
std::uint64_t headroom_to_hard_limit(Reading const& reading) noexcept;

/// Reads everything anew. `proc` and `sys` are the roots of /proc and /sys: "" but in tests.
Reading read_limits(const char* root = "") noexcept;

}  // namespace mempool::pressure
