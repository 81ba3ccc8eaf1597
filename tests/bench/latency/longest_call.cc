// Every single malloc and free of a mixed load, timed: what is the longest that a caller ever waits?
//
// Two threads (or as many as asked for), each with blocks of its own in three groups of sizes: up to 1 KiB, up to
// 32 KiB, up to 25 MiB, every size as likely as its double. A part of the frees is of the other thread's blocks. Each
// round ends with a burst of one size, another one each time, all of it freed in shuffled order: caches fill and are
// flushed, the heap grows and is purged, large blocks are mapped and unmapped.
//
// Trap: a scheduler or a hypervisor that takes the core away for milliseconds looks like a slow call. Calls during
// which this thread was made to leave its core are counted apart (interruption.hpp), and the control stands beside:
// calls of nothing, for as long as the calls of the round took altogether, so as exposed to strangers as they were.
// Blocks are written to outside of what is timed, or free would have nothing to give back.
//
// usage: longest_call THREADS ROUNDS. Prints "operation,group,preempted|undisturbed,..." (histogram.hpp).

#include <atomic>

#include "../workloads/common.hpp"
#include "clock.hpp"
#include "histogram.hpp"
#include "interruption.hpp"

namespace {

constexpr std::size_t kMiB = 1 << 20, kPage = 4096;
constexpr std::size_t kSteps = 200'000, kBurst = 48 * kMiB, kLeastInBurst = 64;
constexpr std::size_t kMostThreads = 16;

struct Group {
  char const* name;
  std::size_t smallest, largest, slots;
};
constexpr Group kGroups[] = {{"small", 16, 1024, 20000}, {"pooled", 1025, 32 << 10, 2000},
                             {"large", (32 << 10) + 1, 25 * kMiB, 8}};
constexpr std::size_t kGroupCount = std::size(kGroups);

std::size_t group_of(std::size_t size) {
  std::size_t group = 0;
  while (size > kGroups[group].largest) ++group;
  return group;
}

/// Every size of the group as likely as its double.
std::size_t size_in(Group const& group, Random& random) {
  auto const doublings = static_cast<std::size_t>(std::bit_width(group.largest / group.smallest - 1));
  std::size_t const least = group.smallest << random.below(doublings);
  return std::min(least + random.below(least), group.largest);
}

struct Block {
  char* begin = nullptr;
  std::size_t size = 0;
};

struct Times {
  Histogram undisturbed, preempted;
};
struct Figures {
  Times malloc[kGroupCount], free[kGroupCount], nothing;
};
Figures of_thread[kMostThreads];  // not on the heap, which is under test

/// Where a thread leaves a block for another one to free.
std::array<std::atomic<char*>, 256> passed_on;

class Caller {
 public:
  Caller(Figures& figures, std::uint64_t seed) : figures_{figures}, random_{seed} {
    for (std::size_t i = 0; i < kGroupCount; ++i) blocks_[i].resize(kGroups[i].slots);
    burst_.reserve(kBurst / kLeastInBurst);
  }

  void round(unsigned which) {
    in_calls_ = 0;
    for (std::size_t left = kSteps; left > 0; --left) step();
    burst(which);
    for (std::uint64_t left = in_calls_; left > 0;) left -= std::min(left, time_nothing());
  }

  void end() {
    for (auto& blocks : blocks_)
      for (Block& block : blocks) drop(block);
    for (auto& slot : passed_on) std::free(slot.exchange(nullptr));
  }

  std::uint64_t sum() const { return sum_; }

 private:
  void step() {
    std::uint64_t const die = random_.below(1024);
    std::size_t const group = die == 0 ? 2 : die < 64 ? 1 : 0;
    Block& block = blocks_[group][random_.below(blocks_[group].size())];
    if (group == 0 && block.begin != nullptr && die % 8 == 7) {  // who takes a block out of the slot frees it
      sum_ += mark(block.begin);
      block.begin[1] = static_cast<char>(block.size / 16);  // the size, as nearly as its group needs
      block.begin = passed_on[random_.below(passed_on.size())].exchange(block.begin, std::memory_order_acq_rel);
      block.size = block.begin == nullptr ? 0 : std::size_t{static_cast<unsigned char>(block.begin[1])} * 16;
    }
    drop(block);
    block = take(size_in(kGroups[group], random_));
  }

  void burst(unsigned which) {
    std::size_t const size = std::size_t{16} << (which * 5 % 12);  // 16 B to 32 KiB, each once in twelve rounds
    for (std::size_t bytes = 0; bytes < kBurst; bytes += std::max(size, kLeastInBurst)) burst_.push_back(take(size));
    for (std::size_t i = burst_.size(); i > 1; --i) std::swap(burst_[i - 1], burst_[random_.below(i)]);
    for (Block& block : burst_) drop(block);
    burst_.clear();
  }

  Block take(std::size_t size) {
    void* fresh = nullptr;
    time(figures_.malloc[group_of(size)], size, [&] { fresh = std::malloc(size); });
    char* const begin = touched(fresh, size);
    for (std::size_t at = kPage; at < size; at += kPage) begin[at] = 1;
    return {begin, size};
  }

  void drop(Block& block) {
    if (block.begin == nullptr) return;
    sum_ += mark(block.begin);
    time(figures_.free[group_of(block.size)], block.size, [&] { std::free(block.begin); });
    block = {};
  }

  std::uint64_t time_nothing() {
    return time(figures_.nothing, 0, [] { asm volatile("" ::: "memory"); });
  }

  template <class Call>
  std::uint64_t time(Times& times, std::size_t size, Call call) {
    interruption_.arm();
    std::uint64_t const before = now_ns();
    call();
    std::uint64_t const took = now_ns() - before;
    (interruption_.was_preempted() ? times.preempted : times.undisturbed).add(took, size);
    in_calls_ += took;
    return std::max<std::uint64_t>(took, 1);
  }

  Figures& figures_;
  Interruption interruption_;
  Random random_;
  std::vector<Block> blocks_[kGroupCount], burst_;
  std::uint64_t in_calls_ = 0, sum_ = 0;
};

/// What all threads found. `times` picks it from a thread's figures.
template <class Pick>
void print(char const* operation, char const* group, Pick times) {
  for (Histogram Times::*const which : {&Times::undisturbed, &Times::preempted}) {
    static Histogram all;
    all = {};
    for (Figures& one : of_thread) all.add(times(one).*which);
    char what[64];
    std::snprintf(what, sizeof what, "%s,%s,%s", operation, group,
                  which == &Times::undisturbed ? "undisturbed" : "preempted");
    all.print(what);
  }
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  if (given.threads > kMostThreads) {
    std::fprintf(stderr, "%s: THREADS '%s' is not a whole number from 1 to %zu\n", words[0], words[1], kMostThreads);
    return 2;
  }
  std::memset(static_cast<void*>(of_thread), 0, sizeof of_thread);  // their pages are there before the clock runs
  std::uint64_t const sum = sum_over_threads(given.threads, [&](unsigned which) {
    Caller caller{of_thread[which], which + 1};
    for (long i = 0; i < given.amount; ++i) caller.round(static_cast<unsigned>(i));
    caller.end();
    return caller.sum();
  });
  for (std::size_t i = 0; i < kGroupCount; ++i) {
    print("malloc", kGroups[i].name, [i](Figures& of) -> Times& { return of.malloc[i]; });
    print("free", kGroups[i].name, [i](Figures& of) -> Times& { return of.free[i]; });
  }
  print("nothing", "control", [](Figures& of) -> Times& { return of.nothing; });
  return sum == 0;
}
