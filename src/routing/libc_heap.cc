#include "routing/libc_heap.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <unistd.h>

#include "base/bytes.hpp"

// Before glibc 2.34 dlsym is in a library of its own; in a static program it may be missing.
#pragma weak dlsym

namespace mempool::libc_heap {
namespace {

struct Functions {
  void* (*malloc)(std::size_t);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*aligned_alloc)(std::size_t, std::size_t);  // musl's memalign calls the program's: ours
  void* (*realloc)(void*, std::size_t);
  void (*free)(void*);
  std::size_t (*usable_size)(void*);
};
constinit Functions libc{};
constinit std::atomic<bool> found{false};

// What dlsym itself asks for while `libc` is still empty.
alignas(16) constinit char bootstrap[16 << 10] = {};
constinit std::atomic<std::size_t> bootstrap_used{0};

constinit void* first_break = nullptr;

bool is_bootstrap(const void* p) noexcept { return p >= bootstrap && p < bootstrap + sizeof bootstrap; }

void* take_bootstrap(std::size_t size) noexcept {
  if (size > sizeof bootstrap) return nullptr;
  std::size_t const at = bootstrap_used.fetch_add(round_up(size, 16), std::memory_order_relaxed);
  return at + size <= sizeof bootstrap ? bootstrap + at : nullptr;
}

template <class F>
bool find_one(F& function, const char* name) noexcept {
  function = reinterpret_cast<F>(next_symbol(name));
  return function != nullptr;
}

}  // namespace

void* next_symbol(const char* name) noexcept { return &dlsym != nullptr ? dlsym(RTLD_NEXT, name) : nullptr; }

void* program_symbol(const char* name) noexcept { return &dlsym != nullptr ? dlsym(RTLD_DEFAULT, name) : nullptr; }

bool find() noexcept {
  if (found.load(std::memory_order_acquire)) return true;
  Functions all{};
  if (!find_one(all.malloc, "malloc") || !find_one(all.calloc, "calloc") ||
      !find_one(all.aligned_alloc, "aligned_alloc") || !find_one(all.realloc, "realloc") ||
      !find_one(all.free, "free") || !find_one(all.usable_size, "malloc_usable_size"))
    return false;
  libc = all;
  found.store(true, std::memory_order_release);
  return true;
}

void* allocate(std::size_t size) noexcept { return libc.malloc != nullptr ? libc.malloc(size) : take_bootstrap(size); }

void* allocate_zeroed(std::size_t count, std::size_t size) noexcept {
  if (libc.calloc != nullptr) return libc.calloc(count, size);
  std::size_t bytes = 0;
  return __builtin_mul_overflow(count, size, &bytes) ? nullptr : take_bootstrap(bytes);
}

void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept {
  return libc.aligned_alloc != nullptr ? libc.aligned_alloc(alignment, size) : nullptr;
}

void* resize(void* block, std::size_t size) noexcept {
  if (!is_bootstrap(block)) return libc.realloc(block, size);
  void* const moved = allocate(size);
  std::size_t const rest = static_cast<std::size_t>(bootstrap + sizeof bootstrap - static_cast<char*>(block));
  if (moved != nullptr) std::memcpy(moved, block, size < rest ? size : rest);
  return moved;
}

void release(void* block) noexcept {
  if (block != nullptr && !is_bootstrap(block)) libc.free(block);
}

std::size_t usable_size(void* block) noexcept {
  return is_bootstrap(block) || libc.usable_size == nullptr ? 0 : libc.usable_size(block);
}

void remember_break() noexcept { first_break = sbrk(0); }

bool owns(const void* p) noexcept { return p >= first_break && p < sbrk(0); }

}  // namespace mempool::libc_heap
