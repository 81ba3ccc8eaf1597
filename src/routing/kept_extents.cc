#include "routing/kept_extents.hpp"

#include <algorithm>

#include "pressure/account.hpp"

namespace mempool::fallback {

void KeptExtents::remove(unsigned at) noexcept {
  bytes_ -= extents_[at].bytes;
  std::copy(extents_ + at + 1, extents_ + count_, extents_ + at);
  --count_;
}

os::Span KeptExtents::take(std::size_t bytes) noexcept {
  os::Span* best = nullptr;
  for (os::Span* each = extents_; each != extents_ + count_; ++each)
    if (each->bytes >= bytes && (best == nullptr || each->bytes < best->bytes)) best = each;
  if (best == nullptr) return {};
  os::Span const taken{best->begin, bytes};
  best->begin += bytes;
  best->bytes -= bytes;
  bytes_ -= bytes;
  pressure::heap_shrank(bytes);
  if (best->empty()) remove(static_cast<unsigned>(best - extents_));
  return taken;
}

void KeptExtents::put(os::Span extent) noexcept {
  pressure::heap_kept(extent.bytes);
  for (unsigned i = count_; i-- > 0;) {
    os::Span const other = extents_[i];
    if (other.end() != extent.begin && extent.end() != other.begin) continue;
    extent = {std::min(other.begin, extent.begin), other.bytes + extent.bytes};
    remove(i);
  }
  extents_[count_++] = extent;
  bytes_ += extent.bytes;
}

os::Span KeptExtents::take_oldest(std::size_t most) noexcept {
  if (count_ == 0) return {};
  os::Span& oldest = extents_[0];
  std::size_t const bytes = std::min(oldest.bytes, most);
  os::Span const taken{oldest.end() - bytes, bytes};
  oldest.bytes -= bytes;
  bytes_ -= bytes;
  pressure::heap_shrank(bytes);
  if (oldest.empty()) remove(0);
  return taken;
}

}  // namespace mempool::fallback
