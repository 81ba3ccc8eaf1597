#include "mempool/allocator.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using mempool::allocator;
using mempool::arena;
using mempool::size_class_bytes;

bool is_aligned(const void* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

/// Counts what is taken from it, and refuses the n-th request from now on.
class counting_resource final : public std::pmr::memory_resource {
 public:
  std::size_t held = 0;
  std::size_t blocks = 0;
  int requests_left = -1;  // negative: none is refused

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (requests_left == 0) throw std::bad_alloc{};
    if (requests_left > 0) --requests_left;
    void* const block = std::pmr::new_delete_resource()->allocate(bytes, alignment);
    held += bytes;
    ++blocks;
    return block;
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    held -= bytes;
    --blocks;
    std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

// -- Size classes and the allocator ---------------------------------------------------------------------------------

static_assert(size_class_bytes(0) == 16);
static_assert(size_class_bytes(16) == 16);
static_assert(size_class_bytes(17) == 32);
static_assert(size_class_bytes(256 * 1024) == 256 * 1024);
static_assert(size_class_bytes(256 * 1024 + 1) == 256 * 1024 + 1, "what no class holds is not rounded");
static_assert(size_class_bytes(SIZE_MAX) == SIZE_MAX);

static_assert(std::is_empty_v<allocator<int>>);
static_assert(std::allocator_traits<allocator<int>>::is_always_equal::value);
static_assert(allocator<int>{} == allocator<std::string>{});

TEST(Allocator, serves_every_kind_of_container) {
  std::vector<int, allocator<int>> numbers;
  std::list<std::string, allocator<std::string>> texts;
  std::map<int, int, std::less<>, allocator<std::pair<const int, int>>> tree;
  std::unordered_map<int, int, std::hash<int>, std::equal_to<>, allocator<std::pair<const int, int>>> table;
  std::basic_string<char, std::char_traits<char>, allocator<char>> text;
  for (int i = 0; i < 1000; ++i) {
    numbers.push_back(i);
    texts.push_back(std::to_string(i));
    tree[i] = i;
    table[i] = i;
    text += 'x';
  }
  EXPECT_EQ(numbers.back(), 999);
  EXPECT_EQ(texts.back(), "999");
  EXPECT_EQ(tree.at(500), 500);
  EXPECT_EQ(table.at(500), 500);
  EXPECT_EQ(text.size(), 1000u);
  auto moved = std::move(tree);
  tree = moved;
  EXPECT_EQ(tree.size(), 1000u);
}

TEST(Allocator, aligns_what_asks_for_more_than_usual) {
  struct alignas(128) line {
    char bytes[128];
  };
  std::vector<line, allocator<line>> lines(3);
  EXPECT_TRUE(is_aligned(lines.data(), 128));
  auto const single = mempool::make_pooled<line>();
  EXPECT_TRUE(is_aligned(single.get(), 128));
}

TEST(Allocator, at_least_says_how_much_fits_and_all_of_it_may_be_used) {
  allocator<int> ints;
  for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{1000}, std::size_t{100'000}}) {
    auto const [block, count] = ints.allocate_at_least(n);
    EXPECT_GE(count, n);
    std::fill_n(block, count, 1);
    ints.deallocate(block, (n + count) / 2);  // any number from n to count
  }
  auto const [block, count] = ints.allocate_at_least(5);
  EXPECT_EQ(count, 8u);
  ints.deallocate(block, count);
}

TEST(Allocator, refuses_more_objects_than_there_can_be) {
  allocator<int> ints;
  EXPECT_THROW(static_cast<void>(ints.allocate(SIZE_MAX / 2)), std::bad_array_new_length);
}

TEST(Allocator, a_shared_object_and_its_count_are_one_allocation) {
  auto const shared = std::allocate_shared<std::string>(allocator<std::string>{}, "text");
  EXPECT_EQ(*shared, "text");
}

// -- make_pooled ----------------------------------------------------------------------------------------------------

static_assert(sizeof(mempool::pooled_ptr<int>) == sizeof(int*));

TEST(MakePooled, owns_an_object_until_its_pointer_ends) {
  auto const watched = std::make_shared<int>(1);
  {
    auto const pooled = mempool::make_pooled<std::shared_ptr<int>>(watched);
    EXPECT_EQ(**pooled, 1);
    EXPECT_EQ(watched.use_count(), 2);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

// A leak here is one that a sanitizer sees.
TEST(MakePooled, gives_the_block_back_when_the_constructor_throws) {
  struct failing {
    explicit failing(int) { throw std::runtime_error("failing"); }
    char bytes[100];
  };
  EXPECT_THROW(static_cast<void>(mempool::make_pooled<failing>(1)), std::runtime_error);
}

struct base {
  virtual ~base() = default;
};
struct derived : base {
  char more[100];
};
static_assert(!std::is_convertible_v<mempool::pooled_ptr<derived>, mempool::pooled_ptr<base>>,
              "the base would give back a block of another size");

// -- resource -------------------------------------------------------------------------------------------------------

TEST(Resource, serves_pmr_containers_and_is_equal_to_itself_alone) {
  std::pmr::unordered_map<int, std::pmr::string> map{mempool::resource()};
  for (int i = 0; i < 100; ++i) map[i] = std::pmr::string(static_cast<std::size_t>(i), 'x');
  EXPECT_EQ(map.at(99).size(), 99u);
  EXPECT_EQ(map.at(99).get_allocator().resource(), mempool::resource());
  EXPECT_TRUE(mempool::resource()->is_equal(*mempool::resource()));
  EXPECT_FALSE(mempool::resource()->is_equal(*std::pmr::new_delete_resource()));
}

TEST(Resource, aligns_as_it_is_asked_to) {
  for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2)
    for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{5000}}) {
      void* const block = mempool::resource()->allocate(bytes, alignment);
      ASSERT_NE(block, nullptr);
      EXPECT_TRUE(is_aligned(block, alignment));
      std::memset(block, 1, bytes);
      mempool::resource()->deallocate(block, bytes, alignment);
    }
}

// -- arena ----------------------------------------------------------------------------------------------------------

TEST(Arena, hands_out_memory_that_does_not_overlap_and_is_aligned) {
  counting_resource upstream;
  {
    arena scratch{256, &upstream};
    std::vector<std::pair<char*, std::size_t>> pieces;
    for (std::size_t i = 0; i < 500; ++i) {
      std::size_t const bytes = i * 37 % 1000;
      std::size_t const alignment = std::size_t{1} << (i % 9);
      auto* const piece = static_cast<char*>(scratch.allocate(bytes, alignment));
      ASSERT_TRUE(is_aligned(piece, alignment));
      std::memset(piece, static_cast<char>(i), bytes);
      pieces.emplace_back(piece, bytes);
    }
    for (std::size_t i = 0; i < pieces.size(); ++i)
      ASSERT_EQ(std::count(pieces[i].first, pieces[i].first + pieces[i].second, static_cast<char>(i)),
                static_cast<std::ptrdiff_t>(pieces[i].second));
    EXPECT_EQ(scratch.bytes(), upstream.held);
    EXPECT_EQ(scratch.stats().blocks, upstream.blocks);
  }
  EXPECT_EQ(upstream.held, 0u);
}

TEST(Arena, takes_nothing_before_it_is_used) {
  counting_resource upstream;
  arena const scratch{4096, &upstream};
  EXPECT_EQ(upstream.held, 0u);
  EXPECT_EQ(scratch.bytes(), 0u);
}

TEST(Arena, uses_the_same_memory_again_after_a_mark_has_ended) {
  counting_resource upstream;
  arena scratch{256, &upstream};
  void* const outside = scratch.allocate(8);
  void* first = nullptr;
  std::size_t held = 0;
  for (int round = 0; round < 10; ++round) {
    auto const mark = scratch.mark();
    void* const inside = scratch.allocate(8);
    std::pmr::vector<int> numbers{&scratch};
    for (int i = 0; i < 10'000; ++i) numbers.push_back(i);
    if (round == 0) {
      first = inside;
      held = scratch.bytes();
    }
    EXPECT_EQ(inside, first);
    EXPECT_EQ(scratch.bytes(), held);
  }
  EXPECT_NE(outside, first);
  EXPECT_LT(scratch.stats().in_use, 256u);
}

TEST(Arena, marks_within_marks_rewind_to_where_each_was_taken) {
  arena scratch{256};
  auto const outer = scratch.mark();
  void* const kept = scratch.allocate(16);
  std::memset(kept, 7, 16);
  void* again = nullptr;
  {
    auto const inner = scratch.mark();
    again = scratch.allocate(100'000);
    std::memset(again, 1, 100'000);
  }
  {
    auto const inner = scratch.mark();
    EXPECT_EQ(scratch.allocate(100'000), again);
  }
  EXPECT_EQ(*static_cast<char*>(kept), 7);
}

TEST(Arena, rewinds_when_an_exception_leaves_the_scope) {
  arena scratch;
  std::size_t const before = scratch.stats().in_use;
  try {
    auto const mark = scratch.mark();
    static_cast<void>(scratch.allocate(1000));
    throw std::runtime_error("no");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(scratch.stats().in_use, before);
}

TEST(Arena, gives_back_the_blocks_beyond_its_position_and_no_others) {
  counting_resource upstream;
  arena scratch{256, &upstream};
  auto* const kept = static_cast<char*>(scratch.allocate(200));
  std::memset(kept, 7, 200);
  {
    auto const mark = scratch.mark();
    for (int i = 0; i < 100; ++i) static_cast<void>(scratch.allocate(1000));
    EXPECT_EQ(scratch.shrink({.bytes = SIZE_MAX}), 0u);
  }
  std::size_t const held = scratch.bytes();
  std::size_t const given = scratch.shrink({.bytes = 1});
  EXPECT_GE(given, 1u);
  EXPECT_EQ(scratch.bytes(), held - given);
  EXPECT_GT(scratch.shrink({.bytes = SIZE_MAX}), 0u);
  EXPECT_EQ(scratch.bytes(), 256u);
  EXPECT_EQ(upstream.held, 256u);
  EXPECT_EQ(std::count(kept, kept + 200, 7), 200);
  scratch.rewind();
  EXPECT_EQ(scratch.shrink({.bytes = SIZE_MAX}), 256u);
  EXPECT_EQ(scratch.bytes(), 0u);
  EXPECT_NE(scratch.allocate(10), nullptr);
}

TEST(Arena, refuses_what_no_memory_could_hold_and_goes_on) {
  arena scratch;
  std::size_t const volatile huge = SIZE_MAX;  // so that no compiler warns of it
  EXPECT_THROW(static_cast<void>(scratch.allocate(huge)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(scratch.allocate(huge / 2 + 1)), std::bad_alloc);
  EXPECT_NE(scratch.allocate(10), nullptr);
}

TEST(Arena, survives_upstream_refusing_any_one_request) {
  for (int nth = 0;; ++nth) {
    counting_resource upstream;
    bool was_refused = false;
    {
      arena scratch{256, &upstream};
      upstream.requests_left = nth;
      try {
        for (std::size_t i = 0; i < 100; ++i) static_cast<void>(scratch.allocate(100 * i));
      } catch (const std::bad_alloc&) {
        was_refused = true;
      }
      upstream.requests_left = -1;
      EXPECT_EQ(scratch.bytes(), upstream.held);
      EXPECT_NE(scratch.allocate(100), nullptr);
    }
    EXPECT_EQ(upstream.held, 0u);
    if (!was_refused) break;
  }
}

TEST(Arena, says_that_a_null_upstream_is_none) {
  EXPECT_THROW(arena(4096, nullptr), std::invalid_argument);
}

RC_GTEST_PROP(Arena, what_lies_before_a_mark_is_untouched_by_all_that_comes_after, ()) {
  auto const sizes = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 3000));
  counting_resource upstream;
  {
    arena scratch{256, &upstream};
    std::vector<std::pair<unsigned char*, std::size_t>> kept;
    unsigned char tag = 0;
    for (std::size_t size : sizes) {
      if (size % 3 == 0) {
        auto const mark = scratch.mark();
        std::memset(scratch.allocate(size), 0xff, size);
        std::memset(scratch.allocate(size / 2, 64), 0xff, size / 2);
      } else if (size % 3 == 1) {
        scratch.shrink({.bytes = size});
      } else {
        auto* const piece = static_cast<unsigned char*>(scratch.allocate(size));
        std::memset(piece, tag = static_cast<unsigned char>((tag + 1) % 255), size);
        kept.emplace_back(piece, size);
      }
    }
    unsigned char expected = 0;
    for (auto const& [piece, size] : kept) {
      expected = static_cast<unsigned char>((expected + 1) % 255);
      RC_ASSERT(static_cast<std::size_t>(std::count(piece, piece + size, expected)) == size);
    }
    RC_ASSERT(scratch.bytes() == upstream.held);
    auto const stats = scratch.stats();
    RC_ASSERT(stats.in_use <= stats.held);
  }
  RC_ASSERT(upstream.blocks == 0u);
}

}  // namespace
