#include "mempool/stream_processor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using mempool::chunk_limit;
using mempool::footprint;
using mempool::generator;
using mempool::stream_processor;
using mempool::stream_processor_options;

/// Doubles each item, and notes how long the chunks were that it was called with.
struct doubling {
  std::vector<std::size_t>* lengths;
  std::vector<int> operator()(std::span<int> chunk) const {
    lengths->push_back(chunk.size());
    std::vector<int> results;
    for (int item : chunk) results.push_back(2 * item);
    return results;
  }
};

std::vector<int> numbers(int count) {
  std::vector<int> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

/// The lengths of the chunks into which `count` ints are cut.
std::vector<std::size_t> lengths_of(int count, stream_processor_options options) {
  std::vector<std::size_t> lengths;
  stream_processor const processor{doubling{&lengths}, std::move(options)};
  auto const source = numbers(count);
  for ([[maybe_unused]] int result : processor.process(source)) {
  }
  return lengths;
}

using lengths = std::vector<std::size_t>;

// -- What the seed's StreamProcessor does ---------------------------------------------------------------------------

TEST(StreamProcessor, calls_the_function_with_a_chunk_of_at_most_so_many_items_and_with_what_is_left) {
  EXPECT_EQ(lengths_of(10, {.chunk_items = 4}), (lengths{4, 4, 2}));
  EXPECT_EQ(lengths_of(8, {.chunk_items = 4}), (lengths{4, 4}));
  EXPECT_EQ(lengths_of(3, {.chunk_items = 4}), (lengths{3}));
}

TEST(StreamProcessor, hands_on_all_results_in_order) {
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_items = 3}};
  std::vector<int> results;
  for (int result : processor.process(numbers(8))) results.push_back(result);
  EXPECT_EQ(results, (std::vector{0, 2, 4, 6, 8, 10, 12, 14}));
}

TEST(StreamProcessor, closes_a_chunk_whose_items_have_so_many_bytes) {
  EXPECT_EQ(lengths_of(10, {.chunk_bytes = 4 * sizeof(int)}), (lengths{4, 4, 2}));
  EXPECT_EQ(lengths_of(10, {.chunk_bytes = 4 * sizeof(int), .limit = chunk_limit::seed}), (lengths{4, 4, 2}));
}

TEST(StreamProcessor, passes_the_seeds_limit_by_the_last_item_and_not_the_hard_one) {
  EXPECT_EQ(lengths_of(10, {.chunk_bytes = 4 * sizeof(int) - 1}), (lengths{3, 3, 3, 1}));
  EXPECT_EQ(lengths_of(10, {.chunk_bytes = 4 * sizeof(int) - 1, .limit = chunk_limit::seed}), (lengths{4, 4, 2}));
}

TEST(StreamProcessor, with_a_limit_of_0_makes_a_chunk_of_every_item) {
  EXPECT_EQ(lengths_of(3, {.chunk_bytes = 0}), (lengths{1, 1, 1}));
  EXPECT_EQ(lengths_of(3, {.chunk_bytes = 0, .limit = chunk_limit::seed}), (lengths{1, 1, 1}));
  EXPECT_EQ(lengths_of(3, {.chunk_items = 0}), (lengths{1, 1, 1}));
}

TEST(StreamProcessor, never_calls_the_function_for_an_empty_source) { EXPECT_EQ(lengths_of(0, {}), lengths{}); }

generator<int> counted(int count, int& read) {
  for (int i = 0; i < count; ++i) {
    ++read;
    co_yield int{i};
  }
}

TEST(StreamProcessor, reads_nothing_that_was_not_asked_for) {
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_items = 3}};
  int read = 0;
  auto stream = processor.process(counted(100, read));
  EXPECT_EQ(read, 0);
  auto result = stream.begin();
  EXPECT_EQ(read, 3);
  ++result;
  ++result;
  EXPECT_EQ(read, 3);  // the third result belongs to the first chunk
  ++result;
  EXPECT_EQ(read, 6);
  EXPECT_EQ(*result, 6);
}

TEST(StreamProcessor, has_1000_items_and_50_MiB_in_a_chunk_by_default) {
  EXPECT_EQ(lengths_of(2500, {}), (lengths{1000, 1000, 500}));
  EXPECT_EQ(stream_processor_options{}.chunk_bytes, 50u * 1024 * 1024);
}

// -- Where the seed fails -------------------------------------------------------------------------------------------

TEST(StreamProcessor, two_streams_of_one_processor_do_not_share_a_limit) {
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_items = 3}};
  auto first = processor.process(numbers(6));
  auto second = processor.process(numbers(6));
  auto from_first = first.begin();
  auto from_second = second.begin();
  std::vector<int> results;
  for (; from_first != first.end(); ++from_first, ++from_second) {
    results.push_back(*from_first);
    results.push_back(*from_second);
  }
  EXPECT_TRUE(from_second == second.end());
  EXPECT_EQ(results, (std::vector{0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10}));
  EXPECT_EQ(seen, (lengths{3, 3, 3, 3}));
}

TEST(StreamProcessor, the_last_chunk_of_a_stream_leaves_nothing_to_the_next) {
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_bytes = 10 * sizeof(int), .limit = chunk_limit::seed}};
  for (int count : {15, 12})
    for ([[maybe_unused]] int result : processor.process(numbers(count))) {
    }
  EXPECT_EQ(seen, (lengths{10, 5, 10, 2}));
}

TEST(StreamProcessor, a_stream_that_was_left_early_leaves_nothing_to_the_next) {
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_bytes = 10 * sizeof(int)}};
  for ([[maybe_unused]] int result : processor.process(numbers(5))) break;
  seen.clear();
  for ([[maybe_unused]] int result : processor.process(numbers(12))) {
  }
  EXPECT_EQ(seen, (lengths{10, 2}));
}

TEST(StreamProcessor, a_function_that_throws_ends_its_stream_and_no_other) {
  int calls = 0;
  stream_processor const processor{[&calls](std::span<int> chunk) -> std::vector<int> {
                                     if (++calls == 2) throw std::runtime_error("second chunk");
                                     return {chunk.begin(), chunk.end()};
                                   },
                                   {.chunk_items = 4}};
  std::vector<int> results;
  auto const pull = [&] {
    for (int result : processor.process(numbers(10))) results.push_back(result);
  };
  EXPECT_THROW(pull(), std::runtime_error);
  EXPECT_EQ(results, numbers(4));
  results.clear();
  pull();
  EXPECT_EQ(results, numbers(10));
}

TEST(StreamProcessor, a_source_that_throws_does_so_in_the_loop_that_pulls) {
  auto const failing = []() -> generator<int> {
    co_yield 1;
    throw std::runtime_error("no more");
  };
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_items = 1}};
  std::vector<int> results;
  auto const pull = [&] {
    for (int result : processor.process(failing())) results.push_back(result);
  };
  EXPECT_THROW(pull(), std::runtime_error);
  EXPECT_EQ(results, std::vector{2});
}

TEST(StreamProcessor, drops_a_chunk_before_it_reads_the_next) {
  auto const watched = std::make_shared<int>(0);
  std::vector<long> owners;
  auto const source = [&]() -> generator<std::shared_ptr<int>> {
    for (int i = 0; i < 4; ++i) {
      owners.push_back(watched.use_count());
      co_yield std::shared_ptr<int>{watched};
    }
  };
  stream_processor const processor{[](std::span<std::shared_ptr<int>> chunk) { return std::vector{chunk.size()}; },
                                   {.chunk_items = 2}};
  for ([[maybe_unused]] std::size_t length : processor.process(source())) {
  }
  EXPECT_EQ(owners[0], owners[2]);
  EXPECT_EQ(owners[1], owners[3]);
}

// -- Items, sources, results ----------------------------------------------------------------------------------------

TEST(StreamProcessor, carries_an_item_that_did_not_fit_over_to_the_next_chunk_once_and_whole) {
  auto const source = []() -> generator<std::unique_ptr<std::string>> {
    for (int i = 0; i < 5; ++i) co_yield std::make_unique<std::string>(std::to_string(i));
  };
  std::vector<std::size_t> seen;
  stream_processor const processor{[&seen](std::span<std::unique_ptr<std::string>> chunk) {
                                     seen.push_back(chunk.size());
                                     std::vector<std::unique_ptr<std::string>> results;
                                     for (auto& item : chunk) results.push_back(std::move(item));
                                     return results;
                                   },
                                   {.chunk_bytes = 2 * sizeof(void*) + 1}};
  std::string joined;
  for (auto&& result : processor.process(source())) joined += *result;
  EXPECT_EQ(joined, "01234");
  EXPECT_EQ(seen, (lengths{2, 2, 1}));
}

TEST(StreamProcessor, an_item_larger_than_the_limit_is_a_chunk_by_itself) {
  std::vector<std::string> const source{"a", std::string(1000, 'b'), "c", "d"};
  std::vector<std::size_t> seen;
  stream_processor const processor{[&seen](std::span<std::string> chunk) {
                                     seen.push_back(chunk.size());
                                     return std::vector<std::string>(chunk.begin(), chunk.end());
                                   },
                                   {.chunk_bytes = 200}};
  std::vector<std::string> results;
  for (auto&& result : processor.process(source)) results.push_back(std::move(result));
  EXPECT_EQ(results, source);
  EXPECT_EQ(seen, (lengths{1, 1, 2}));
}

TEST(StreamProcessor, pulls_results_one_by_one_out_of_a_function_that_is_a_generator) {
  int made = 0;
  stream_processor const processor{[&made](std::span<int> chunk) -> generator<std::string> {
                                     for (int item : chunk) {
                                       ++made;
                                       co_yield std::to_string(item);
                                     }
                                   },
                                   {.chunk_items = 4}};
  auto stream = processor.process(numbers(6));
  auto result = stream.begin();
  EXPECT_EQ(made, 1);
  std::string joined = *result;
  for (++result; result != stream.end(); ++result) joined += *result;
  EXPECT_EQ(joined, "012345");
}

TEST(StreamProcessor, does_not_steal_from_results_that_belong_to_somebody_else) {
  std::vector<std::string> const kept{std::string(50, 'x')};
  std::vector<std::string> mutable_ones = kept;
  stream_processor const by_reference{
      [&mutable_ones](std::span<int>) -> std::vector<std::string>& { return mutable_ones; }, {}};
  stream_processor const by_view{
      [&mutable_ones](std::span<int>) -> std::span<std::string> { return std::span{mutable_ones}; }, {}};
  for (std::string result : by_reference.process(numbers(1))) EXPECT_EQ(result, kept[0]);
  for (std::string result : by_view.process(numbers(1))) EXPECT_EQ(result, kept[0]);
  EXPECT_EQ(mutable_ones, kept);
}

TEST(StreamProcessor, a_stream_may_outlive_its_processor_and_the_source_it_was_given) {
  std::vector<std::size_t> seen;
  auto stream = stream_processor{doubling{&seen}}.process(std::vector{1, 2, 3});
  int sum = 0;
  for (int result : stream) sum += result;
  EXPECT_EQ(sum, 12);
}

TEST(StreamProcessor, reads_from_an_input_stream) {
  std::istringstream text{"1 2 3 4 5"};
  std::vector<std::size_t> seen;
  stream_processor const processor{doubling{&seen}, {.chunk_items = 2}};
  auto const words = [&text]() -> generator<int> {
    for (int number = 0; text >> number;) co_yield number;
  };
  int sum = 0;
  for (int result : processor.process(words())) sum += result;
  EXPECT_EQ(sum, 30);
  EXPECT_EQ(seen, (lengths{2, 2, 1}));
}

// -- Pressure -------------------------------------------------------------------------------------------------------

TEST(StreamProcessor, chunks_shrink_above_80_percent_and_grow_again_below) {
  std::vector<double> const pressures{0.5, 0.8, 0.9, 0.95, 1.0, 1.2, 0.1};
  std::size_t asked = 0;
  auto const seen = lengths_of(4000, {.chunk_items = 1000, .pressure = [&] {
                                        return pressures[std::min(asked++, pressures.size() - 1)];
                                      }});
  ASSERT_EQ(seen.size(), 8u);
  EXPECT_EQ(seen[0], 1000u);
  EXPECT_EQ(seen[1], 1000u);
  EXPECT_NEAR(static_cast<double>(seen[2]), 500, 1);
  EXPECT_NEAR(static_cast<double>(seen[3]), 250, 1);
  EXPECT_EQ(seen[4], 1u);
  EXPECT_EQ(seen[5], 1u);
  EXPECT_EQ(seen[6], 1000u);
}

TEST(StreamProcessor, the_limit_in_bytes_shrinks_as_well) {
  auto const seen = lengths_of(8, {.chunk_bytes = 8 * sizeof(int), .pressure = [] { return 0.9; }});
  for (std::size_t each : seen) EXPECT_LE(each, 4u);
  EXPECT_LE(seen.size(), 3u);
}

TEST(StreamProcessor, a_pressure_that_is_no_number_is_none) {
  EXPECT_EQ(lengths_of(5, {.chunk_items = 5, .pressure = [] { return std::nan(""); }}), (lengths{5}));
}

TEST(StreamProcessor, huge_limits_are_as_good_as_none_at_any_pressure) {
  for (double pressure : {0.0, 0.8000001, 0.9})
    EXPECT_EQ(lengths_of(5, {.chunk_items = SIZE_MAX, .chunk_bytes = SIZE_MAX, .pressure = [=] { return pressure; }}),
              (lengths{5}));
}

// -- Footprints -----------------------------------------------------------------------------------------------------

struct with_owned_text {
  std::string text;
};
struct weightless {};

}  // namespace

template <>
struct mempool::footprint_of<weightless> {
  std::size_t operator()(const weightless&) const { return 0; }
};

template <>
struct mempool::footprint_of<with_owned_text> {
  std::size_t operator()(const with_owned_text& item) const { return sizeof item + item.text.capacity(); }
};

namespace {

TEST(StreamProcessor, with_a_limit_of_0_makes_a_chunk_of_every_item_that_has_no_bytes_too) {
  for (chunk_limit limit : {chunk_limit::hard, chunk_limit::seed}) {
    lengths seen;
    stream_processor const processor{[&](std::span<weightless> chunk) {
                                       seen.push_back(chunk.size());
                                       return std::vector<int>{};
                                     },
                                     {.chunk_bytes = 0, .limit = limit}};
    for ([[maybe_unused]] int result : processor.process(std::vector<weightless>(3))) {
    }
    EXPECT_EQ(seen, (lengths{1, 1, 1}));
  }
}

TEST(Footprint, of_what_owns_nothing_is_its_size) {
  EXPECT_EQ(footprint(1), sizeof(int));
  EXPECT_EQ(footprint(2.0), sizeof(double));
  EXPECT_EQ(footprint(std::string_view{"a long text that belongs to somebody else"}), sizeof(std::string_view));
  EXPECT_EQ(footprint(std::array<int, 10>{}), 10 * sizeof(int));
  EXPECT_EQ(footprint(std::vector<bool>(1000)), sizeof(std::vector<bool>));
  EXPECT_EQ(footprint(std::filesystem::path{"/a/b"}), sizeof(std::filesystem::path));
}

TEST(Footprint, counts_the_capacity_of_strings_unless_it_lies_within_them) {
  EXPECT_EQ(footprint(std::string{"short"}), sizeof(std::string));
  std::string text(100, 'x');
  text.reserve(500);
  EXPECT_GE(footprint(text), sizeof text + 500);
  EXPECT_LE(footprint(text), sizeof text + text.capacity() + 1);
}

TEST(Footprint, counts_the_room_of_vectors_and_what_their_elements_own) {
  std::vector<int> plain(10);
  plain.reserve(100);
  EXPECT_EQ(footprint(plain), sizeof plain + plain.capacity() * sizeof(int));
  std::vector<std::string> const texts(3, std::string(100, 'x'));
  EXPECT_GE(footprint(texts), sizeof texts + 3 * (sizeof(std::string) + 100));
  std::array<std::string, 2> const within{std::string(100, 'x'), "y"};
  EXPECT_GE(footprint(within), sizeof within + 100);
  EXPECT_LE(footprint(within), sizeof within + 120);
}

TEST(Footprint, counts_nodes_with_their_links_and_both_halves_of_pairs) {
  std::list<int> const nodes{1, 2, 3};
  EXPECT_GE(footprint(nodes), sizeof nodes + 3 * (sizeof(int) + 2 * sizeof(void*)));
  std::map<int, std::string> const tree{{1, std::string(100, 'x')}, {2, std::string(100, 'y')}};
  EXPECT_GE(footprint(tree), sizeof tree + 2 * (sizeof(std::pair<const int, std::string>) + 100));
}

TEST(Footprint, is_what_a_specialisation_says_also_within_containers) {
  with_owned_text const item{std::string(100, 'x')};
  EXPECT_GE(footprint(item), sizeof item + 100);
  std::vector<with_owned_text> const items(2, item);
  EXPECT_GE(footprint(items), sizeof items + 2 * (sizeof item + 100));
}

// -- Over any chunking ----------------------------------------------------------------------------------------------

RC_GTEST_PROP(StreamProcessor, results_do_not_depend_on_the_chunking_and_every_chunk_keeps_its_limits, ()) {
  auto const source = *rc::gen::arbitrary<std::vector<std::string>>();
  auto const chunk_items = *rc::gen::inRange<std::size_t>(0, 20);
  auto const chunk_bytes = *rc::gen::inRange<std::size_t>(0, 500);
  auto const limit = *rc::gen::elementOf(std::vector{chunk_limit::hard, chunk_limit::seed});
  auto const pressures = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 130));

  std::size_t chunks_too_large = 0;
  std::size_t asked = 0;
  stream_processor const processor{
      [&](std::span<std::string> chunk) {
        std::size_t bytes = 0;
        std::size_t without_last = 0;
        for (const std::string& item : chunk) {
          without_last = bytes;
          bytes += footprint(item);
        }
        bool const is_within = limit == chunk_limit::hard ? bytes <= chunk_bytes : without_last < chunk_bytes;
        if (chunk.size() > 1 && (!is_within || chunk.size() > chunk_items)) ++chunks_too_large;
        std::vector<std::string> results;
        for (const std::string& item : chunk) results.push_back(item + "!");
        return results;
      },
      {.chunk_items = chunk_items, .chunk_bytes = chunk_bytes, .limit = limit, .pressure = [&] {
         return pressures.empty() ? 0.0 : pressures[asked++ % pressures.size()] / 100.0;
       }}};

  std::vector<std::string> results;
  for (auto&& result : processor.process(source)) results.push_back(std::move(result));
  std::vector<std::string> expected;
  for (const std::string& item : source) expected.push_back(item + "!");
  RC_ASSERT(results == expected);
  RC_ASSERT(chunks_too_large == 0u);
}

RC_GTEST_PROP(StreamProcessor, a_stream_left_or_failed_anywhere_leaves_the_next_one_whole, (std::vector<int> source)) {
  auto const leave_after = *rc::gen::inRange<std::size_t>(0, source.size() + 1);
  auto const fail_at = *rc::gen::inRange<std::size_t>(0, source.size() + 1);
  std::size_t calls = 0;
  stream_processor const processor{[&](std::span<int> chunk) {
                                     if (calls++ == fail_at) throw std::runtime_error("failed");
                                     return std::vector<int>(chunk.begin(), chunk.end());
                                   },
                                   {.chunk_items = 3}};
  try {
    std::size_t pulled = 0;
    for ([[maybe_unused]] int result : processor.process(source))
      if (pulled++ == leave_after) break;
  } catch (const std::runtime_error&) {
  }
  calls = fail_at + 1;
  std::vector<int> results;
  for (int result : processor.process(source)) results.push_back(result);
  RC_ASSERT(results == source);
}

// -- The generator itself -------------------------------------------------------------------------------------------

static_assert(std::ranges::input_range<generator<int>>);
static_assert(std::ranges::view<generator<int>>);
static_assert(std::ranges::input_range<generator<std::unique_ptr<int>>>);
static_assert(std::same_as<std::ranges::range_reference_t<generator<int>>, int&&>);
static_assert(std::same_as<std::ranges::range_reference_t<generator<const int&>>, const int&>);

TEST(Generator, hands_out_references_to_what_is_yielded_where_it_is_told_to) {
  std::vector<std::string> texts{"a", "b"};
  auto const each = [&texts]() -> generator<std::string&> {
    for (std::string& text : texts) co_yield text;
  };
  for (std::string& text : each()) text += "!";
  EXPECT_EQ(texts, (std::vector<std::string>{"a!", "b!"}));
}

TEST(Generator, copies_a_variable_that_is_yielded_since_the_loop_may_move_from_it) {
  auto const thrice = []() -> generator<std::string> {
    std::string const text(50, 'x');
    std::string changing = text;
    co_yield text;
    co_yield changing;
    co_yield changing;
  };
  std::vector<std::string> taken;
  for (auto&& text : thrice()) taken.push_back(std::move(text));
  EXPECT_EQ(taken, std::vector<std::string>(3, std::string(50, 'x')));
}

TEST(Generator, destroys_what_its_body_holds_when_it_is_left_early) {
  auto const watched = std::make_shared<int>(0);
  auto const endless = [](std::shared_ptr<int> held) -> generator<int> {
    for (;;) co_yield int{*held};
  };
  {
    auto numbers_of_it = endless(watched);
    EXPECT_EQ(watched.use_count(), 2);
    for (int number : numbers_of_it)
      if (number == 0) break;
    EXPECT_EQ(watched.use_count(), 2);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

TEST(Generator, may_be_moved_before_and_after_it_began) {
  auto const three = []() -> generator<int> {
    for (int i = 0; i < 3; ++i) co_yield int{i};
  };
  auto first = three();
  auto second = std::move(first);
  auto at = second.begin();
  EXPECT_EQ(*at, 0);
  second = three();  // the old body is gone, the new one begins
  int sum = 0;
  for (int number : second) sum += number;
  EXPECT_EQ(sum, 3);
}

}  // namespace
