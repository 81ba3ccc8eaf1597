// The area of thread_state.hpp behind a pthread key, and the thread's exit, which is that key's destructor.
//
// pthread_key_create, _setspecific and _getspecific allocate nothing here: libpthread keeps a thread's values in the
// thread itself. Areas are recycled, never unmapped. Nothing waits: a signal handler may need an area too.

#include "platform/thread_state.hpp"

#if defined(MEMPOOL_STATE_BEHIND_KEY)

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "platform/hooks.hpp"
#include "platform/os.hpp"

namespace mempool::os {

constinit std::atomic<pthread_key_t> state_key{kNoKey};
alignas(64) const char no_state[static_cast<std::size_t>(Part::end)] = {};

namespace {

struct alignas(64) Area {
  char parts[static_cast<std::size_t>(Part::end)];
  std::atomic<std::uintptr_t> owner;  // thread_mark(); 0: free
  Area* next;
};
static_assert(sizeof(Area) <= 512);

constexpr std::size_t kGrowth = std::size_t{16} << 10;

constinit Hook thread_exit = nullptr;
constinit std::atomic<Area*> newest{nullptr};
/// The area of the first thread that ended stands for all that have: it reads as the exit's hook left it.
constinit std::atomic<Area*> ended{nullptr};

Area* mine() noexcept {
  pthread_key_t const key = state_key.load(std::memory_order_acquire);
  return key != kNoKey ? static_cast<Area*>(pthread_getspecific(key)) : nullptr;
}

void give_back(Area* area) noexcept {
  std::memset(area->parts, 0, sizeof area->parts);
  area->owner.store(0, std::memory_order_release);
}

Area* take_free() noexcept {
  std::uintptr_t const self = thread_mark();
  for (Area* area = newest.load(std::memory_order_acquire); area != nullptr; area = area->next) {
    std::uintptr_t nobody = 0;
    if (area->owner.load(std::memory_order_relaxed) == 0 &&
        area->owner.compare_exchange_strong(nobody, self, std::memory_order_acquire))
      return area;
  }
  Span const fresh = map(kGrowth, page_size());
  if (fresh.empty()) return nullptr;
  auto* const areas = reinterpret_cast<Area*>(fresh.begin);
  std::size_t const count = fresh.bytes / sizeof(Area);
  areas[0].owner.store(self, std::memory_order_relaxed);
  for (std::size_t i = 0; i + 1 < count; ++i) areas[i].next = &areas[i + 1];
  Area* before = newest.load(std::memory_order_relaxed);
  do areas[count - 1].next = before;
  while (!newest.compare_exchange_weak(before, areas, std::memory_order_release, std::memory_order_relaxed));
  return areas;
}

/// libpthread has emptied the slot, and asks up to four times while it finds something there again.
void run_thread_exit(void* value) {
  pthread_key_t const key = state_key.load(std::memory_order_relaxed);
  pthread_setspecific(key, value);
  auto* const area = static_cast<Area*>(value);
  if (area == ended.load(std::memory_order_acquire)) return;
  thread_exit();
  Area* stands_for_all = nullptr;
  if (ended.compare_exchange_strong(stands_for_all, area, std::memory_order_acq_rel)) return;
  pthread_setspecific(key, stands_for_all);
  give_back(area);
}

}  // namespace

bool has_own() noexcept {
  Area* const area = mine();
  return area != nullptr && area != ended.load(std::memory_order_acquire);
}

bool make_own() noexcept {
  pthread_key_t const key = state_key.load(std::memory_order_acquire);
  if (key == kNoKey) return false;
  if (mine() != nullptr) return has_own();
  int const saved = errno;
  Area* const area = take_free();
  if (area != nullptr && mine() != nullptr) {  // a signal handler was here meanwhile
    give_back(area);
  } else if (area != nullptr && pthread_setspecific(key, area) != 0) {
    give_back(area);
  }
  errno = saved;
  return has_own();
}

void forget_others() noexcept {
  Area const* const own = mine();
  Area const* const of_all_ended = ended.load(std::memory_order_relaxed);
  for (Area* area = newest.load(std::memory_order_relaxed); area != nullptr; area = area->next)
    if (area != own && area != of_all_ended && area->owner.load(std::memory_order_relaxed) != 0) give_back(area);
}

void set_thread_exit(Hook hook) noexcept {
  thread_exit = hook;
  pthread_key_t key = 0;
  if (pthread_key_create(&key, run_thread_exit) == 0) state_key.store(key, std::memory_order_release);
}

// Whoever has an area is called: its address is the key's value.
void call_at_thread_exit() noexcept {}

}  // namespace mempool::os

#endif
