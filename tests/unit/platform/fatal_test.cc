// The lines a process ends with, to the letter, and the build-id against the file's own.

#include "platform/fatal.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>

namespace mempool {
namespace {

void* const kBlock = reinterpret_cast<void*>(0x7f0012345670);

TEST(FatalDeathTest, a_misuse_ends_the_process_with_its_one_line) {
  auto const killed = testing::KilledBySignal(SIGABRT);
  EXPECT_EXIT(misuse(Fault::double_free, kBlock, 64), killed,
              "^libmempool: double free of 0x7f0012345670 \\(class 64B\\) \\[libmempool [0-9.]+ .*build-id [0-9a-f]+\\]\n$");
  EXPECT_EXIT(misuse(Fault::invalid_free, kBlock, 0), killed,
              "^libmempool: invalid free of 0x7f0012345670 \\(not pooled\\) \\[libmempool ");
  EXPECT_EXIT(misuse(Fault::invalid_realloc, kBlock, 4096), killed,
              "^libmempool: invalid realloc of 0x7f0012345670 \\(class 4096B\\) \\[libmempool ");
  EXPECT_EXIT(broken_invariant("two and two are five"), killed,
              "^libmempool: broken invariant: two and two are five \\[libmempool ");
}

void misuse_twice_each() {
  report_faults_only = true;
  for (int i = 0; i < 2; ++i) {
    misuse(Fault::double_free, kBlock, 64);
    misuse(Fault::invalid_free, kBlock, 64);
  }
  _exit(fault_count() == 4 ? 0 : 1);
}

TEST(FatalDeathTest, where_faults_are_only_reported_each_kind_is_said_once_and_all_are_counted) {
  EXPECT_EXIT(misuse_twice_each(), testing::ExitedWithCode(0), "^[^\n]*double free[^\n]*\n[^\n]*invalid free[^\n]*\n$");
}

}  // namespace
}  // namespace mempool
