// A server that gets a request a millisecond, beside a thread that now and then builds and drops 200 MiB: does giving
// all that memory back hold up a request?
//
// The loop is open: a request's time runs from the moment it was due, not from the moment the server got to it. One
// that is late delays those behind it, and all of them count (G. Tene on coordinated omission). Each request takes a
// handful of blocks, most of them small, writes them, keeps two in the place of older ones and frees the rest.
//
// Trap: with a request a millisecond the thread sleeps most of the time, and how late the kernel wakes it is the most
// of what is measured. So that stands beside it: `wake`, how late an idle thread was, and `service`, from the moment
// the server got to a request to its end.
//
// usage: server SECONDS SECONDS-BETWEEN-BURSTS. The first burst comes after 3 s, or a third of the time if that is
// less. Prints "request|wake|service|burst,,,..." (histogram.hpp): how long a burst took tells for how many requests
// there was one.

#include <atomic>

#include "../workloads/common.hpp"
#include "clock.hpp"
#include "histogram.hpp"

namespace {

constexpr std::uint64_t kPeriod = 1'000'000, kSecond = 1'000'000'000;
constexpr std::size_t kStore = 20'000, kBlocks = 16, kKept = 2;
constexpr std::size_t kBurst = std::size_t{200} << 20;

struct Server {
  Histogram request, wake, service, burst;
};
Server figures;  // not on the heap, which is under test
std::atomic<bool> over;

void sleep_until(std::uint64_t ns) {
  timespec const at{static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
  }
}

/// From 16 B, `doublings` times doubled, every size as likely as its double.
std::size_t some_size(Random& random, unsigned doublings) {
  std::size_t const least = std::size_t{16} << random.below(doublings);
  return least + random.below(least);
}

std::uint64_t serve(Random& random, std::vector<char*>& store) {
  std::uint64_t sum = 0;
  char* blocks[kBlocks];
  for (char*& block : blocks) {
    std::size_t const size = some_size(random, random.below(64) == 0 ? 14 : 9);  // one in 64 is up to 256 KiB
    block = allocate(size);
    std::memset(block, static_cast<int>(size & 0x7f), size);
  }
  for (std::size_t i = 0; i < kKept; ++i) std::swap(blocks[i], store[random.below(kStore)]);
  for (char* const block : blocks) {
    if (block == nullptr) continue;
    sum += mark(block);
    std::free(block);
  }
  return sum;
}

/// 200 MiB of blocks of all sizes, a few of them large, freed in shuffled order.
std::uint64_t burst(Random& random) {
  std::vector<char*> blocks;
  for (std::size_t bytes = 0; bytes < kBurst;) {
    std::uint64_t const die = random.below(4096);
    std::size_t const size = die == 0 ? (std::size_t{5} << 20) + random.below(20 << 20) : some_size(random, 11);
    char* const block = allocate(size);
    for (std::size_t at = 0; at < size; at += 4096) block[at] = 1;
    blocks.push_back(block);
    bytes += size;
  }
  std::uint64_t sum = 0;
  for (std::size_t i = blocks.size(); i > 1; --i) std::swap(blocks[i - 1], blocks[random.below(i)]);
  for (char* const block : blocks) {
    sum += mark(block);
    std::free(block);
  }
  return sum;
}

}  // namespace

int main(int count, char** words) {
  double const seconds = count == 3 ? std::atof(words[1]) : 0, between = count == 3 ? std::atof(words[2]) : 0;
  if (seconds < 0.1 || between < 0.1) {
    std::fprintf(stderr, "usage: %s SECONDS SECONDS-BETWEEN-BURSTS, each 0.1 or more\n", words[0]);
    return 2;
  }
  std::memset(static_cast<void*>(&figures), 0, sizeof figures);  // its pages are there before the clock runs
  Random random{1};
  std::vector<char*> store(kStore);
  for (char*& kept : store) kept = allocate(some_size(random, 9));

  auto const requests = static_cast<std::uint64_t>(seconds * 1000);
  std::uint64_t const start = now_ns() + kPeriod;
  std::uint64_t burst_sum = 0;
  std::thread batch{[&] {
    Random its{2};
    auto due = static_cast<std::uint64_t>(std::min(3.0, seconds / 3) * 1e9);
    for (; !over; due += static_cast<std::uint64_t>(between * 1e9)) {
      while (!over && now_ns() < start + due) sleep_until(now_ns() + 20 * kPeriod);
      if (over) return;
      std::uint64_t const before = now_ns();
      burst_sum += burst(its);
      figures.burst.add(now_ns() - before);
    }
  }};
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < requests; ++i) {
    std::uint64_t const due = start + i * kPeriod;
    bool const idle = now_ns() < due;
    if (idle) sleep_until(due);
    std::uint64_t const begun = now_ns();
    sum += serve(random, store);
    std::uint64_t const done = now_ns();
    if (idle) figures.wake.add(begun - due);
    figures.service.add(done - begun);
    figures.request.add(done - due);
  }
  over = true;
  batch.join();
  for (char* const kept : store) std::free(kept);
  figures.request.print("request,,");
  figures.wake.print("wake,,");
  figures.service.print("service,,");
  figures.burst.print("burst,,");
  return sum + burst_sum == 0;
}
