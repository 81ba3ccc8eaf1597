// Requests of every kind between two calls of getppid(2), by which a trace of system calls is cut: one thread, then
// eight that pass blocks to each other.
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 8;
constexpr unsigned kRounds = 20000;

std::array<std::atomic<void*>, 1024> exchange;
std::atomic<int> ready;
std::atomic<bool> go;
std::atomic<int> done;
std::atomic<bool> leave;

// A call here would be one of those that are looked for.
template <class Condition>
void spin_until(Condition condition) {
  while (!condition()) {
  }
}

// Mostly small; now and then up to 4 MiB.
std::size_t size_of(unsigned random) {
  if (random % 1000 == 0) return 1u << (12 + random / 1000 % 11);
  return random % 2000;
}

void work(unsigned random) {
  for (unsigned i = 0; i < kRounds; ++i) {
    random = random * 1664525u + 1013904223u;
    std::size_t const size = size_of(random >> 8);
    void* block = i % 3 == 0 ? std::calloc(1, size) : std::malloc(size);
    if (i % 7 == 0) block = std::realloc(block, size * 2 + 1);
    if (size > 0) std::memset(block, 1, size);
    std::free(exchange[random % exchange.size()].exchange(block));
  }
}

}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([i] {
      std::free(std::malloc(100));  // the thread's own start is not what is asked about
      ready.fetch_add(1);
      spin_until([] { return go.load(); });
      work(static_cast<unsigned>(i) + 2);
      done.fetch_add(1);
      spin_until([] { return leave.load(); });
    });
  }
  spin_until([] { return ready.load() == kThreads; });
  syscall(SYS_getppid);
  work(1);
  go.store(true);
  spin_until([] { return done.load() == kThreads; });
  syscall(SYS_getppid);
  leave.store(true);
  for (std::thread& thread : threads) thread.join();
}
