#include "pools/size_class.hpp"

#include <gtest/gtest.h>

namespace mempool::pools {
namespace {

TEST(SizeClass, is_the_smallest_power_of_two_that_holds_the_request) {
  for (std::size_t request = 0; request <= kMaxCached; ++request) {
    SizeClass const c = SizeClass::holding(request);
    ASSERT_GE(c.bytes(), request);
    ASSERT_TRUE(c.bytes() == 16 || c.bytes() / 2 < request) << request;
  }
}

TEST(SizeClass, the_routing_table_agrees_with_it_for_every_request) {
  for (std::size_t request = 0; request <= kMaxCached; ++request)
    ASSERT_EQ(SizeClass::at(kClassOf[(request + 15) / 16]), SizeClass::holding(request)) << request;
}

TEST(SizeClass, the_block_mask_is_one_less_than_the_block) {
  for (std::size_t i = 0; i < SizeClass::kCount; ++i) EXPECT_EQ(kBlockMask[i] + 1u, SizeClass::at(i).bytes());
}

}  // namespace
}  // namespace mempool::pools
