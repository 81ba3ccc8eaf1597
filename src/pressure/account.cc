#include "pressure/account.hpp"

#include <cstdint>

#include "options/options.hpp"
#include "platform/os.hpp"

namespace mempool::pressure {

constinit std::atomic<bool> start_due{false};
constinit std::atomic<void (*)() noexcept> starter{nullptr};

namespace {

constinit std::atomic<std::size_t> handed_out{0};
constinit std::atomic<int> threads{0};
constinit std::atomic<bool> raised{false};

constexpr std::size_t kHeapWithThreads = std::size_t{512} << 10;
constexpr std::size_t kHeapAlone = std::size_t{16} << 20;

void raise() noexcept {
  if (!raised.exchange(true, std::memory_order_relaxed)) start_due.store(true, std::memory_order_relaxed);
}

}  // namespace

void heap_grew(std::size_t bytes) noexcept {
  std::size_t const heap = handed_out.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (raised.load(std::memory_order_relaxed)) [[likely]] return;
  if (heap >= (threads.load(std::memory_order_relaxed) > 1 ? kHeapWithThreads : kHeapAlone) &&
      options::number(options::Opt::monitor) != 0)
    raise();
}

void heap_shrank(std::size_t bytes) noexcept { handed_out.fetch_sub(bytes, std::memory_order_relaxed); }

void thread_attached() noexcept { threads.fetch_add(1, std::memory_order_relaxed); }
void thread_detached() noexcept { threads.fetch_sub(1, std::memory_order_relaxed); }

void forked() noexcept {
  threads.store(1, std::memory_order_relaxed);
  raised.store(false, std::memory_order_relaxed);
  start_due.store(false, std::memory_order_relaxed);
}

}  // namespace mempool::pressure
