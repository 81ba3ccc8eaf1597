// The functions that libmempool.dylib puts in the place of libSystem's: one {replacement, replacee} each in the section
// that dyld reads before it binds anything.
//
// dyld applies them to every image but this one, so here `malloc` is the system's. A pair counts only where the
// replacement is our own code and the replacee somebody else's; one whose replacee is not there (weak, older systems)
// is passed over. The C++ operators are not among them: libc++'s call what is replaced here, ask the program's
// new_handler and throw its bad_alloc; and a program's own operators stay its own (docs/decisions/0010-macos.md).
//
// A block of ours goes to the router. One of another zone, allocated before us or past us, goes to the system's
// function, which asks the zones; so it does with a zone that is not ours.

#include <malloc/malloc.h>
#include <stdlib.h>

#include <cerrno>
#include <cstddef>

#include "macos_zone.hpp"
#include "platform/os.hpp"
#include "posix_memalign.hpp"
#include "routing/router.hpp"

namespace routing = mempool::routing;
namespace macos = mempool::macos;

// macOS 14 and later: what a compiler makes of malloc(sizeof(T)) where it knows the type. The type is of no use here.
using Type = unsigned long long;
extern "C" {
#define MEMPOOL_WEAK [[gnu::weak]]  // weak_import, in Mach-O
MEMPOOL_WEAK void* malloc_type_malloc(std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_calloc(std::size_t, std::size_t, Type);
MEMPOOL_WEAK void malloc_type_free(void*, Type);
MEMPOOL_WEAK void* malloc_type_realloc(void*, std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_valloc(std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_aligned_alloc(std::size_t, std::size_t, Type);
MEMPOOL_WEAK int malloc_type_posix_memalign(void**, std::size_t, std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_zone_malloc(malloc_zone_t*, std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_zone_calloc(malloc_zone_t*, std::size_t, std::size_t, Type);
MEMPOOL_WEAK void malloc_type_zone_free(malloc_zone_t*, void*, Type);
MEMPOOL_WEAK void* malloc_type_zone_realloc(malloc_zone_t*, void*, std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_zone_valloc(malloc_zone_t*, std::size_t, Type);
MEMPOOL_WEAK void* malloc_type_zone_memalign(malloc_zone_t*, std::size_t, std::size_t, Type);
void vfree(void*);
}

namespace {
namespace ours {

using Zone = malloc_zone_t*;

bool is_our(Zone zone) noexcept { return zone == macos::zone() && !routing::is_off(); }

void* malloc(std::size_t size) { return routing::allocate(size); }
void* calloc(std::size_t count, std::size_t size) { return routing::allocate_zeroed(count, size); }
void free(void* block) { routing::release(block); }
void vfree(void* block) { routing::release(block); }
void* realloc(void* block, std::size_t size) { return macos::resize(block, size); }
void* reallocf(void* block, std::size_t size) {
  void* const resized = macos::resize(block, size);
  if (resized == nullptr) routing::release(block);
  return resized;
}
void* valloc(std::size_t size) { return routing::allocate_aligned(mempool::os::page_size(), size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return routing::allocate_aligned(alignment, size); }
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  return mempool::posix_memalign(result, alignment, size);
}
/// Of a block that another zone has, what that zone says: 0 would be "not from malloc" to the Objective-C runtime.
std::size_t malloc_size(const void* block) { return routing::usable_size(const_cast<void*>(block)); }
std::size_t malloc_good_size(std::size_t size) {
  return routing::is_off() ? ::malloc_good_size(size) : macos::good_size(size);
}

// -- Zones ---------------------------------------------------------------------------------------------------------
Zone malloc_default_zone() { return routing::is_off() ? ::malloc_default_zone() : macos::zone(); }
// Zones that a program makes are the system's, since to destroy one frees what is in it.
Zone malloc_create_zone(vm_size_t start, unsigned flags) { return ::malloc_create_zone(start, flags); }
Zone malloc_default_purgeable_zone() { return ::malloc_default_purgeable_zone(); }
kern_return_t malloc_get_all_zones(task_t task, memory_reader_t reader, vm_address_t** zones, unsigned* count) {
  return ::malloc_get_all_zones(task, reader, zones, count);
}
// A program that knows the default zone alone, and wants it out of its way, would take ours from fork's reach.
void malloc_destroy_zone(Zone zone) {
  if (!is_our(zone)) ::malloc_destroy_zone(zone);
}
void malloc_zone_register(Zone zone) {
  if (!is_our(zone)) ::malloc_zone_register(zone);
}
void malloc_zone_unregister(Zone zone) {
  if (!is_our(zone)) ::malloc_zone_unregister(zone);
}

void* malloc_zone_malloc(Zone zone, std::size_t size) {
  return is_our(zone) ? routing::allocate(size) : ::malloc_zone_malloc(zone, size);
}
void* malloc_zone_calloc(Zone zone, std::size_t count, std::size_t size) {
  return is_our(zone) ? routing::allocate_zeroed(count, size) : ::malloc_zone_calloc(zone, count, size);
}
void* malloc_zone_valloc(Zone zone, std::size_t size) {
  return is_our(zone) ? ours::valloc(size) : ::malloc_zone_valloc(zone, size);
}
void* malloc_zone_memalign(Zone zone, std::size_t alignment, std::size_t size) {
  return is_our(zone) ? routing::allocate_aligned(alignment, size) : ::malloc_zone_memalign(zone, alignment, size);
}
// Where the block is from decides, and not the zone that is named: that may be the system's first one, which a program
// found by itself, with a block from malloc().
void malloc_zone_free(Zone zone, void* block) {
  if (is_our(zone) || macos::is_ours(block)) return routing::release(block);
  ::malloc_zone_free(zone, block);
}
void* malloc_zone_realloc(Zone zone, void* block, std::size_t size) {
  if (is_our(zone) || (block != nullptr && macos::is_ours(block))) return macos::resize(block, size);
  return ::malloc_zone_realloc(zone, block, size);
}
unsigned malloc_zone_batch_malloc(Zone zone, std::size_t size, void** results, unsigned count) {
  return is_our(zone) ? zone->batch_malloc(zone, size, results, count)
                      : ::malloc_zone_batch_malloc(zone, size, results, count);
}
void malloc_zone_batch_free(Zone zone, void** blocks, unsigned count) {
  for (unsigned i = 0; i < count; ++i) ours::malloc_zone_free(zone, blocks[i]);
}
Zone malloc_zone_from_ptr(const void* p) {
  return macos::is_ours(p) && !routing::is_off() ? macos::zone() : ::malloc_zone_from_ptr(p);
}
// The system's know our zone, which is registered: without a zone they ask all.
boolean_t malloc_zone_check(Zone zone) { return ::malloc_zone_check(zone); }
void malloc_zone_print(Zone zone, boolean_t verbose) { ::malloc_zone_print(zone, verbose); }
void malloc_zone_log(Zone zone, void* address) { ::malloc_zone_log(zone, address); }

// -- The same, with a type -----------------------------------------------------------------------------------------
void* malloc_type_malloc(std::size_t size, Type) { return routing::allocate(size); }
void* malloc_type_calloc(std::size_t count, std::size_t size, Type) { return routing::allocate_zeroed(count, size); }
void malloc_type_free(void* block, Type) { routing::release(block); }
void* malloc_type_realloc(void* block, std::size_t size, Type) { return macos::resize(block, size); }
void* malloc_type_valloc(std::size_t size, Type) { return ours::valloc(size); }
void* malloc_type_aligned_alloc(std::size_t alignment, std::size_t size, Type) {
  return routing::allocate_aligned(alignment, size);
}
int malloc_type_posix_memalign(void** result, std::size_t alignment, std::size_t size, Type) {
  return mempool::posix_memalign(result, alignment, size);
}
void* malloc_type_zone_malloc(Zone zone, std::size_t size, Type type) {
  return is_our(zone) ? routing::allocate(size) : ::malloc_type_zone_malloc(zone, size, type);
}
void* malloc_type_zone_calloc(Zone zone, std::size_t count, std::size_t size, Type type) {
  return is_our(zone) ? routing::allocate_zeroed(count, size) : ::malloc_type_zone_calloc(zone, count, size, type);
}
void malloc_type_zone_free(Zone zone, void* block, Type) { ours::malloc_zone_free(zone, block); }
void* malloc_type_zone_realloc(Zone zone, void* block, std::size_t size, Type type) {
  if (is_our(zone) || (block != nullptr && macos::is_ours(block))) return macos::resize(block, size);
  return ::malloc_type_zone_realloc(zone, block, size, type);
}
void* malloc_type_zone_valloc(Zone zone, std::size_t size, Type type) {
  return is_our(zone) ? ours::valloc(size) : ::malloc_type_zone_valloc(zone, size, type);
}
void* malloc_type_zone_memalign(Zone zone, std::size_t alignment, std::size_t size, Type type) {
  return is_our(zone) ? routing::allocate_aligned(alignment, size)
                      : ::malloc_type_zone_memalign(zone, alignment, size, type);
}

}  // namespace ours

struct Pair {
  const void* replacement;
  const void* replacee;
};

#define MEMPOOL_PAIR(name) {reinterpret_cast<const void*>(ours::name), reinterpret_cast<const void*>(::name)},
[[gnu::used, gnu::section("__DATA,__interpose")]] const Pair pairs[] = {
#include "macos_functions.def"
};

}  // namespace
