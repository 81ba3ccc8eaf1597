// Threads that worked once and now wait, beside one that works: what their caches hold is held for nothing.
//
// Source: the shape of a server with a thread per connection, most of them asleep. Trap: thread stacks count in peak
// RSS as well; they are the same for every allocator, and 64 KiB here.
// THREADS wait (500 is meant); AMOUNT replacements are done by main's.

#include <mutex>
#include <pthread.h>

#include "common.hpp"

namespace {

constexpr std::size_t kBurst = 400, kKept = 20000;
pthread_barrier_t all_waiting;
std::mutex the_end;

char* block(Random& random) {
  std::size_t const size = std::size_t{16} << random.below(8);  // 16 B to 2 KiB, and up to as much again
  return allocate(size + random.below(size));
}

void* work_once_and_wait(void* seed) {
  Random random{reinterpret_cast<std::uintptr_t>(seed)};
  char* blocks[kBurst];
  for (char*& p : blocks) p = block(random);
  for (char* const p : blocks) std::free(p);
  pthread_barrier_wait(&all_waiting);
  std::scoped_lock const wait{the_end};
  return nullptr;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  pthread_barrier_init(&all_waiting, nullptr, given.threads + 1);
  the_end.lock();
  pthread_attr_t small;  // std::thread knows no stack size
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  std::vector<pthread_t> threads(given.threads);
  for (std::size_t i = 0; i < given.threads; ++i)
    if (pthread_create(&threads[i], &small, work_once_and_wait, reinterpret_cast<void*>(i + 1)) != 0) return 1;
  pthread_barrier_wait(&all_waiting);

  Random random{99};
  std::vector<char*> kept(kKept);
  for (char*& p : kept) p = block(random);
  std::uint64_t sum = 0;
  for (long left = given.amount; left > 0; --left) {
    char*& victim = kept[random.below(kKept)];
    sum += mark(victim);
    std::free(victim);
    victim = block(random);
  }
  for (char* const p : kept) std::free(p);
  the_end.unlock();
  for (pthread_t const thread : threads) pthread_join(thread, nullptr);
  return print(sum);
}
