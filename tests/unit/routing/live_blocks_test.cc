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
      auto* const block = static_cast<char*>(table.allocate(1 + i % 5 * os::page_size(), 16));
      ASSERT_NE(block, nullptr);
      *block = static_cast<char>(i);
      blocks.push_back(block);
    }
    for (std::size_t i = 0; i < blocks.size(); i += 2) ASSERT_TRUE(table.release(blocks[i]));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      ASSERT_EQ(table.bytes_of(blocks[i]), i % 2 == 0 ? 0 : (i % 5 + 1) * os::page_size()) << i;
      if (i % 2 != 0) {
        ASSERT_EQ(*blocks[i], static_cast<char>(i));
        ASSERT_TRUE(table.release(blocks[i]));
      }
    }
    for (char* block : blocks) ASSERT_FALSE(table.release(block));
    blocks.clear();
  }
}

TEST(Mappings, a_released_or_moved_block_is_remembered_until_its_address_is_used_again) {
  static Mappings table;
  auto* const block = static_cast<char*>(table.allocate(2 * kMiB, 16));
  auto* const wall = static_cast<char*>(table.allocate(2 * kMiB, 16));
  ASSERT_NE(block, nullptr);
  std::strcpy(block, "kept");
  auto* const moved = static_cast<char*>(table.resize(block, 512 * kMiB));
  ASSERT_NE(moved, nullptr);
  EXPECT_STREQ(moved, "kept");
  EXPECT_EQ(table.bytes_of(moved), 512 * kMiB);
  EXPECT_EQ(table.was_released(block), moved != block);
  EXPECT_FALSE(table.was_released(moved));
  EXPECT_TRUE(table.release(moved));
  EXPECT_TRUE(table.was_released(moved));
  EXPECT_TRUE(table.release(wall));
}

TEST(Mappings, what_cannot_be_mapped_is_refused_and_the_old_block_stays) {
  static Mappings table;
  auto* const block = static_cast<char*>(table.allocate(10, 16));
  std::strcpy(block, "kept");
  EXPECT_EQ(table.allocate(PTRDIFF_MAX, 16), nullptr);
  EXPECT_EQ(table.allocate(std::size_t{1} << 48, 16), nullptr);
  EXPECT_EQ(table.resize(block, std::size_t{1} << 48), nullptr);
  EXPECT_STREQ(block, "kept");
  EXPECT_TRUE(table.release(block));
}

}  // namespace
}  // namespace mempool::fallback
