// Batches of blocks that go from one thread to another, and a queue that makes no request of its own meanwhile.
#pragma once

#include <cstddef>
#include <mutex>
#include <condition_variable>
#include <vector>

namespace micro {

using Batch = std::vector<void*>;

/// A queue of up to two batches.
class HandOver {
 public:
  void give(Batch* batch) {
    std::lock_guard const guard{mutex_};
    batches_[count_++] = batch;
    came_.notify_one();
  }
  Batch* take() {
    std::unique_lock guard{mutex_};
    came_.wait(guard, [this] { return count_ != 0; });
    Batch* const oldest = batches_[0];
    batches_[0] = batches_[--count_];
    return oldest;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  Batch* batches_[2] = {};
  std::size_t count_ = 0;
};

}  // namespace micro
