// The library's memory for containers: allocator<T>, resource() for std::pmr, make_pooled, and an arena.
//
// Rule: none of them keeps blocks of its own but the arena. Requests go to operator new rounded up to the size classes
// of libmempool's pools, with the size known at compile time for single objects, and come back to the sized operator
// delete. Linked with the library or under its preload, those are the pools, and the rounding costs nothing, since a
// block of a pool has that size anyway; without, another allocator serves the same calls, at up to twice the bytes.
#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "mempool/reclaim.hpp"

namespace mempool {

/// Bytes of the block that a request gets: a power of two from 16 B to 256 KiB; what is larger is not rounded.
constexpr std::size_t size_class_bytes(std::size_t bytes) noexcept {
  constexpr std::size_t least = 16;
  constexpr std::size_t most = 256 * 1024;
  return bytes > most ? bytes : std::bit_ceil(std::max(bytes, least));
}

namespace detail {

inline void* take_block(std::size_t bytes, std::size_t alignment) {
  std::size_t const size = size_class_bytes(bytes);
  return alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ ? ::operator new(size)
                                                       : ::operator new(size, std::align_val_t{alignment});
}

inline void give_block(void* block, [[maybe_unused]] std::size_t bytes, std::size_t alignment) noexcept {
#ifdef __cpp_sized_deallocation
  std::size_t const size = size_class_bytes(bytes);
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__)
    ::operator delete(block, size);
  else
    ::operator delete(block, size, std::align_val_t{alignment});
#else  // clang before 19, unless it was told -fsized-deallocation
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__)
    ::operator delete(block);
  else
    ::operator delete(block, std::align_val_t{alignment});
#endif
}

}  // namespace detail

/// An allocator for any container. Stateless: all are equal, so containers swap and move without a look at it. Any
/// thread; errors are operator new's, and std::bad_array_new_length where n objects are more than can be.
template <class T>
class allocator {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>>);

 public:
  using value_type = T;
  using is_always_equal = std::true_type;
  using propagate_on_container_copy_assignment = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  constexpr allocator() noexcept = default;
  template <class U>
  constexpr allocator(const allocator<U>&) noexcept {}

  /// Room for n objects, aligned for them; n may be 0.
  [[nodiscard]] T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T))
      throw std::bad_array_new_length{};
    return static_cast<T*>(detail::take_block(n * sizeof(T), alignof(T)));
  }

  /// Room for n objects, and how many fit in the block that is used for them (C++23's allocate_at_least). To be given
  /// back with any number from n to that.
#ifdef __cpp_lib_allocate_at_least
  using allocation_result = std::allocation_result<T*, std::size_t>;
#else
  struct allocation_result {
    T* ptr;
    std::size_t count;
  };
#endif
  [[nodiscard]] allocation_result allocate_at_least(std::size_t n) {
    T* const block = allocate(n);
    return {block, size_class_bytes(n * sizeof(T)) / sizeof(T)};
  }

  void deallocate(T* block, std::size_t n) noexcept { detail::give_block(block, n * sizeof(T), alignof(T)); }

  template <class U>
  constexpr bool operator==(const allocator<U>&) const noexcept {
    return true;
  }
};

/// What std::pmr containers are handed to allocate from here. It lives as long as the process, longer than any static
/// object. Requests with no more than the usual alignment take the short way, which std::pmr::new_delete_resource() of
/// some libraries does not. Any thread.
inline std::pmr::memory_resource* resource() noexcept {
  class pooled_resource final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      return detail::take_block(bytes, alignment);
    }
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
      detail::give_block(block, bytes, alignment);
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  };
  // Without a destructor at exit: other objects' destructors, which run later, may still give back to it.
  alignas(pooled_resource) static std::byte place[sizeof(pooled_resource)];
  static std::pmr::memory_resource* const immortal = ::new (place) pooled_resource;
  return immortal;
}

/// Destroys what make_pooled made. It has to know the exact type, so a pooled_ptr does not convert to one of a base.
template <class T>
struct pooled_delete {
  void operator()(T* object) const noexcept {
    std::destroy_at(object);
    allocator<T>{}.deallocate(object, 1);
  }
};
template <class T>
using pooled_ptr = std::unique_ptr<T, pooled_delete<T>>;

/// A new T in a block whose size class is known at compile time; the pointer is one word. For a shared one:
/// std::allocate_shared<T>(mempool::allocator<T>{}, ...), object and count in one block.
/// Errors: what T's constructor throws (the block is given back), std::bad_alloc.
template <class T, class... Args>
  requires(!std::is_array_v<T> && std::constructible_from<T, Args...>)
[[nodiscard]] pooled_ptr<T> make_pooled(Args&&... args) {
  struct give_back {
    void operator()(T* block) const noexcept { allocator<T>{}.deallocate(block, 1); }
  };
  std::unique_ptr<T, give_back> block(allocator<T>{}.allocate(1));
  std::construct_at(block.get(), std::forward<Args>(args)...);
  return pooled_ptr<T>(block.release());
}

/// Memory that is given back all at once: an allocation is an addition, a deallocation does nothing, and a mark rewinds
/// to where it was taken when its scope ends.
///
///   mempool::arena scratch;
///   for (auto const& request : requests) {
///     auto const mark = scratch.mark();
///     std::pmr::vector<token> tokens{&scratch};
///     ...
///   }  // the next request uses the same memory
///
/// What was allocated after a mark is gone when it rewinds: objects there must be dead by then, which those declared
/// after it are. The blocks stay, and are used again; when memory runs short, those beyond the present position are
/// given back at the next rewind. One thread at a time. Errors: those of the upstream resource.
class arena final : public std::pmr::memory_resource {
  struct alignas(std::max_align_t) block {
    block* next;
    std::size_t bytes;  // this header included
  };

 public:
  /// @param first_bytes  of the first block, taken at the first allocation and rounded up to a size class (least
  ///                     256 B); each further one is twice as large, up to 1 MiB or what a request needs
  /// @param upstream     where blocks come from; std::invalid_argument where it is null
  explicit arena(std::size_t first_bytes = 4096, std::pmr::memory_resource* upstream = resource())
      : upstream_(upstream), next_bytes_(std::clamp(first_bytes, kLeastBlock, kMostRequest)) {
    if (upstream == nullptr) throw std::invalid_argument("arena: upstream is null; allowed: a memory resource");
  }
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;
  ~arena() override {
    assert(marks_ == 0);
    move_to(nullptr, nullptr);
    shrink({.bytes = SIZE_MAX});
  }

  /// Rewinds its arena when it is destroyed. Marks end in the opposite order of their making; an assertion says so.
  class [[nodiscard]] marker {
   public:
    marker(const marker&) = delete;
    marker& operator=(const marker&) = delete;
    ~marker() {
      assert(arena_.marks_ == depth_);
      --arena_.marks_;
      arena_.rewind_to(block_, at_);
    }

   private:
    friend arena;
    explicit marker(arena& owner) noexcept
        : arena_(owner), block_(owner.current_), at_(owner.at_), depth_(++owner.marks_) {}

    arena& arena_;
    block* const block_;
    std::byte* const at_;
    std::size_t const depth_;
  };

  marker mark() noexcept { return marker(*this); }

  /// To the beginning. No mark may be alive.
  void rewind() noexcept {
    assert(marks_ == 0);
    rewind_to(nullptr, nullptr);
  }

  /// Taken from upstream and not given back.
  std::size_t bytes() const noexcept { return held_; }

  struct statistics {
    std::size_t held;    ///< bytes, as bytes() says
    std::size_t in_use;  ///< bytes up to the present position, blocks' headers and unused ends included
    std::size_t blocks;  ///< number
  };
  /// O(blocks), of which there are few: they grow.
  statistics stats() const noexcept {
    statistics sums{held_, 0, 0};
    std::size_t passed = 0;
    for (block const* each = first_; each != nullptr; each = each->next) {
      ++sums.blocks;
      if (each == current_) sums.in_use = passed + each->bytes - static_cast<std::size_t>(end_ - at_);
      passed += each->bytes;
    }
    return sums;
  }

  /// Gives back blocks beyond the present position until it was `request.bytes`; harmless in every pass. Returns bytes.
  std::size_t shrink(const reclaim_request& request) noexcept {
    block** const link = next_link();
    std::size_t given = 0;
    while (*link != nullptr && given < request.bytes) {
      block* const spare = *link;
      std::size_t const size = spare->bytes;
      *link = spare->next;
      upstream_->deallocate(spare, size, alignof(block));
      given += size;
    }
    held_ -= given;
    return given;
  }

 private:
  static constexpr std::size_t kLeastBlock = 256;
  static constexpr std::size_t kMostByDoubling = std::size_t{1} << 20;
  static constexpr std::size_t kMostRequest = SIZE_MAX / 8;  // its sums cannot wrap

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    bytes = std::max<std::size_t>(bytes, 1);  // no null, not even for nothing
    if (void* const carved = carve(bytes, alignment); carved != nullptr) [[likely]]
      return carved;
    next_block(bytes, alignment);
    return carve(bytes, alignment);
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  void* carve(std::size_t bytes, std::size_t alignment) noexcept {
    std::size_t const left = static_cast<std::size_t>(end_ - at_);
    std::size_t const padding = -reinterpret_cast<std::uintptr_t>(at_) & (alignment - 1);
    if (padding > left || bytes > left - padding) return nullptr;
    std::byte* const carved = at_ + padding;
    at_ = carved + bytes;
    return carved;
  }

  /// Moves on to a block that has room: the next one that was kept, or where that is too small a new one before it.
  void next_block(std::size_t bytes, std::size_t alignment) {
    if (bytes > kMostRequest || alignment > kMostRequest) throw std::bad_alloc{};
    std::size_t const needed = sizeof(block) + bytes + (alignment > alignof(block) ? alignment : 0);
    block** const link = next_link();
    if (*link == nullptr || (*link)->bytes < needed) {
      std::size_t const size = size_class_bytes(std::max(needed, next_bytes_));
      *link = ::new (upstream_->allocate(size, alignof(block))) block{*link, size};
      held_ += size;
      next_bytes_ = std::max(next_bytes_, std::min(2 * next_bytes_, kMostByDoubling));
    }
    move_to(*link, reinterpret_cast<std::byte*>(*link) + sizeof(block));
  }

  void rewind_to(block* to, std::byte* at) noexcept {
    move_to(to, at);
    if (reclaim_request asked; poll_.asked(asked)) shrink(asked);
  }
  void move_to(block* to, std::byte* at) noexcept {
    current_ = to;
    at_ = at;
    end_ = to == nullptr ? nullptr : reinterpret_cast<std::byte*>(to) + to->bytes;
  }
  block** next_link() noexcept { return current_ == nullptr ? &first_ : &current_->next; }

  std::pmr::memory_resource* const upstream_;
  block* first_ = nullptr;    // all blocks: those in use, then those kept
  block* current_ = nullptr;  // the last in use; null at the beginning
  std::byte* at_ = nullptr;   // in current_: what follows is free, up to end_
  std::byte* end_ = nullptr;
  std::size_t held_ = 0;
  std::size_t next_bytes_;
  std::size_t marks_ = 0;  // alive
  pressure_poll poll_;
};

}  // namespace mempool
