#include "mempool/spsc_ring.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using mempool::spsc_ring;

TEST(SpscRing, hands_elements_over_in_order_and_exactly_as_many_as_its_capacity) {
  spsc_ring<int> ring{3};
  for (int i : {1, 2, 3}) EXPECT_TRUE(ring.try_push(i));
  EXPECT_FALSE(ring.try_push(4));
  EXPECT_EQ(ring.size(), 3u);
  for (int i : {1, 2, 3}) EXPECT_EQ(ring.try_pop(), i);
  EXPECT_EQ(ring.try_pop(), std::nullopt);
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, leaves_what_it_refuses_to_the_caller) {
  spsc_ring<std::unique_ptr<int>> ring{1};
  EXPECT_TRUE(ring.try_push(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(ring.try_push(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(**ring.try_pop(), 1);
  EXPECT_TRUE(ring.try_push(std::move(second)));
}

TEST(SpscRing, with_capacity_0_refuses_everything) {
  spsc_ring<int> ring{0};
  EXPECT_FALSE(ring.try_push(1));
  EXPECT_EQ(ring.try_pop(), std::nullopt);
  EXPECT_EQ(ring.bytes(), 0u);
}

TEST(SpscRing, a_negative_capacity_is_refused_with_a_message_that_names_it) {
  try {
    spsc_ring<int> const ring{static_cast<std::size_t>(-1)};
    FAIL() << "there is no such room";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string{error.what()}.find("capacity is 18446744073709551615"), std::string::npos) << error.what();
  }
}

TEST(SpscRing, destroys_what_was_never_popped) {
  auto const watched = std::make_shared<int>(1);
  {
    spsc_ring<std::shared_ptr<int>> ring{3};
    for (int i = 0; i < 3; ++i) ring.try_push(watched);
    ring.try_pop();
    ring.try_push(watched);
    EXPECT_EQ(watched.use_count(), 4);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw std::runtime_error("copied"); }
  throws_when_copied(throws_when_copied&&) noexcept = default;
};

TEST(SpscRing, a_copy_that_throws_adds_nothing) {
  spsc_ring<throws_when_copied> ring{2};
  throws_when_copied const value{};
  EXPECT_THROW(ring.try_push(value), std::runtime_error);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.try_push(throws_when_copied{}));
  EXPECT_EQ(ring.size(), 1u);
}

// The elements own memory, so a slot that both threads touch at once is an error a sanitizer sees.
TEST(SpscRing, two_threads_hand_over_every_element_once_and_in_order) {
  constexpr int kElements = 20'000;
  for (std::size_t capacity : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}}) {
    spsc_ring<std::unique_ptr<int>> ring{capacity};
    std::thread pushing([&ring] {
      for (int i = 0; i < kElements; ++i) {
        auto element = std::make_unique<int>(i);
        while (!ring.try_push(std::move(element))) std::this_thread::yield();
      }
    });
    int expected = 0;
    int out_of_order = 0;
    while (expected < kElements) {
      auto const popped = ring.try_pop();
      if (!popped) {
        std::this_thread::yield();
        continue;
      }
      out_of_order += **popped != expected;
      ++expected;
    }
    pushing.join();
    EXPECT_EQ(out_of_order, 0);
    EXPECT_TRUE(ring.empty());
  }
}

TEST(SpscRing, its_size_never_exceeds_its_capacity_whoever_asks) {
  spsc_ring<int> ring{4};
  std::atomic<bool> has_ended{false};
  std::size_t largest = 0;
  std::thread asking([&] {
    while (!has_ended) largest = std::max(largest, ring.size());
  });
  std::thread pushing([&] {
    for (int i = 0; i < 20'000;) {
      if (ring.try_push(i))
        ++i;
      else
        std::this_thread::yield();
    }
  });
  for (int i = 0; i < 20'000;) {
    if (ring.try_pop())
      ++i;
    else
      std::this_thread::yield();
  }
  pushing.join();
  has_ended = true;
  asking.join();
  EXPECT_LE(largest, 4u);
}

RC_GTEST_PROP(SpscRing, does_what_a_deque_of_limited_length_does, ()) {
  std::size_t const capacity = *rc::gen::elementOf(std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 7, 8, 9});
  auto const pushes = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 2));
  spsc_ring<std::string> ring{capacity};
  std::deque<std::string> model;
  int made = 0;
  for (int const is_push : pushes) {
    if (is_push == 1) {
      std::string const value = "value number " + std::to_string(++made);
      bool const has_room = model.size() < capacity;
      if (has_room) model.push_back(value);
      RC_ASSERT(ring.try_push(value) == has_room);
    } else {
      std::optional<std::string> expected;
      if (!model.empty()) {
        expected = model.front();
        model.pop_front();
      }
      RC_ASSERT(ring.try_pop() == expected);
    }
    RC_ASSERT(ring.size() == model.size());
  }
}

}  // namespace
