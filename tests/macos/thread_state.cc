// macOS's state of a thread, behind a pthread key, on this machine's pthreads: prints a line for each test.

#include "platform/thread_state.hpp"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <set>
#include <thread>
#include <vector>

#include "platform/hooks.hpp"

namespace os = mempool::os;

namespace {

const void*& word() { return os::own<os::Part::mimalloc, const void*>(); }

int failed = 0;
void test(const char* name, bool holds) {
  std::printf(holds ? "ok macos.state.%s\n" : "not ok macos.state.%s: it does not\n", name);
  if (!holds) failed = 1;
}

std::atomic<int> exits{0}, exits_without_own{0};
void at_thread_exit() noexcept {
  ++exits;
  if (!os::has_own()) ++exits_without_own;
}

std::atomic<bool> was_own_in_last_round{false}, was_made_in_last_round{false};
std::atomic<int> late_rounds{0};
pthread_key_t late;
/// Of another key, made later: runs after ours in each round.
void in_each_round(void* value) {
  was_own_in_last_round = os::has_own();
  was_made_in_last_round = os::make_own();
  if (++late_rounds < 4) pthread_setspecific(late, value);
}

void* mark_it(void* address) {
  os::make_own();
  *static_cast<void**>(address) = &word();
  bool const was_zero = word() == nullptr;
  word() = address;
  return was_zero ? address : nullptr;
}

/// In a thread of its own: the address of its word; nullptr where that was not zero.
void* one_thread() {
  void* at = nullptr;
  pthread_t thread;
  void* zero = nullptr;
  pthread_create(&thread, nullptr, mark_it, &at);
  pthread_join(thread, &zero);
  return zero != nullptr ? at : nullptr;
}

}  // namespace

int main() {
  test("before_the_key_there_is_nothing_of_ones_own", !os::has_own() && !os::make_own() && word() == nullptr);
  os::set_thread_exit(at_thread_exit);
  test("reading_makes_nothing", word() == nullptr && !os::has_own());
  test("it_is_made_when_asked_for", os::make_own() && os::has_own() && os::make_own());
  word() = &failed;

  void* const first = one_thread();
  test("the_exit_is_called_once_with_the_threads_own", exits == 1 && exits_without_own == 0);
  void* const second = one_thread();
  test("the_first_that_ended_stands_for_all", first != nullptr && second != nullptr && first != second);
  std::set<void*> places;
  for (int i = 0; i < 1000; ++i) places.insert(one_thread());
  test("areas_are_used_again_and_read_as_zero", places.size() == 1 && *places.begin() == second);
  test("of_another_thread_nothing_is_seen", word() == &failed);

  pthread_key_create(&late, in_each_round);
  std::thread{[] {
    os::make_own();
    pthread_setspecific(late, &late);
  }}.join();
  test("after_its_exit_a_thread_has_nothing_to_write_to", late_rounds == 4 && !was_own_in_last_round &&
                                                              !was_made_in_last_round);

  std::atomic<int> ready{0};
  std::atomic<bool> end{false};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 40; ++i)
    sleepers.emplace_back([&] {
      os::make_own();
      word() = &ready;
      ++ready;
      while (!end) usleep(1000);
    });
  while (ready != 40) usleep(1000);
  pid_t const child = fork();
  if (child == 0) {
    os::forget_others();
    std::set<void*> here;
    for (int i = 0; i < 100; ++i) here.insert(one_thread());
    _exit(word() == &failed && here.count(nullptr) == 0 && here.size() == 1 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  test("a_fork_child_takes_over_the_areas_of_threads_it_does_not_have", status == 0);
  end = true;
  for (std::thread& each : sleepers) each.join();
  return failed;
}
