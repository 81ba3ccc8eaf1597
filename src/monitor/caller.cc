#include "monitor/caller.hpp"

#include <pthread.h>
#include <signal.h>
#include <atomic>

#include "monitor/helper_thread.hpp"
#include "monitor/registry.hpp"
#include "platform/lock.hpp"
#include "platform/os.hpp"
#include "pools/record.hpp"
#include "pressure/account.hpp"

#pragma weak pthread_sigmask

namespace mempool::monitor {
namespace {

constexpr std::size_t kStackBytes = std::size_t{512} << 10;  // addresses: callbacks are the program's

struct Mail {
  bool has_change = false, has_request = false, is_to_end = false;
  int level_before = 0;
  libmempool_snapshot now{};
  std::size_t wanted = 0;
  int pass = 0, level = 0;
};

constinit Lock lock;
constinit Mail mail;
constinit std::atomic<std::uint32_t> posted{0};    // the caller sleeps on it
constinit std::atomic<std::uint32_t> answered{0};  // requests; the monitor sleeps on it
constinit std::uint32_t asked = 0;                 // requests; the monitor's alone
constinit std::atomic<std::size_t> given{0};
constinit std::atomic<int> running_in{0};  // the process whose caller runs, or started to

const std::uint32_t* word_of(std::atomic<std::uint32_t> const& word) noexcept {
  return reinterpret_cast<const std::uint32_t*>(&word);
}

/// Changes the mail, under the lock, and wakes the caller.
template <class Change>
bool post(Change change) noexcept {
  if (running_in.load(std::memory_order_relaxed) != os::process_id()) return false;
  {
    Guard const guard{lock};
    if (!guard || !change(mail)) return false;
  }
  posted.fetch_add(1, std::memory_order_release);
  os::wake_one(word_of(posted));
  return true;
}

void* run(void*) {
  os::name_thread("mempool-call");
  // What a callback allocates must not make this thread one of the program's: it would keep the process alive.
  pools::attach();
  pressure::thread_detached();
  for (;;) {
    std::uint32_t const seen = posted.load(std::memory_order_acquire);
    Mail taken;
    {
      Guard const guard{lock};
      taken = mail;
      mail = {};
    }
    if (taken.is_to_end) break;
    if (taken.has_change) tell_listeners(taken.level_before, taken.now);
    if (taken.has_request) {
      given.store(ask_to_reclaim(taken.wanted, taken.pass, taken.level), std::memory_order_relaxed);
      answered.fetch_add(1, std::memory_order_release);
      os::wake_one(word_of(answered));
    }
    if (!taken.has_change && !taken.has_request) os::wait(word_of(posted), seen);
  }
  running_in.store(0, std::memory_order_relaxed);
  pressure::thread_attached();
  // This may be the last thread, in which the program's exit runs, with its handlers: not without signals.
  sigset_t const none{};
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  return nullptr;
}

}  // namespace

void start_caller() noexcept {
  int const self = os::process_id();
  if (self != pressure::known_process()) return;  // a vfork child
  if (running_in.exchange(self, std::memory_order_relaxed) == self) return;
  if (pressure::is_fork_child()) {  // the parent's thread had its hands on these, or was at work
    lock.forget_owner();
    mail = {};
    answered.store(asked, std::memory_order_relaxed);
  }
  if (!start_helper(run, kStackBytes)) running_in.store(0, std::memory_order_relaxed);
}

void post_change(int level_before, const libmempool_snapshot& now) noexcept {
  post([&](Mail& into) {
    if (!into.has_change) into.level_before = level_before;
    into.has_change = true;
    into.now = now;
    return true;
  });
}

std::size_t ask_holders(std::size_t wanted, int pass, int level, int patience_ms) noexcept {
  if (asked != answered.load(std::memory_order_acquire)) return 0;
  bool const is_posted = post([&](Mail& into) {
    into.has_request = true;
    into.wanted = wanted;
    into.pass = pass;
    into.level = level;
    return true;
  });
  if (!is_posted) return 0;
  std::uint32_t const before = asked++;
  std::uint64_t const end = os::monotonic_ns() + static_cast<std::uint64_t>(patience_ms) * 1000000;
  for (std::uint64_t now = os::monotonic_ns(); answered.load(std::memory_order_acquire) == before;
       now = os::monotonic_ns()) {
    if (now >= end) return 0;
    os::wait(word_of(answered), before, static_cast<int>((end - now + 999999) / 1000000));
  }
  return given.load(std::memory_order_relaxed);
}

void end_caller() noexcept {
  post([](Mail& into) { return into.is_to_end = true; });
}

}  // namespace mempool::monitor
