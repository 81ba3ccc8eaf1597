// What application threads tell the monitor's side, on miss paths only: counting, one flag, no I/O.
#pragma once

#include <atomic>
#include <cstddef>

namespace mempool::pressure {

/// Bytes handed out (not touched): slabs carved or taken back into use, and fallback requests at their size.
/// Cost: one relaxed add and one compare. Sets `start_due` or wakes the monitor when the next mark is passed.
void heap_grew(std::size_t bytes) noexcept;
void heap_shrank(std::size_t bytes) noexcept;

/// Live threads that have allocated. 1 again in a fork child (forked()).
void thread_attached() noexcept;
void thread_detached() noexcept;

/// True once the monitor should be started. Read on the way out of the outermost slow path.
extern std::atomic<bool> start_due;

/// Called with no lock or gate of ours held when start_due is seen; set by preload/. Null: no monitor here.
extern std::atomic<void (*)() noexcept> starter;

/// In the fork child, before anything else of ours runs there.
void forked() noexcept;

}  // namespace mempool::pressure
