// Blocks allocated by one thread and freed by another, always in the same direction.
//
// Source: C. Lever and D. Boreham, "malloc() performance in a multithreaded Linux environment", USENIX 2000, whose
// program became xmalloc-test. Trap: an unbounded queue measures how far the producer runs ahead, and its memory;
// here at most 64 batches of 256 blocks wait, and the queue's own lock is taken once a batch.
// usage: producer_consumer BATCHES

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "random.hpp"

namespace {

constexpr std::size_t kBatch = 256, kWaiting = 64;
using Batch = std::array<char*, kBatch>;

class Queue {
 public:
  void put(Batch const& batch) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return end_ - begin_ < kWaiting; });
    slots_[end_++ % kWaiting] = batch;
    changed_.notify_one();
  }
  Batch take() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return end_ != begin_; });
    Batch const batch = slots_[begin_++ % kWaiting];
    changed_.notify_one();
    return batch;
  }

 private:
  std::array<Batch, kWaiting> slots_;
  std::size_t begin_ = 0, end_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
};
Queue queue;

void produce(long batches) {
  Random random{7};
  for (Batch batch; batches > 0; --batches) {
    for (char*& p : batch) {
      std::size_t const size = 16 + random.below(496);
      p = static_cast<char*>(std::malloc(size));
      if (p == nullptr) std::abort();
      p[0] = static_cast<char>(size);
    }
    queue.put(batch);
  }
}

}  // namespace

int main(int count, char** words) {
  long const batches = count > 1 ? std::atol(words[1]) : 100000;
  std::thread producer{produce, batches};
  unsigned long sum = 0;
  for (long left = batches; left > 0; --left)
    for (char* const p : queue.take()) {
      sum += static_cast<unsigned char>(p[0]);
      std::free(p);
    }
  producer.join();
  std::printf("%lu\n", sum);
}
