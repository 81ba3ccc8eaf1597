// The C library's own heap: all there is under MEMPOOL_ENABLE=0, and the home of pointers that were allocated
// before us or past us.
#pragma once

#include <cstddef>

namespace mempool::libc_heap {

/// Finds the functions behind us in the search order (RTLD_NEXT); false where there is no loader (static form).
/// Requests that the search itself makes are served by a few KiB of static storage. Once, at start, or before
/// the first foreign free. Any thread.
[[nodiscard]] bool find() noexcept;

/// The C library's functions. Require find().
void* allocate(std::size_t size) noexcept;
void* allocate_zeroed(std::size_t count, std::size_t size) noexcept;
void* allocate_aligned(std::size_t alignment, std::size_t size) noexcept;
void* resize(void* block, std::size_t size) noexcept;
void release(void* block) noexcept;
std::size_t usable_size(void* block) noexcept;

/// What the libraries behind us call `name`, or nullptr.
void* next_symbol(const char* name) noexcept;
/// What the whole program calls `name`, or nullptr: of a variable, the copy that everybody uses (R_X86_64_COPY).
void* program_symbol(const char* name) noexcept;

/// Once, at start: notes where the program break stands before the C library moves it.
void remember_break() noexcept;
/// True where `p` lies in the program break's heap, which only the C library uses.
bool owns(const void* p) noexcept;

}  // namespace mempool::libc_heap
