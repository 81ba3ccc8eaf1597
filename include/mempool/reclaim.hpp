// Whatever holds memory has a name, a usage and a way to give back. A holder tells libmempool so:
//
//   mempool::holder h{"orders", [&] { return cache.bytes(); }, [&](std::size_t want) { return cache.shrink(want); }};
//
// When memory runs short libmempool's monitor asks holders, the harmless passes first, and names the largest in its
// line. Works with any container; needs libmempool preloaded or linked to be of use. Without it a holder is a
// registration that is never called, and is_watched() says so.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <dlfcn.h>

#include "mempool/mempool.h"

namespace mempool {

/// How near the limit is.
enum class level : int {
  normal = LIBMEMPOOL_NORMAL,
  warning = LIBMEMPOOL_WARNING,
  critical = LIBMEMPOOL_CRITICAL,
  emergency = LIBMEMPOOL_EMERGENCY
};

/// How much giving back may hurt: spare memory; what was not used lately; what is of use but can be had again.
enum class pass : int {
  benign = LIBMEMPOOL_BENIGN,
  idle = LIBMEMPOOL_IDLE,
  destructive = LIBMEMPOOL_DESTRUCTIVE
};

/// What a holder is asked for.
struct reclaim_request {
  std::size_t bytes = 0;  ///< wanted from this holder; less is welcome, and so is more
  mempool::pass pass = mempool::pass::benign;
  mempool::level level = mempool::level::normal;
};

namespace detail {

/// The library's functions, looked up once: linked in (mempool::mempool, mempool::static) or preloaded.
struct api {
  decltype(&::libmempool_register) register_holder = nullptr;
  decltype(&::libmempool_on_pressure) on_pressure = nullptr;
  decltype(&::libmempool_unregister) unregister = nullptr;
  decltype(&::libmempool_epoch) epoch = nullptr;
  decltype(&::libmempool_get_snapshot) get_snapshot = nullptr;
  decltype(&::libmempool_trim) trim = nullptr;
  decltype(&::libmempool_set_limit) set_limit = nullptr;
  decltype(&::libmempool_simulate) simulate = nullptr;

  bool is_there() const noexcept { return register_holder != nullptr; }

  static const api& get() noexcept {
    static const api found = look_up();
    return found;
  }

 private:
  static api look_up() noexcept {
#ifdef MEMPOOL_LINKED  // set by the CMake targets: a static program has no dlsym to ask
    return {&::libmempool_register,     &::libmempool_on_pressure, &::libmempool_unregister, &::libmempool_epoch,
            &::libmempool_get_snapshot, &::libmempool_trim,        &::libmempool_set_limit,  &::libmempool_simulate};
#else
    api found;
    auto const find = [](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(RTLD_DEFAULT, name));
      return function != nullptr;
    };
    bool const all = find(found.register_holder, "libmempool_register") &&
                     find(found.on_pressure, "libmempool_on_pressure") &&
                     find(found.unregister, "libmempool_unregister") && find(found.epoch, "libmempool_epoch") &&
                     find(found.get_snapshot, "libmempool_get_snapshot") && find(found.trim, "libmempool_trim") &&
                     find(found.set_limit, "libmempool_set_limit") && find(found.simulate, "libmempool_simulate");
    return all ? found : api{};  // an older library is as good as none
#endif
  }
};

inline constexpr std::uint32_t nobody_asks = 0;

}  // namespace detail

/// Callbacks that threw, in this process; each counts as nothing given back. Any thread.
inline std::atomic<std::uint64_t> faults_contained{0};

/// Registers a name, a usage and a way to give back for as long as it lives. Move-only.
///
/// `usage` is `std::size_t()`: bytes held now; called often, by the monitor's thread: it must not block or allocate.
/// `reclaim` is `std::size_t(std::size_t want)` or `std::size_t(const reclaim_request&)`: gives back about so much and
/// says how much it was; called in a thread of libmempool's, one call at a time, with none of its locks held. What
/// either throws is counted (faults_contained) and goes no further. A reclaim that takes the number alone is asked in
/// every pass.
///
/// Errors: std::bad_alloc from the constructor; a name that is empty or longer than 47 bytes, or 256 registrations at
/// once, leave the holder unwatched. Destruction and move assignment wait for a call in flight, so neither within a
/// callback nor while holding a lock that one takes. In a fork child: the parent's registrations, called once the child
/// has a monitor of its own. Cost: one allocation, one lock.
class holder {
 public:
  holder() noexcept = default;

  template <std::invocable<> Usage, class Reclaim>
    requires std::convertible_to<std::invoke_result_t<Usage>, std::size_t> &&
             (std::is_invocable_r_v<std::size_t, Reclaim&, const reclaim_request&> ||
              std::is_invocable_r_v<std::size_t, Reclaim&, std::size_t>)
  holder(std::string_view name, Usage usage, Reclaim reclaim)
      : callbacks_{std::make_unique<callbacks_of<Usage, Reclaim>>(std::move(usage), std::move(reclaim))} {
    auto const& library = detail::api::get();
    if (!library.is_there()) return;
    registration_ = library.register_holder(std::string{name}.c_str(), &usage_of, &reclaim_of, callbacks_.get());
  }

  holder(holder&& other) noexcept
      : callbacks_{std::move(other.callbacks_)}, registration_{std::exchange(other.registration_, 0)} {}
  holder& operator=(holder&& other) noexcept {
    if (this == &other) return *this;
    reset();
    callbacks_ = std::move(other.callbacks_);
    registration_ = std::exchange(other.registration_, 0);
    return *this;
  }
  ~holder() { reset(); }

  /// True where libmempool knows of it: it is there, and took the registration.
  bool is_watched() const noexcept { return registration_ != 0; }

  /// Ends the registration; waits for a call in flight.
  void reset() noexcept {
    if (registration_ != 0) detail::api::get().unregister(std::exchange(registration_, 0));
    callbacks_.reset();
  }

 private:
  struct callbacks {
    virtual ~callbacks() = default;
    virtual std::size_t usage() = 0;
    virtual std::size_t reclaim(const reclaim_request&) = 0;
  };
  template <class Usage, class Reclaim>
  struct callbacks_of final : callbacks {
    callbacks_of(Usage usage_function, Reclaim reclaim_function)
        : usage_{std::move(usage_function)}, reclaim_{std::move(reclaim_function)} {}
    std::size_t usage() override { return usage_(); }
    std::size_t reclaim(const reclaim_request& request) override {
      if constexpr (std::is_invocable_r_v<std::size_t, Reclaim&, const reclaim_request&>)
        return reclaim_(request);
      else
        return reclaim_(request.bytes);
    }
    Usage usage_;
    Reclaim reclaim_;
  };

  static std::size_t usage_of(void* context) {
    try {
      return static_cast<callbacks*>(context)->usage();
    } catch (...) {
      faults_contained.fetch_add(1, std::memory_order_relaxed);
      return 0;
    }
  }
  static std::size_t reclaim_of(const ::libmempool_request* asked, void* context) {
    try {
      return static_cast<callbacks*>(context)->reclaim(
          {asked->bytes, static_cast<mempool::pass>(asked->pass), static_cast<mempool::level>(asked->level)});
    } catch (...) {
      faults_contained.fetch_add(1, std::memory_order_relaxed);
      return 0;
    }
  }

  std::unique_ptr<callbacks> callbacks_;  // at an address that does not change when the holder moves
  long registration_ = 0;
};

/// For what belongs to one thread: the monitor never calls it. Its owner asks on its own path whether holders were asked
/// since the last time, and gives back there. Cost of a look: one load. Not thread-safe; a fork child's starts afresh.
class pressure_poll {
 public:
  pressure_poll() noexcept {
    if (auto const& library = detail::api::get(); library.is_there()) epoch_ = library.epoch();
    seen_ = now();
  }

  /// What to give back, once after each time that holders were asked: everything (bytes is SIZE_MAX) that the pass
  /// allows. Pass and level are the present ones. `request` is left alone, and false returned, where nobody asked.
  bool asked(reclaim_request& request) noexcept {
    std::uint32_t const epoch = now();
    if (epoch == seen_) [[likely]]
      return false;
    seen_ = epoch;
    ::libmempool_snapshot state{};
    state.size = sizeof state;
    detail::api::get().get_snapshot(&state);
    auto const at = static_cast<level>(state.level);
    request = {SIZE_MAX, at >= level::critical ? pass::destructive : at >= level::warning ? pass::idle : pass::benign,
               at};
    return true;
  }

 private:
  std::uint32_t now() const noexcept { return __atomic_load_n(epoch_, __ATOMIC_ACQUIRE); }

  const std::uint32_t* epoch_ = &detail::nobody_asks;
  std::uint32_t seen_ = 0;
};

}  // namespace mempool
