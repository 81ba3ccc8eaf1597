// Threads that come and go for as long as it is let: what they leave behind is freed by others, some of it much later.
//
// Twenty times a second two threads come, exchange blocks with those in common slots and go. Low slots are exchanged
// often and high ones seldom, so there are blocks of every age. Three mixes of sizes follow each other. Every quarter
// draws the same numbers: from one to the next no more is live, and what RSS gains is the allocator's.
//
// Trap: a load that runs as fast as it can does more work under a faster allocator. This one has a timetable.
//
// usage: comings_and_goings QUARTER-SECONDS CYCLES-A-QUARTER. Writes a line with the bytes it holds four times a
// second, and ends when nobody reads them.

#include <atomic>
#include <unistd.h>

#include "../latency/clock.hpp"
#include "../workloads/common.hpp"

namespace {

constexpr std::size_t kSlots = 20'000, kOwn = 300, kSteps = 3000, kThreads = 2;
constexpr std::uint64_t kPeriod = 50'000'000;  // ns
constexpr unsigned kSaysEvery = 5;

struct Mix {
  unsigned small, medium;  // of 1024; the rest is large
};
constexpr Mix kMixes[] = {{920, 100}, {600, 418}, {512, 472}};

std::array<std::atomic<char*>, kSlots> slots;
std::atomic<long> live;

char* take(Random& random, Mix const& mix) {
  std::uint64_t const die = random.below(1024);
  // From 16 B, 512 B or 8 KiB five times doubled, every size as likely as its double.
  std::size_t const smallest = die < mix.small ? 16 : die < mix.small + mix.medium ? 512 : 8192;
  std::size_t const least = smallest << random.below(5);
  std::size_t const size = least + random.below(least);
  char* const block = allocate(size);
  std::memset(block, 1, size);
  std::memcpy(block, &size, sizeof size);
  live.fetch_add(static_cast<long>(size), std::memory_order_relaxed);
  return block;
}

void drop(char* block) {
  std::size_t size = 0;
  std::memcpy(&size, block, sizeof size);
  live.fetch_sub(static_cast<long>(size), std::memory_order_relaxed);
  std::free(block);
}

void come_and_go(std::uint64_t seed, Mix const& mix) {
  Random random{seed};
  std::vector<char*> own(kOwn);
  for (char*& block : own) block = take(random, mix);
  for (std::size_t left = kSteps; left > 0; --left) {
    char*& chosen = own[random.below(kOwn)];
    if (random.below(16) == 0) {
      chosen = slots[random.below(random.below(kSlots) + 1)].exchange(chosen, std::memory_order_acq_rel);
    } else {
      drop(chosen);
      chosen = take(random, mix);
    }
  }
  for (char* const block : own) drop(block);
}

void sleep_until(std::uint64_t ns) {
  timespec const at{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
  }
}

}  // namespace

int main(int count, char** words) {
  double const seconds = count == 3 ? std::atof(words[1]) : 0;
  auto const generations = static_cast<std::uint64_t>(seconds * 1e9 / kPeriod);
  auto const cycles = static_cast<std::uint64_t>(count == 3 ? std::max(0, std::atoi(words[2])) : 0);
  if (cycles == 0 || generations < cycles) {
    std::fprintf(stderr, "usage: %s QUARTER-SECONDS CYCLES-A-QUARTER, each cycle 0.05 s or longer\n", words[0]);
    return 2;
  }
  Random random{99};
  for (auto& slot : slots) slot = take(random, kMixes[0]);
  for (std::uint64_t now = 0, due = now_ns();; ++now, due += kPeriod) {
    std::uint64_t const at = now % generations;
    Mix const& mix = kMixes[at * cycles * std::size(kMixes) / generations % std::size(kMixes)];
    sum_over_threads(kThreads, [&](unsigned which) {
      come_and_go(at * kThreads + which + 1, mix);
      return 0;
    });
    if (now % kSaysEvery == 0) {
      char line[24];
      int const length = std::snprintf(line, sizeof line, "%ld\n", live.load());
      if (write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) return 1;
    }
    sleep_until(due + kPeriod);
  }
}
