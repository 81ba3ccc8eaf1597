// The one reservation: a region per class, their tables, metadata, and mimalloc's part.
//
//   | class 0 | class 1 | ... | class 14 | slab tables | partial bits | metadata | mimalloc |
//
// Addresses only: nothing is charged before it is committed. Where addresses are scarce (RLIMIT_AS, a narrow
// address space) the regions shrink, and below a GiB of addresses nothing is pooled: nobody may fail to start
// because of us.

#include <algorithm>
#include <bit>

#include "base/figures.hpp"
#include "pools/class_pool.hpp"
#include "pools/record.hpp"
#include "pressure/account.hpp"

namespace mempool::pools {

constinit Layout layout{};

namespace {

constexpr unsigned kLargestRegionLg = 36;  // 64 GiB a class
constexpr unsigned kSmallestRegionLg = 20;
constexpr std::size_t kScarce = std::size_t{1} << 30;

/// Slabs left out at the start of class i's region: i times this. Regions are powers of two apart, so without it the
/// n-th byte of every class would have the same low address bits; processors that pick a cache way by a hash of those
/// (AMD's since Zen) then lose a line of one class to its twin in another. docs/decisions/0001-regions-are-skewed.md.
constexpr std::size_t skew_slabs(std::size_t region_slabs) noexcept {
  return std::min<std::size_t>(337, region_slabs / 64 | 1);
}

struct Plan {
  std::size_t regions, table, partial, metadata, fallback;
  std::size_t total() const noexcept { return regions + table * SizeClass::kCount + partial + metadata + fallback; }
};

Plan plan_for(unsigned region_lg, std::size_t fallback) noexcept {
  std::size_t const regions = std::size_t{SizeClass::kCount} << region_lg;
  std::size_t const slabs = std::size_t{1} << (region_lg - kSlabLg);
  std::size_t const page = os::page_size();
  return {
      .regions = regions,
      .table = round_up(slabs * sizeof(SlabInfo), page),
      .partial = round_up(std::max<std::size_t>(slabs / 8, 8) * SizeClass::kCount, page),
      .metadata = std::max<std::size_t>(regions / 64, std::size_t{4} << 20),
      .fallback = fallback,
  };
}

}  // namespace

void start(bool use_pools, std::size_t fallback_bytes, os::Span& for_fallback) noexcept {
  figures.classes = SizeClass::kCount;
  std::size_t const room = os::address_space_left();
  if (room < kScarce) return;

  constexpr std::size_t kAlignment = std::size_t{1} << 30;
  if (!use_pools) {
    if (room == SIZE_MAX && fallback_bytes != 0) for_fallback = os::reserve(fallback_bytes, kAlignment);
    return;
  }
  os::Span whole;
  unsigned lg = kLargestRegionLg;
  Plan plan{};
  for (bool is_narrow = false; lg >= kSmallestRegionLg; --lg) {
    // Unlimited, mimalloc has as much as the pools together; where addresses are scarce it maps for itself.
    std::size_t const most = room == SIZE_MAX ? SIZE_MAX : room / 4;
    plan = plan_for(lg, room == SIZE_MAX ? std::min(fallback_bytes, std::size_t{16} << lg) : 0);
    std::size_t const alignment = room == SIZE_MAX ? kAlignment : SizeClass::kMaxBytes;
    if (plan.total() + alignment > most) continue;
    // The first size that fits 39 bits of addresses, 512 GiB, could leave the program next to nothing: there as much
    // has to be left as is taken.
    if (is_narrow && !os::could_reserve(2 * plan.total())) continue;
    whole = os::reserve(plan.total(), alignment);
    if (!whole.empty()) break;
    is_narrow = true;
  }
  if (whole.empty()) return;

  char* at = whole.begin + plan.regions;
  auto const cut = [&at](std::size_t bytes) noexcept {
    os::Span const part{at, bytes};
    at += bytes;
    return part;
  };
  os::Span const tables = cut(plan.table * SizeClass::kCount);
  os::Span const partial = cut(plan.partial);
  os::Span const storage = cut(plan.metadata);
  if (!os::commit(partial)) return;
  metadata.reset(storage);
  std::size_t const region = std::size_t{1} << lg;
  for (std::size_t i = 0; i < SizeClass::kCount; ++i) {
    // A large block's own alignment leaves no room for it, and its lines are many.
    std::size_t const skew = SizeClass::at(i).is_cached() ? i * skew_slabs(region >> kSlabLg) << kSlabLg : 0;
    pool[i].reset(SizeClass::at(i), {whole.begin + i * region + skew, region - skew},
                  {tables.begin + i * plan.table, plan.table}, reinterpret_cast<std::uint64_t*>(partial.begin));
  }
  at = reinterpret_cast<char*>(round_up(reinterpret_cast<std::uintptr_t>(at), kAlignment));
  if (plan.fallback != 0 && at < whole.end())
    for_fallback = {at, round_down(static_cast<std::size_t>(whole.end() - at), kAlignment)};
  layout = {reinterpret_cast<std::uintptr_t>(whole.begin), std::size_t{SizeClass::kCached} << lg, plan.regions, lg};
}

}  // namespace mempool::pools
