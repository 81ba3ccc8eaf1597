// The lock: exclusion, its owner, and fork.

#include "platform/lock.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace mempool {
namespace {

TEST(Lock, one_thread_at_a_time_holds_it) {
  static Lock lock;
  long count = 0;  // no atomic: the lock is what makes it right
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 50000; ++n) {
        Guard const guard{lock};
        ++count;
      }
    });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(count, 200000);
}

TEST(Lock, a_thread_that_holds_it_is_told_so_and_does_not_wait) {
  static Lock lock;
  Guard const outer{lock};
  ASSERT_TRUE(static_cast<bool>(outer));
  {
    Guard const inner{lock};
    EXPECT_FALSE(static_cast<bool>(inner));
  }
  EXPECT_TRUE(lock.held_by_me());
  std::thread{[] { EXPECT_FALSE(lock.held_by_me()); }}.join();
}

TEST(Lock, a_fork_inside_a_fork_leaves_it_free) {
  static Lock lock;
  lock.take_for_fork();
  lock.take_for_fork();
  lock.release_after_fork();
  lock.release_after_fork();
  std::thread{[] { EXPECT_TRUE(static_cast<bool>(Guard{lock})); }}.join();
}

TEST(Lock, what_the_forking_thread_held_before_stays_held_in_parent_and_child) {
  static Lock lock;
  ASSERT_TRUE(lock.lock());
  lock.take_for_fork();
  pid_t const child = fork();
  lock.release_after_fork();
  bool const held = lock.held_by_me();
  lock.unlock();
  if (child == 0) _exit(held ? 0 : 1);
  EXPECT_TRUE(held);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace mempool
