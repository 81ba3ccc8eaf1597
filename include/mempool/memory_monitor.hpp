// The C++ face of libmempool's one monitor: hear of memory running short, and simulate it in tests.
//
//   mempool::memory_monitor monitor;
//   auto const warned = monitor.on_change([](mempool::level, const mempool::memory_snapshot& now) {
//     if (now.at() >= mempool::level::warning) drop_caches();
//   });
//   if (auto const error = monitor.start(); error != mempool::monitor_error::none) std::cerr << message(error) << '\n';
//
// Rule: nothing is watched here. The library samples, decides and writes its line, in its own thread, for the whole
// process; a memory_monitor passes its changes of level on to listeners. Whatever holds memory is better off as a
// mempool::holder (reclaim.hpp), which is asked for bytes and named in the line.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "mempool/reclaim.hpp"

namespace mempool {

/// Why a monitor does not tell of anything. message() says what to do about it.
enum class [[nodiscard]] monitor_error {
  none,
  not_there,    ///< libmempool is not in this process
  not_allowed,  ///< MEMPOOL_MONITOR=0
  no_room       ///< 256 registrations exist
};

constexpr std::string_view message(monitor_error error) noexcept {
  switch (error) {
    case monitor_error::none:
      return "no error";
    case monitor_error::not_there:
      return "libmempool is not in this process: link mempool::mempool or mempool::static (-lmempool), or start the "
             "program under LD_PRELOAD=libmempool.so";
    case monitor_error::not_allowed:
      return "the monitor is off: unset MEMPOOL_MONITOR, which is 0";
    case monitor_error::no_room:
      return "256 listeners and holders are registered, and there is room for no more";
  }
  return "unknown error";
}

/// What the monitor saw when it last looked; the members, in bytes, are those of libmempool_snapshot in mempool.h. All
/// zero, with no limit, where the library is not there.
struct memory_snapshot : ::libmempool_snapshot {
  mempool::level at() const noexcept { return static_cast<mempool::level>(level); }
  /// The share of the limit that is in use, 0 to about 1; 0 without a limit.
  double ratio() const noexcept {
    return limit == 0 || limit == UINT64_MAX ? 0 : static_cast<double>(usage) / static_cast<double>(limit);
  }
};

/// Listeners, and a switch for them. Any number of these may exist; they share the process's one monitor. Every member
/// may be called from any thread, from within a listener too. Destruction stops it. A fork child has the parent's
/// listeners, called once the child has a monitor of its own; one that ran at the moment of the fork must not be
/// unregistered there.
class memory_monitor {
  struct entry;
  struct core;

 public:
  /// Called when the level changes, with the level before; in a thread of the library's, one call at a time, no lock of
  /// the library's held. It may allocate, and register and unregister. What it throws is counted (faults_contained)
  /// and keeps no other listener from its call.
  using listener = std::function<void(mempool::level before, const memory_snapshot& now)>;

  /// A listener's registration: ends with it. Move-only; may outlive its monitor.
  class registration {
   public:
    registration() noexcept = default;
    registration(registration&&) noexcept = default;
    registration& operator=(registration&& other) noexcept {
      if (this == &other) return *this;
      reset();
      core_ = std::move(other.core_);
      entry_ = std::move(other.entry_);
      id_ = other.id_;
      return *this;
    }
    ~registration() { reset(); }

    /// When it returns, no call is under way and none will come; from within that very call it returns at once. Not
    /// while holding a lock that the listener takes.
    void reset() noexcept {
      if (entry_ == nullptr) return;
      {
        std::lock_guard const lock(core_->mutex);
        core_->entries.erase(id_);
      }
      {
        std::lock_guard const in_call(entry_->in_call);
        entry_->is_alive = false;
      }
      entry_.reset();
      core_.reset();
    }

   private:
    friend memory_monitor;
    registration(std::shared_ptr<core> owner, std::shared_ptr<entry> listed, std::uint64_t id) noexcept
        : core_(std::move(owner)), entry_(std::move(listed)), id_(id) {}

    std::shared_ptr<core> core_;
    std::shared_ptr<entry> entry_;
    std::uint64_t id_ = 0;
  };

  /// @param library  another one than the process's, for tests.
  explicit memory_monitor(const detail::api& library = detail::api::get()) : core_(std::make_shared<core>(library)) {}
  memory_monitor(const memory_monitor&) = delete;
  memory_monitor& operator=(const memory_monitor&) = delete;
  ~memory_monitor() { stop(); }

  /// From now on listeners are called; starts the library's monitor where it does not run. Does nothing when started
  /// already. Cost: a lock; the first one in the process starts a thread.
  monitor_error start() {
    std::lock_guard const lock(core_->mutex);
    if (core_->subscription != 0) return monitor_error::none;
    if (!core_->library.is_there()) return monitor_error::not_there;
    core_->subscription = core_->library.on_pressure(&hear, core_.get());
    if (core_->subscription != 0) return monitor_error::none;
    return errno == EPERM ? monitor_error::not_allowed : monitor_error::no_room;
  }

  /// From now on no listener is called; waits for a call in flight, unless it comes from within that. The library's
  /// monitor goes on, for holders. May be started again; does nothing when stopped already.
  void stop() noexcept {
    long ended = 0;
    {
      std::lock_guard const lock(core_->mutex);
      ended = std::exchange(core_->subscription, 0);
    }
    // Without the lock: the call that this waits for may want it.
    if (ended != 0) core_->library.unregister(ended);
  }

  bool is_started() const noexcept {
    std::lock_guard const lock(core_->mutex);
    return core_->subscription != 0;
  }

  /// Calls `callback` at each change of level from now on, while started. One that is registered from within a listener
  /// hears of the next change. Errors: std::invalid_argument where it is empty, std::bad_alloc.
  [[nodiscard]] registration on_change(listener callback) {
    if (!callback) throw std::invalid_argument("memory_monitor: callback is empty; allowed: a function");
    auto listed = std::make_shared<entry>(std::move(callback));
    std::lock_guard const lock(core_->mutex);
    core_->entries.emplace(core_->last_id + 1, listed);
    return registration(core_, std::move(listed), ++core_->last_id);
  }

  /// What the library saw last. Cost: a lock and a copy; some file reads where its monitor does not run.
  memory_snapshot now() const noexcept {
    memory_snapshot seen{};
    seen.size = sizeof(::libmempool_snapshot);
    seen.limit = seen.seconds_left = UINT64_MAX;
    if (core_->library.is_there()) core_->library.get_snapshot(&seen);
    return seen;
  }

  /// For the tests of applications: the whole process behaves as though this level had been reached, holders and lines
  /// included, until called with nothing.
  monitor_error simulate(std::optional<mempool::level> reached) noexcept {
    if (!core_->library.is_there()) return monitor_error::not_there;
    core_->library.simulate(reached ? static_cast<int>(*reached) : -1);
    return monitor_error::none;
  }

  /// Sets the limit that MEMPOOL_LIMIT names, beside the kernel's, for the whole process; 0: none but the kernel's.
  /// Errors: std::invalid_argument below 1 MiB.
  monitor_error set_limit(std::uint64_t bytes) {
    if (bytes != 0 && bytes < (std::uint64_t{1} << 20))
      throw std::invalid_argument("memory_monitor: limit is " + std::to_string(bytes) + " bytes; allowed: 0, 1 MiB "
                                  "and more");
    if (!core_->library.is_there()) return monitor_error::not_there;
    core_->library.set_limit(bytes);
    return monitor_error::none;
  }

  /// How often it looks, and where levels begin: what the environment says, or the library's defaults. It reads
  /// these once, when the process starts, and nothing changes them later.
  struct settings {
    std::string interval;  ///< MEMPOOL_INTERVAL: longest time between two looks, like "5s"
    std::string warning;   ///< MEMPOOL_WARNING: a share of the limit, like "80%", or what stays free, like "-512MiB"
    std::string critical;  ///< MEMPOOL_CRITICAL: the same
  };
  static settings configured() {
    auto const value = [](const char* name, const char* otherwise) -> std::string {
      const char* const text = std::getenv(name);
      return text == nullptr || *text == '\0' ? otherwise : text;
    };
    return {value("MEMPOOL_INTERVAL", "5s"), value("MEMPOOL_WARNING", "80%"), value("MEMPOOL_CRITICAL", "90%")};
  }

 private:
  /// One listener. It is locked while it is called, which is what an unregistration waits for; recursively, so that it
  /// may end its own registration.
  struct entry {
    explicit entry(listener function) : callback(std::move(function)) {}

    std::recursive_mutex in_call;
    listener const callback;
    bool is_alive = true;
  };

  struct core : std::enable_shared_from_this<core> {
    explicit core(const detail::api& in_use) : library(in_use) {}

    void tell(mempool::level before, const memory_snapshot& seen) {
      std::uint64_t told = 0;
      std::uint64_t newest = 0;
      {
        std::lock_guard const lock(mutex);
        newest = last_id;
      }
      for (;;) {
        std::shared_ptr<entry> next;
        {
          std::lock_guard const lock(mutex);
          if (subscription == 0) return;  // a listener, or another thread, has stopped us
          auto const found = entries.upper_bound(told);
          if (found == entries.end() || found->first > newest) return;
          told = found->first;
          next = found->second;
        }
        std::lock_guard const in_call(next->in_call);
        if (!next->is_alive) continue;
        try {
          next->callback(before, seen);
        } catch (...) {
          faults_contained.fetch_add(1, std::memory_order_relaxed);
        }
      }
    }

    std::mutex mutex;
    std::map<std::uint64_t, std::shared_ptr<entry>> entries;  // in the order of their registration
    std::uint64_t last_id = 0;
    long subscription = 0;  // the one that all share, with the library; 0 while stopped
    detail::api const library;
  };

  static void hear(int before, const ::libmempool_snapshot* seen, void* context) {
    auto const self = static_cast<core*>(context)->shared_from_this();  // a listener may destroy its monitor
    memory_snapshot copied{};
    std::memcpy(static_cast<::libmempool_snapshot*>(&copied), seen,
                std::min(seen->size, sizeof(::libmempool_snapshot)));
    self->tell(static_cast<mempool::level>(before), copied);
  }

  std::shared_ptr<core> const core_;
};

}  // namespace mempool
