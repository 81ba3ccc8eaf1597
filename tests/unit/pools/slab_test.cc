#include "pools/slab.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace mempool::pools {
namespace {

/// Every class with every page size Linux has on the machines we build for.
class SlabOfAnyClass : public testing::TestWithParam<std::tuple<std::size_t, unsigned>> {
 protected:
  SizeClass c = SizeClass::at(std::get<0>(GetParam()));
  unsigned lg = grain_lg(c, std::get<1>(GetParam()));
  unsigned grains = 1u << (slab_lg(c) - lg);
  unsigned blocks = blocks_per_slab(c);
  std::unique_ptr<SlabInfo> slab = std::make_unique<SlabInfo>();

  void SetUp() override { slab->carve(c, grains); }
  void take(unsigned block) {
    slab->free[block / 64] &= ~(std::uint64_t{1} << (block % 64));
    --slab->free_blocks;
  }
  std::uint32_t grains_of(unsigned block) const {
    std::uint32_t mask = 0;
    for (std::size_t at = block << c.lg(); at < (std::size_t{block} + 1) << c.lg(); at += 16) mask |= 1u << (at >> lg);
    return mask;
  }
};

TEST_P(SlabOfAnyClass, is_carved_with_every_block_free_and_every_grain_clean_and_idle) {
  EXPECT_EQ(slab->free_blocks, blocks);
  EXPECT_EQ(slab->clean_grains, (1u << grains) - 1);
  EXPECT_EQ(slab->idle_grains(c, lg), (1u << grains) - 1);
  for (unsigned block = 0; block < blocks; ++block) ASSERT_TRUE(slab->is_free(block));
}

TEST_P(SlabOfAnyClass, a_block_in_use_keeps_exactly_its_own_grains_from_being_idle) {
  for (unsigned block = 0; block < blocks; ++block) {
    take(block);
    ASSERT_EQ(slab->idle_grains(c, lg), ((1u << grains) - 1) & ~grains_of(block)) << "block " << block;
    slab->give(block);
  }
  EXPECT_EQ(slab->free_blocks, blocks);
}

TEST_P(SlabOfAnyClass, withheld_grains_offer_no_block_and_come_back_whole) {
  take(0);
  std::uint32_t const idle = slab->idle_grains(c, lg);
  slab->withhold(c, idle, lg);
  for (unsigned block = 0; block < blocks; ++block)
    ASSERT_EQ(slab->is_free(block), block != 0 && (grains_of(block) & idle) == 0) << "block " << block;
  slab->offer(c, idle, lg);
  EXPECT_EQ(slab->free_blocks, blocks - 1);
  for (unsigned block = 1; block < blocks; ++block) ASSERT_TRUE(slab->is_free(block));
}

INSTANTIATE_TEST_SUITE_P(Classes, SlabOfAnyClass,
                         testing::Combine(testing::Range<std::size_t>(0, SizeClass::kCount), testing::Values(12u, 14u, 16u)));

}  // namespace
}  // namespace mempool::pools
