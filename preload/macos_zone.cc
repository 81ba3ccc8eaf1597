#include "macos_zone.hpp"

#include <mach/mach_init.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/line.hpp"
#include "platform/fatal.hpp"
#include "platform/hooks.hpp"
#include "platform/os.hpp"
#include "pools/pools.hpp"
#include "pools/thread_cache.hpp"
#include "routing/fallback.hpp"
#include "routing/router.hpp"
#include "zone_order.hpp"

namespace mempool::macos {
namespace {

/// Never asks another zone: libmalloc asks each of them in turn.
std::size_t size_of(malloc_zone_t*, const void* p) noexcept {
  if (!pools::is_pooled(p)) return p != nullptr ? fallback::usable_size(p) : 0;
  pools::SizeClass const c = pools::class_of(p);
  return pools::is_block_start(p, c) ? c.bytes() : 0;
}

void* zone_malloc(malloc_zone_t*, std::size_t size) { return routing::allocate(size); }
void* zone_calloc(malloc_zone_t*, std::size_t count, std::size_t size) { return routing::allocate_zeroed(count, size); }
void* zone_valloc(malloc_zone_t*, std::size_t size) { return routing::allocate_aligned(os::page_size(), size); }
void zone_free(malloc_zone_t*, void* block) { routing::release(block); }
void* zone_realloc(malloc_zone_t*, void* block, std::size_t size) { return resize(block, size); }
void* zone_memalign(malloc_zone_t*, std::size_t alignment, std::size_t size) {
  return routing::allocate_aligned(alignment, size);
}
/// The size is not trusted: a block's class is in its address.
void zone_free_definite_size(malloc_zone_t*, void* block, std::size_t) { routing::release(block); }
void zone_destroy(malloc_zone_t*) {}  // its blocks are the whole program's

unsigned zone_batch_malloc(malloc_zone_t*, std::size_t size, void** results, unsigned count) {
  unsigned made = 0;
  while (made < count && (results[made] = routing::allocate(size)) != nullptr) ++made;
  return made;
}
void zone_batch_free(malloc_zone_t*, void** blocks, unsigned count) {
  for (unsigned i = 0; i < count; ++i) routing::release(blocks[i]);
}

/// The system is short of memory. Bytes that went back, of the pools alone: mimalloc does not tell.
std::size_t zone_pressure_relief(malloc_zone_t*, std::size_t) {
  std::size_t const given = pools::trim();
  fallback::trim();
  return given;
}

boolean_t zone_claimed_address(malloc_zone_t*, void* p) { return is_ours(p) ? 1 : 0; }

// -- Introspection: what tools and libSystem's fork ask ----------------------------------------------------------
/// heap(1) and leaks(1) read another process's memory through this: our blocks are not told of, and none is called
/// leaked.
kern_return_t enumerate(task_t, void*, unsigned, vm_address_t, memory_reader_t, vm_range_recorder_t) {
  return KERN_SUCCESS;
}
std::size_t zone_good_size(malloc_zone_t*, std::size_t size) { return good_size(size); }
boolean_t check(malloc_zone_t*) { return 1; }
void print(malloc_zone_t*, boolean_t) {
  pools::Totals const pooled = pools::totals();
  Line line;
  line.text(kVersionLine).text(": ").size(pooled.live_bytes + fallback::live_bytes()).text(" in use, ");
  line.size(pooled.cached_bytes + fallback::kept_bytes()).text(" kept without use");
  os::write_stderr(line.finished());
}
void log(malloc_zone_t*, void*) {}
void force_lock(malloc_zone_t*) { os::before_fork(); }
void force_unlock(malloc_zone_t*) { os::after_fork(false); }
void reinit_lock(malloc_zone_t*) { os::after_fork(true); }
void statistics(malloc_zone_t*, malloc_statistics_t* into) {
  pools::Totals const pooled = pools::totals();
  std::size_t const large = fallback::live_bytes();
  *into = {};
  into->size_in_use = into->max_size_in_use = pooled.live_bytes + large;
  into->size_allocated = pooled.committed_bytes + large + fallback::kept_bytes();
}
boolean_t zone_locked(malloc_zone_t*) { return 0; }
boolean_t enable_discharge_checking(malloc_zone_t*) { return 0; }  // not supported
void disable_discharge_checking(malloc_zone_t*) {}
void discharge(malloc_zone_t*, void*) {}

// Filled by the compiler: libSystem asks for the default zone before anything of ours has run. By name, since newer
// systems have more fields.
constinit malloc_introspection_t introspection = [] {
  malloc_introspection_t filled{};
  filled.enumerator = enumerate;
  filled.good_size = zone_good_size;
  filled.check = check;
  filled.print = print;
  filled.log = log;
  filled.force_lock = force_lock;
  filled.force_unlock = force_unlock;
  filled.statistics = statistics;
  filled.zone_locked = zone_locked;
  filled.enable_discharge_checking = enable_discharge_checking;
  filled.disable_discharge_checking = disable_discharge_checking;
  filled.discharge = discharge;
  filled.reinit_lock = reinit_lock;
  return filled;
}();

/// Version 10: claimed_address. From 13 on libmalloc has a first zone free what it does not know (try_free_default), by
/// a function of its own that others cannot call. 11 and 12 are print_task and task_statistics, which read another
/// process. From 9 on reinit_lock is called without being looked at.
constinit malloc_zone_t our_zone = [] {
  malloc_zone_t filled{};
  filled.size = size_of;
  filled.malloc = zone_malloc;
  filled.calloc = zone_calloc;
  filled.valloc = zone_valloc;
  filled.free = zone_free;
  filled.realloc = zone_realloc;
  filled.destroy = zone_destroy;
  filled.zone_name = "libmempool";
  filled.batch_malloc = zone_batch_malloc;
  filled.batch_free = zone_batch_free;
  filled.introspect = &introspection;
  filled.version = 10;
  filled.memalign = zone_memalign;
  filled.free_definite_size = zone_free_definite_size;
  filled.pressure_relief = zone_pressure_relief;
  filled.claimed_address = zone_claimed_address;
  return filled;
}();

struct System {
  malloc_zone_t* first() noexcept {
    vm_address_t* zones = nullptr;
    unsigned count = 0;
    if (malloc_get_all_zones(mach_task_self(), nullptr, &zones, &count) != KERN_SUCCESS || count == 0) return nullptr;
    return reinterpret_cast<malloc_zone_t*>(zones[0]);
  }
  bool is_system_default(malloc_zone_t* zone) noexcept {
    return zone->zone_name != nullptr && std::strcmp(zone->zone_name, "DefaultMallocZone") == 0;
  }
  malloc_zone_t* purgeable() noexcept { return malloc_default_purgeable_zone(); }
  void register_zone(malloc_zone_t* zone) noexcept { malloc_zone_register(zone); }
  void unregister_zone(malloc_zone_t* zone) noexcept { malloc_zone_unregister(zone); }
};

}  // namespace

void register_zone() noexcept {
#if defined(MEMPOOL_ZONE_IS_DEFAULT)
  System system;
  if (promote(&our_zone, system)) return;
  Line line;
  line.text("libmempool: another allocator's zone is the default one here; this one serves nothing");
  os::write_stderr(line.finished());
#endif
  malloc_zone_register(&our_zone);
}

malloc_zone_t* zone() noexcept { return &our_zone; }

bool is_ours(const void* p) noexcept {
  return pools::is_pooled(p) || fallback::owner_of(p) != fallback::Owner::foreign;
}

std::size_t good_size(std::size_t size) noexcept {
  if (size <= pools::kMaxPooled && pools::layout.span != 0) return pools::SizeClass::holding(size).bytes();
  std::size_t const unit = size < (std::size_t{1} << 20) ? 16 : os::page_size();
  return size > SIZE_MAX - unit ? size : round_up(size == 0 ? 1 : size, unit);
}

void* resize(void* block, std::size_t size) noexcept {
  if (size != 0 || block == nullptr) return routing::resize(block, size);
  void* const least = routing::allocate(0);
  if (least != nullptr) routing::release(block);
  return least;
}

}  // namespace mempool::macos
