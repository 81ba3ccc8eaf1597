// A test whose statement runs in a process where nothing of the library was started before.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "platform/os.hpp"

namespace mempool {

class FreshProcess : public testing::Test {
 protected:
  /// An emulator of one program (MEMPOOL_TEST_EMULATED) cannot execute it anew: there each such test is the only one
  /// that its process is asked for, and a fork of that is fresh.
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, std::getenv("MEMPOOL_TEST_EMULATED") == nullptr ? "threadsafe" : "fast");
  }
};

[[noreturn]] inline void finish(const char* wrong) {
  if (wrong != nullptr) os::write_all(2, wrong);
  _exit(wrong == nullptr ? 0 : 1);
}

}  // namespace mempool
