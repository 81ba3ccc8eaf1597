// The heap of the spdlog object: an arena of its own, so that a line can be written while the program's heap is full,
// locked or broken. First fit over a list of free pieces; one thread uses it, a lock guards it all the same.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "monitor/seam.h"
#include "platform/lock.hpp"
#include "platform/os.hpp"

namespace {

using mempool::Guard;
using mempool::round_up;

/// Stands before each piece, in use or free.
struct alignas(16) Piece {
  std::size_t bytes;  // behind the header
  Piece* next;        // free pieces alone
};

constexpr std::size_t kGrowth = std::size_t{256} << 10;
constinit mempool::Lock arena_lock;
constinit Piece* free_pieces = nullptr;

void* take(std::size_t bytes) noexcept {
  bytes = round_up(bytes == 0 ? 1 : bytes, 16);
  Guard const guard{arena_lock};
  if (!guard) return nullptr;
  for (;;) {
    for (Piece** link = &free_pieces; *link != nullptr; link = &(*link)->next) {
      Piece* const piece = *link;
      if (piece->bytes < bytes) continue;
      *link = piece->next;
      if (piece->bytes - bytes > 4 * sizeof(Piece)) {
        auto* const rest = reinterpret_cast<Piece*>(reinterpret_cast<char*>(piece + 1) + bytes);
        rest->bytes = piece->bytes - bytes - sizeof(Piece);
        rest->next = free_pieces;
        free_pieces = rest;
        piece->bytes = bytes;
      }
      return piece + 1;
    }
    std::size_t const wanted = bytes + sizeof(Piece);
    mempool::os::Span const fresh = mempool::os::map(wanted > kGrowth ? wanted : kGrowth, mempool::os::page_size());
    if (fresh.empty()) return nullptr;
    auto* const piece = reinterpret_cast<Piece*>(fresh.begin);
    piece->bytes = fresh.bytes - sizeof(Piece);
    piece->next = free_pieces;
    free_pieces = piece;
  }
}

}  // namespace

extern "C" {

void* libmempool_sink_malloc(std::size_t bytes) { return bytes < PTRDIFF_MAX ? take(bytes) : nullptr; }

void libmempool_sink_free(void* block) {
  if (block == nullptr) return;
  Guard const guard{arena_lock};
  if (!guard) return;
  Piece* const piece = static_cast<Piece*>(block) - 1;
  piece->next = free_pieces;
  free_pieces = piece;
}

void* libmempool_sink_calloc(std::size_t count, std::size_t bytes) {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) return nullptr;
  void* const block = libmempool_sink_malloc(total);
  return block != nullptr ? std::memset(block, 0, total) : nullptr;
}

void* libmempool_sink_realloc(void* block, std::size_t bytes) {
  if (block == nullptr) return libmempool_sink_malloc(bytes);
  std::size_t const old = (static_cast<Piece*>(block) - 1)->bytes;
  if (bytes <= old) return block;
  void* const moved = libmempool_sink_malloc(bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, old);
  libmempool_sink_free(block);
  return moved;
}

/// 16 is all the alignment this arena has: more is never asked of it.
void* libmempool_sink_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return alignment <= 16 ? libmempool_sink_malloc(bytes) : nullptr;
}

char* libmempool_sink_strdup(const char* text) {
  std::size_t const bytes = std::strlen(text) + 1;
  void* const copy = libmempool_sink_malloc(bytes);
  return copy != nullptr ? static_cast<char*>(std::memcpy(copy, text, bytes)) : nullptr;
}

}  // extern "C"
