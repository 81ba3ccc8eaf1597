// The allocation functions behind calls of a fixed shape: what scripts/count counts, and what timings.cc times.
//
// Each call_ function makes exactly one call and is never inlined, so the callgrind record of "what call_free called"
// is the cost of free alone. The empty statement after it keeps it a call: a jump would end call_free's own record.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <malloc.h>
#include <new>

#define MEMPOOL_MICRO [[gnu::noinline]] inline
#define MEMPOOL_KEEP asm volatile("" ::: "memory")

namespace micro {

MEMPOOL_MICRO void* call_malloc(std::size_t size) {
  void* const block = std::malloc(size);
  MEMPOOL_KEEP;
  return block;
}
MEMPOOL_MICRO void* call_calloc(std::size_t size) {
  void* const block = std::calloc(1, size);
  MEMPOOL_KEEP;
  return block;
}
MEMPOOL_MICRO void* call_realloc(void* block, std::size_t size) {
  void* const resized = std::realloc(block, size);
  MEMPOOL_KEEP;
  return resized;
}
MEMPOOL_MICRO void* call_aligned_alloc(std::size_t alignment, std::size_t size) {
  void* const block = std::aligned_alloc(alignment, size);
  MEMPOOL_KEEP;
  return block;
}
MEMPOOL_MICRO void* call_new(std::size_t size) {
  void* const block = ::operator new(size);
  MEMPOOL_KEEP;
  return block;
}
MEMPOOL_MICRO std::size_t call_malloc_usable_size(void* block) {
  std::size_t const bytes = malloc_usable_size(block);
  MEMPOOL_KEEP;
  return bytes;
}
MEMPOOL_MICRO void call_free(void* block) {
  std::free(block);
  MEMPOOL_KEEP;
}
MEMPOOL_MICRO void call_delete(void* block) {
  ::operator delete(block);
  MEMPOOL_KEEP;
}
MEMPOOL_MICRO void call_sized_delete(void* block, std::size_t size) {
  ::operator delete(block, size);
  MEMPOOL_KEEP;
}

}  // namespace micro
