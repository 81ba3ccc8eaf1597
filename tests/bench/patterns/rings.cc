// ns per element through a ring, beside Boost's ring and queues, readerwriterqueue and atomic_queue.
//
//   g++ -std=c++20 -O2 -DNDEBUG -I include tests/bench/patterns/rings.cc -lbenchmark -pthread -o /tmp/rings
//
// (libboost-dev, libreaderwriterqueue-dev, libatomic-queue-dev; what is not installed is left out.) circular_buffer is
// asked three things: a push that overwrites, a push and a pop of a ring half full, a sum over all elements. The queues
// hand elements from one thread to another, whose loop is timed.
//
// Traps: a ring whose address never leaves the loop is kept in registers by one compiler and not by the other, so each
// is shown to it by DoNotOptimize. Two threads on two hyperthreads of one core exchange lines far faster than on two
// cores: pin them alike (taskset) for all contenders. A popped value that is not looked at is not loaded. A thread that
// only spins while the other one has no processor burns its time slice, and its row tells the machine's load: each side
// tries 256 times and then yields, whosever queue it is.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "mempool/circular_buffer.hpp"
#include "mempool/spsc_ring.hpp"

#if __has_include(<boost/circular_buffer.hpp>)
#include <boost/circular_buffer.hpp>
#define HAS_BOOST_RING
#endif
#if __has_include(<boost/lockfree/spsc_queue.hpp>)
#include <boost/lockfree/spsc_queue.hpp>
#define HAS_BOOST_QUEUE
#endif
#if __has_include(<readerwriterqueue/readerwriterqueue.h>)
#include <readerwriterqueue/readerwriterqueue.h>
#define HAS_READERWRITERQUEUE
#endif
#if __has_include(<atomic_queue/atomic_queue.h>)
#include <atomic_queue/atomic_queue.h>
#define HAS_ATOMIC_QUEUE
#endif

namespace {

struct line {
  std::uint64_t words[8];
};

template <class T>
T made(std::size_t i);
template <>
int made<int>(std::size_t i) {
  return static_cast<int>(i);
}
template <>
line made<line>(std::size_t i) {
  return {{i}};
}
template <>
std::string made<std::string>(std::size_t i) {
  return std::string(40, static_cast<char>('a' + i % 26));
}

// -- In one thread --------------------------------------------------------------------------------------------------

template <class T>
struct ours {
  explicit ours(std::size_t capacity) : ring(capacity) {}
  void overwrite(T&& value) { ring.push_back(std::move(value)); }
  std::optional<T> pop() { return ring.pop_front(); }
  mempool::circular_buffer<T> ring;
};

#ifdef HAS_BOOST_RING
template <class T>
struct boosts {
  explicit boosts(std::size_t capacity) : ring(capacity) {}
  void overwrite(T&& value) { ring.push_back(std::move(value)); }
  T pop() {
    T value = std::move(ring.front());
    ring.pop_front();
    return value;
  }
  boost::circular_buffer<T> ring;
};
#endif

template <class T>
T& value_of(T& popped) {
  return popped;
}
template <class T>
T& value_of(std::optional<T>& popped) {
  return *popped;
}

template <class Ring, class T>
void overwrite(benchmark::State& state) {
  Ring contender(static_cast<std::size_t>(state.range(0)));
  auto* shown = &contender;
  benchmark::DoNotOptimize(shown);
  std::size_t i = 0;
  for (auto _ : state) {
    contender.overwrite(made<T>(++i));
    benchmark::ClobberMemory();
  }
}

template <class Ring, class T>
void push_and_pop(benchmark::State& state) {
  auto const capacity = static_cast<std::size_t>(state.range(0));
  Ring contender(capacity);
  auto* shown = &contender;
  benchmark::DoNotOptimize(shown);
  std::size_t i = 0;
  while (i < capacity / 2) contender.overwrite(made<T>(++i));
  for (auto _ : state) {
    contender.overwrite(made<T>(++i));
    auto popped = contender.pop();
    benchmark::DoNotOptimize(value_of(popped));
    benchmark::ClobberMemory();
  }
}

// ns for all elements, not for one.
template <class Ring>
void sum(benchmark::State& state) {
  auto const capacity = static_cast<std::size_t>(state.range(0));
  Ring contender(capacity);
  for (std::size_t i = 0; i < capacity + capacity / 2; ++i) contender.overwrite(made<int>(i));
  for (auto _ : state) {
    int total = std::accumulate(contender.ring.begin(), contender.ring.end(), 0);
    benchmark::DoNotOptimize(total);
  }
}

#define RING_BENCHMARKS(prefix, contender)                                                                    \
  BENCHMARK(overwrite<contender<int>, int>)->Name(prefix "/overwrite/int")->Arg(1000)->Arg(1024);             \
  BENCHMARK(overwrite<contender<line>, line>)->Name(prefix "/overwrite/64B")->Arg(1000)->Arg(1024);           \
  BENCHMARK(overwrite<contender<std::string>, std::string>)->Name(prefix "/overwrite/string")->Arg(1000);     \
  BENCHMARK(push_and_pop<contender<int>, int>)->Name(prefix "/push_and_pop/int")->Arg(1000)->Arg(1024);       \
  BENCHMARK(push_and_pop<contender<line>, line>)->Name(prefix "/push_and_pop/64B")->Arg(1000)->Arg(1024);     \
  BENCHMARK(push_and_pop<contender<std::string>, std::string>)->Name(prefix "/push_and_pop/string")->Arg(1000); \
  BENCHMARK(sum<contender<int>>)->Name(prefix "/sum/int")->Arg(1000)

RING_BENCHMARKS("ours", ours);
#ifdef HAS_BOOST_RING
RING_BENCHMARKS("boost_circular_buffer", boosts);
#endif

// -- Between two threads --------------------------------------------------------------------------------------------

constexpr std::size_t kQueueCapacity = 1024;

struct our_queue {
  bool push(std::uint64_t value) { return queue.try_push(value); }
  bool pop(std::uint64_t& value) {
    auto const popped = queue.try_pop();
    if (!popped) return false;
    value = *popped;
    return true;
  }
  mempool::spsc_ring<std::uint64_t> queue{kQueueCapacity};
};

#ifdef HAS_BOOST_QUEUE
struct boost_queue {
  bool push(std::uint64_t value) { return queue.push(value); }
  bool pop(std::uint64_t& value) { return queue.pop(value); }
  boost::lockfree::spsc_queue<std::uint64_t> queue{kQueueCapacity};
};
#endif
#ifdef HAS_READERWRITERQUEUE
struct reader_writer_queue {
  bool push(std::uint64_t value) { return queue.try_enqueue(value); }
  bool pop(std::uint64_t& value) { return queue.try_dequeue(value); }
  moodycamel::ReaderWriterQueue<std::uint64_t> queue{kQueueCapacity};
};
#endif
#ifdef HAS_ATOMIC_QUEUE
// One producer and one consumer; the last parameter says so. 0 is its mark for an empty slot, so values begin at 1.
struct atomic_queue_of_one {
  bool push(std::uint64_t value) { return queue.try_push(value); }
  bool pop(std::uint64_t& value) { return queue.try_pop(value); }
  atomic_queue::AtomicQueue<std::uint64_t, kQueueCapacity, 0, true, true, false, true> queue;
};
#endif

/// Until it does: both threads' wait, for each queue alike.
template <class Try>
void insist(Try&& attempt) {
  for (;;) {
    for (int tries = 0; tries < 256; ++tries)
      if (attempt()) return;
    std::this_thread::yield();
  }
}

// ns per element from one thread to the other, as fast as both can.
template <class Queue>
void hand_over(benchmark::State& state) {
  auto queue = std::make_unique<Queue>();
  constexpr std::uint64_t last = ~std::uint64_t{0};
  std::thread popping([&] {
    for (std::uint64_t value = 0; value != last;)
      insist([&] { return queue->pop(value); });
  });
  std::uint64_t i = 0;
  for (auto _ : state) {
    ++i;
    insist([&] { return queue->push(i); });
  }
  insist([&] { return queue->push(last); });
  popping.join();
}

// ns for an element to the other thread and one back.
template <class Queue>
void round_trip(benchmark::State& state) {
  auto there = std::make_unique<Queue>();
  auto back = std::make_unique<Queue>();
  constexpr std::uint64_t last = ~std::uint64_t{0};
  std::thread echoing([&] {
    for (std::uint64_t value = 0; value != last;) {
      insist([&] { return there->pop(value); });
      insist([&] { return back->push(value); });
    }
  });
  std::uint64_t i = 0;
  std::uint64_t value = 0;
  for (auto _ : state) {
    ++i;
    insist([&] { return there->push(i); });
    insist([&] { return back->pop(value); });
  }
  insist([&] { return there->push(last); });
  echoing.join();
}

#define QUEUE_BENCHMARKS(prefix, queue)                                      \
  BENCHMARK(hand_over<queue>)->Name(prefix "/hand_over/u64")->UseRealTime(); \
  BENCHMARK(round_trip<queue>)->Name(prefix "/round_trip/u64")->UseRealTime()

QUEUE_BENCHMARKS("ours", our_queue);
#ifdef HAS_BOOST_QUEUE
QUEUE_BENCHMARKS("boost_spsc_queue", boost_queue);
#endif
#ifdef HAS_READERWRITERQUEUE
QUEUE_BENCHMARKS("readerwriterqueue", reader_writer_queue);
#endif
#ifdef HAS_ATOMIC_QUEUE
QUEUE_BENCHMARKS("atomic_queue", atomic_queue_of_one);
#endif

}  // namespace

BENCHMARK_MAIN();
