// The system's malloc zones behind libc_heap.hpp. Our own calls of malloc_zone_* are not interposed: dyld leaves the
// image that interposes alone. In the static form they are what they always were.

#include <dlfcn.h>
#include <mach/mach_init.h>
#include <malloc/malloc.h>

#include <atomic>

#include "routing/libc_heap.hpp"

namespace mempool::libc_heap {
namespace {

constinit std::atomic<malloc_zone_t*> system_zone{nullptr};

malloc_zone_t* first_zone() noexcept {
  vm_address_t* zones = nullptr;
  unsigned count = 0;
  if (malloc_get_all_zones(mach_task_self(), nullptr, &zones, &count) != KERN_SUCCESS || count == 0) return nullptr;
  return reinterpret_cast<malloc_zone_t*>(zones[0]);
}

/// What stands first before a zone of ours can; asked again where the system had set none up yet.
malloc_zone_t* zone() noexcept {
  malloc_zone_t* known = system_zone.load(std::memory_order_relaxed);
  if (known == nullptr) system_zone.store(known = first_zone(), std::memory_order_relaxed);
  return known;
}

}  // namespace

void* next_symbol(const char* name) noexcept { return dlsym(RTLD_NEXT, name); }
void* program_symbol(const char* name) noexcept { return dlsym(RTLD_DEFAULT, name); }

void remember_break() noexcept { zone(); }
bool find() noexcept { return zone() != nullptr; }

void* allocate(std::size_t size) noexcept { return malloc_zone_malloc(zone(), size); }
void* allocate_zeroed(std::size_t count, std::size_t size) noexcept { return malloc_zone_calloc(zone(), count, size); }
void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept {
  return malloc_zone_memalign(zone(), alignment < sizeof(void*) ? sizeof(void*) : alignment, size);
}

void* resize(void* block, std::size_t size) noexcept {
  malloc_zone_t* const owner = malloc_zone_from_ptr(block);
  return owner != nullptr ? malloc_zone_realloc(owner, block, size) : nullptr;
}

void release(void* block) noexcept {
  if (malloc_zone_t* const owner = malloc_zone_from_ptr(block); owner != nullptr) malloc_zone_free(owner, block);
}

std::size_t usable_size(void* block) noexcept { return malloc_size(block); }

/// Each zone is asked. Ours, registered among them, has said no before anybody comes here.
bool owns(const void* p) noexcept { return malloc_zone_from_ptr(p) != nullptr; }

}  // namespace mempool::libc_heap
