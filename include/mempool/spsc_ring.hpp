// A queue of fixed capacity between one thread that pushes and one that pops, without a lock.
//
// Rule: what a side writes lies on a line of its own, and each side remembers what it last saw of the other. So a push
// touches the popping side's line only when the ring looks full, and a pop the pushing side's only when it looks empty:
// as long as neither catches up, the two threads exchange lines of elements and nothing else.
//
// The remembered count is from E. Rigtorp's SPSCQueue (2018); ours keeps the capacity exact, and the slot beside the
// count, so that nothing is divided.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace mempool {

/// At any time at most one thread calls try_push, and at most one try_pop; either role may pass to another thread where
/// something else orders the two (a join, a lock). Neither call waits, locks or allocates: both are O(1). Construction
/// and destruction are for when no other thread uses the ring. It holds one block from Alloc for its whole life, and so
/// has nothing to give back when memory runs short. A capacity of 0 is legal: every push is refused. In a fork child
/// the side whose thread is missing stands still.
template <class T, class Alloc = std::allocator<T>>
class spsc_ring {
  using traits = std::allocator_traits<Alloc>;
  static_assert(std::is_same_v<typename traits::pointer, T*>, "Alloc allocates T, and its pointers are plain ones");
  static_assert(std::is_move_constructible_v<T>, "elements can be moved: a pop returns them by value");

 public:
  using value_type = T;

  /// Errors: std::invalid_argument above PTRDIFF_MAX bytes of elements; what Alloc throws.
  explicit spsc_ring(std::size_t capacity, const Alloc& alloc = Alloc())
      : alloc_(alloc),
        capacity_(checked(capacity)),
        slots_(capacity == 0 ? nullptr : traits::allocate(alloc_, capacity)) {}
  spsc_ring(const spsc_ring&) = delete;
  spsc_ring& operator=(const spsc_ring&) = delete;
  ~spsc_ring() {
    for (std::size_t left = size(); left != 0; --left) {
      std::destroy_at(slots_ + consumer_.slot);
      consumer_.slot = after(consumer_.slot);
    }
    if (slots_ != nullptr) traits::deallocate(alloc_, slots_, capacity_);
  }

  /// The pushing thread: adds an element, or returns false and leaves `value` alone when the ring is full. Where T's
  /// constructor throws, nothing was added.
  bool try_push(const T& value) noexcept(std::is_nothrow_copy_constructible_v<T>)
    requires std::copy_constructible<T>
  {
    return push(value);
  }
  bool try_push(T&& value) noexcept(std::is_nothrow_move_constructible_v<T>) { return push(std::move(value)); }

  /// The popping thread: removes the oldest element and returns it; nothing when the ring is empty. Where T's move
  /// throws, the element stays.
  std::optional<T> try_pop() noexcept(std::is_nothrow_move_constructible_v<T>) {
    std::size_t const pops = consumer_.count.load(std::memory_order_relaxed);
    if (pops == consumer_.seen) {
      consumer_.seen = producer_.count.load(std::memory_order_acquire);
      if (pops == consumer_.seen) return std::nullopt;
    }
    return pop(pops);
  }

  std::size_t capacity() const noexcept { return capacity_; }
  /// Exact where neither thread is at work; else what it was a moment ago. Any thread.
  std::size_t size() const noexcept {
    std::size_t const pops = consumer_.count.load(std::memory_order_acquire);
    return std::min(producer_.count.load(std::memory_order_acquire) - pops, capacity_);
  }
  bool empty() const noexcept { return size() == 0; }
  /// Held for the elements, whether there are any or not; what they own themselves is not counted. Any thread.
  std::size_t bytes() const noexcept { return capacity_ * sizeof(T); }

 private:
  // A line of x86 and its neighbour, which is fetched with it; one line of Apple's processors.
  static constexpr std::size_t kLine = 128;

  struct alignas(kLine) side {
    std::atomic<std::size_t> count{0};  // pushes or pops so far: written here, read by the other side
    std::size_t seen = 0;               // the other side's count when last looked at
    std::size_t slot = 0;               // count modulo capacity
  };

  static std::size_t checked(std::size_t capacity) {
    constexpr std::size_t most = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T);
    if (capacity > most)
      throw std::invalid_argument("spsc_ring: capacity is " + std::to_string(capacity) + "; allowed: 0 to " +
                                  std::to_string(most));
    return capacity;
  }

  std::size_t after(std::size_t slot) const noexcept {
    if (++slot == capacity_) [[unlikely]]
      slot = 0;
    return slot;
  }

  template <class Value>
  bool push(Value&& value) {
    std::size_t const pushes = producer_.count.load(std::memory_order_relaxed);
    if (pushes - producer_.seen == capacity_) {
      producer_.seen = consumer_.count.load(std::memory_order_acquire);
      if (pushes - producer_.seen == capacity_) return false;
    }
    std::size_t const slot = producer_.slot;
    std::construct_at(slots_ + slot, std::forward<Value>(value));
    producer_.slot = after(slot);
    producer_.count.store(pushes + 1, std::memory_order_release);
    return true;
  }

  /// Requires that there is an element. Apart from try_pop, so that the optional is full from its birth and made where
  /// the caller has it: one that is filled later was kept in memory, and the next load waited for its stores.
  std::optional<T> pop(std::size_t pops) {
    std::size_t const slot = consumer_.slot;
    std::optional<T> popped{std::in_place, std::move(slots_[slot])};
    std::destroy_at(slots_ + slot);
    consumer_.slot = after(slot);
    consumer_.count.store(pops + 1, std::memory_order_release);
    return popped;
  }

  [[no_unique_address]] Alloc alloc_;
  std::size_t const capacity_;
  T* const slots_;
  side producer_;
  side consumer_;
};

}  // namespace mempool
