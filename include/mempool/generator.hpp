// mempool::generator<R>: values made one at a time, when asked for. It is std::generator<R> where the library has that
// (C++23); elsewhere this one, which does of it what streams need: yield values or references, be iterated once.
//
//   mempool::generator<int> count(int to) { for (int i = 0; i < to; ++i) co_yield i; }
//   for (int i : count(3)) ...
//
// The meaning of R is the standard's ([coro.generator]): a plain R hands out R&&, so that a loop may move from what it
// gets. An exception in the body leaves through the loop's ++ or begin(). Not here: elements_of, allocators for frames.
#pragma once

#include <version>

#ifdef __cpp_lib_generator

#include <generator>

namespace mempool {
template <class R>
using generator = std::generator<R>;
}

#else

// Clang 14 implements coroutines, and libstdc++ 12 asks for the macro by which later versions say so.
#if defined(__clang__) && defined(__cpp_coroutines) && !defined(__cpp_impl_coroutine)
#define __cpp_impl_coroutine 201902L
#endif

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace mempool {

/// A coroutine's values as an input range. Move-only; begin() may be called once, and starts the body. Destroying it
/// destroys what the body holds, wherever that stands. Not thread-safe. Cost: one allocation, its frame; an indirect
/// call for each value.
template <class R>
class [[nodiscard]] generator : public std::ranges::view_base {
 public:
  using value_type = std::remove_cvref_t<R>;
  using reference = std::conditional_t<std::is_reference_v<R>, R, R&&>;

  class promise_type;
  class iterator;

  generator(generator&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  generator& operator=(generator other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~generator() {
    if (frame_) frame_.destroy();
  }

  iterator begin() {
    frame_.resume();
    return iterator(frame_);
  }
  std::default_sentinel_t end() const noexcept { return std::default_sentinel; }

 private:
  using handle = std::coroutine_handle<promise_type>;
  explicit generator(handle frame) noexcept : frame_(frame) {}

  handle frame_;
};

template <class R>
class generator<R>::promise_type {
 public:
  generator get_return_object() noexcept { return generator(handle::from_promise(*this)); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  void return_void() const noexcept {}
  void unhandled_exception() const { throw; }
  void await_transform() = delete;  // a generator yields; it waits for nothing

  /// What is yielded lives until the body goes on, so its address will do.
  std::suspend_always yield_value(reference yielded) noexcept {
    value_ = std::addressof(yielded);
    return {};
  }
  /// An lvalue of the body's own is copied: the loop may move from what it gets.
  auto yield_value(const value_type& yielded)
    requires std::is_rvalue_reference_v<reference> && std::constructible_from<value_type, const value_type&>
  {
    return copy_in_frame{yielded, this};
  }

 private:
  friend iterator;

  struct copy_in_frame {
    value_type copy;
    promise_type* promise;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { promise->value_ = std::addressof(copy); }
    void await_resume() const noexcept {}
  };

  std::remove_reference_t<reference>* value_ = nullptr;
};

template <class R>
class generator<R>::iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = std::remove_cvref_t<R>;
  using difference_type = std::ptrdiff_t;

  reference operator*() const noexcept { return static_cast<reference>(*frame_.promise().value_); }
  iterator& operator++() {
    frame_.resume();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const iterator& it, std::default_sentinel_t) noexcept { return it.frame_.done(); }

 private:
  friend generator;
  explicit iterator(handle frame) noexcept : frame_(frame) {}

  handle frame_;
};

}  // namespace mempool

#endif
