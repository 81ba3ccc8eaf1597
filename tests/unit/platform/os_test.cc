// What os.hpp promises of Linux.

#include "platform/os.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace mempool::os {
namespace {

constexpr std::size_t kMiB = 1 << 20;

bool is_zero(Span range) {
  return std::all_of(range.begin, range.end(), [](char c) { return c == 0; });
}

TEST(Memory, a_reservation_is_aligned_and_becomes_usable_where_it_is_committed) {
  for (std::size_t alignment : {page_size(), 64 * page_size(), 1024 * kMiB}) {
    Span const range = reserve(8 * kMiB, alignment);
    ASSERT_FALSE(range.empty());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(range.begin) % alignment, 0u);
    Span const part{range.begin + kMiB, kMiB};
    ASSERT_TRUE(commit(part));
    EXPECT_TRUE(is_zero(part));
    std::memset(part.begin, 1, part.bytes);
    unmap(range);
  }
}

TEST(Memory, a_reservation_cannot_be_read_before_it_is_committed) {
  Span const range = reserve(kMiB, page_size());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_FALSE(write_all(ends[1], {range.begin, 1}));  // the kernel reads for us, and says no in place of a signal
  ASSERT_TRUE(commit(range));
  EXPECT_TRUE(write_all(ends[1], {range.begin, 1}));
  close_file(ends[0]);
  close_file(ends[1]);
  unmap(range);
}

TEST(Memory, what_is_discarded_reads_as_zero_and_leaves_the_resident_set) {
  Span const range = map(64 * kMiB, page_size());
  ASSERT_FALSE(range.empty());
  std::memset(range.begin, 1, range.bytes);
  std::size_t const full = resident().bytes;
  ASSERT_TRUE(discard(range));
  EXPECT_LT(resident().bytes, full - 48 * kMiB);
  EXPECT_GE(peak_resident(), 64 * kMiB);
  EXPECT_TRUE(is_zero(range));
  unmap(range);
}

TEST(Memory, remapping_keeps_the_contents_and_adds_zeroes) {
  Span range = map(kMiB, page_size());
  std::memset(range.begin, 7, range.bytes);
  range = remap(range, 40 * kMiB);
  ASSERT_EQ(range.bytes, 40 * kMiB);
  EXPECT_EQ(range.begin[kMiB - 1], 7);
  EXPECT_TRUE(is_zero({range.begin + kMiB, 39 * kMiB}));
  unmap(range);
}

TEST(Memory, requests_beyond_all_addresses_are_refused_and_errno_is_kept) {
  errno = 1234;
  for (std::size_t bytes : {std::size_t{1} << 48, std::size_t{PTRDIFF_MAX}, SIZE_MAX, std::size_t{0}}) {
    EXPECT_TRUE(reserve(bytes, page_size()).empty()) << bytes;
    EXPECT_TRUE(map(bytes, 2 * kMiB).empty()) << bytes;
  }
  char* const hole = reserve(page_size(), page_size()).begin;
  unmap({hole, page_size()});
  EXPECT_FALSE(commit({hole, page_size()}));
  EXPECT_LT(open_file("/no/such/file", O_RDONLY), 0);
  EXPECT_EQ(errno, 1234);
}

TEST(Files, a_file_is_read_whole_or_to_the_capacity) {
  char name[] = "/tmp/mempool-os-test-XXXXXX";
  int const fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  ASSERT_TRUE(write_all(fd, "hundred thousand"));
  char buffer[64] = {};
  EXPECT_EQ(read_file(name, buffer, sizeof buffer), 16);
  EXPECT_STREQ(buffer, "hundred thousand");
  EXPECT_EQ(read_file(name, buffer, 7), 7);
  EXPECT_EQ(read_at(fd, buffer, 5, 8), 5);
  EXPECT_EQ(std::string(buffer, 5), "thous");
  EXPECT_EQ(read_file("/no/such/file", buffer, sizeof buffer), -ENOENT);
  close_file(fd);
  unlink(name);
}

TEST(Process, the_environment_is_the_one_that_stands) {
  setenv("MEMPOOL_OS_TEST", "first", 1);
  setenv("MEMPOOL_OS_TEST_LONGER", "other", 1);
  EXPECT_STREQ(environment("MEMPOOL_OS_TEST"), "first");
  unsetenv("MEMPOOL_OS_TEST");
  EXPECT_EQ(environment("MEMPOOL_OS_TEST"), nullptr);
  unsetenv("MEMPOOL_OS_TEST_LONGER");
}

TEST(Process, before_the_c_library_has_an_environment_the_kernels_is_read) {
  char** const kept = environ;
  std::string const expected = getenv("PATH") != nullptr ? getenv("PATH") : "";
  environ = nullptr;
  const char* const found = environment("PATH");
  environ = kept;
  EXPECT_EQ(found != nullptr ? found : "", expected);
}

TEST(Process, the_ids_are_the_childs_after_a_fork) {
  EXPECT_EQ(process_id(), getpid());
  EXPECT_EQ(thread_id(), gettid());
  pid_t const child = fork();
  if (child == 0) _exit(process_id() == getpid() && thread_id() == getpid() ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ProcessDeathTest, abort_ends_a_process_that_ignores_blocks_or_handles_the_signal) {
  EXPECT_EXIT(abort(), testing::KilledBySignal(SIGABRT), "");
  EXPECT_EXIT((signal(SIGABRT, SIG_IGN), abort()), testing::KilledBySignal(SIGABRT), "");
  EXPECT_EXIT(
      {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, nullptr);
        abort();
      },
      testing::KilledBySignal(SIGABRT), "");
  EXPECT_EXIT((signal(SIGABRT, [](int) { write_all(2, "handled"); }), abort()), testing::KilledBySignal(SIGABRT),
              "handled");
}

TEST(Threads, two_live_threads_have_different_marks_and_a_fork_child_keeps_its_own) {
  std::uintptr_t const mine = thread_mark();
  std::uintptr_t other = 0;
  std::thread{[&] { other = thread_mark(); }}.join();
  EXPECT_NE(other, mine);
  EXPECT_EQ(thread_mark(), mine);
  pid_t const child = fork();
  if (child == 0) _exit(thread_mark() == mine ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace mempool::os
