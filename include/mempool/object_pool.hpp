// A pool of objects that are costly to make. An object comes back when its handle goes, and is handed out again.
//
//   mempool::object_pool<connection, connection_policy> pool{connection_policy{"db1"}, {.initial = 10}};
//   auto c = pool.acquire();  // *c, c->query(); back in the pool at the end of the scope
//
// The rule: one is made only where none is idle. So no more exist than were ever in use at once, or `initial`; the cap
// on them is looked at only when one is made, and no hit pays for it. What is idle lies in an array of pointers with a
// single index, which is head, count and both limits; a hit moves it and touches no object. Such caches: Bonwick and
// Adams, "Magazines and Vmem" (USENIX 2001). The seed is ObjectPool.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mempool/reclaim.hpp"
#include "mempool/sync.hpp"

namespace mempool {

/// What lies in the pool. lazy: built objects, recycled. eager: raw blocks; an object is built at each acquire and
/// destroyed at each return.
enum class recycling { lazy, eager };

/// The least a policy has to be: something that creates. The other members are looked for by name, and none is a must:
///
///   T create();                                   may throw; what it throws comes out of acquire
///   bool recycle(T&);  or  void recycle(T&);      before an object is kept; false, or a throw: let it go instead
///   void retire(T&) noexcept;                     before an object is destroyed, wherever that happens
///   std::size_t footprint(const T&) const noexcept;  bytes an idle object owns beside itself, for bytes() and shrink()
///   static constexpr mempool::recycling mode;     lazy where it is not said
///
/// In an eager pool recycle and footprint are not called. Where the pool is shared, any thread calls any of them, many
/// at once, with no lock held; retire by libmempool's monitor too.
template <class T, recycling Mode = recycling::lazy>
struct default_pool_policy {
  static constexpr recycling mode = Mode;
  T create() const { return T(); }
};

struct object_pool_options {
  std::size_t initial = 10;           ///< made by the constructor; no more than max_idle and max_live allow
  std::size_t max_idle = 100;         ///< 0 to 16,777,216: kept for later; 8 bytes each are set aside at once
  std::size_t max_live = SIZE_MAX;    ///< 1 or more: in use at once
  std::string name = "";              ///< not empty, and the pool shared: what libmempool's monitor knows it by
};

struct object_pool_stats {
  std::size_t idle = 0;      ///< ready for use
  std::size_t live = 0;      ///< in use
  std::size_t peak = 0;      ///< most that existed at once
  std::uint64_t made = 0;    ///< so far; objects, or blocks where the pool is eager
  std::uint64_t reused = 0;  ///< acquired so far without one being made
  std::uint64_t faults = 0;  ///< calls of recycle that threw: each cost an object, and went no further
};

/// As many objects as max_live allows are in use.
class pool_exhausted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Hands out objects and takes them back.
///
/// Handles may outlive the pool: their objects are let go then, not kept. Alloc supplies all of the pool's memory,
/// is called by several threads at once where the pool is shared, and what it draws on must live as long as the last
/// handle. Thread-safety: Sync; with sync::none pool and handles belong to one thread: it gives back what the monitor
/// asks for at its next acquire (within 256 of them). Fork: a child may use the pool where no other thread was inside.
/// Cost: acquire and return O(1) in time, a lock where shared; O(shards) where this thread's shard is empty or full.
template <class T, class Policy = default_pool_policy<T>, class Sync = sync::none, class Alloc = std::allocator<T>>
class object_pool {
  class core;

 public:
  using value_type = T;

  /// Owns one object of the pool; empty after a move, reset or detach, or where try_acquire found none. Move-only, two
  /// words.
  class handle {
   public:
    handle() noexcept = default;
    handle(handle&& other) noexcept : core_{other.core_}, object_{std::exchange(other.object_, nullptr)} {}
    handle& operator=(handle&& other) noexcept {
      if (this == &other) return *this;
      reset();
      core_ = other.core_;
      object_ = std::exchange(other.object_, nullptr);
      return *this;
    }
    ~handle() { reset(); }

    T* get() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

    /// The object goes back now.
    void reset() noexcept {
      if (object_ != nullptr) core_->take_back(std::exchange(object_, nullptr));
    }
    /// For a callback that carries a plain pointer: the object stays in use until the pool's adopt() has it back.
    [[nodiscard]] T* detach() noexcept { return std::exchange(object_, nullptr); }

   private:
    friend object_pool;
    handle(core* owner, T* object) noexcept : core_{owner}, object_{object} {}

    core* core_ = nullptr;
    T* object_ = nullptr;
  };

  /// Makes `initial` objects. Errors: std::invalid_argument; what create or Alloc throws, with everything undone.
  object_pool() : object_pool(Policy{}) {}
  explicit object_pool(object_pool_options options, const Alloc& allocator = Alloc())
      : object_pool(Policy{}, std::move(options), allocator) {}
  explicit object_pool(Policy policy, object_pool_options options = {}, const Alloc& allocator = Alloc())
      : core_{core::open(std::move(policy), options, allocator)} {
    core_->fill();
    if constexpr (Sync::is_shared) {
      if (options.name.empty()) return;
      core* const shared = core_.get();
      holder_ = holder{options.name, [shared] { return shared->bytes(); },
                       [shared](const reclaim_request& request) { return shared->shrink(request); }};
    }
  }
  object_pool(const object_pool&) = delete;
  object_pool& operator=(const object_pool&) = delete;

  /// The object that came back last, or a new one. Errors: pool_exhausted; what create or Alloc throws, with nothing
  /// changed.
  handle acquire() {
    T* const object = core_->take();
    if (object == nullptr) [[unlikely]]
      core_->refuse();
    return handle{core_.get(), object};
  }
  /// Likewise, but an empty handle where all that max_live allows are in use.
  handle try_acquire() { return handle{core_.get(), core_->take()}; }
  /// Likewise, after waiting for one to come back. No order among those that wait.
  handle try_acquire(std::chrono::nanoseconds timeout)
    requires Sync::is_shared
  {
    auto const now = std::chrono::steady_clock::now();
    constexpr auto kNever = std::chrono::steady_clock::time_point::max();
    return handle{core_.get(), core_->take_until(timeout < kNever - now ? now + timeout : kNever)};
  }
  /// The object goes back with its last owner. Cost: a control block of Alloc's.
  std::shared_ptr<T> acquire_shared() {
    core* const owner = core_.get();
    // Where there is no memory for the control block, shared_ptr calls this function before it throws.
    return std::shared_ptr<T>{acquire().detach(), [owner](T* object) noexcept { owner->take_back(object); },
                              owner->allocator()};
  }
  /// The way back from handle::detach(). The object is this pool's, and in use: a debug build traps where it is not.
  handle adopt(T* object) noexcept { return handle{core_.get(), object}; }

  /// Lets idle objects go: all but `initial` in the benign pass, any in the others, until request.bytes are free.
  /// Returns the bytes.
  std::size_t shrink(const reclaim_request& request) noexcept { return core_->shrink(request); }
  /// Lets all idle objects go; those in use stay, and may come back.
  void clear() noexcept { core_->shrink({SIZE_MAX, pass::destructive, level::normal}); }

  /// Idle objects.
  std::size_t size() const noexcept { return core_->idle(); }
  /// All objects, and what the idle ones own by Policy::footprint.
  std::size_t bytes() const noexcept { return core_->bytes(); }
  object_pool_stats stats() const noexcept { return core_->stats(); }

 private:
  struct closing {
    void operator()(core* owner) const noexcept { owner->close(); }
  };
  std::unique_ptr<core, closing> core_;
  holder holder_;  // the last one declared: its end waits for a call in flight, which needs the core
};

/// What outlives the pool while handles do.
template <class T, class Policy, class Sync, class Alloc>
class object_pool<T, Policy, Sync, Alloc>::core {
  // Here, not in the pool itself, so that a T may have a handle of its own pool as a member.
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_nothrow_destructible_v<T>,
                "object_pool: T is an object type whose destructor does not throw");
  static_assert(requires(Policy& policy) { { policy.create() } -> std::same_as<T>; },
                "object_pool: Policy has a create() that returns T by value");

  static constexpr bool kEager = requires { requires Policy::mode == recycling::eager; };
  static constexpr bool kRecycles = !kEager && requires(Policy& policy, T& object) { policy.recycle(object); };
  static constexpr bool kRetires = requires(Policy& policy, T& object) { policy.retire(object); };
  static constexpr bool kMeasures = !kEager && requires(Policy& policy, const T& object) { policy.footprint(object); };
  using picker = detail::thread_shards<Sync>;
  static constexpr std::size_t kMostIdle = std::size_t{1} << 24;
  static constexpr std::uint64_t kPollEvery = 256;
  static constexpr auto kRelaxed = std::memory_order_relaxed;

  template <class Other>
  using alloc_of = typename std::allocator_traits<Alloc>::template rebind_alloc<Other>;
  using alloc_traits = std::allocator_traits<alloc_of<T>>;
  using core_traits = std::allocator_traits<alloc_of<core>>;
  static_assert(std::same_as<typename alloc_traits::pointer, T*>, "object_pool: Alloc's pointers are plain ones");

  struct nothing {};
  /// Changed under the lock; read without it, which is why they are atomics. A line of its own where there are several.
  struct alignas(picker::kAlignment) shard {
    [[no_unique_address]] typename Sync::lock_type lock;
    std::atomic<std::size_t> idle{0};
    std::atomic<std::size_t> room{0};  // as many may be idle here; 0 once the pool is gone
    std::atomic<std::uint64_t> reused{0};
    std::atomic<std::size_t> owned{0};  // bytes, by Policy::footprint
    T** slots = nullptr;
  };
  struct waiting_room {
    std::mutex lock;
    std::condition_variable came_back;
    std::atomic<std::size_t> waiting{0};
    std::uint64_t returns = 0;  // by the lock
  };

 public:
  static core* open(Policy policy, const object_pool_options& options, const Alloc& alloc) {
    if (options.max_idle > kMostIdle) refuse("max_idle", options.max_idle, "0 to 16777216");
    if (options.max_live == 0) refuse("max_live", options.max_live, "1 or more");
    alloc_of<core> own{alloc};
    core* const block = core_traits::allocate(own, 1);
    try {
      return ::new (static_cast<void*>(block)) core(std::move(policy), options, alloc);
    } catch (...) {
      core_traits::deallocate(own, block, 1);
      throw;
    }
  }

  void fill() {
    for (std::size_t i = 0; i < initial_; ++i) {
      reserve();
      keep(make());
    }
  }

  /// The pool goes, and with it what is idle; the core too, unless objects are in use.
  void close() noexcept {
    for (std::size_t i = 0; i < count(); ++i) {
      std::lock_guard const guard{shards_[i].lock};
      shards_[i].room.store(0, kRelaxed);
    }
    while (T* const block = take_idle(0)) drop_idle(block);
    leave();
  }

  /// An object to use; null where max_live are in use.
  T* take() {
    if constexpr (!Sync::is_shared)
      if (shards_[0].reused.load(kRelaxed) % kPollEvery == 0) [[unlikely]]
        look_at_pressure();
    T* block = pop(home(), 1);
    if (block == nullptr) [[unlikely]]
      block = take_slowly();
    if constexpr (kEager)
      return block == nullptr ? nullptr : build(block);
    else
      return block;
  }

  /// Who waits is counted before the attempt, and who brings back looks at the count under the lock that the attempt
  /// takes as well (or both are sequentially consistent, where no lock is shared): one of the two sees the other.
  T* take_until(std::chrono::steady_clock::time_point deadline) {
    if (T* const object = take()) return object;
    struct place_in_line {
      explicit place_in_line(std::atomic<std::size_t>& line) : line_{line} { line_.fetch_add(1); }
      ~place_in_line() { line_.fetch_sub(1); }
      std::atomic<std::size_t>& line_;
    } const place{room_.waiting};
    for (;;) {
      std::unique_lock guard{room_.lock};
      std::uint64_t const seen = room_.returns;
      guard.unlock();
      if (T* const object = take()) return object;
      guard.lock();
      if (!room_.came_back.wait_until(guard, deadline, [&] { return room_.returns != seen; })) return nullptr;
    }
  }

  void take_back(T* object) noexcept {
    assert(!is_idle(object) && "object_pool: an object came back twice");
    if constexpr (kEager) {
      retire(*object);
      if (!keep(object)) drop(object);
    } else {
      if ((kRecycles && with_room() == nullptr) || !recycle(*object) || !keep(object)) discard(object);
    }
  }

  std::size_t shrink(const reclaim_request& request) noexcept {
    std::size_t const least = request.pass == pass::benign ? initial_ : 0;
    std::size_t freed = 0;
    while (freed < request.bytes && idle() > least) {
      T* const block = take_idle(0);
      if (block == nullptr) break;
      freed += sizeof(T) + footprint(*block);
      drop_idle(block);
    }
    return freed;
  }

  std::size_t idle() const noexcept { return sum(&shard::idle); }
  std::size_t bytes() const noexcept { return exist_.load(kRelaxed) * sizeof(T) + sum(&shard::owned); }
  object_pool_stats stats() const noexcept {
    std::size_t const exist = exist_.load(kRelaxed);
    std::size_t const idle_now = std::min(idle(), exist);
    return {idle_now,
            exist - idle_now,
            peak_.load(kRelaxed),
            made_.load(kRelaxed),
            sum(&shard::reused),
            faults_.load(kRelaxed)};
  }
  const alloc_of<T>& allocator() const noexcept { return alloc_; }

  [[noreturn, gnu::cold]] void refuse() const {
    throw pool_exhausted{"object_pool: all " + std::to_string(max_live_) + " objects that max_live allows are in use"};
  }

 private:
  core(Policy policy, const object_pool_options& options, const Alloc& alloc)
      : policy_{std::move(policy)},
        alloc_{alloc},
        slots_(options.max_idle, nullptr, alloc_of<T*>{alloc}),
        initial_{std::min({options.initial, options.max_idle, options.max_live})},
        max_live_{options.max_live} {
    T** next = slots_.data();
    for (std::size_t i = 0; i < count(); ++i) {
      std::size_t const room = slots_.size() / count() + (i < slots_.size() % count() ? 1 : 0);
      shards_[i].slots = next;
      shards_[i].room.store(room, kRelaxed);
      next += room;
    }
  }

  [[noreturn]] static void refuse(const char* argument, std::size_t value, const char* allowed) {
    throw std::invalid_argument{std::string{"object_pool: "} + argument + " is " + std::to_string(value) +
                                ", and may be " + allowed};
  }

  // -- Idle objects: a thread's own shard first --------------------------------------------------------------------

  std::size_t count() const noexcept { return pick_.count(); }
  shard& home() noexcept { return shards_[pick_.home()]; }

  T* pop(shard& from, std::uint64_t uses) noexcept {
    std::lock_guard const guard{from.lock};
    std::size_t const idle_here = from.idle.load(kRelaxed);
    if (idle_here == 0) return nullptr;
    T* const block = from.slots[idle_here - 1];
    from.idle.store(idle_here - 1, kRelaxed);
    from.reused.store(from.reused.load(kRelaxed) + uses, kRelaxed);
    if constexpr (kMeasures) from.owned.store(from.owned.load(kRelaxed) - footprint(*block), kRelaxed);
    return block;
  }
  bool push(shard& into, T* block) noexcept {
    std::lock_guard const guard{into.lock};
    std::size_t const idle_here = into.idle.load(kRelaxed);
    if (idle_here >= into.room.load(kRelaxed)) return false;
    into.slots[idle_here] = block;
    into.idle.store(idle_here + 1, kRelaxed);
    if constexpr (kMeasures) into.owned.store(into.owned.load(kRelaxed) + footprint(*block), kRelaxed);
    wake();  // under the lock: close() cannot pass it, so the core is still there
    return true;
  }
  T* take_idle(std::uint64_t uses) noexcept {
    for (std::size_t i = 0; i < count(); ++i)
      if (T* const block = pop(shards_[pick_.from_home(i)], uses)) return block;
    return nullptr;
  }
  shard* with_room() noexcept {
    for (std::size_t i = 0; i < count(); ++i) {
      shard& at = shards_[pick_.from_home(i)];
      if (at.idle.load(kRelaxed) < at.room.load(kRelaxed)) return &at;
    }
    return nullptr;
  }
  bool keep(T* block) noexcept {
    if (push(shards_[pick_.home()], block)) [[likely]]
      return true;
    while (shard* const into = with_room())
      if (push(*into, block)) return true;
    return false;
  }
  bool is_idle(const T* object) noexcept {
    for (std::size_t i = 0; i < count(); ++i) {
      std::lock_guard const guard{shards_[i].lock};
      T** const end = shards_[i].slots + shards_[i].idle.load(kRelaxed);
      if (std::find(shards_[i].slots, end, object) != end) return true;
    }
    return false;
  }
  template <class Value>
  Value sum(std::atomic<Value> shard::*figure) const noexcept {
    Value total = 0;
    for (std::size_t i = 0; i < count(); ++i) total += (shards_[i].*figure).load(kRelaxed);
    return total;
  }

  // -- Objects come and go -----------------------------------------------------------------------------------------

  [[gnu::noinline]] T* take_slowly() {
    for (;;) {
      if (T* const block = take_idle(1)) return block;
      if (reserve()) return make();
      if (idle() == 0) return nullptr;  // else one came back meanwhile
    }
  }

  /// A place for one more, before it is made.
  bool reserve() noexcept {
    std::size_t exist = exist_.load();
    do {
      if (exist >= max_live_) return false;
    } while (!exist_.compare_exchange_weak(exist, exist + 1));
    owners_.fetch_add(1, kRelaxed);
    std::size_t peak = peak_.load(kRelaxed);
    while (peak <= exist && !peak_.compare_exchange_weak(peak, exist + 1, kRelaxed)) {
    }
    return true;
  }
  /// In the place reserved: an object, or a block where the pool is eager.
  T* make() {
    T* block = nullptr;
    try {
      block = alloc_traits::allocate(alloc_, 1);
      if constexpr (!kEager) ::new (static_cast<void*>(block)) T(policy_.create());
    } catch (...) {
      if (block != nullptr) alloc_traits::deallocate(alloc_, block, 1);
      forget();
      throw;
    }
    made_.fetch_add(1, kRelaxed);
    return block;
  }
  T* build(T* block) {
    try {
      return ::new (static_cast<void*>(block)) T(policy_.create());
    } catch (...) {
      if (!keep(block)) drop(block);
      throw;
    }
  }
  bool recycle(T& object) noexcept {
    if constexpr (kRecycles) {
      try {
        if constexpr (std::is_void_v<decltype(policy_.recycle(object))>)
          policy_.recycle(object);
        else
          return static_cast<bool>(policy_.recycle(object));
      } catch (...) {
        faults_.fetch_add(1, kRelaxed);
        return false;
      }
    }
    return true;
  }
  void retire(T& object) noexcept {
    if constexpr (kRetires) {
      static_assert(noexcept(policy_.retire(object)), "object_pool: Policy::retire is noexcept");
      policy_.retire(object);
    }
    std::destroy_at(std::addressof(object));
  }
  std::size_t footprint(const T& object) const noexcept {
    if constexpr (kMeasures) {
      static_assert(noexcept(policy_.footprint(object)), "object_pool: Policy::footprint is noexcept");
      return policy_.footprint(object);
    } else {
      return 0;
    }
  }

  void discard(T* object) noexcept {
    retire(*object);
    drop(object);
  }
  void drop(T* block) noexcept {
    alloc_traits::deallocate(alloc_, block, 1);
    forget();
  }
  void drop_idle(T* block) noexcept {
    if constexpr (kEager)
      drop(block);
    else
      discard(block);
  }
  /// One fewer exists, so one more may be made. The core may be gone afterwards.
  void forget() noexcept {
    exist_.fetch_sub(1);
    wake();
    leave();
  }
  void wake() noexcept {
    if constexpr (Sync::is_shared) {
      if (room_.waiting.load() == 0) [[likely]]
        return;
      {
        std::lock_guard const guard{room_.lock};
        ++room_.returns;
      }
      room_.came_back.notify_one();
    }
  }
  void leave() noexcept {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) end();
  }
  /// Not inline: a compiler that sees it in a loop does not know that the loop's caller is an owner too.
  [[gnu::noinline]] void end() noexcept {
    alloc_of<core> own{alloc_};
    std::destroy_at(this);
    core_traits::deallocate(own, this, 1);
  }

  [[gnu::noinline, gnu::cold]] void look_at_pressure() noexcept {
    reclaim_request request;
    if (poll_.asked(request)) shrink(request);
  }

  [[no_unique_address]] Policy policy_;
  [[no_unique_address]] alloc_of<T> alloc_;
  [[no_unique_address]] picker pick_;
  std::array<shard, picker::kMost> shards_;
  std::vector<T*, alloc_of<T*>> slots_;  // all shards', one piece each
  std::size_t const initial_;
  std::size_t const max_live_;
  std::atomic<std::size_t> exist_{0};   // idle and live
  std::atomic<std::size_t> owners_{1};  // those, and the pool
  std::atomic<std::size_t> peak_{0};
  std::atomic<std::uint64_t> made_{0};
  std::atomic<std::uint64_t> faults_{0};
  [[no_unique_address]] std::conditional_t<Sync::is_shared, waiting_room, nothing> room_;
  [[no_unique_address]] std::conditional_t<Sync::is_shared, nothing, pressure_poll> poll_;
};

namespace pmr {
/// A pool whose memory comes from a std::pmr::memory_resource.
template <class T, class Policy = default_pool_policy<T>, class Sync = sync::none>
using object_pool = mempool::object_pool<T, Policy, Sync, std::pmr::polymorphic_allocator<T>>;
}  // namespace pmr

}  // namespace mempool
