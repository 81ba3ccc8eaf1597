#include "platform/thread_exit.hpp"

#include <cerrno>
#include <pthread.h>

// In C libraries before 2.34 these live in a library of their own, which a program may not have loaded.
#pragma weak pthread_key_create
#pragma weak pthread_setspecific

namespace mempool::os {
namespace {

using Hook = void (*)() noexcept;
constinit Hook exit_hook = nullptr;
constinit pthread_key_t key = 0;
constinit bool has_key = false;

void run_hook(void*) { exit_hook(); }

}  // namespace

void set_thread_exit(void (*hook)() noexcept) noexcept {
  exit_hook = hook;
  has_key = &pthread_key_create != nullptr && &pthread_setspecific != nullptr && pthread_key_create(&key, run_hook) == 0;
}

void call_at_thread_exit() noexcept {
  if (!has_key) return;
  int const saved = errno;
  // The value only has to be non-null for the destructor to run.
  pthread_setspecific(key, reinterpret_cast<void*>(&exit_hook));
  errno = saved;
}

}  // namespace mempool::os
