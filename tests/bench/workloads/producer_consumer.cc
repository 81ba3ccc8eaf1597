// Blocks allocated by one half of the threads and freed by the other half, always in the same direction.
//
// Source: C. Lever and D. Boreham, "malloc() performance in a multithreaded Linux environment", USENIX 2000, whose
// program became xmalloc-test. Trap: an unbounded queue measures how far the producers run ahead, and its memory;
// here at most 64 batches of 256 blocks wait, and the queue's own lock is taken once a batch. One thread alone fills
// the queue and empties it in turn: what it costs more with two is the price of the direction.
// AMOUNT batches of each producer.

#include <condition_variable>
#include <mutex>

#include "common.hpp"

namespace {

constexpr std::size_t kBatch = 256, kWaiting = 64;
using Batch = std::array<char*, kBatch>;

class Queue {
 public:
  void put(Batch const& batch) {
    std::unique_lock lock{mutex_};
    not_full_.wait(lock, [&] { return end_ - begin_ < kWaiting; });
    slots_[end_++ % kWaiting] = batch;
    not_empty_.notify_one();
  }
  Batch take() {
    std::unique_lock lock{mutex_};
    not_empty_.wait(lock, [&] { return end_ != begin_; });
    Batch const batch = slots_[begin_++ % kWaiting];
    not_full_.notify_one();
    return batch;
  }

 private:
  std::array<Batch, kWaiting> slots_;
  std::size_t begin_ = 0, end_ = 0;
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_;
};
Queue queue;

void produce(Random& random, long batches) {
  for (Batch batch; batches > 0; --batches) {
    for (char*& p : batch) p = allocate(16 + random.below(497));
    queue.put(batch);
  }
}
std::uint64_t consume(long batches) {
  std::uint64_t sum = 0;
  for (; batches > 0; --batches)
    for (char* const p : queue.take()) {
      sum += mark(p);
      std::free(p);
    }
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  if (given.threads == 1) {
    Random random{1};
    std::uint64_t sum = 0;
    for (long left = given.amount, some; left > 0; left -= some) {
      some = std::min(left, static_cast<long>(kWaiting));
      produce(random, some);
      sum += consume(some);
    }
    return print(sum);
  }
  return print(sum_over_threads(given.threads / 2 * 2, [&](unsigned which) -> std::uint64_t {
    if (which % 2 == 1) return consume(given.amount);
    Random random{which + 1};
    produce(random, given.amount);
    return 0;
  }));
}
