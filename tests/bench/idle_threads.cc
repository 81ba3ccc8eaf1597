// 500 threads that worked once and now wait, beside one that works: what their caches hold is held for nothing.
//
// Source: the shape of a server with a thread per connection, most of them asleep. Trap: thread stacks count in peak
// RSS as well; they are the same for every allocator, and 64 KiB here.
// usage: idle_threads ROUNDS

#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <vector>

#include "random.hpp"

namespace {

constexpr std::size_t kThreads = 500, kBurst = 400, kKept = 20000;
pthread_barrier_t all_waiting;
pthread_mutex_t the_end = PTHREAD_MUTEX_INITIALIZER;

char* block(Random& random) {
  std::size_t const size = std::size_t{16} << random.below(8);  // 16 B to 2 KiB, and up to as much again
  std::size_t const exact = size + random.below(size);
  auto* const p = static_cast<char*>(std::malloc(exact));
  if (p == nullptr) std::abort();
  p[0] = p[exact - 1] = 1;
  return p;
}

void* work_once_and_wait(void* seed) {
  Random random{reinterpret_cast<std::uintptr_t>(seed)};
  char* blocks[kBurst];
  for (char*& p : blocks) p = block(random);
  for (char* p : blocks) std::free(p);
  pthread_barrier_wait(&all_waiting);
  pthread_mutex_lock(&the_end);
  pthread_mutex_unlock(&the_end);
  return nullptr;
}

}  // namespace

int main(int count, char** words) {
  long const rounds = count > 1 ? std::atol(words[1]) : 10000000;
  pthread_barrier_init(&all_waiting, nullptr, kThreads + 1);
  pthread_mutex_lock(&the_end);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  std::vector<pthread_t> threads(kThreads);
  for (std::size_t i = 0; i < kThreads; ++i)
    if (pthread_create(&threads[i], &small, work_once_and_wait, reinterpret_cast<void*>(i + 1)) != 0) return 1;
  pthread_barrier_wait(&all_waiting);

  Random random{99};
  std::vector<char*> kept(kKept);
  for (char*& p : kept) p = block(random);
  unsigned long sum = 0;
  for (long i = 0; i < rounds; ++i) {
    char*& victim = kept[random.below(kKept)];
    sum += static_cast<unsigned char>(victim[0]);
    std::free(victim);
    victim = block(random);
  }
  for (char* p : kept) std::free(p);
  pthread_mutex_unlock(&the_end);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  std::printf("%lu\n", sum);
}
