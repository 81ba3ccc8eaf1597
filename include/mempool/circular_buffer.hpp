// The last n of something: a ring of fixed capacity that, when full, overwrites its oldest element or refuses.
//
//   mempool::circular_buffer<double> last{1'000};
//   if (std::optional<double> const evicted = last.push_back(3.14)) sum -= *evicted;
//
// Rule: what is kept is the slot of the oldest element and how many there are. So a push, whether there is room or it
// overwrites, writes one of the two. Nothing divides; a slot wraps by a comparison that is nearly always false.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <compare>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace mempool {

/// A ring of at most `capacity()` elements, oldest first. With N given it holds no memory but itself, and is constexpr
/// where T is trivial; without, the capacity is the constructor's, and one block from Alloc is held to the end. Alloc
/// is for that block alone (elements are not handed it) and stays with its buffer in assignments.
///
/// A capacity of 0 is legal: such a buffer refuses, or evicts at once, whatever it is given. Not thread-safe (spsc_ring
/// is). Pushes and pops are O(1), allocate nothing, and do not throw where T's move constructor does not; where it
/// does, the buffer keeps as many elements as it says. A pop or an eviction at the front invalidates no reference to
/// another element; iterators count from the front.
template <class T, std::size_t N = std::dynamic_extent, class Alloc = std::allocator<T>>
class circular_buffer {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>> && std::is_move_constructible_v<T>,
                "elements are objects that can be moved: pops return them by value");

  static constexpr bool kIsFixed = N != std::dynamic_extent;
  static constexpr bool kMovesQuietly = std::is_nothrow_move_constructible_v<T>;
  static constexpr bool kCopiesQuietly = kMovesQuietly && std::is_nothrow_copy_constructible_v<T>;

  template <bool IsConst>
  class basic_iterator;

 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using allocator_type = Alloc;
  using iterator = basic_iterator<false>;
  using const_iterator = basic_iterator<true>;

  /// Room for N elements; without N, for none.
  circular_buffer() = default;

  /// Room for `capacity` elements, allocated here and never again.
  /// Errors: std::invalid_argument above PTRDIFF_MAX bytes of elements; what Alloc throws.
  constexpr explicit circular_buffer(std::size_t capacity, const Alloc& alloc = Alloc())
    requires(!kIsFixed)
      : slots_(checked(capacity), alloc) {}

  /// The same elements and capacity. O(n).
  constexpr circular_buffer(const circular_buffer& other)
    requires std::copy_constructible<T>
      : circular_buffer(same_room{}, other) {
    for (const T& element : other) append(element);
  }
  /// Leaves `other` empty; without N, with capacity 0. O(1), with N O(n).
  constexpr circular_buffer(circular_buffer&& other) noexcept(!kIsFixed || kMovesQuietly)
      : circular_buffer(taken_room{}, other) {
    if constexpr (kIsFixed) {
      for (T& element : other) append(std::move(element));
      other.clear();
    } else {
      head_ = std::exchange(other.head_, 0);
      size_ = std::exchange(other.size_, 0);
    }
  }
  /// Takes over the capacity, too. With N the basic guarantee, without the strong one.
  constexpr circular_buffer& operator=(const circular_buffer& other)
    requires std::copy_constructible<T>
  {
    if (this == &other) return *this;
    if constexpr (kIsFixed) {
      clear();
      for (const T& element : other) append(element);
    } else {
      circular_buffer copied(other.capacity(), slots_.alloc);
      for (const T& element : other) copied.append(element);
      exchange_rooms(copied);
    }
    return *this;
  }
  constexpr circular_buffer& operator=(circular_buffer&& other) noexcept(
      kIsFixed ? kMovesQuietly : std::allocator_traits<Alloc>::is_always_equal::value) {
    if (this == &other) return *this;
    if constexpr (kIsFixed) {
      clear();
      for (T& element : other) append(std::move(element));
      other.clear();
    } else if (slots_.alloc == other.slots_.alloc) {
      circular_buffer taken(std::move(other));
      exchange_rooms(taken);
    } else {
      circular_buffer moved(other.capacity(), slots_.alloc);
      for (T& element : other) moved.append(std::move(element));
      exchange_rooms(moved);
      other.clear();
    }
    return *this;
  }
  constexpr ~circular_buffer() { clear(); }

  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr bool full() const noexcept { return size_ == capacity(); }
  constexpr std::size_t capacity() const noexcept {
    if constexpr (kIsFixed)
      return N;
    else
      return slots_.count;
  }
  /// Held for the elements, whether there are any or not; what they own themselves is not counted.
  constexpr std::size_t bytes() const noexcept { return capacity() * sizeof(T); }

  /// Adds the newest element. When full, the oldest makes way and is returned; with capacity 0 that is `value` itself.
  /// Where T's copy throws, nothing has changed. `value` may be an element of this buffer.
  constexpr std::optional<T> push_back(const T& value) noexcept(kCopiesQuietly)
    requires std::copy_constructible<T>
  {
    return overwrite(value);
  }
  constexpr std::optional<T> push_back(T&& value) noexcept(kMovesQuietly) { return overwrite(std::move(value)); }

  /// Adds the newest element, or returns false and leaves buffer and `value` alone when full.
  constexpr bool try_push_back(const T& value) noexcept(kCopiesQuietly)
    requires std::copy_constructible<T>
  {
    if (full()) return false;
    append(value);
    return true;
  }
  constexpr bool try_push_back(T&& value) noexcept(kMovesQuietly) {
    if (full()) return false;
    append(std::move(value));
    return true;
  }

  /// Removes the oldest element and returns it; nothing when empty.
  constexpr std::optional<T> pop_front() noexcept(kMovesQuietly) {
    std::optional<T> popped;
    if (empty()) return popped;
    popped.emplace(std::move(front()));
    drop_front();
    return popped;
  }
  /// Removes the newest element and returns it; nothing when empty.
  constexpr std::optional<T> pop_back() noexcept(kMovesQuietly) {
    std::optional<T> popped;
    if (empty()) return popped;
    T& newest = back();
    popped.emplace(std::move(newest));
    destroy(newest);
    --size_;
    return popped;
  }
  /// Destroys the elements: O(n), O(1) where that is trivial. The room stays.
  constexpr void clear() noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>)
      while (!empty()) drop_front();
    head_ = size_ = 0;
  }

  /// The oldest, the newest, the i-th oldest. Undefined where there is none.
  constexpr T& front() noexcept { return slots_.data()[checked_head()]; }
  constexpr const T& front() const noexcept { return slots_.data()[checked_head()]; }
  constexpr T& back() noexcept { return (*this)[size_ - 1]; }
  constexpr const T& back() const noexcept { return (*this)[size_ - 1]; }
  constexpr T& operator[](std::size_t i) noexcept { return slots_.data()[checked_slot(i)]; }
  constexpr const T& operator[](std::size_t i) const noexcept { return slots_.data()[checked_slot(i)]; }

  constexpr iterator begin() noexcept { return iterator(*this, 0); }
  constexpr iterator end() noexcept { return iterator(*this, size()); }
  constexpr const_iterator begin() const noexcept { return const_iterator(*this, 0); }
  constexpr const_iterator end() const noexcept { return const_iterator(*this, size()); }

  /// The elements where they lie, oldest first: for writev, or for loops faster than by iterators. The second span is
  /// empty unless the elements wrap round the end of the storage.
  constexpr std::array<std::span<T>, 2> as_spans() noexcept {
    return {std::span<T>{slots_.data() + head_, length_of_first()},
            std::span<T>{slots_.data(), size_ - length_of_first()}};
  }
  constexpr std::array<std::span<const T>, 2> as_spans() const noexcept {
    return {std::span<const T>{slots_.data() + head_, length_of_first()},
            std::span<const T>{slots_.data(), size_ - length_of_first()}};
  }

  /// Moves elements until all lie in one piece, and returns that. O(n) where they wrap, else O(1). A move that throws
  /// leaves every element in the buffer, in another order.
  constexpr std::span<T> linearize() noexcept(kMovesQuietly && std::is_nothrow_swappable_v<T>)
    requires std::movable<T>
  {
    std::size_t const first = length_of_first();
    if (first == size_) return as_spans()[0];
    // The unused slots lie between the two parts. Passing the first part through the tail, one at a time, closes them.
    if (!full())
      for (std::size_t i = 0; i < first; ++i) {
        append(std::move(front()));
        drop_front();
      }
    std::rotate(slots_.data(), slots_.data() + (size_ - first), slots_.data() + size_);
    head_ = 0;
    return {slots_.data(), size_};
  }

 private:
  struct same_room {};
  struct taken_room {};

  // Trivial elements may exist before they are pushed, which is what a constant expression needs.
  struct trivial_slots {
    T elements[N == 0 ? 1 : N]{};
    constexpr T* data() noexcept { return elements; }
    constexpr const T* data() const noexcept { return elements; }
  };
  struct raw_slots {
    alignas(T) std::byte storage[sizeof(T) * (N == 0 ? 1 : N)];
    T* data() noexcept { return reinterpret_cast<T*>(storage); }
    const T* data() const noexcept { return reinterpret_cast<const T*>(storage); }
  };
  struct heap_slots {
    using traits = std::allocator_traits<Alloc>;
    static_assert(std::is_same_v<typename traits::pointer, T*>, "Alloc allocates T, and its pointers are plain ones");

    heap_slots() = default;
    constexpr heap_slots(std::size_t capacity, const Alloc& with)
        : alloc(with), at(capacity == 0 ? nullptr : traits::allocate(alloc, capacity)), count(capacity) {}
    constexpr heap_slots(heap_slots&& other) noexcept
        : alloc(other.alloc), at(std::exchange(other.at, nullptr)), count(std::exchange(other.count, 0)) {}
    heap_slots& operator=(heap_slots&&) = delete;
    constexpr ~heap_slots() {
      if (at != nullptr) traits::deallocate(alloc, at, count);
    }
    constexpr T* data() noexcept { return at; }
    constexpr const T* data() const noexcept { return at; }

    [[no_unique_address]] Alloc alloc{};
    T* at = nullptr;
    std::size_t count = 0;
  };
  static constexpr bool kIsTrivial = std::is_trivially_default_constructible_v<T> && std::is_trivially_copyable_v<T>;
  using slots = std::conditional_t<!kIsFixed, heap_slots, std::conditional_t<kIsTrivial, trivial_slots, raw_slots>>;

  // Constructors to delegate to: when the copying of elements throws then, the destructor runs.
  constexpr circular_buffer(same_room, const circular_buffer& other) : slots_(room_like(other)) {}
  constexpr circular_buffer(taken_room, circular_buffer& other) noexcept : slots_(room_from(other)) {}
  static constexpr slots room_like([[maybe_unused]] const circular_buffer& other) {
    if constexpr (kIsFixed)
      return {};
    else
      return slots(other.capacity(), heap_slots::traits::select_on_container_copy_construction(other.slots_.alloc));
  }
  static constexpr slots room_from([[maybe_unused]] circular_buffer& other) noexcept {
    if constexpr (kIsFixed)
      return {};
    else
      return slots(std::move(other.slots_));
  }
  /// Between buffers whose allocators are equal.
  constexpr void exchange_rooms(circular_buffer& other) noexcept {
    std::swap(slots_.at, other.slots_.at);
    std::swap(slots_.count, other.slots_.count);
    std::swap(head_, other.head_);
    std::swap(size_, other.size_);
  }

  static constexpr std::size_t checked(std::size_t capacity) {
    constexpr std::size_t most = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T);
    if (capacity > most)
      throw std::invalid_argument("circular_buffer: capacity is " + std::to_string(capacity) + "; allowed: 0 to " +
                                  std::to_string(most));
    return capacity;
  }

  constexpr std::size_t after(std::size_t slot) const noexcept {
    if (++slot == capacity()) [[unlikely]]
      slot = 0;
    return slot;
  }
  /// Of the i-th oldest element, or where the next one will be; the capacity is not 0.
  constexpr std::size_t slot_of(std::size_t i) const noexcept {
    std::size_t slot = head_ + i;
    if (slot >= capacity()) [[unlikely]]
      slot -= capacity();
    return slot;
  }
  constexpr std::size_t length_of_first() const noexcept { return std::min(size_, capacity() - head_); }

  constexpr std::size_t checked_head() const noexcept {
    assert(!empty());
    return head_;
  }
  constexpr std::size_t checked_slot(std::size_t i) const noexcept {
    assert(i < size_);
    return slot_of(i);
  }

  /// A trivial element stays alive instead: a constant may not hold a dead one.
  static constexpr void destroy(T& element) noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) std::destroy_at(std::addressof(element));
  }
  /// Requires that there is room.
  template <class Value>
  constexpr void append(Value&& value) {
    std::construct_at(slots_.data() + slot_of(size_), std::forward<Value>(value));
    ++size_;
  }
  /// Requires that there is an element.
  constexpr void drop_front() noexcept {
    destroy(front());
    head_ = after(head_);
    --size_;
  }
  template <class Value>
  constexpr std::optional<T> overwrite(Value&& value) {
    std::optional<T> evicted;
    if (!full()) {
      append(std::forward<Value>(value));
      return evicted;
    }
    if constexpr (kMovesQuietly && std::is_nothrow_constructible_v<T, Value&&>) {
      // The newest element lies where the oldest did. Its making reads `value`, which must not be that very element.
      if (capacity() != 0 && std::addressof(value) != std::addressof(front())) [[likely]] {
        T& oldest = front();
        evicted.emplace(std::move(oldest));
        destroy(oldest);
        std::construct_at(std::addressof(oldest), std::forward<Value>(value));
        head_ = after(head_);
        return evicted;
      }
    }
    // Made before anything is evicted: this may throw, and `value` may lie in the slot that is about to be freed.
    T fresh(std::forward<Value>(value));
    if (capacity() == 0) {
      evicted.emplace(std::move(fresh));
      return evicted;
    }
    evicted.emplace(std::move(front()));
    drop_front();
    append(std::move(fresh));
    return evicted;
  }

  slots slots_;
  std::size_t head_ = 0;  // slot of the oldest element
  std::size_t size_ = 0;
};

template <class T, std::size_t N, class Alloc>
template <bool IsConst>
class circular_buffer<T, N, Alloc>::basic_iterator {
  using owner_type = std::conditional_t<IsConst, const circular_buffer, circular_buffer>;

 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using reference = std::conditional_t<IsConst, const T&, T&>;
  using pointer = std::remove_reference_t<reference>*;

  constexpr basic_iterator() noexcept = default;
  template <bool OtherIsConst>
    requires(IsConst && !OtherIsConst)
  constexpr basic_iterator(const basic_iterator<OtherIsConst>& other) noexcept
      : owner_(other.owner_), index_(other.index_) {}

  constexpr reference operator*() const noexcept { return (*owner_)[index_]; }
  constexpr pointer operator->() const noexcept { return std::addressof((*owner_)[index_]); }
  constexpr reference operator[](difference_type n) const noexcept { return *(*this + n); }

  constexpr basic_iterator& operator++() noexcept { return *this += 1; }
  constexpr basic_iterator& operator--() noexcept { return *this -= 1; }
  constexpr basic_iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
  constexpr basic_iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
  constexpr basic_iterator& operator+=(difference_type n) noexcept {
    index_ += static_cast<std::size_t>(n);
    return *this;
  }
  constexpr basic_iterator& operator-=(difference_type n) noexcept {
    index_ -= static_cast<std::size_t>(n);
    return *this;
  }
  friend constexpr basic_iterator operator+(basic_iterator it, difference_type n) noexcept { return it += n; }
  friend constexpr basic_iterator operator+(difference_type n, basic_iterator it) noexcept { return it += n; }
  friend constexpr basic_iterator operator-(basic_iterator it, difference_type n) noexcept { return it -= n; }
  friend constexpr difference_type operator-(const basic_iterator& a, const basic_iterator& b) noexcept {
    return static_cast<difference_type>(a.index_ - b.index_);
  }
  friend constexpr bool operator==(const basic_iterator& a, const basic_iterator& b) noexcept {
    return a.index_ == b.index_;
  }
  friend constexpr std::strong_ordering operator<=>(const basic_iterator& a, const basic_iterator& b) noexcept {
    return a.index_ <=> b.index_;
  }

 private:
  friend circular_buffer;
  friend class basic_iterator<!IsConst>;
  constexpr basic_iterator(owner_type& owner, std::size_t index) noexcept : owner_(&owner), index_(index) {}

  owner_type* owner_ = nullptr;
  std::size_t index_ = 0;  // from the oldest element
};

}  // namespace mempool
