// mimalloc as a source of bytes, and blocks mapped on their own: everything the pools do not serve.
//
// fallback.cc is the only file that names mi_*. Every pointer handed out here is recorded exactly (a bit per
// 16 bytes of mimalloc's region, an entry per own mapping), so "is this a live block of ours" never asks
// mimalloc and never touches memory that is not ours. Entry to mimalloc is gated for fork (see fork.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/os.hpp"

namespace mempool::fallback {

/// Bytes of addresses that set_region() should be given when the process has `address_space` bytes of
/// addresses left (SIZE_MAX: unlimited); 0 where mimalloc cannot live in so little.
std::size_t region_bytes_wanted(std::size_t address_space) noexcept;
/// Once, at start, single call: the reserved (uncommitted) region mimalloc will live in, base aligned to 1 GiB
/// where possible. May be empty: then every block is a mapping of its own. Does not touch mimalloc.
void set_region(os::Span region) noexcept;

/// A block of at least `size` bytes at a multiple of `alignment` (a power of two, at least 16), or nullptr
/// (errno untouched: the caller sets it). With `zeroed`, its first `size` bytes read as zero.
/// Requires size <= PTRDIFF_MAX. Blocks only behind a fork in progress.
void* allocate(std::size_t size, std::size_t alignment, bool zeroed) noexcept;

enum class Owner : std::uint8_t {
  live,     // a live block that starts here
  stale,    // inside memory of ours, but no live block starts here: freed already, or never a block
  foreign,  // nothing of ours
};
Owner owner_of(const void* block) noexcept;

/// True for an address inside a live block but not at its start. Slow: only for the words of a message.
bool is_inside_live_block(const void* p) noexcept;

/// Frees; the answer tells what the pointer was, and only `live` was freed. Never touches foreign memory.
Owner release(void* block) noexcept;
/// Bytes usable at a live block; 0 where it is none.
std::size_t usable_size(const void* block) noexcept;
/// Grows or shrinks a live block, in place or by moving; nullptr where it cannot, the block intact then.
void* resize(void* block, std::size_t size) noexcept;

/// Gives back freed mappings, and what mimalloc caches: its arenas and abandoned pages, and this thread's heap. Bytes
/// unknown.
void trim() noexcept;
/// The monitor's housekeeping: unmaps freed mappings beyond the budget, or what was learned, halved `halvings` times.
void settle(unsigned halvings) noexcept;
/// The program asked for little lately: half of what was learned to keep is forgotten.
void forget_half() noexcept;
/// Bytes of freed mappings that are kept for the next blocks, and what may be: an eighth of what is live here.
std::size_t kept_bytes() noexcept;
std::size_t keep_budget() noexcept;
/// The calling thread ends: mimalloc's own thread exit, inside the gate.
void thread_exit() noexcept;
/// Bytes in live blocks by usable size, for mallinfo2 and the pressure lines. Approximate while threads run.
std::size_t live_bytes() noexcept;
/// Bytes handed out so far.
std::size_t supplied_bytes() noexcept;

// fork: prepare closes the gate (waits for every other thread inside mimalloc, admits this one) and takes this
// layer's locks; the other two undo it. Nothing here allocates.
void fork_prepare() noexcept;
void fork_parent() noexcept;
void fork_child() noexcept;

}  // namespace mempool::fallback
