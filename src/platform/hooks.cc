#include "platform/hooks.hpp"

#include "platform/thread_state.hpp"

#include <cerrno>
#include <pthread.h>

// In C libraries before 2.34 these live in a library of their own, which a program may not have loaded.
#pragma weak pthread_key_create
#pragma weak pthread_setspecific

#ifdef __GLIBC__
// What pthread_atfork calls, with the object whose unloading takes the handlers away: ours is never unloaded. Before
// 2.34 pthread_atfork itself is in no shared library.
extern "C" int __register_atfork(void (*prepare)(), void (*parent)(), void (*child)(), void* object);
#endif

namespace mempool::os {
#if !defined(MEMPOOL_STATE_BEHIND_KEY)
namespace {

constinit Hook thread_exit = nullptr;
constinit pthread_key_t key = 0;
constinit bool has_key = false;

void run_thread_exit(void*) { thread_exit(); }

}  // namespace

void set_thread_exit(Hook hook) noexcept {
  thread_exit = hook;
  has_key = &pthread_key_create != nullptr && &pthread_setspecific != nullptr &&
            pthread_key_create(&key, run_thread_exit) == 0;
}

void call_at_thread_exit() noexcept {
  if (!has_key) return;
  int const saved = errno;
  pthread_setspecific(key, &key);  // any value but nullptr: the destructor is what counts
  errno = saved;
}

#endif

void call_at_fork(Hook prepare, Hook parent, Hook child) noexcept {
#ifdef __GLIBC__
  __register_atfork(prepare, parent, child, nullptr);
#else
  pthread_atfork(prepare, parent, child);
#endif
}

}  // namespace mempool::os
