// Exceptions, threads and forks in one program: all that its C++ runtime has to find in what was linked.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mempool/mempool.h"

namespace {

int asked = 0;

/// Throws through frames that own memory, and asks for more than there is.
bool catches(unsigned rounds) {
  for (unsigned i = 0; i < rounds; ++i) {
    try {
      std::map<int, std::string> owned;
      for (int k = 0; k < 20; ++k) owned[k] = std::string(100, 'x');
      throw std::runtime_error(owned[3]);
    } catch (const std::exception& error) {
      if (error.what() != std::string(100, 'x')) return false;
    }
    try {
      // NOLINTNEXTLINE: the size is the point
      std::vector<char> impossible(std::size_t{1} << 62);
      return impossible.empty();
    } catch (const std::bad_alloc&) {
    }
  }
  return true;
}

bool catches_in_a_child() {
  pid_t const child = fork();
  if (child == 0) {
    bool caught = false;
    std::thread{[&] { caught = catches(10); }}.join();
    _exit(caught && catches(10) ? 0 : 1);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main() {
  bool all = true;
  std::vector<std::thread> threads;
  std::vector<char> caught(4, 0);
  for (std::size_t i = 0; i < caught.size(); ++i) threads.emplace_back([&caught, i] { caught[i] = catches(200); });
  for (std::thread& thread : threads) thread.join();
  for (char const each : caught) all = all && each != 0;

  // No thread may throw meanwhile: gcc's own runtime has a lock in static programs that a child could find taken.
  std::atomic<bool> leave{false};
  std::thread allocates{[&] {
    while (!leave) std::vector<std::string>(100, std::string(1000, 'x'));
  }};
  for (int i = 0; i < 20; ++i) all = all && catches_in_a_child();
  leave = true;
  allocates.join();

  std::set_new_handler([] {
    if (++asked == 3) std::set_new_handler(nullptr);
  });
  all = all && catches(1) && asked == 3;
  std::puts(all ? libmempool_version() : "not all was caught");
  return all ? 0 : 1;
}
