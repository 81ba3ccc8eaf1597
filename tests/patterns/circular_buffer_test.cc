#include "mempool/circular_buffer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using mempool::circular_buffer;

template <class Ring>
std::vector<typename Ring::value_type> contents(const Ring& ring) {
  return {ring.begin(), ring.end()};
}

/// A value that counts how many of it exist, and whose n-th construction from now on throws.
class fragile {
 public:
  explicit fragile(int number) : number_(number) { begin_life(); }
  fragile(const fragile& other) : number_(other.number_) { begin_life(); }
  fragile(fragile&& other) : number_(other.number_) { begin_life(); }
  fragile& operator=(const fragile&) = default;
  fragile& operator=(fragile&&) = default;
  ~fragile() { --alive; }
  int number() const { return number_; }

  static inline int alive = 0;
  static inline int lives_left = -1;  // negative: nothing throws

 private:
  static void begin_life() {
    if (lives_left == 0) throw std::runtime_error("no life left");
    if (lives_left > 0) --lives_left;
    ++alive;
  }
  int number_;
};

// -- What the seed's CircularBuffer does ----------------------------------------------------------------------------

TEST(CircularBuffer, push_returns_nothing_until_it_is_full_and_then_the_oldest) {
  circular_buffer<int> ring{3};
  EXPECT_EQ(ring.push_back(1), std::nullopt);
  EXPECT_EQ(ring.push_back(2), std::nullopt);
  EXPECT_EQ(ring.push_back(3), std::nullopt);
  EXPECT_EQ(ring.push_back(4), 1);
  EXPECT_EQ(ring.push_back(5), 2);
  EXPECT_EQ(contents(ring), (std::vector{3, 4, 5}));
}

TEST(CircularBuffer, pop_takes_the_newest_and_shift_the_oldest) {
  circular_buffer<int> ring{3};
  for (int i : {1, 2, 3, 4}) ring.push_back(i);
  EXPECT_EQ(ring.pop_back(), 4);
  EXPECT_EQ(ring.pop_front(), 2);
  EXPECT_EQ(contents(ring), (std::vector{3}));
}

TEST(CircularBuffer, popping_from_an_empty_one_gives_nothing) {
  circular_buffer<int> ring{3};
  EXPECT_EQ(ring.pop_back(), std::nullopt);
  EXPECT_EQ(ring.pop_front(), std::nullopt);
  ring.push_back(1);
  EXPECT_EQ(ring.pop_front(), 1);
  EXPECT_EQ(ring.pop_front(), std::nullopt);
}

TEST(CircularBuffer, clear_drops_every_element_and_keeps_the_room) {
  circular_buffer<std::string> ring{2};
  for (auto* text : {"a", "b", "c"}) ring.push_back(text);
  ring.clear();
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.capacity(), 2u);
  EXPECT_EQ(ring.push_back("d"), std::nullopt);
  EXPECT_EQ(ring.front(), "d");
}

TEST(CircularBuffer, its_range_is_the_oldest_to_the_newest_like_to_array) {
  circular_buffer<int> ring{4};
  for (int i = 0; i < 10; ++i) ring.push_back(i);
  EXPECT_EQ(contents(ring), (std::vector{6, 7, 8, 9}));
  EXPECT_EQ(ring[0], 6);
  EXPECT_EQ(ring[3], 9);
}

// -- Where the seed fails -------------------------------------------------------------------------------------------

TEST(CircularBuffer, with_capacity_0_evicts_what_it_is_given) {
  circular_buffer<std::string> ring{0};
  EXPECT_EQ(ring.push_back("a"), "a");
  EXPECT_FALSE(ring.try_push_back("a"));
  EXPECT_EQ(ring.size(), 0u);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.full());
  EXPECT_EQ(ring.pop_front(), std::nullopt);
  EXPECT_EQ(ring.pop_back(), std::nullopt);
  EXPECT_EQ(ring.begin(), ring.end());
  EXPECT_TRUE(ring.linearize().empty());
  circular_buffer<int, 0> fixed;
  EXPECT_EQ(fixed.push_back(7), 7);
}

TEST(CircularBuffer, a_negative_capacity_is_refused_with_a_message_that_names_it) {
  try {
    circular_buffer<int> const ring{static_cast<std::size_t>(-1)};
    FAIL() << "there is no such room";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string{error.what()}.find("capacity is 18446744073709551615; allowed: 0 to "), std::string::npos)
        << error.what();
  }
}

TEST(CircularBuffer, evicting_an_empty_value_is_not_the_same_as_evicting_nothing) {
  circular_buffer<std::optional<int>> ring{1};
  EXPECT_FALSE(ring.push_back(std::optional<int>{}).has_value());
  std::optional<std::optional<int>> const evicted = ring.push_back(std::optional<int>{1});
  ASSERT_TRUE(evicted.has_value());
  EXPECT_FALSE(evicted->has_value());
}

TEST(CircularBuffer, says_how_much_it_has_and_how_much_it_can_have) {
  circular_buffer<int> ring{5};
  ring.push_back(1);
  EXPECT_EQ(ring.size(), 1u);
  EXPECT_EQ(ring.capacity(), 5u);
  EXPECT_EQ(ring.bytes(), 5 * sizeof(int));
}

// -- Beyond the seed ------------------------------------------------------------------------------------------------

TEST(CircularBuffer, refuses_when_full_and_leaves_what_was_refused_to_the_caller) {
  circular_buffer<std::unique_ptr<int>> ring{1};
  EXPECT_TRUE(ring.try_push_back(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(ring.try_push_back(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(**ring.pop_front(), 1);
  EXPECT_TRUE(ring.try_push_back(std::move(second)));
  EXPECT_EQ(**ring.pop_back(), 2);
}

TEST(CircularBuffer, takes_an_element_of_its_own_also_the_one_it_evicts) {
  std::string const is_long(100, 'x');
  circular_buffer<std::string> ring{2};
  ring.push_back(is_long);
  ring.push_back("y");
  EXPECT_EQ(ring.push_back(ring.front()), is_long);
  EXPECT_EQ(contents(ring), (std::vector<std::string>{"y", is_long}));
  ring.push_back(std::move(ring.front()));
  EXPECT_EQ(contents(ring), (std::vector<std::string>{is_long, "y"}));
}

TEST(CircularBuffer, shows_its_elements_as_two_spans_and_as_one_after_linearize) {
  for (std::size_t pushes = 0; pushes <= 20; ++pushes)
    for (std::size_t pops = 0; pops <= 7; ++pops) {
      circular_buffer<std::string> ring{7};
      for (std::size_t i = 0; i < pushes; ++i) ring.push_back(std::to_string(i));
      for (std::size_t i = 0; i < pops; ++i) ring.pop_front();
      auto const expected = contents(ring);

      auto const [first, second] = ring.as_spans();
      std::vector<std::string> joined{first.begin(), first.end()};
      joined.insert(joined.end(), second.begin(), second.end());
      ASSERT_EQ(joined, expected);

      auto const whole = ring.linearize();
      ASSERT_EQ(std::vector<std::string>(whole.begin(), whole.end()), expected);
      ASSERT_EQ(contents(ring), expected);
      ASSERT_TRUE(std::as_const(ring).as_spans()[1].empty());
      ASSERT_EQ(ring.try_push_back("more"), expected.size() < 7);
    }
}

static_assert(std::random_access_iterator<circular_buffer<int>::iterator>);
static_assert(std::random_access_iterator<circular_buffer<int>::const_iterator>);
static_assert(std::convertible_to<circular_buffer<int>::iterator, circular_buffer<int>::const_iterator>);
static_assert(!std::convertible_to<circular_buffer<int>::const_iterator, circular_buffer<int>::iterator>);

TEST(CircularBuffer, works_with_algorithms_where_its_elements_wrap) {
  circular_buffer<int> ring{5};
  for (int i : {0, 0, 0, 5, 2, 4, 1, 3}) ring.push_back(i);
  std::sort(ring.begin(), ring.end());
  EXPECT_EQ(contents(ring), (std::vector{1, 2, 3, 4, 5}));
  EXPECT_EQ(std::accumulate(ring.begin(), ring.end(), 0), 15);
  circular_buffer<int>::const_iterator const found = std::find(ring.begin(), ring.end(), 4);
  EXPECT_EQ(found - std::as_const(ring).begin(), 3);
  EXPECT_EQ(found[1], 5);
}

TEST(CircularBuffer, of_fixed_size_is_a_constant_and_holds_no_memory_but_itself) {
  constexpr auto last = [] {
    circular_buffer<int, 4> ring;
    for (int i : {1, 2, 3, 4, 5}) ring.push_back(i);
    return ring;
  }();
  static_assert(last.front() == 2 && last.back() == 5 && last.size() == 4);
  static_assert([] {
    circular_buffer<int, 3> ring;
    for (int i : {1, 2, 3, 4}) ring.push_back(i);
    ring.pop_back();
    return ring.linearize()[0] == 2 && ring.linearize()[1] == 3;
  }());
  EXPECT_LE(sizeof(circular_buffer<int, 4>), 4 * sizeof(int) + 2 * sizeof(std::size_t));

  circular_buffer<std::string, 2> texts;
  texts.push_back("a");
  texts.push_back(std::string(50, 'b'));
  EXPECT_EQ(texts.push_back("c"), "a");
  circular_buffer<std::string, 2> const moved = std::move(texts);
  EXPECT_EQ(contents(moved), (std::vector<std::string>{std::string(50, 'b'), "c"}));
  EXPECT_TRUE(texts.empty());
}

TEST(CircularBuffer, a_copy_is_independent_and_a_move_leaves_nothing_behind) {
  circular_buffer<std::string> ring{2};
  for (auto* text : {"a", "b", "c"}) ring.push_back(text);
  circular_buffer<std::string> copied = ring;
  copied.push_back("d");
  EXPECT_EQ(contents(ring), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(contents(copied), (std::vector<std::string>{"c", "d"}));

  circular_buffer<std::string> moved = std::move(copied);
  EXPECT_EQ(contents(moved), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(copied.capacity(), 0u);
  ring = std::move(moved);
  EXPECT_EQ(contents(ring), (std::vector<std::string>{"c", "d"}));
  circular_buffer<std::string> wider{9};
  wider = ring;
  EXPECT_EQ(wider.capacity(), 2u);
  EXPECT_EQ(contents(wider), contents(ring));
  wider = std::as_const(wider);
  EXPECT_EQ(contents(wider), contents(ring));
}

TEST(CircularBuffer, keeps_its_memory_resource_in_assignments) {
  std::pmr::monotonic_buffer_resource mine;
  using ring_type = circular_buffer<int, std::dynamic_extent, std::pmr::polymorphic_allocator<int>>;
  ring_type ring{3, &mine};
  ring_type other{2, std::pmr::get_default_resource()};
  for (int i : {1, 2, 3}) other.push_back(i);
  ring = std::move(other);  // between unequal resources: the elements move, the memory does not
  EXPECT_EQ(contents(ring), (std::vector{2, 3}));
  EXPECT_TRUE(other.empty());
  ring_type third{1, &mine};
  third = ring;
  EXPECT_EQ(contents(third), (std::vector{2, 3}));
}

// -- Whatever throws ------------------------------------------------------------------------------------------------

TEST(CircularBuffer, a_throw_at_any_construction_leaves_as_many_elements_as_it_says) {
  for (int lives = 0;; ++lives) {
    bool has_thrown = false;
    {
      circular_buffer<fragile> ring{3};
      for (int i : {1, 2, 3, 4}) ring.push_back(fragile{i});
      ring.pop_back();
      fragile const value{9};
      fragile::lives_left = lives;
      try {
        ring.push_back(value);
        ring.push_back(value);
        ring.try_push_back(value);
        ring.pop_front();
        ring.push_back(ring.front());
        ring.pop_back();
        ring.linearize();
        circular_buffer<fragile> const copied = ring;
        ring = copied;
      } catch (const std::runtime_error&) {
        has_thrown = true;
      }
      fragile::lives_left = -1;
      EXPECT_EQ(fragile::alive, static_cast<int>(ring.size()) + 1) << lives;
      EXPECT_LE(ring.size(), ring.capacity());
      for (const fragile& each : ring) EXPECT_GE(each.number(), 1);
    }
    ASSERT_EQ(fragile::alive, 0) << lives;
    if (!has_thrown) break;
  }
}

TEST(CircularBuffer, of_fixed_size_too) {
  for (int lives = 0;; ++lives) {
    bool has_thrown = false;
    {
      circular_buffer<fragile, 3> ring;
      for (int i : {1, 2, 3, 4}) ring.push_back(fragile{i});
      fragile::lives_left = lives;
      try {
        circular_buffer<fragile, 3> copied = ring;
        circular_buffer<fragile, 3> moved = std::move(copied);
        ring = moved;
        copied = std::move(ring);
      } catch (const std::runtime_error&) {
        has_thrown = true;
      }
      fragile::lives_left = -1;
      EXPECT_EQ(fragile::alive, static_cast<int>(ring.size())) << lives;
    }
    ASSERT_EQ(fragile::alive, 0) << lives;
    if (!has_thrown) break;
  }
}

TEST(CircularBuffer, a_copy_that_throws_during_a_push_changes_nothing) {
  circular_buffer<fragile> ring{2};
  for (int i : {1, 2}) ring.push_back(fragile{i});
  fragile const value{3};
  fragile::lives_left = 0;
  EXPECT_THROW(ring.push_back(value), std::runtime_error);
  fragile::lives_left = -1;
  ASSERT_EQ(ring.size(), 2u);
  EXPECT_EQ(ring.front().number(), 1);
  EXPECT_EQ(ring.back().number(), 2);
}

static_assert(noexcept(std::declval<circular_buffer<std::string>&>().push_back(std::string{})));
static_assert(noexcept(std::declval<circular_buffer<int>&>().pop_front()));
static_assert(!noexcept(std::declval<circular_buffer<fragile>&>().pop_front()));

// -- Against a deque ------------------------------------------------------------------------------------------------

RC_GTEST_PROP(CircularBuffer, does_what_a_deque_of_limited_length_does, ()) {
  std::size_t const capacity = *rc::gen::elementOf(std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17});
  auto const operations = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 9));
  circular_buffer<std::string> ring{capacity};
  std::deque<std::string> model;
  int made = 0;
  for (int operation : operations) {
    std::string const value = "value number " + std::to_string(++made);
    if (operation <= 3) {
      std::optional<std::string> expected;
      model.push_back(value);
      if (model.size() > capacity) {
        expected = model.front();
        model.pop_front();
      }
      RC_ASSERT(ring.push_back(value) == expected);
    } else if (operation == 4) {
      bool const has_room = model.size() < capacity;
      if (has_room) model.push_back(value);
      RC_ASSERT(ring.try_push_back(value) == has_room);
    } else if (operation == 5) {
      std::optional<std::string> expected;
      if (!model.empty()) {
        expected = model.front();
        model.pop_front();
      }
      RC_ASSERT(ring.pop_front() == expected);
    } else if (operation == 6) {
      std::optional<std::string> expected;
      if (!model.empty()) {
        expected = model.back();
        model.pop_back();
      }
      RC_ASSERT(ring.pop_back() == expected);
    } else if (operation == 7) {
      auto const whole = ring.linearize();
      RC_ASSERT(std::equal(whole.begin(), whole.end(), model.begin(), model.end()));
    } else {
      circular_buffer<std::string> copied = ring;
      ring = std::move(copied);
    }
    RC_ASSERT(ring.size() == model.size());
    RC_ASSERT(ring.empty() == model.empty());
    RC_ASSERT(ring.full() == (model.size() == capacity));
    RC_ASSERT(std::equal(ring.begin(), ring.end(), model.begin(), model.end()));
    if (!model.empty()) {
      RC_ASSERT(ring.front() == model.front());
      RC_ASSERT(ring.back() == model.back());
    }
  }
}

}  // namespace
