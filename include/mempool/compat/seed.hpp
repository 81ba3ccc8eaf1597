// The patterns under the names and with the methods of the seed (memory-management-patterns.md), for code that is
// carried over from there: mempool::compat::ObjectPool and so on. Each is a few lines over a pattern of ours, and has
// what the seed's class has and no more; new code is better off with the patterns themselves.
//
// Rule: the seed's results, without its defects. Where a class says "unlike the seed's", that is one. Objects and
// buffers go back by themselves when their handle ends; release() is the seed's word for doing it now. Thread-safety,
// costs and errors are those of the pattern named with each class.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "mempool/buffer_manager.hpp"
#include "mempool/circular_buffer.hpp"
#include "mempool/generational_cache.hpp"
#include "mempool/http_request_pool.hpp"
#include "mempool/memory_monitor.hpp"
#include "mempool/object_pool.hpp"
#include "mempool/stream_processor.hpp"
#include "mempool/weak_cache.hpp"

namespace mempool::compat {

/// object_pool with two functions for a policy. Unlike the seed's it fills itself with no more than maxSize objects,
/// takes any value for an object, destroys one whose reset throws and says nothing of it to whoever released it, and
/// cannot take one back twice, or one of another pool: a handle goes home, once.
template <class T>
class ObjectPool {
  struct policy {
    std::function<T()> factory;
    std::function<void(T&)> reset;
    T create() const { return factory(); }
    void recycle(T& object) const { reset(object); }
  };
  using pool_type = object_pool<T, policy, sync::mutex>;

 public:
  using handle = typename pool_type::handle;

  ObjectPool(std::function<T()> factory, std::function<void(T&)> reset, std::size_t initialSize = 10,
             std::size_t maxSize = 100)
      : pool_{policy{std::move(factory), std::move(reset)}, {.initial = initialSize, .max_idle = maxSize}} {}

  handle acquire() { return pool_.acquire(); }
  void release(handle object) noexcept { object.reset(); }
  void clear() noexcept { pool_.clear(); }
  std::size_t size() const noexcept { return pool_.size(); }  ///< idle objects

 private:
  pool_type pool_;
};

/// http_request_pool. Unlike the seed's it lets a request go that has grown beyond 64 KiB.
class HttpRequestPool {
 public:
  http_request_pool::handle createRequest(std::string_view method, std::string_view url) {
    return pool_.create(method, url);
  }
  void releaseRequest(http_request_pool::handle request) noexcept { request.reset(); }

 private:
  http_request_pool pool_;
};

/// buffer_manager, whose buffers are as long as their block here: the next power of two, 64 at least. Unlike the seed's
/// it gives idle memory up before it fails, and as much of it as is needed (the seed: what exceeds ten of a size, or
/// nothing); zeros new buffers as well; has no block for 0 bytes; accounts for buffers that nobody released; and cannot
/// take one back twice, or one of another manager.
class BufferManager {
 public:
  struct Stats {
    std::size_t allocatedBytes = 0;                ///< in use and idle
    std::map<std::size_t, std::size_t> poolSizes;  ///< idle buffers by size; sizes without any are left out
  };

  explicit BufferManager(std::size_t maxMemoryMB = 100)
      : buffers_{{.max_bytes = std::min(maxMemoryMB, SIZE_MAX >> 20) << 20}} {}

  /// Errors: budget_exceeded, the seed's 'Out of memory'.
  buffer allocate(std::size_t size) {
    buffer allocated = buffers_.allocate(size);
    allocated.resize(allocated.capacity());
    return allocated;
  }
  void release(buffer released) noexcept { released.reset(); }
  Stats getStats() const {
    auto const figures = buffers_.stats();
    Stats stats{figures.reserved, {}};
    for (std::size_t lg = 0; lg < figures.idle_blocks.size(); ++lg)
      if (figures.idle_blocks[lg] != 0) stats.poolSizes[std::size_t{1} << lg] = figures.idle_blocks[lg];
    return stats;
  }

 private:
  buffer_manager buffers_;
};

/// stream_processor with the seed's limit, which the last item of a chunk may pass. The function takes a std::span<T>
/// and returns a container of R. Unlike the seed's it counts for each stream by itself, so that one left early, failed
/// or under way says nothing to another; and an item's size is its footprint, not twice the length of its JSON.
template <class T, class R>
class StreamProcessor {
  using function = std::function<std::vector<R>(std::span<T>)>;

 public:
  explicit StreamProcessor(function processorFn, std::size_t chunkSize = 1000, double memoryLimitMB = 50)
      : processor_{std::move(processorFn),
                   {.chunk_items = chunkSize,
                    .chunk_bytes = static_cast<std::size_t>(std::clamp(memoryLimitMB * 1048576, 0.0, 9e18)),
                    .limit = chunk_limit::seed}} {}

  /// The seed's `for await` is a range-for.
  template <std::ranges::input_range Source>
  generator<R> processStream(Source&& dataStream) const {
    return processor_.process(std::forward<Source>(dataStream));
  }

 private:
  stream_processor<function> processor_;
};

/// generational_cache with the seed's two generations; ttl in milliseconds. Unlike the seed's it serves nothing that
/// has expired, replaces a key wherever its entry is, looks through two buckets at each set and not through all
/// entries, holds at most `capacity` entries, and reads a clock that nobody sets.
template <class T, class Clock = std::chrono::steady_clock>
class GCOptimizedCache {
 public:
  explicit GCOptimizedCache(std::size_t capacity = std::size_t{1} << 20) : cache_{{.capacity = capacity}} {}

  void set(std::string key, T value, std::chrono::milliseconds ttl = std::chrono::minutes{5}) {
    cache_.put(std::move(key), std::move(value), ttl);
  }
  std::optional<T> get(const std::string& key) { return cache_.get(key); }

 private:
  generational_cache<std::string, T, policy::two_generations, sync::mutex, std::hash<std::string>,
                     std::equal_to<std::string>, Clock>
      cache_;
};

/// circular_buffer. Unlike the seed's it may have no capacity at all, and evicting an empty value is not the same as
/// evicting nothing.
template <class T>
class CircularBuffer {
 public:
  explicit CircularBuffer(std::size_t capacity) : buffer_(capacity) {}

  std::optional<T> push(T item) { return buffer_.push_back(std::move(item)); }  ///< what it evicted
  std::optional<T> pop() { return buffer_.pop_back(); }                         ///< the newest
  std::optional<T> shift() { return buffer_.pop_front(); }                      ///< the oldest
  void clear() noexcept { buffer_.clear(); }
  std::vector<T> toArray() const { return {buffer_.begin(), buffer_.end()}; }  ///< the oldest first

 private:
  circular_buffer<T> buffer_;
};

/// weak_cache by string. Unlike the seed's, the end of a value that was overwritten leaves the new entry, and one value
/// may stand under several keys that know nothing of each other. A value is dead when its last owner goes, not when a
/// collector passes by. What has() says may be untrue by the next line where there are threads: get() asks once.
template <class T>
class WeakCache {
 public:
  void set(const std::string& key, const std::shared_ptr<T>& value) { cache_.put(key, value); }
  std::shared_ptr<T> get(const std::string& key) { return cache_.get(key); }
  bool has(const std::string& key) { return cache_.get(key) != nullptr; }
  bool erase(const std::string& key) { return cache_.erase(key); }  ///< the seed's delete, a word C++ keeps for itself

 private:
  weak_cache<std::string, T> cache_;
};

/// What listeners of a MemoryMonitor are told. Unlike the seed's, all memory of the process counts, not one heap.
struct MemoryUsage {
  std::uint64_t rss = 0;
  std::uint64_t heapTotal = 0;  ///< live and kept
  std::uint64_t heapUsed = 0;   ///< live
  std::uint64_t heapLimit = 0;  ///< of all memory
  double heapUsedPercent = 0;   ///< 0 to 1, of all memory
  std::chrono::system_clock::time_point timestamp;
};

/// memory_monitor with a thread that tells listeners at every interval, whatever the level. Warnings, and what is given
/// back, are the library's: it writes the lines and asks the holders. Unlike the seed's, a listener that throws is
/// counted (faults_contained) and keeps no other from its call; its thread does not keep the process alive.
class MemoryMonitor {
 public:
  using listener = std::function<void(const MemoryUsage&)>;

  explicit MemoryMonitor(const detail::api& library = detail::api::get()) : monitor_{library} {}
  MemoryMonitor(const MemoryMonitor&) = delete;
  MemoryMonitor& operator=(const MemoryMonitor&) = delete;

  /// The first call of a listener comes an interval from now. Does nothing where it runs already. Not from a listener.
  monitor_error start(std::chrono::milliseconds interval = std::chrono::seconds{5}) {
    std::lock_guard const guard{switch_};
    if (thread_.joinable()) return monitor_error::none;
    if (auto const error = monitor_.start(); error != monitor_error::none) return error;
    thread_ = std::jthread{[this, interval](std::stop_token stop) { run(stop, interval); }};
    return monitor_error::none;
  }
  /// Waits for a call under way, so not from a listener. May be started again.
  void stop() {
    std::lock_guard const guard{switch_};
    thread_ = {};
    monitor_.stop();
  }
  void onMemoryUsage(listener told) {
    std::lock_guard const guard{lock_};
    listeners_.push_back(std::make_shared<listener const>(std::move(told)));
  }

 private:
  void run(std::stop_token stop, std::chrono::milliseconds interval) {
    std::condition_variable_any nobody_notifies;
    std::mutex unshared;
    std::unique_lock asleep{unshared};
    for (;;) {
      nobody_notifies.wait_for(asleep, stop, interval, [] { return false; });
      if (stop.stop_requested()) return;
      auto const now = monitor_.now();
      MemoryUsage const usage{now.resident, now.heap_live + now.heap_kept, now.heap_live,
                              now.limit,    now.ratio(),                   std::chrono::system_clock::now()};
      std::unique_lock guard{lock_};
      auto const told = listeners_;
      guard.unlock();
      for (auto const& each : told) {
        try {
          (*each)(usage);
        } catch (...) {
          faults_contained.fetch_add(1, std::memory_order_relaxed);
        }
      }
    }
  }

  memory_monitor monitor_;
  std::mutex lock_;
  std::vector<std::shared_ptr<listener const>> listeners_;
  std::mutex switch_;
  std::jthread thread_;  // last, so that it ends first
};

}  // namespace mempool::compat
