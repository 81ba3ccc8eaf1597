// Other machines: those with larger pages, and those with few addresses.
//
// MEMPOOL_TEST_PAGE and MEMPOOL_TEST_ADDRESSES, both in bytes, have all tests of this program run as on such a one.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "fresh_process.hpp"
#include "platform/os.hpp"
#include "pools/class_pool.hpp"
#include "pools/pools.hpp"
#include "routing/router.hpp"

namespace mempool {
namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30;

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

[[maybe_unused]] bool const is_another_machine = [] {
  os::pretend(from_environment("MEMPOOL_TEST_PAGE", os::page_size()),
              from_environment("MEMPOOL_TEST_ADDRESSES", SIZE_MAX));
  return true;
}();

/// Blocks of every class, and larger ones; nullptr where each is whole and can be freed.
const char* use_every_size() {
  for (std::size_t bytes = 1; bytes <= std::size_t{8} << 20; bytes *= 2) {
    void* blocks[20];
    for (void*& block : blocks) {
      block = routing::allocate(bytes);
      if (block == nullptr) return "no memory";
      std::memset(block, 1, bytes);
    }
    for (void* block : blocks) routing::release(block);
  }
  return nullptr;
}

void start_with(std::size_t addresses, std::size_t most_taken, bool is_pooled) {
  os::pretend(os::page_size(), addresses);
  routing::start();
  if ((pools::layout.span != 0) != is_pooled) finish(is_pooled ? "nothing is pooled" : "what is pooled lies nowhere");
  if (2 * pools::layout.span > most_taken) finish("too little is left to the program");
  finish(use_every_size());
}

using FewAddresses = FreshProcess;

TEST_F(FewAddresses, of_39_bits_the_program_keeps_half) {
  EXPECT_EXIT(start_with(512 * kGiB, 256 * kGiB, true), testing::ExitedWithCode(0), "");
}

TEST_F(FewAddresses, of_36_bits_the_program_keeps_half) {
  EXPECT_EXIT(start_with(64 * kGiB, 32 * kGiB, true), testing::ExitedWithCode(0), "");
}

TEST_F(FewAddresses, where_no_region_fits_all_is_served_by_mimalloc) {
  EXPECT_EXIT(start_with(kGiB / 64, 0, false), testing::ExitedWithCode(0), "");
}

/// One block in use in each of many pages of the machine: those are all that stay.
void keep_a_page_of_each(std::size_t page_bytes) {
  os::pretend(page_bytes, SIZE_MAX);
  routing::start();
  constexpr std::size_t kBytes = 64, kCount = (std::size_t{64} << 20) / kBytes;
  static void* blocks[kCount];
  for (void*& block : blocks) block = std::memset(routing::allocate(kBytes), 1, kBytes);
  std::size_t const full = os::resident().bytes;
  std::size_t const every = 16 * page_bytes / kBytes;
  for (std::size_t i = 0; i < kCount; ++i)
    if (i % every != 0) routing::release(blocks[i]);
  std::size_t const given = pools::trim();
  std::size_t const expected = kCount * kBytes / 16 * 14;
  if (given < expected || full - os::resident().bytes < expected) finish("too few pages were given back");
  if (given % page_bytes != 0) finish("parts of pages were given back");
  for (std::size_t i = 0; i < kCount; i += every)
    if (*static_cast<char*>(blocks[i]) != 1) finish("a block in use was given back");
  finish(nullptr);
}

class LargePages : public FreshProcess, public testing::WithParamInterface<std::size_t> {};

TEST_P(LargePages, those_without_a_block_in_use_are_given_back_whole) {
  if (os::page_size() > GetParam()) GTEST_SKIP() << "the machine's pages are larger";
  EXPECT_EXIT(keep_a_page_of_each(GetParam()), testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Bytes, LargePages, testing::Values(4096u, 16384u, 65536u));

}  // namespace
}  // namespace mempool
