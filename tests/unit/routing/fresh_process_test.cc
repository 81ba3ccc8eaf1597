// The fallback in processes set up otherwise than the rest: each test runs in a new process, where nothing was started.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "fresh_process.hpp"
#include "platform/os.hpp"
#include "routing/fallback.hpp"
#include "routing/router.hpp"

namespace mempool::fallback {
namespace {

constexpr std::size_t kKiB = 1 << 10, kMiB = 1 << 20;

struct Filled {
  unsigned char* block;
  std::size_t bytes;
  unsigned char pattern;
  bool intact() const {
    for (std::size_t i = 0; i < bytes; i += 512)
      if (block[i] != pattern) return false;
    return block[bytes - 1] == pattern;
  }
};

/// Allocates until `most` bytes are held or no more can be had.
std::vector<Filled> fill(std::size_t most) {
  std::vector<Filled> blocks;
  blocks.reserve(1 << 14);  // the C library's; it must not need more once addresses are short
  for (std::size_t held = 0; held < most && blocks.size() < blocks.capacity();) {
    std::size_t const bytes = 40 * kKiB + blocks.size() % 7 * 90 * kKiB;
    auto* const block = static_cast<unsigned char*>(allocate(bytes, 16, false));
    if (block == nullptr) break;
    blocks.push_back({block, bytes, static_cast<unsigned char>(blocks.size())});
    std::memset(block, blocks.back().pattern, bytes);
    held += bytes;
  }
  return blocks;
}

const char* check_and_release(std::vector<Filled> const& blocks) {
  for (Filled const& each : blocks)
    if (!each.intact()) return "a block's contents changed";
  for (Filled const& each : blocks)
    if (release(each.block) != Owner::live) return "a live block was not known";
  return nullptr;
}

void outgrow_a_small_region() {
  os::Span const region = os::reserve(64 * kMiB, std::size_t{1} << 30);
  if (region.empty()) finish("no addresses");
  set_region(region);
  for (int round = 0; round < 3; ++round) {
    std::vector<Filled> const blocks = fill(160 * kMiB);
    std::size_t inside = 0;
    for (Filled const& each : blocks)
      if (reinterpret_cast<char*>(each.block) >= region.begin && reinterpret_cast<char*>(each.block) < region.end())
        ++inside;
    if (inside == 0) finish("mimalloc served nothing from its region");
    if (inside == blocks.size()) finish("64 MiB held 160 MiB");
    if (const char* const wrong = check_and_release(blocks); wrong != nullptr) finish(wrong);
    for (Filled const& each : {blocks.front(), blocks.back()})
      if (release(each.block) != Owner::stale) finish("a double free was not stale");
  }
  if (live_bytes() != 0) finish("bytes are still counted as live");
  finish(nullptr);
}

TEST_F(FreshProcess, a_full_region_goes_over_to_mappings_and_nothing_is_lost) {
  EXPECT_EXIT(outgrow_a_small_region(), testing::ExitedWithCode(0), "");
}

void run_out_of_addresses() {
  rlimit64 const limit{512 * kMiB, 512 * kMiB};
  setrlimit64(RLIMIT_AS, &limit);
  routing::start();
  for (int round = 0; round < 3; ++round) {
    std::vector<Filled> const blocks = fill(std::size_t{4} << 30);
    std::size_t held = 0;
    for (Filled const& each : blocks) held += each.bytes;
    if (held < 128 * kMiB) finish("less than a quarter of the limit could be used");
    if (held > 512 * kMiB) finish("more than the limit was handed out");
    if (allocate(400 * kMiB, 16, false) != nullptr) finish("400 MiB were left");
    if (const char* const wrong = check_and_release(blocks); wrong != nullptr) finish(wrong);
    trim();
  }
  finish(nullptr);
}

TEST_F(FreshProcess, under_an_address_limit_requests_fail_in_order_and_succeed_again_after_frees) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a sanitizer needs terabytes of addresses for itself";
#endif
  EXPECT_EXIT(run_out_of_addresses(), testing::ExitedWithCode(0), "");
}

/// Each child forks again and allocates there too: what was left as it was at the first fork would stop the second.
void fork_everywhere() {
  routing::start();
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::vector<std::thread> busy, forking;
  for (int i = 0; i < 4; ++i)
    busy.emplace_back([&] {
      while (!stop) release(allocate(300 * kKiB, 16, false));
    });
  for (int i = 0; i < 2; ++i)
    forking.emplace_back([&] {
      for (int n = 0; n < 100 && failed == 0; ++n) {
        pid_t const child = fork();
        if (child == 0) {
          alarm(20);
          release(allocate(200 * kKiB, 16, false));
          pid_t const grandchild = fork();
          if (grandchild == 0) {
            alarm(20);
            for (std::size_t size : {100 * kKiB, 3 * kMiB, 90 * kMiB}) release(allocate(size, 16, false));
            _exit(0);
          }
          int status = -1;
          waitpid(grandchild, &status, 0);
          _exit(status == 0 ? 0 : 1);
        }
        int status = -1;
        if (waitpid(child, &status, 0) != child || status != 0) ++failed;
      }
    });
  for (std::thread& each : forking) each.join();
  stop = true;
  for (std::thread& each : busy) each.join();
  finish(failed == 0 ? nullptr : "a child or its child hung");
}

TEST_F(FreshProcess, two_threads_fork_at_once_among_busy_ones_and_their_children_fork_again) {
  EXPECT_EXIT(fork_everywhere(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mempool::fallback
