// Our malloc zone: how the rest of macOS, its tools and libSystem's fork know of our blocks.
#pragma once

#include <malloc/malloc.h>

#include <cstddef>

namespace mempool::macos {

/// At load, by one thread. In the dylib the zone is registered, and malloc() is interposed; in the static form it
/// becomes the first zone, which malloc() asks.
void register_zone() noexcept;
malloc_zone_t* zone() noexcept;

/// True for any address in memory of ours, of a live block or not.
bool is_ours(const void* p) noexcept;
/// What a request for `size` bytes will get at least.
std::size_t good_size(std::size_t size) noexcept;
/// realloc(3) of macOS: a size of 0 gives a smallest block.
void* resize(void* block, std::size_t size) noexcept;

}  // namespace mempool::macos
