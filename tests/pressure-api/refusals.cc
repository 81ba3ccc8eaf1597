// Scenes of MEMPOOL_LIMIT_HARD, here always 96 MiB: one a process. Each prints what was wrong, and nothing where all was
// right. usage: refusals SCENE
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <atomic>
#include <vector>

#include "mempool/reclaim.hpp"

namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kHard = 96 * kMiB;
int problems = 0;

#define expect(condition)                                                            \
  do {                                                                               \
    int const error = errno;                                                         \
    if (!(condition)) {                                                              \
      std::printf("line %d: %s (errno %d); ", __LINE__, #condition, error);          \
      ++problems;                                                                    \
    }                                                                                \
  } while (false)

void pause_a_millisecond() {
  timespec const pause{0, 1000000};
  nanosleep(&pause, nullptr);
}

/// Blocks in a list that needs no memory of its own.
struct Chain {
  void* last = nullptr;
  std::size_t bytes = 0;
  void add(void* block, std::size_t size) {
    std::memset(block, 1, size);
    *static_cast<void**>(block) = last;
    last = block;
    bytes += size;
  }
  void free_all() {
    for (void* next = nullptr; last != nullptr; last = next) {
      next = *static_cast<void**>(last);
      std::free(last);
    }
    bytes = 0;
  }
};

/// Takes blocks until one is refused, at twice the limit at the latest.
template <class Take>
void fill(Chain& chain, std::size_t size, Take take) {
  while (chain.bytes < 2 * kHard) {
    errno = 0;
    void* const block = take(size);
    if (block == nullptr) return;
    chain.add(block, size);
  }
}

void malloc_is_refused_and_goes_on() {
  for (std::size_t size : {std::size_t{64}, std::size_t{5000}, std::size_t{32768}, std::size_t{100000},
                           std::size_t{300000}, 2 * kMiB, 20 * kMiB}) {
    Chain chain;
    fill(chain, size, std::malloc);
    expect(errno == ENOMEM);
    expect(chain.bytes >= kHard / 2 && chain.bytes <= kHard);
    if (problems != 0) std::printf("%zu blocks of %zu B; ", chain.bytes / size, size);
    chain.free_all();
    // At once: nobody has looked since.
    void* const again = std::malloc(60 * kMiB);
    expect(again != nullptr);
    std::free(again);
  }
}

void what_caches_hold_is_given_back_first() {
  Chain chain;
  while (chain.bytes < 60 * kMiB) {
    void* const block = std::malloc(512);
    expect(block != nullptr);
    if (block == nullptr) return;
    chain.add(block, 512);
  }
  chain.free_all();
  char* const large = static_cast<char*>(std::malloc(70 * kMiB));
  expect(large != nullptr);
  if (large != nullptr) std::memset(large, 1, 70 * kMiB);
  std::free(large);
}

void a_freed_class_serves_another() {
  for (std::size_t size = 16; size <= 32768; size *= 2) {
    Chain chain;
    while (chain.bytes < 60 * kMiB) {
      void* const block = std::malloc(size);
      expect(block != nullptr);
      if (block == nullptr) return;
      chain.add(block, size);
    }
    chain.free_all();
  }
}

/// What is free in pages that hold other blocks serves again, though no page of it can go.
void scattered_frees_serve_again() {
  constexpr std::size_t size = 64;
  std::vector<void*> blocks;
  blocks.reserve(2 * kHard / size);
  for (std::size_t bytes = 0; bytes < 2 * kHard; bytes += size) {
    void* const block = std::malloc(size);
    if (block == nullptr) break;
    std::memset(block, 1, size);
    blocks.push_back(block);
  }
  expect(blocks.size() < kHard / size);
  std::size_t freed = 0, served = 0;
  for (std::size_t i = 0; i < blocks.size(); i += 2, ++freed) std::free(blocks[i]);
  for (std::size_t i = 0; i < blocks.size(); i += 2, ++served)
    if (std::malloc(size) == nullptr) break;
  expect(served >= freed - freed / 16);
  if (problems != 0) std::printf("%zu freed, %zu served; ", freed, served);
}

/// Fills up, and leaves less than a MiB.
Chain filled() {
  Chain chain;
  fill(chain, 10 * kMiB, std::malloc);
  fill(chain, kMiB, std::malloc);
  fill(chain, 100000, std::malloc);
  return chain;
}

void each_entry_point_is_refused() {
  Chain chain = filled();
  constexpr std::size_t size = 30 * kMiB;
  for (std::size_t alignment : {std::size_t{16}, std::size_t{4096}, 2 * kMiB}) {
    errno = 0;
    expect(std::aligned_alloc(alignment, size) == nullptr && errno == ENOMEM);
    errno = 0;
    expect(memalign(alignment, size) == nullptr && errno == ENOMEM);
    int const marker = 0;
    void* result = const_cast<int*>(&marker);
    errno = 77;
    expect(posix_memalign(&result, alignment, size) == ENOMEM);
    expect(result == &marker && errno == 77);
  }
  errno = 0;
  expect(std::calloc(30, kMiB) == nullptr && errno == ENOMEM);
  errno = 0;
  expect(valloc(size) == nullptr && errno == ENOMEM);
  chain.free_all();
  char* const zeroed = static_cast<char*>(std::calloc(30, kMiB));
  expect(zeroed != nullptr);
  for (std::size_t i = 0; zeroed != nullptr && i < 30 * kMiB; i += 4096) expect(zeroed[i] == 0);
  std::free(zeroed);
}

void realloc_is_refused_with_the_block_intact() {
  for (std::size_t start : {std::size_t{1000}, std::size_t{200000}, 20 * kMiB}) {
    Chain chain;
    auto* block = static_cast<unsigned char*>(std::malloc(start));
    expect(block != nullptr);
    if (block == nullptr) return;
    std::memset(block, 0x5a, start);
    std::size_t size = start;
    for (; size < 2 * kHard; size += size / 16) {
      std::size_t const more = size + size / 16;
      errno = 0;
      auto* const grown = static_cast<unsigned char*>(std::realloc(block, more));
      if (grown == nullptr) break;
      block = grown;
      std::memset(block + size, 0x5a, more - size);
    }
    expect(errno == ENOMEM);
    expect(size <= kHard);
    for (std::size_t i = 0; i < size; i += 97)
      if (block[i] != 0x5a) {
        expect(!"the old block is intact");
        break;
      }
    auto* const smaller = static_cast<unsigned char*>(std::realloc(block, size / 4));
    expect(smaller != nullptr && smaller[0] == 0x5a);
    std::free(smaller != nullptr ? smaller : block);
  }
}

/// What it takes ahead for the next step counts too.
void realloc_takes_ahead_within_the_limit() {
  void* block = std::malloc(88 * kMiB);
  expect(block != nullptr);
  if (block == nullptr) return;
  std::memset(block, 1, 88 * kMiB);
  void* const grown = std::realloc(block, 89 * kMiB);
  expect(grown != nullptr);
  if (grown != nullptr) block = grown;
  expect(malloc_usable_size(block) <= kHard);
  std::free(block);
}

Chain* to_free = nullptr;
int handled = 0;

void new_throws() {
  Chain chain = filled();
  constexpr std::size_t size = 30 * kMiB;
  auto const throws = [](auto take) {
    try {
      take();
    } catch (std::bad_alloc const&) {
      return true;
    }
    return false;
  };
  expect(throws([] { ::operator delete(::operator new(size)); }));
  expect(throws([] { ::operator delete[](::operator new[](size)); }));
  expect(throws([] { ::operator delete(::operator new(size, std::align_val_t{4096}), std::align_val_t{4096}); }));
  expect(throws([] { std::vector<char> const grown(size); }));
  expect(::operator new(size, std::nothrow) == nullptr);
  expect(::operator new[](size, std::align_val_t{64}, std::nothrow) == nullptr);
  // The handler is asked until there is memory, or it gives up.
  to_free = &chain;
  std::set_new_handler([] {
    if (++handled < 3) return;
    to_free->free_all();
    std::set_new_handler(nullptr);
  });
  void* const block = ::operator new(size);
  expect(block != nullptr && handled == 3);
  ::operator delete(block);
}

std::atomic<std::size_t> in_threads{0};
std::atomic<int> refused{0};
std::atomic<bool> may_free{false};

void* take_in_thread(void* number) {
  std::size_t const size = std::size_t{64} << (reinterpret_cast<std::uintptr_t>(number) * 2);
  Chain chain;
  while (in_threads < 2 * kHard) {
    errno = 0;
    void* const block = std::malloc(size);
    if (block == nullptr) {
      if (errno == ENOMEM) ++refused;
      break;
    }
    chain.add(block, size);
    in_threads += size;
  }
  while (!may_free) {
  }
  chain.free_all();
  return nullptr;
}

void threads_are_refused_too() {
  constexpr unsigned kThreads = 8;
  pthread_t threads[kThreads];
  for (unsigned i = 0; i < kThreads; ++i)
    pthread_create(&threads[i], nullptr, take_in_thread, reinterpret_cast<void*>(std::uintptr_t{i}));
  while (refused != kThreads && in_threads < 2 * kHard) {
  }
  may_free = true;
  for (pthread_t each : threads) pthread_join(each, nullptr);
  expect(refused == kThreads);
  // What one thread's look sees may lack a block of each other thread, not touched yet: 1.4 MiB in all.
  expect(in_threads >= kHard / 2 && in_threads <= kHard + 2 * kMiB);
  void* const large = std::malloc(60 * kMiB);
  expect(large != nullptr);
  std::free(large);
}

/// A holder that throws is one that gave nothing: reclaim.hpp contains it.
void a_holder_may_throw() {
  std::atomic<int> calls{0};
  mempool::holder const thrower{"thrower", []() -> std::size_t { return 60 * kMiB; },
                                [&](std::size_t) -> std::size_t {
                                  ++calls;
                                  throw 42;
                                }};
  mempool::holder const other{"other", []() -> std::size_t { throw 43; },
                              [&](const mempool::reclaim_request& request) -> std::size_t {
                                calls += 100;
                                return request.bytes;
                              }};
  expect(thrower.is_watched() && other.is_watched());
  auto const& library = mempool::detail::api::get();
  expect(library.simulate(LIBMEMPOOL_WARNING) == 0);
  for (int waited = 0; calls < 101 && waited < 20000; ++waited) {
    pause_a_millisecond();
  }
  expect(calls >= 101);
  expect(mempool::faults_contained >= 2);
}

constexpr struct {
  const char* name;
  void (*run)();
} kScenes[] = {
#define scene(name) {#name, name}
    scene(malloc_is_refused_and_goes_on),       scene(what_caches_hold_is_given_back_first),
    scene(a_freed_class_serves_another),        scene(each_entry_point_is_refused),
    scene(realloc_is_refused_with_the_block_intact), scene(new_throws),
    scene(scattered_frees_serve_again),         scene(realloc_takes_ahead_within_the_limit),
    scene(threads_are_refused_too),             scene(a_holder_may_throw),
};

}  // namespace

int main(int count, char** words) {
  for (auto const& each : kScenes)
    if (count == 2 && std::strcmp(words[1], each.name) == 0) {
      std::setvbuf(stdout, nullptr, _IOLBF, 0);
      each.run();
      std::printf("%s", problems != 0 ? "\n" : "");
      return problems != 0;
    }
  std::fprintf(stderr, "usage: refusals SCENE\n");
  return 2;
}
