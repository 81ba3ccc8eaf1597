#include "pressure/limit.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/line.hpp"
#include "base/printable.hpp"
#include "options/options.hpp"
#include "platform/os.hpp"

namespace mempool::pressure {
namespace {

/// cgroup v1 says "no limit" by a number: LONG_MAX rounded down to a page, whichever size that has.
constexpr std::uint64_t kVersion1Unlimited = std::uint64_t{1} << 62;

// substr() would bring in the exception it throws; these cut what the caller has measured.
std::string_view first(std::string_view text, std::size_t n) noexcept { return {text.data(), n}; }
std::string_view after(std::string_view text, std::size_t n) noexcept { return {text.data() + n, text.size() - n}; }

/// Calls `visit` with each line until it answers false.
template <class Visit>
void each_line(std::string_view text, Visit visit) noexcept {
  while (!text.empty()) {
    std::size_t const end = std::min(text.find('\n'), text.size());
    if (!visit(first(text, end))) return;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string_view take_word(std::string_view& line, char until = ' ') noexcept {
  std::size_t const end = std::min(line.find(until), line.size());
  std::string_view const word = first(line, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool has_item(std::string_view list, std::string_view item) noexcept {
  while (!list.empty())
    if (take_word(list, ',') == item) return true;
  return false;
}

/// Decodes \040 and the like. False, and "", where it does not fit.
bool copy_decoded(std::string_view from, char* into, std::size_t capacity) noexcept {
  std::size_t used = 0;
  while (!from.empty() && used + 1 < capacity) {
    char c = from[0];
    if (c == '\\' && from.size() >= 4) {
      c = static_cast<char>((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from.remove_prefix(3);
    }
    from.remove_prefix(1);
    into[used++] = c;
  }
  into[from.empty() ? used : 0] = 0;
  return from.empty();
}

/// A path put together in a fixed buffer; too long a path reads as a file that is not there.
class Path {
 public:
  Path& add(std::string_view part) noexcept {
    if (used_ + part.size() < sizeof text_) {
      std::memcpy(text_ + used_, part.data(), part.size());
      used_ += part.size();
    } else {
      used_ = 0;
    }
    text_[used_] = 0;
    return *this;
  }
  const char* c_str() const noexcept { return text_; }

 private:
  char text_[640] = {};
  std::size_t used_ = 0;
};

/// Files here are small; mountinfo of a host with many containers is not, and is cut.
struct Text {
  char bytes[65536] = {};
  long length = 0;
  bool read(const char* path) noexcept {
    length = os::read_again(path, bytes, sizeof bytes);
    return length > 0;
  }
  void read_pieces(const char* path) noexcept { length = os::read_file(path, bytes, sizeof bytes); }
  bool was_refused() const noexcept { return length == -EACCES || length == -EPERM; }
  std::string_view view() const noexcept { return {bytes, static_cast<std::size_t>(length > 0 ? length : 0)}; }
};

void set_source(Bound& bound, std::string_view first, std::string_view second) noexcept {
  std::size_t const a = std::min(first.size(), sizeof bound.source - 1);
  // The end of a long group name tells more than its start.
  constexpr std::string_view cut = "...";
  std::size_t const room = sizeof bound.source - 1 - a;
  bool const is_cut = second.size() > room;
  if (is_cut) second.remove_prefix(second.size() - room);
  std::memcpy(bound.source, first.data(), a);
  std::memcpy(bound.source + a, second.data(), second.size());
  if (is_cut && room >= cut.size()) std::memcpy(bound.source + a, cut.data(), cut.size());
  bound.source[a + second.size()] = 0;
  make_printable(bound.source);
}

/// The nearer of two: the one with the least headroom, in bytes.
void keep_the_nearer(Bound& best, std::uint64_t limit, std::uint64_t usage, std::string_view kind,
                     std::string_view name) noexcept {
  if (limit == kNoLimit) return;
  std::uint64_t const headroom = limit > usage ? limit - usage : 0;
  if (best.limit != kNoLimit && headroom >= best.headroom()) return;
  best.limit = limit;
  best.usage = usage;
  set_source(best, kind, name);
}

struct Files {
  bool version2;
  std::string_view limit, usage, throttle, with_swap, usage_with_swap;
};
constexpr Files kVersions[] = {{true, "/memory.max", "/memory.current", "/memory.high", "", ""},
                               {false, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "",
                                "/memory.memsw.limit_in_bytes", "/memory.memsw.usage_in_bytes"}};

/// What of a level's usage the kernel cannot drop: page cache that is clean goes before anybody is killed.
std::uint64_t undroppable(std::uint64_t usage, std::string_view stat, bool version2) noexcept {
  auto const field = [&](std::string_view v2, std::string_view v1) { return parse_field(stat, version2 ? v2 : v1); };
  std::uint64_t const file = field("inactive_file", "total_inactive_file") + field("active_file", "total_active_file");
  std::uint64_t const dirty = field("file_dirty", "total_dirty") + field("file_writeback", "total_writeback");
  std::uint64_t const slab = field("slab_reclaimable", "slab_reclaimable");
  std::uint64_t const droppable = (file > dirty ? file - dirty : 0) + slab;
  return usage > droppable ? usage - droppable : 0;
}

/// One group on the way up: the process's own is the leaf. `name` is what lines call it.
void read_level(Files const& files, const char* root, std::string_view level, std::string_view name, bool is_leaf,
                Text& text, Reading& best) noexcept {
  auto const number = [&](std::string_view file) noexcept {
    if (file.empty()) return kNoLimit;
    bool const was_read = text.read(Path{}.add(root).add(level).add(file).c_str());
    best.is_unreadable |= text.was_refused();
    return was_read ? parse_limit(text.view()) : kNoLimit;
  };
  std::uint64_t const limit = number(files.limit), throttle = number(files.throttle);
  std::uint64_t const with_swap = number(files.with_swap);
  bool const tells_of_ancestors = is_leaf && !files.version2;
  if (std::min({limit, throttle, with_swap}) == kNoLimit && !tells_of_ancestors) return;
  std::uint64_t const usage = number(files.usage);
  if (usage == kNoLimit) return;
  std::uint64_t const in_swap = with_swap == kNoLimit ? 0 : number(files.usage_with_swap) - usage;
  text.read(Path{}.add(root).add(level).add("/memory.stat").c_str());
  std::uint64_t const kept = std::max(undroppable(usage, text.view(), files.version2), best.anonymous);
  for (std::uint64_t const each : {limit, throttle, with_swap})
    if (each != kNoLimit) best.all_limits += each;
  keep_the_nearer(best, limit, kept, "cgroup ", name);
  keep_the_nearer(best.throttle, throttle, kept, "memory.high of cgroup ", name);
  if (in_swap < kNoLimit / 2) keep_the_nearer(best, with_swap, kept + in_swap, "memory and swap of cgroup ", name);
  // Out of sight in a namespace, an ancestor's limit is known all the same; its usage is at least the leaf's.
  std::uint64_t const ancestors = parse_field(text.view(), "hierarchical_memory_limit");
  if (tells_of_ancestors && ancestors != 0 && ancestors < limit)
    keep_the_nearer(best, ancestors, kept, "an ancestor of cgroup ", name);
}

void read_hierarchy(Files const& files, std::string_view groups, std::string_view mounts, const char* root, Text& text,
                    Reading& best) noexcept {
  Mount const mount = parse_mount(mounts, files.version2);
  std::string_view const group = parse_group(groups, files.version2);
  char folder[512];
  if (!mount.found() || group.empty() || !group_folder(mount, group, folder, sizeof folder)) return;
  std::size_t const top = std::strlen(mount.point);
  // In a namespace of its own, under a mount that is not: where the mount shows the process's own group is not told.
  best.is_unreadable |= std::string_view{mount.root}.starts_with("/..");
  bool is_leaf = true;
  for (std::size_t length = std::strlen(folder); length >= top; --length) {
    if (folder[length] != 0 && folder[length] != '/') continue;
    std::string_view const level{folder, length};
    std::string_view const name = length == top ? std::string_view{"/"} : after(level, top);
    read_level(files, root, level, name, is_leaf, text, best);
    is_leaf = false;
    if (length == top) break;
    folder[length] = 0;
  }
}

}  // namespace

std::uint64_t parse_limit(std::string_view text) noexcept {
  std::uint64_t n = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (n > kVersion1Unlimited / 8) return kNoLimit;
    n = n * 10 + static_cast<std::uint64_t>(text[digits] - '0');
  }
  return digits == 0 || n >= kVersion1Unlimited ? kNoLimit : n;
}

std::uint64_t parse_field(std::string_view text, std::string_view key) noexcept {
  std::uint64_t found = 0;
  each_line(text, [&](std::string_view line) {
    if (line.size() <= key.size() || !line.starts_with(key) || (line[key.size()] != ' ' && line[key.size()] != ':'))
      return true;
    line.remove_prefix(key.size() + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    std::uint64_t const n = parse_limit(line);
    found = n == kNoLimit ? 0 : n;
    return false;
  });
  return found;
}

std::string_view parse_group(std::string_view proc_self_cgroup, bool version2) noexcept {
  std::string_view group;
  each_line(proc_self_cgroup, [&](std::string_view line) {
    std::string_view const number = take_word(line, ':');
    std::string_view const controllers = take_word(line, ':');
    bool const wanted = version2 ? number == "0" && controllers.empty() : has_item(controllers, "memory");
    if (wanted) group = line;
    return !wanted;
  });
  return group;
}

Mount parse_mount(std::string_view proc_self_mountinfo, bool version2) noexcept {
  Mount mount;
  each_line(proc_self_mountinfo, [&](std::string_view line) {
    std::size_t const dash = line.find(" - ");
    if (dash == std::string_view::npos) return true;
    std::string_view tail = after(line, dash + 3);
    std::string_view const type = take_word(tail);
    take_word(tail);
    if (version2 ? type != "cgroup2" : type != "cgroup" || !has_item(tail, "memory")) return true;
    for (int skipped = 0; skipped < 3; ++skipped) take_word(line);
    std::string_view const root = take_word(line);
    std::string_view const point = take_word(line);
    if (!copy_decoded(root, mount.root, sizeof mount.root) || !copy_decoded(point, mount.point, sizeof mount.point))
      mount = {};
    return !mount.found();
  });
  return mount;
}

bool group_folder(Mount const& mount, std::string_view group, char* folder, std::size_t capacity) noexcept {
  std::string_view root{mount.root};
  if (root == "/") root = {};
  // Inside a private namespace the root is what we are shown; a bind mount shows a part of the tree.
  if (group.starts_with("/.."))
    group = {};
  else if (group.starts_with(root) && (group.size() == root.size() || group[root.size()] == '/'))
    group.remove_prefix(root.size());
  else
    group = {};
  if (group == "/") group = {};
  std::string_view const point{mount.point};
  if (point.size() + group.size() + 1 > capacity) return false;
  std::memcpy(folder, point.data(), point.size());
  if (!group.empty()) std::memcpy(folder + point.size(), group.data(), group.size());
  folder[point.size() + group.size()] = 0;
  return true;
}

namespace {

constinit Text groups, mounts;
constinit std::atomic<std::int64_t> own_limit{-1};  // -1: the option's

/// The list of mounts is long in some containers: read once a minute, and where the process moved to another group.
void read_mounts(const char* root) noexcept {
  constexpr std::uint64_t kMinute = 60'000'000'000;  // ns
  static constinit std::uint64_t read_ns = 0;
  static constinit char group[256] = {};
  std::string_view const begin = first(groups.view(), std::min(groups.view().size(), sizeof group - 1));
  std::uint64_t const now = os::monotonic_ns();
  if (root[0] == 0 && read_ns != 0 && now - read_ns < kMinute && begin == group) return;
  read_ns = now;
  std::memcpy(group, begin.data(), begin.size());
  group[begin.size()] = 0;
  mounts.read_pieces(Path{}.add(root).add("/proc/thread-self/mountinfo").c_str());
}

}  // namespace

bool own_pressure_file(char* path, std::size_t capacity, const char* root) noexcept {
  // Where memory is counted in version 1, the group of version 2 is of other processes.
  if (!parse_group(groups.view(), false).empty()) return false;
  Mount const mount = parse_mount(mounts.view(), true);
  std::string_view const group = parse_group(groups.view(), true);
  char folder[512];
  if (!mount.found() || group.empty() || !group_folder(mount, group, folder, sizeof folder)) return false;
  Path const file = Path{}.add(root).add(folder).add("/memory.pressure");
  std::size_t const length = std::strlen(file.c_str());
  if (length == 0 || length >= capacity) return false;
  std::memcpy(path, file.c_str(), length + 1);
  return true;
}

void set_own_limit(std::uint64_t bytes) noexcept {
  own_limit.store(static_cast<std::int64_t>(bytes < kNoLimit / 2 ? bytes : 0), std::memory_order_relaxed);
}

std::uint64_t headroom_to_hard_limit(Reading const& reading) noexcept {
  options::Value const& hard = options::value(options::Opt::hard_limit);
  Bound bound;
  if (hard.percent != 0 && reading.limit != kNoLimit) {
    bound.limit = reading.limit / 100 * hard.percent;
    bound.usage = reading.usage;
  } else if (hard.number != 0) {
    bound.limit = static_cast<std::uint64_t>(hard.number);
    bound.usage = reading.resident;
  }
  return bound.limit == kNoLimit ? kNoLimit : bound.headroom();
}

Reading read_limits(const char* root) noexcept {
  static constinit Text text;  // one reader at a time
  Reading best;
  os::Resident const own_pages = os::resident();
  best.resident = own_pages.bytes;
  best.anonymous = own_pages.anonymous;
  groups.read(Path{}.add(root).add("/proc/thread-self/cgroup").c_str());
  read_mounts(root);
  for (Files const& files : kVersions) read_hierarchy(files, groups.view(), mounts.view(), root, text, best);
  os::AddressLimits const addresses = os::address_limits();
  for (std::size_t const each : {addresses.mapped, addresses.data})
    if (each != SIZE_MAX) best.all_limits += each;
  if (addresses.mapped != SIZE_MAX) keep_the_nearer(best, addresses.mapped, own_pages.mapped, "RLIMIT_AS", "");
  if (addresses.data != SIZE_MAX) keep_the_nearer(best, addresses.data, own_pages.data, "RLIMIT_DATA", "");

  // Physical memory is what kills where no group does: what is available, not what is free.
  os::MachineMemory machine = os::machine_memory();
  if (text.read(Path{}.add(root).add("/proc/meminfo").c_str())) {
    std::uint64_t const available = parse_field(text.view(), "MemAvailable") << 10;
    machine.total = parse_field(text.view(), "MemTotal") << 10;
    machine.used = machine.total > available ? machine.total - available : 0;
  }
  if (machine.total != 0) {
    best.is_physical = best.limit == kNoLimit;
    keep_the_nearer(best, machine.total, machine.used, "physical memory", "");
  }
  options::Value own = options::value(options::Opt::limit);
  if (std::int64_t const set = own_limit.load(std::memory_order_relaxed); set >= 0) own = {.number = set, .percent = 0};
  best.all_limits += static_cast<std::uint64_t>(own.number) + own.percent;
  if (own.percent != 0 && best.limit != kNoLimit) {
    best.limit = best.limit / 100 * own.percent;
    Line named;
    named.dec(own.percent).text("% of ").text(best.source);
    set_source(best, named.view(), "");
    best.is_physical = false;
  } else if (own.number > 0) {
    // The user's word counts beside the kernel's; against the machine's memory alone it always does.
    if (best.is_physical) best.limit = kNoLimit;
    best.is_physical = false;
    keep_the_nearer(best, static_cast<std::uint64_t>(own.number), best.resident, "MEMPOOL_LIMIT", "");
  }
  return best;
}

}  // namespace mempool::pressure
