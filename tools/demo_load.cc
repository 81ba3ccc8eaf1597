// demo-load: the program that the demo runs twice. Nothing in it knows of libmempool.
//
//   demo-load leak      keeps records of 240 bytes, 40 MiB of them a second, and never frees one
//   demo-load steady    keeps 300,000 strings of 16 to 512 bytes, replaces one in four every 250 ms for 4 s
//   demo-load caches    four threads fill 160 MiB with strings of 64 to 1000 bytes, free them and sleep; then the first
//                       thread takes 160 MiB in blocks of 32 KiB
//
// All are paced by the clock, so that two of one side by side show memory and not speed.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

int leak() {
  constexpr std::size_t kRecord = 240, kStep = std::size_t{1} << 20;
  auto next = Clock::now();
  // A list through the records themselves: they stay reachable, and there is no vector that doubles.
  for (char* last = nullptr;;) {
    for (std::size_t done = 0; done < kStep; done += kRecord) {
      char* const record = new char[kRecord];
      std::memset(record, 'x', kRecord);
      std::memcpy(record, &last, sizeof last);
      last = record;
    }
    std::this_thread::sleep_until(next += std::chrono::milliseconds{25});
  }
}

int steady() {
  constexpr std::size_t kStrings = 300'000;
  constexpr int kRounds = 16;
  std::uint64_t random = 88172645463325252U, sum = 0;
  auto const draw = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    return random ^= random << 17;
  };
  auto const make = [&draw] { return std::string(16 + draw() % 497, static_cast<char>('a' + draw() % 26)); };
  std::vector<std::string> strings;
  strings.reserve(kStrings);
  for (std::size_t i = 0; i < kStrings; ++i) strings.push_back(make());
  auto next = Clock::now();
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kStrings / 4; ++i) {
      std::string& old = strings[draw() % kStrings];
      sum += old.size() + static_cast<unsigned char>(old.front());
      old = std::string{};
      old = make();
    }
    std::this_thread::sleep_until(next += std::chrono::milliseconds{250});
  }
  std::printf("checksum %llx\n", static_cast<unsigned long long>(sum));
  return 0;
}

int caches() {
  constexpr unsigned kThreads = 4, kSteps = 20;
  constexpr std::size_t kBytes = std::size_t{160} << 20, kBlock = std::size_t{32} << 10;
  constexpr auto kStep = std::chrono::milliseconds{50};
  std::latch all_freed{kThreads}, may_end{1};
  std::vector<std::jthread> threads;
  for (unsigned id = 1; id <= kThreads; ++id)
    threads.emplace_back([&, random = std::uint64_t{id}]() mutable {
      auto next = Clock::now();
      std::vector<std::string> strings;
      for (std::size_t step = 1, filled = 0; step <= kSteps; ++step) {
        for (; filled < kBytes / kThreads * step / kSteps; filled += strings.back().size()) {
          random = random * 6364136223846793005U + 1442695040888963407U;
          strings.emplace_back(64 + random % 937, 'x');
        }
        std::this_thread::sleep_until(next += kStep);
      }
      strings.clear();
      all_freed.count_down();
      may_end.wait();
    });
  all_freed.wait();
  std::this_thread::sleep_for(10 * kStep);
  auto next = Clock::now();
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t step = 1; step <= 2 * kSteps; ++step) {
    while (blocks.size() < kBytes / kBlock * step / (2 * kSteps)) {
      blocks.push_back(std::make_unique_for_overwrite<char[]>(kBlock));
      std::memset(blocks.back().get(), 'y', kBlock);
    }
    std::this_thread::sleep_until(next += kStep);
  }
  std::printf("%zu blocks\n", blocks.size());
  may_end.count_down();
  return 0;
}

}  // namespace

int main(int count, char** words) {
  std::string_view const what = count == 2 ? words[1] : "";
  if (what == "leak") return leak();
  if (what == "steady") return steady();
  if (what == "caches") return caches();
  std::fprintf(stderr, "usage: demo-load leak|steady|caches\n");
  return 2;
}
