// How limits are laid out in the world: trees of /proc and cgroup files, and for each the limit that kills, what is
// used of it and whose it is. Sizes in MiB, since usage is at least what this very test has resident.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "pressure/limit.hpp"

namespace mempool::pressure {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kUnlimitedV1 = 9223372036854771712u;

/// A file of a tree, and what is in it.
using Files = std::map<std::string, std::string>;

struct Layout {
  const char* name;
  std::string groups;  // /proc/thread-self/cgroup
  std::string mounts;  // /proc/thread-self/mountinfo
  Files files;
  std::string source;                  // "": none but the machine's
  std::uint64_t limit = 0, usage = 0;  // MiB
  std::string throttle = "";
  bool is_unreadable = false;
};

std::string mib(std::uint64_t n) { return std::to_string(n * kMiB) + "\n"; }

/// A group of version 2 with a limit (0: "max") and its usage.
Files v2(const std::string& at, std::uint64_t limit, std::uint64_t usage, Files more = {}) {
  more[at + "/memory.max"] = limit == 0 ? "max\n" : mib(limit);
  more[at + "/memory.current"] = mib(usage);
  more.try_emplace(at + "/memory.stat", "anon 1\n");
  return more;
}
Files v1(const std::string& at, std::uint64_t limit, std::uint64_t usage, Files more = {}) {
  more[at + "/memory.limit_in_bytes"] = limit == 0 ? std::to_string(kUnlimitedV1) + "\n" : mib(limit);
  more[at + "/memory.usage_in_bytes"] = mib(usage);
  more.try_emplace(at + "/memory.stat", "cache 1\n");
  return more;
}
Files both(Files a, Files const& b) {
  a.insert(b.begin(), b.end());
  return a;
}

const std::string kV2 = "40 30 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const std::string kV1 = "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const std::string kHybrid = kV1 + "40 30 0:9 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
const std::string kA = "/sys/fs/cgroup/a", kM = "/sys/fs/cgroup/memory";

std::vector<Layout> layouts() {
  return {
      // Version 2.
      {"v2 leaf", "0::/a\n", kV2, v2(kA, 8000, 4000), "cgroup /a", 8000, 4000},
      {"v2 leaf without a limit", "0::/a\n", kV2, v2(kA, 0, 4000), ""},
      {"v2 limit of the parent", "0::/a/b\n", kV2, both(v2(kA, 8000, 5000), v2(kA + "/b", 0, 4000)), "cgroup /a", 8000,
       5000},
      {"v2 limit of the grandparent", "0::/a/b/c\n", kV2,
       both(both(v2(kA, 8000, 5000), v2(kA + "/b", 0, 4500)), v2(kA + "/b/c", 0, 4000)), "cgroup /a", 8000, 5000},
      {"v2 the leaf has less headroom", "0::/a/b\n", kV2, both(v2(kA, 9000, 5000), v2(kA + "/b", 6000, 4000)),
       "cgroup /a/b", 6000, 4000},
      {"v2 the parent has less headroom though the larger limit", "0::/a/b\n", kV2,
       both(v2(kA, 9000, 8500), v2(kA + "/b", 6000, 4000)), "cgroup /a", 9000, 8500},
      {"v2 siblings fill the parent", "0::/pod/main\n", kV2,
       both(v2("/sys/fs/cgroup/pod", 10000, 9900), v2("/sys/fs/cgroup/pod/main", 9500, 4000)), "cgroup /pod", 10000,
       9900},
      {"v2 a level in between without the controller", "0::/a/b/c\n", kV2,
       both(v2(kA, 8000, 5000), v2(kA + "/b/c", 0, 4000)), "cgroup /a", 8000, 5000},
      {"v2 private namespace", "0::/\n", kV2, v2("/sys/fs/cgroup", 8000, 4000), "cgroup /", 8000, 4000},
      {"v2 the root of the host has no limit files", "0::/\n", kV2, {}, ""},
      {"v2 moved out of the namespace's root", "0::/../other\n", kV2, v2("/sys/fs/cgroup", 8000, 4000), "cgroup /",
       8000, 4000},
      {"v2 namespace entered without a new mount", "0::/\n",
       "40 30 0:9 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", v2("/sys/fs/cgroup", 8000, 4000), "cgroup /", 8000,
       4000},
      {"v2 bind mount of a part of the tree", "0::/docker/x\n",
       "40 30 0:9 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n", v2("/sys/fs/cgroup", 8000, 4000), "cgroup /",
       8000, 4000},
      {"v2 bind mount of a parent", "0::/docker/x\n", "40 30 0:9 /docker /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
       v2("/sys/fs/cgroup/x", 8000, 4000), "cgroup /x", 8000, 4000},
      {"v2 mounted elsewhere", "0::/a\n", "40 30 0:9 / /opt/groups rw - cgroup2 none rw\n",
       v2("/opt/groups/a", 8000, 4000), "cgroup /a", 8000, 4000},
      {"v2 mounted at a path with a space", "0::/a\n", "40 30 0:9 / /my\\040groups rw - cgroup2 none rw\n",
       v2("/my groups/a", 8000, 4000), "cgroup /a", 8000, 4000},
      {"v2 mounted at a path with a backslash", "0::/a\n", "40 30 0:9 / /x\\134y rw - cgroup2 none rw\n",
       v2("/x\\y/a", 8000, 4000), "cgroup /a", 8000, 4000},
      {"v2 options before the dash", "0::/a\n",
       "40 30 0:9 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw\n", v2(kA, 8000, 4000), "cgroup /a",
       8000, 4000},
      {"v2 a group with a colon in its name", "0::/a:b\n", kV2, v2("/sys/fs/cgroup/a:b", 8000, 4000), "cgroup /a:b",
       8000, 4000},
      {"v2 memory.high alone is a throttle and no limit", "0::/a\n", kV2,
       v2(kA, 0, 4000, {{kA + "/memory.high", mib(6000)}}), "", 0, 0, "memory.high of cgroup /a"},
      {"v2 memory.high below memory.max", "0::/a\n", kV2, v2(kA, 8000, 4000, {{kA + "/memory.high", mib(6000)}}),
       "cgroup /a", 8000, 4000, "memory.high of cgroup /a"},
      {"v2 memory.high of the parent", "0::/a/b\n", kV2,
       both(v2(kA, 0, 5000, {{kA + "/memory.high", mib(6000)}}), v2(kA + "/b", 8000, 4000)), "cgroup /a/b", 8000, 4000,
       "memory.high of cgroup /a"},
      {"v2 page cache is not used", "0::/a\n", kV2,
       v2(kA, 8000, 5000, {{kA + "/memory.stat", "inactive_file " + mib(600) + "active_file " + mib(400)}}),
       "cgroup /a", 8000, 4000},
      {"v2 dirty pages are", "0::/a\n", kV2,
       v2(kA, 8000, 5000,
          {{kA + "/memory.stat",
            "inactive_file " + mib(1000) + "file_dirty " + mib(100) + "file_writeback " + mib(50)}}),
       "cgroup /a", 8000, 4150},
      {"v2 reclaimable slab is not", "0::/a\n", kV2,
       v2(kA, 8000, 5000, {{kA + "/memory.stat", "slab_reclaimable " + mib(1000)}}), "cgroup /a", 8000, 4000},
      {"v2 a limit of nothing", "0::/a\n", kV2, both({{kA + "/memory.max", "0\n"}}, v2(kA, 1, 4000)), "cgroup /a", 0,
       4000},
      {"v2 garbage in the limit", "0::/a\n", kV2, both({{kA + "/memory.max", "garbage\n"}}, v2(kA, 0, 4000)), ""},
      {"v2 an empty limit", "0::/a\n", kV2, both({{kA + "/memory.max", ""}}, v2(kA, 0, 4000)), ""},
      {"v2 a limit without usage", "0::/a\n", kV2, {{kA + "/memory.max", mib(8000)}}, ""},
      {"v2 a limit beyond the machine", "0::/a\n", kV2, v2(kA, 999999999, 4000), "physical memory"},

      // Version 1.
      {"v1 leaf", "4:memory:/a\n", kV1, v1(kM + "/a", 8000, 4000), "cgroup /a", 8000, 4000},
      {"v1 without a limit", "4:memory:/a\n", kV1, v1(kM + "/a", 0, 4000), ""},
      {"v1 limit of the parent", "4:memory:/a/b\n", kV1, both(v1(kM + "/a", 8000, 5000), v1(kM + "/a/b", 0, 4000)),
       "cgroup /a", 8000, 5000},
      {"v1 hierarchical limit of an ancestor out of sight", "4:memory:/\n",
       "31 25 0:27 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
       v1(kM, 0, 4000, {{kM + "/memory.stat", "hierarchical_memory_limit " + mib(8000)}}), "an ancestor of cgroup /",
       8000, 4000},
      {"v1 hierarchical limit of an ancestor in sight is that one's", "4:memory:/a/b\n", kV1,
       both(v1(kM + "/a", 8000, 5000),
            v1(kM + "/a/b", 0, 4000, {{kM + "/a/b/memory.stat", "hierarchical_memory_limit " + mib(8000)}})),
       "cgroup /a", 8000, 5000},
      {"v1 controllers together", "3:cpu,memory,cpuacct:/a\n", "31 25 0:27 / /cg rw - cgroup cgroup rw,cpu,memory\n",
       v1("/cg/a", 8000, 4000), "cgroup /a", 8000, 4000},
      {"v1 a controller whose name begins alike", "3:memoryx:/a\n", kV1, v1(kM + "/a", 8000, 4000), ""},
      {"v1 totals count, not the group's own", "4:memory:/a\n", kV1,
       v1(kM + "/a", 8000, 5000,
          {{kM + "/a/memory.stat", "inactive_file " + mib(1) + "total_inactive_file " + mib(1000)}}),
       "cgroup /a", 8000, 4000},
      {"v1 memory and swap together", "4:memory:/a\n", kV1,
       v1(kM + "/a", 8000, 4000,
          {{kM + "/a/memory.memsw.limit_in_bytes", mib(8200)}, {kM + "/a/memory.memsw.usage_in_bytes", mib(7000)}}),
       "memory and swap of cgroup /a", 8200, 7000},
      {"v1 bind mount of the own group", "4:memory:/docker/x\n",
       "31 25 0:27 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", v1(kM, 8000, 4000), "cgroup /",
       8000, 4000},
      {"v1 host path without a namespace", "4:memory:/docker/x\n", kV1, v1(kM, 0, 9000), ""},
      {"v1 unlimited with pages of 64 KiB", "4:memory:/a\n", kV1,
       both({{kM + "/a/memory.limit_in_bytes", "9223372036854710272\n"}}, v1(kM + "/a", 0, 4000)), ""},

      // Both.
      {"hybrid, the memory controller in version 1", "4:memory:/a\n0::/a\n", kHybrid, v1(kM + "/a", 8000, 4000),
       "cgroup /a", 8000, 4000},
      {"hybrid, the memory controller in version 2", "1:name=systemd:/a\n0::/a\n", kHybrid,
       v2("/sys/fs/cgroup/unified/a", 8000, 4000), "cgroup /a", 8000, 4000},
      {"hybrid, both limit, the nearer wins", "4:memory:/a\n0::/b\n", kHybrid,
       both(v1(kM + "/a", 9000, 4000), v2("/sys/fs/cgroup/unified/b", 8000, 4000)), "cgroup /b", 8000, 4000},

      // Neither.
      {"no groups at all", "", "", {}, ""},
      {"garbage for mounts", "0::/a\n", "garbage\n\n - \n40 30\n", v2(kA, 8000, 4000), ""},
      {"a mount that is not there", "0::/a\n", kV2, {}, ""},
      {"a group that has vanished", "0::/gone\n", kV2, v2(kA, 8000, 4000), ""},
  };
}

class Layouts : public testing::Test {
 protected:
  std::filesystem::path root = std::filesystem::temp_directory_path() / ("layouts-test-" + std::to_string(getpid()));

  void TearDown() override { std::filesystem::remove_all(root); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::path const file = root / path.substr(1);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file} << text;
  }
  Reading read(Layout const& layout) {
    std::filesystem::remove_all(root);
    write("/proc/meminfo", "MemTotal: 100000000 kB\nMemAvailable: 90000000 kB\n");
    write("/proc/thread-self/cgroup", layout.groups);
    write("/proc/thread-self/mountinfo", layout.mounts);
    for (auto const& [path, text] : layout.files) write(path, text);
    return read_limits(root.c_str());
  }
};

TEST_F(Layouts, the_limit_that_kills_is_found_with_its_own_usage_and_named) {
  EXPECT_GE(layouts().size(), 40u);
  for (Layout const& layout : layouts()) {
    Reading const reading = read(layout);
    SCOPED_TRACE(layout.name);
    EXPECT_EQ(std::string{reading.source}, layout.source.empty() ? "physical memory" : layout.source);
    EXPECT_EQ(reading.is_physical, layout.source.empty());
    EXPECT_STREQ(reading.throttle.source, layout.throttle.c_str());
    if (layout.source.empty() || layout.source == "physical memory") continue;
    EXPECT_EQ(reading.limit, layout.limit * kMiB);
    EXPECT_EQ(reading.usage, layout.usage * kMiB);
  }
}

TEST_F(Layouts, a_limit_that_changes_is_seen_at_the_next_look) {
  Layout layout{"", "0::/a\n", kV2, v2(kA, 8000, 4000), "", 0, 0};
  EXPECT_EQ(read(layout).limit, 8000 * kMiB);
  write(kA + "/memory.max", mib(5000));
  EXPECT_EQ(read_limits(root.c_str()).limit, 5000 * kMiB);
  write(kA + "/memory.max", "max\n");
  EXPECT_TRUE(read_limits(root.c_str()).is_physical);
}

TEST_F(Layouts, that_another_limit_is_the_nearest_is_told_from_a_limit_that_changed) {
  Layout layout{"", "0::/a/b\n", kV2, both(v2(kA, 8000, 7000), v2(kA + "/b", 6000, 3000)), "", 0, 0};
  Reading const before = read(layout);
  write(kA + "/memory.current", mib(4000));
  Reading const after = read_limits(root.c_str());
  EXPECT_STREQ(before.source, "cgroup /a");
  EXPECT_STREQ(after.source, "cgroup /a/b");
  EXPECT_EQ(before.all_limits, after.all_limits);
  write(kA + "/memory.max", mib(9000));
  EXPECT_NE(read_limits(root.c_str()).all_limits, after.all_limits);
}

TEST_F(Layouts, of_a_long_name_the_end_is_kept_and_marked) {
  std::string const hash(64, 'f');
  Layout const layout{"", "0::/a/" + hash + "/app\n", kV2, v2(kA + "/" + hash + "/app", 8000, 4000), "", 0, 0};
  Reading const reading = read(layout);
  EXPECT_EQ(std::string{reading.source}, "cgroup ..." + std::string(49, 'f') + "/app");
  EXPECT_EQ(std::string{reading.source}.size(), sizeof reading.source - 1);
}

TEST_F(Layouts, under_a_mount_of_the_namespace_above_a_limit_is_out_of_sight_not_missing) {
  std::string const mount = "40 30 0:9 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  Reading const reading = read({"", "0::/\n", mount, v2("/sys/fs/cgroup/a/b", 8000, 4000), "", 0, 0});
  EXPECT_TRUE(reading.is_unreadable);
  EXPECT_TRUE(reading.is_physical);
  EXPECT_FALSE(read({"", "0::/\n", kV2, v2("/sys/fs/cgroup", 8000, 4000), "", 0, 0}).is_unreadable);
}

TEST_F(Layouts, the_smaller_of_limit_and_throttle_measures_a_process) {
  Files const high = {{kA + "/memory.high", mib(6000)}};
  EXPECT_EQ(read({"", "0::/a\n", kV2, v2(kA, 0, 4000, high), "", 0, 0}).smallest(), 6000 * kMiB);
  EXPECT_EQ(read({"", "0::/a\n", kV2, v2(kA, 5000, 4000, high), "", 0, 0}).smallest(), 5000 * kMiB);
}

TEST_F(Layouts, a_process_that_moves_is_followed) {
  Layout layout{"", "0::/a\n", kV2, both(v2(kA, 8000, 4000), v2("/sys/fs/cgroup/b", 9000, 4000)), "", 0, 0};
  EXPECT_STREQ(read(layout).source, "cgroup /a");
  write("/proc/thread-self/cgroup", "0::/b\n");
  EXPECT_STREQ(read_limits(root.c_str()).source, "cgroup /b");
}

TEST_F(Layouts, what_cannot_be_read_is_not_taken_for_unlimited) {
  if (geteuid() == 0 && seteuid(65534) != 0) GTEST_SKIP() << "another user's rights cannot be taken on here";
  Layout const layout{"", "0::/a\n", kV2, v2(kA, 8000, 4000), "", 0, 0};
  Reading const readable = read(layout);
  std::filesystem::permissions(root / "sys/fs/cgroup/a/memory.max", std::filesystem::perms::none);
  Reading const reading = read_limits(root.c_str());
  bool const was_readable = !readable.is_unreadable;
  std::filesystem::permissions(root / "sys/fs/cgroup/a/memory.max", std::filesystem::perms::owner_read);
  EXPECT_EQ(seteuid(getuid()), 0);
  EXPECT_TRUE(was_readable);
  EXPECT_TRUE(reading.is_unreadable);
  EXPECT_TRUE(reading.is_physical);
}

}  // namespace
}  // namespace mempool::pressure
