#include "pools/metadata.hpp"

#include <algorithm>

namespace mempool::pools {

constinit MetadataArena metadata;

bool GrowingPrefix::grow_to(std::size_t bytes) noexcept {
  constexpr std::size_t kFirst = std::size_t{64} << 10;
  while (committed_ < bytes) {
    if (committed_ >= range_.bytes) return false;
    // Under mlockall every committed page is filled at once, so a step must stay small there. A locked page
    // cannot be discarded: that is the test, made on a page that holds nothing yet.
    os::Span const first{range_.begin + committed_, std::min(kFirst, range_.bytes - committed_)};
    if (!os::commit(first)) return false;
    if (committed_ < std::size_t{8} << 20) os::refuse_huge_pages(first);
    std::size_t const step = std::clamp(committed_, kFirst, kLongestStep);
    os::Span const rest{first.end(), std::min(step, range_.bytes - committed_) - first.bytes};
    os::Span const probe{first.end() - os::page_size(), os::page_size()};
    committed_ += first.bytes;
    if (!rest.empty() && os::discard(probe) && os::commit(rest)) {
      if (committed_ < std::size_t{8} << 20) os::refuse_huge_pages(rest);
      committed_ += rest.bytes;
    }
  }
  return true;
}

void* MetadataArena::take(std::size_t bytes) noexcept {
  Guard const guard{lock};
  if (!guard) return nullptr;
  bytes = round_up(bytes, 64);
  if (!prefix_.grow_to(used_ + bytes)) return nullptr;
  void* const taken = prefix_.begin() + used_;
  used_ += bytes;
  return taken;
}

Magazine* new_magazine(SizeClass c) noexcept {
  std::uint32_t const capacity = magazine_capacity(c);
  auto* const fresh = static_cast<Magazine*>(metadata.take(offsetof(Magazine, slots) + capacity * sizeof(void*)));
  if (fresh != nullptr) fresh->capacity = capacity;
  return fresh;
}

}  // namespace mempool::pools
