#include "monitor/helper_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <cerrno>

#include "platform/c_library.hpp"
#include "routing/libc_heap.hpp"

// A program without a thread library has no helpers either.
#pragma weak pthread_create
#pragma weak pthread_sigmask
#pragma weak pthread_attr_setstacksize

namespace mempool::monitor {

namespace {

using LeastStack = std::size_t (*)(const pthread_attr_t*);
constinit LeastStack least_stack = nullptr;

}  // namespace

void prepare_helpers() noexcept {
  least_stack = reinterpret_cast<LeastStack>(libc_heap::next_symbol("__pthread_get_minstack"));
}

bool start_helper(void* (*run)(void*), std::size_t stack_bytes) noexcept {
  if (&pthread_create == nullptr || &pthread_sigmask == nullptr || &pthread_attr_setstacksize == nullptr) return false;
  int const saved = errno;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Where the C library takes static TLS, the program's too, out of the stack and does not say how much, its default
  // has room.
  if (least_stack != nullptr || !os::kStacksHoldThreadLocals)
    pthread_attr_setstacksize(&attributes, stack_bytes + (least_stack != nullptr ? least_stack(&attributes) : 0));
  pthread_t thread;
  bool const started = pthread_create(&thread, &attributes, run, nullptr) == 0;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  errno = saved;
  return started;
}

}  // namespace mempool::monitor
