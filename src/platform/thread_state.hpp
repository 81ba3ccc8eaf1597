// What each thread has of its own, all zero before its first use. Trivial types alone: nothing is constructed or ended.
//
// Linux: a variable in the static TLS block. macOS: the loader takes a thread_local's memory from malloc when it is
// first touched, so the parts lie in an area of ours behind a pthread key (thread_state.cc). A thread without an area,
// and one whose exit has run, read an area that is nobody's: has_own() is false there, and nothing may be written.
// MEMPOOL_STATE_BEHIND_KEY has the key on Linux too, for tests.
#pragma once

#include <cstddef>
#include <type_traits>

#if defined(__APPLE__) && !defined(MEMPOOL_STATE_BEHIND_KEY)
#define MEMPOOL_STATE_BEHIND_KEY
#endif
#if defined(MEMPOOL_STATE_BEHIND_KEY)
#include <pthread.h>
#include <atomic>
#endif

namespace mempool::os {

/// The parts, and where each begins in macOS's area.
enum class Part : std::size_t { cache = 0, gate = 320, fallback = 328, mimalloc = 336, call = 344, end = 352 };

#if defined(MEMPOOL_STATE_BEHIND_KEY)

/// Above any key: none yet.
inline constexpr pthread_key_t kNoKey = ~pthread_key_t{0};
[[gnu::visibility("hidden")]] extern constinit std::atomic<pthread_key_t> state_key;
[[gnu::visibility("hidden")]] extern const char no_state[static_cast<std::size_t>(Part::end)];

/// The calling thread's part of that name.
template <Part part, class T>
[[gnu::always_inline]] inline T& own() noexcept {
  static_assert(std::is_trivially_destructible_v<T> && static_cast<std::size_t>(part) % alignof(T) == 0);
  static_assert(sizeof(T) <= (part == Part::cache ? static_cast<std::size_t>(Part::gate) : sizeof(void*)));
  pthread_key_t const key = state_key.load(std::memory_order_relaxed);
  const void* area = key != kNoKey ? pthread_getspecific(key) : nullptr;
  if (area == nullptr) area = no_state;
  return *reinterpret_cast<T*>(const_cast<char*>(static_cast<const char*>(area)) + static_cast<std::size_t>(part));
}

/// Whether what own() answers is the calling thread's, to be written.
bool has_own() noexcept;
/// Sees to it that it is. False in a thread whose exit has run, before the key is there, and where there is no memory.
/// Any thread, signal handler.
bool make_own() noexcept;
/// In a fork child: the areas of threads that do not exist here are free for others.
void forget_others() noexcept;

#else

template <Part part, class T>
[[gnu::visibility("hidden"), gnu::tls_model("initial-exec")]] inline constinit __thread T own_storage{};

template <Part part, class T>
[[gnu::always_inline]] inline T& own() noexcept {
  static_assert(std::is_trivially_destructible_v<T>);
  return own_storage<part, T>;
}
constexpr bool has_own() noexcept { return true; }
constexpr bool make_own() noexcept { return true; }
constexpr void forget_others() noexcept {}

#endif

}  // namespace mempool::os
