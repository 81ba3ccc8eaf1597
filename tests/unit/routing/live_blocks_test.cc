// The record of live blocks and the table of own mappings, each on its own.

#include "routing/live_blocks.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "routing/mappings.hpp"

namespace mempool::fallback {
namespace {

constexpr std::size_t kMiB = 1 << 20;

TEST(LiveBlocks, a_block_is_live_from_its_add_to_its_first_remove) {
  os::Span const region = os::reserve(256 * kMiB, os::page_size());
  static LiveBlocks blocks;
  ASSERT_TRUE(blocks.reset(region));
  for (std::size_t offset : {std::size_t{0}, std::size_t{16}, 100 * kMiB, 256 * kMiB - 16}) {
    char* const block = region.begin + offset;
    EXPECT_FALSE(blocks.has(block));
    EXPECT_FALSE(blocks.remove(block));
    ASSERT_TRUE(blocks.add(block));
    EXPECT_TRUE(blocks.has(block));
    EXPECT_FALSE(blocks.has(block + 8));
    EXPECT_FALSE(blocks.remove(block + 8));
    EXPECT_TRUE(blocks.remove(block));
    EXPECT_FALSE(blocks.remove(block));
  }
  EXPECT_FALSE(blocks.covers(region.begin - 1));
  EXPECT_FALSE(blocks.covers(region.end()));
  os::unmap(region);
}

TEST(LiveBlocks, the_block_below_an_address_is_found_across_empty_words) {
  os::Span const region = os::reserve(64 * kMiB, os::page_size());
  static LiveBlocks blocks;
  ASSERT_TRUE(blocks.reset(region));
  EXPECT_EQ(blocks.at_or_below(region.begin + 5), nullptr);
  ASSERT_TRUE(blocks.add(region.begin + 4096));
  EXPECT_EQ(blocks.at_or_below(region.begin + 4095), nullptr);
  EXPECT_EQ(blocks.at_or_below(region.begin + 4096), region.begin + 4096);
  EXPECT_EQ(blocks.at_or_below(region.begin + 9 * kMiB), region.begin + 4096);
  EXPECT_EQ(blocks.at_or_below(region.end() - 1), region.begin + 4096);
  os::unmap(region);
}

TEST(Mappings, a_thousand_blocks_come_and_go_in_any_order_and_each_is_known_exactly) {
  static Mappings table;
  std::vector<char*> blocks;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 1000; ++i) {
      auto* const block = static_cast<char*>(table.allocate(1 + i % 5 * os::page_size(), 16, false));
      ASSERT_NE(block, nullptr);
      *block = static_cast<char>(i);
      blocks.push_back(block);
    }
    for (std::size_t i = 0; i < blocks.size(); i += 2) ASSERT_TRUE(table.release(blocks[i], 0));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      ASSERT_EQ(table.bytes_of(blocks[i]), i % 2 == 0 ? 0 : (i % 5 + 1) * os::page_size()) << i;
      if (i % 2 != 0) {
        ASSERT_EQ(*blocks[i], static_cast<char>(i));
        ASSERT_TRUE(table.release(blocks[i], 0));
      }
    }
    for (char* block : blocks) ASSERT_FALSE(table.release(block, 0));
    blocks.clear();
  }
}

TEST(Mappings, a_released_or_moved_block_is_remembered_until_its_address_is_used_again) {
  static Mappings table;
  auto* const block = static_cast<char*>(table.allocate(2 * kMiB, 16, false));
  auto* const wall = static_cast<char*>(table.allocate(2 * kMiB, 16, false));
  ASSERT_NE(block, nullptr);
  std::strcpy(block, "kept");
  auto* moved = static_cast<char*>(table.resize(block, 512 * kMiB));
  ASSERT_NE(moved, nullptr);
  EXPECT_STREQ(moved, "kept");
  EXPECT_EQ(table.bytes_of(moved), 512 * kMiB);
  auto* const a_little_more = static_cast<char*>(table.resize(moved, 513 * kMiB));
  EXPECT_EQ(table.bytes_of(a_little_more), 576 * kMiB);
  moved = static_cast<char*>(table.resize(a_little_more, 512 * kMiB));
  EXPECT_EQ(table.bytes_of(moved), 512 * kMiB);
  EXPECT_EQ(table.was_released(block), moved != block);
  EXPECT_FALSE(table.was_released(moved));
  EXPECT_TRUE(table.release(moved, 0));
  EXPECT_TRUE(table.was_released(moved));
  EXPECT_TRUE(table.release(wall, 0));
}

TEST(Mappings, what_cannot_be_mapped_is_refused_and_the_old_block_stays) {
  static Mappings table;
  auto* const block = static_cast<char*>(table.allocate(10, 16, false));
  std::strcpy(block, "kept");
  EXPECT_EQ(table.allocate(PTRDIFF_MAX, 16, false), nullptr);
  EXPECT_EQ(table.allocate(std::size_t{1} << 48, 16, false), nullptr);
  EXPECT_EQ(table.resize(block, std::size_t{1} << 48), nullptr);
  EXPECT_STREQ(block, "kept");
  EXPECT_TRUE(table.release(block, 0));
}

os::Span pages(std::size_t first, std::size_t count) {
  return {reinterpret_cast<char*>(std::size_t{1} << 30) + first * os::page_size(), count * os::page_size()};
}

TEST(KeptExtents, neighbours_are_joined_and_the_smallest_that_fits_is_cut_from_the_front) {
  KeptExtents kept;
  kept.put(pages(0, 4));
  kept.put(pages(8, 2));
  kept.put(pages(4, 4));  // joins both
  kept.put(pages(20, 5));
  EXPECT_EQ(kept.bytes(), 15 * os::page_size());
  EXPECT_TRUE(kept.take(11 * os::page_size()).empty());
  EXPECT_EQ(kept.take(2 * os::page_size()).begin, pages(20, 0).begin);
  EXPECT_EQ(kept.take(10 * os::page_size()).begin, pages(0, 0).begin);
  EXPECT_EQ(kept.take(3 * os::page_size()).begin, pages(22, 0).begin);
  EXPECT_TRUE(kept.take(os::page_size()).empty());
  EXPECT_EQ(kept.bytes(), 0u);
}

TEST(KeptExtents, the_oldest_goes_first) {
  KeptExtents kept;
  for (std::size_t i = 0; i < KeptExtents::kMost; ++i) kept.put(pages(i * 2, 1));
  EXPECT_TRUE(kept.is_full());
  for (std::size_t i = 0; i < KeptExtents::kMost; ++i) EXPECT_EQ(kept.take_oldest(SIZE_MAX).begin, pages(i * 2, 0).begin);
  EXPECT_TRUE(kept.take_oldest(SIZE_MAX).empty());
  kept.put(pages(0, 4));
  EXPECT_EQ(kept.take_oldest(os::page_size()).begin, pages(3, 0).begin);
  EXPECT_EQ(kept.bytes(), 3 * os::page_size());
}

TEST(Mappings, a_freed_block_is_kept_within_the_budget_and_serves_the_next_unless_that_must_be_zero) {
  static Mappings table;
  void* const block = table.allocate(4 * kMiB, 16, false);
  std::memset(block, 1, 4 * kMiB);
  ASSERT_TRUE(table.release(block, 8 * kMiB));
  EXPECT_EQ(table.kept_bytes(), 4 * kMiB);
  auto* const zeroed = static_cast<char*>(table.allocate(4 * kMiB, 16, true));
  EXPECT_EQ(zeroed[3 * kMiB], 0);
  EXPECT_EQ(table.allocate(3 * kMiB, 16, false), block);
  EXPECT_EQ(table.kept_bytes(), kMiB);
  ASSERT_TRUE(table.release(zeroed, 2 * kMiB));     // too large to keep
  ASSERT_TRUE(table.release(block, 3 * kMiB + 5));  // the older MiB beside it is joined, and both are too much
  EXPECT_EQ(table.kept_bytes(), 3 * kMiB);
  table.purge();
  EXPECT_EQ(table.kept_bytes(), 0u);
}

TEST(Mappings, a_block_that_is_asked_for_again_after_it_was_unmapped_is_kept_from_then_on) {
  static Mappings table;
  ASSERT_TRUE(table.release(table.allocate(20 * kMiB, 16, false), kMiB));
  EXPECT_EQ(table.kept_bytes(), 0u);
  ASSERT_TRUE(table.release(table.allocate(20 * kMiB, 16, false), kMiB));
  EXPECT_EQ(table.kept_bytes(), 20 * kMiB);
  table.purge();  // all that was learned goes with it
  ASSERT_TRUE(table.release(table.allocate(20 * kMiB, 16, false), kMiB));
  EXPECT_EQ(table.kept_bytes(), 0u);
}

}  // namespace
}  // namespace mempool::fallback
