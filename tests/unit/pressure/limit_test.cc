#include "pressure/limit.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace mempool::pressure {
namespace {

TEST(Limit, a_number_is_a_limit_and_max_or_version_1s_largest_is_none) {
  EXPECT_EQ(parse_limit("268435456\n"), 268435456u);
  EXPECT_EQ(parse_limit("0\n"), 0u);
  for (const char* text :
       {"max\n", "9223372036854771712\n", "9223372036854710272", "99999999999999999999999", "", "\n", "-1"})
    EXPECT_EQ(parse_limit(text), kNoLimit) << text;
}

TEST(Limit, a_field_is_found_by_its_whole_name) {
  constexpr std::string_view stat = "total_cache 7\ncache 5\ninactive_file 11\nMemTotal:    24 kB\n";
  EXPECT_EQ(parse_field(stat, "cache"), 5u);
  EXPECT_EQ(parse_field(stat, "inactive_file"), 11u);
  EXPECT_EQ(parse_field(stat, "MemTotal"), 24u);
  EXPECT_EQ(parse_field(stat, "file"), 0u);
  EXPECT_EQ(parse_field("", "file"), 0u);
}

TEST(Limit, the_group_is_the_memory_controllers_in_version_1_and_hierarchy_0s_in_version_2) {
  constexpr std::string_view hybrid = "9:name=systemd:/s\n4:cpu,memory:/a:b/c\n0::/unified/x\n";
  EXPECT_EQ(parse_group(hybrid, false), "/a:b/c");
  EXPECT_EQ(parse_group(hybrid, true), "/unified/x");
  EXPECT_EQ(parse_group("0::/x\n", false), "");
  EXPECT_EQ(parse_group("3:memoryx:/no\n", false), "");
  EXPECT_EQ(parse_group("", true), "");
}

TEST(Limit, a_mount_point_is_decoded_and_told_from_its_neighbours) {
  constexpr std::string_view mounts =
      "22 27 0:21 / /proc rw - proc proc rw\n"
      "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "31 25 0:27 /docker/a /mnt/with\\040space rw shared:9 - cgroup cgroup rw,memory\n"
      "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  Mount const v1 = parse_mount(mounts, false);
  EXPECT_STREQ(v1.point, "/mnt/with space");
  EXPECT_STREQ(v1.root, "/docker/a");
  EXPECT_STREQ(parse_mount(mounts, true).point, "/sys/fs/cgroup/unified");
  EXPECT_FALSE(parse_mount("garbage\n\n - \n", true).found());
}

/// A tree like /proc and /sys in a folder of its own.
class Tree : public testing::Test {
 protected:
  std::filesystem::path root = std::filesystem::temp_directory_path() / ("limit-test-" + std::to_string(getpid()));

  void SetUp() override { write("/proc/meminfo", "MemTotal: 100000000 kB\nMemAvailable: 90000000 kB\n"); }
  void TearDown() override { std::filesystem::remove_all(root); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::path const file = root / path.substr(1);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file} << text;
  }
  void mount(const std::string& groups, const std::string& mounts) {
    write("/proc/thread-self/cgroup", groups);
    write("/proc/thread-self/mountinfo", mounts);
  }
  void v2_level(const std::string& folder, const std::string& limit, std::uint64_t usage,
                const std::string& stat = "") {
    write(folder + "/memory.max", limit + "\n");
    write(folder + "/memory.current", std::to_string(usage) + "\n");
    write(folder + "/memory.stat", stat);
  }
  Reading read() { return read_limits(root.c_str()); }

  static constexpr std::uint64_t kMiB = 1 << 20;
  // A usage that no real resident set of this test reaches, so that it is what counts.
  static constexpr std::uint64_t kUsed = 4096 * kMiB;
  static constexpr const char* kV2Mount = "40 30 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
};

TEST_F(Tree, without_any_group_physical_memory_is_the_limit_and_not_a_finite_one) {
  mount("", "");
  Reading const reading = read();
  EXPECT_STREQ(reading.source, "physical memory");
  EXPECT_EQ(reading.limit, std::uint64_t{100000000} << 10);
  EXPECT_FALSE(reading.is_finite());
}

TEST_F(Tree, stalls_are_read_from_the_group_that_counts_memory) {
  char path[512];
  mount("0::/pod/app\n", kV2Mount);
  read();
  ASSERT_TRUE(own_pressure_file(path, sizeof path, root.c_str()));
  EXPECT_EQ(path, root.string() + "/sys/fs/cgroup/pod/app/memory.pressure");
  mount("4:memory:/app\n0::/pod\n", kV2Mount);
  read();
  EXPECT_FALSE(own_pressure_file(path, sizeof path, root.c_str()));
}

TEST_F(Tree, the_limit_of_the_own_group_is_found) {
  mount("0::/pod/app\n", kV2Mount);
  v2_level("/sys/fs/cgroup/pod/app", std::to_string(2 * kUsed), kUsed);
  v2_level("/sys/fs/cgroup/pod", "max", kUsed);
  Reading const reading = read();
  EXPECT_STREQ(reading.source, "cgroup /pod/app");
  EXPECT_EQ(reading.limit, 2 * kUsed);
  EXPECT_EQ(reading.usage, kUsed);
  EXPECT_TRUE(reading.is_finite());
}

TEST_F(Tree, an_ancestor_with_less_headroom_wins_with_its_own_usage) {
  mount("0::/pod/app\n", kV2Mount);
  v2_level("/sys/fs/cgroup/pod/app", std::to_string(3 * kUsed), kUsed);
  v2_level("/sys/fs/cgroup/pod", std::to_string(4 * kUsed), 4 * kUsed - kMiB);
  Reading const reading = read();
  EXPECT_STREQ(reading.source, "cgroup /pod");
  EXPECT_EQ(reading.usage, 4 * kUsed - kMiB);
}

TEST_F(Tree, page_cache_is_no_pressure_but_dirty_pages_are) {
  mount("0::/app\n", kV2Mount);
  v2_level("/sys/fs/cgroup/app", std::to_string(2 * kUsed), kUsed + 300 * kMiB,
           "inactive_file " + std::to_string(200 * kMiB) + "\nactive_file " + std::to_string(100 * kMiB) +
               "\nfile_dirty " + std::to_string(40 * kMiB) + "\nslab_reclaimable " + std::to_string(10 * kMiB) + "\n");
  EXPECT_EQ(read().usage, kUsed + 30 * kMiB);
}

TEST_F(Tree, a_machine_smaller_than_its_group_is_the_nearest_limit) {
  write("/proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n");
  mount("0::/app\n", kV2Mount);
  v2_level("/sys/fs/cgroup/app", std::to_string(2 * kUsed), kUsed);
  Reading const reading = read();
  EXPECT_STREQ(reading.source, "physical memory");
  EXPECT_TRUE(reading.is_finite());
}

TEST_F(Tree, usage_is_at_least_what_this_process_has_resident_without_a_file_behind_it) {
  mount("0::/app\n", kV2Mount);
  v2_level("/sys/fs/cgroup/app", std::to_string(kUsed), 4096);
  Reading const reading = read();
  EXPECT_EQ(reading.usage, reading.anonymous);
  EXPECT_LT(reading.anonymous, reading.resident);
  EXPECT_GT(reading.anonymous, 0u);
}

TEST_F(Tree, version_1_counts_with_its_own_files_and_names) {
  mount("4:memory:/a\n", "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(2 * kUsed));
  write("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", std::to_string(kUsed + 50 * kMiB));
  write("/sys/fs/cgroup/memory/a/memory.stat",
        "inactive_file 1\ntotal_inactive_file " + std::to_string(50 * kMiB) + "\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Reading const reading = read();
  EXPECT_STREQ(reading.source, "cgroup /a");
  EXPECT_EQ(reading.usage, kUsed);
}

TEST_F(Tree, on_a_hybrid_host_both_versions_count) {
  mount("4:memory:/a\n0::/b\n", std::string{"31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"} +
                                    "40 30 0:9 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(3 * kUsed));
  write("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", std::to_string(kUsed));
  v2_level("/sys/fs/cgroup/unified/b", std::to_string(2 * kUsed), kUsed);
  EXPECT_STREQ(read().source, "cgroup /b");
}

TEST_F(Tree, in_a_private_namespace_the_mounts_root_is_the_group) {
  mount("0::/\n", kV2Mount);
  v2_level("/sys/fs/cgroup", std::to_string(2 * kUsed), kUsed);
  EXPECT_STREQ(read().source, "cgroup /");
}

TEST_F(Tree, a_group_outside_the_namespace_is_taken_for_the_mounts_root) {
  mount("0::/../../other\n", kV2Mount);
  v2_level("/sys/fs/cgroup", std::to_string(2 * kUsed), kUsed);
  EXPECT_STREQ(read().source, "cgroup /");
}

TEST_F(Tree, a_bind_mount_of_the_own_group_is_not_looked_for_twice) {
  mount("4:memory:/docker/abc\n", "31 25 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(2 * kUsed));
  write("/sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(kUsed));
  EXPECT_EQ(read().limit, 2 * kUsed);
}

TEST_F(Tree, a_mount_point_with_a_space_is_found) {
  mount("0::/app\n", "40 30 0:9 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
  v2_level("/my groups/app", std::to_string(2 * kUsed), kUsed);
  EXPECT_EQ(read().limit, 2 * kUsed);
}

TEST_F(Tree, nothing_readable_is_no_limit_and_no_crash) {
  std::filesystem::remove_all(root);
  Reading const reading = read();
  EXPECT_EQ(reading.limit, kNoLimit);
  EXPECT_FALSE(reading.is_finite());
  EXPECT_STREQ(reading.source, "");
}

TEST_F(Tree, a_long_group_name_keeps_its_end) {
  std::string const name = "/" + std::string(120, 'x') + "/the-end";
  mount("0::" + name + "\n", kV2Mount);
  v2_level("/sys/fs/cgroup" + name, std::to_string(2 * kUsed), kUsed);
  std::string const source = read().source;
  EXPECT_TRUE(source.starts_with("cgroup "));
  EXPECT_TRUE(source.ends_with("/the-end"));
}

}  // namespace
}  // namespace mempool::pressure
