// Blocks that are a mapping of their own, in an exact table: what mimalloc's region cannot hold or serve.
//
// A hash table of fixed capacity in a reservation of its own: the kernel allows about 65,000 mappings, so more
// entries than that would be of no use. One lock; a request here costs a system call anyway.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/lock.hpp"
#include "platform/os.hpp"

namespace mempool::fallback {

class Mappings {
 public:
  /// A zeroed block of whole pages, or nullptr. Also in a thread that was interrupted in here (nullptr then).
  void* allocate(std::size_t size, std::size_t alignment) noexcept;
  /// False where no live block starts there.
  [[nodiscard]] bool release(void* block) noexcept;
  /// Bytes of the block; 0 where none starts there.
  std::size_t bytes_of(const void* block) noexcept;
  /// Grows or shrinks, in place or by moving pages; nullptr where the OS refuses, the block intact then.
  void* resize(void* block, std::size_t size) noexcept;
  /// True where a block started at `p` and was among the last to be released.
  bool was_released(const void* p) noexcept;

  Lock lock;  // public for fork alone

 private:
  struct Entry {
    char* begin;  // nullptr: never used; kRemoved: used once
    std::size_t bytes;
  };
  static constexpr std::size_t kEntries = std::size_t{1} << 17;
  static constexpr std::size_t kMost = std::size_t{1} << 16;
  static constexpr unsigned kRemembered = 64;
  static inline char* const kRemoved = reinterpret_cast<char*>(1);

  bool prepare() noexcept;
  Entry* find(const void* block) noexcept;
  void insert(os::Span block) noexcept;
  void remove(Entry& entry) noexcept;

  Entry* entries_ = nullptr;
  std::size_t live_ = 0;
  const void* released_[kRemembered] = {};
  unsigned next_released_ = 0;
};

extern constinit Mappings mappings;

}  // namespace mempool::fallback
