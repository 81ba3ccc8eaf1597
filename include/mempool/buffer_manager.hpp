// Buffers of exactly the size asked for, out of blocks of a power of two, within a budget that holds.
//
//   mempool::buffer_manager buffers{{.max_bytes = 100 << 20}};
//   mempool::buffer b = buffers.allocate(1500);              // b.size() is 1500, b.capacity() 2048
//   mempool::shared_buffer packet = std::move(b).share();    // read-only from here, counted, nothing copied
//   auto header = packet.slice(0, 20), rest = packet.slice(20);
//
// The rules: reserved = in use + idle <= max_bytes, always; and idle memory is no reason to fail: allocate(n) works as
// long as what is in use leaves room for the block of n. What is known of a block lies apart from it, in a record, so
// sharing needs no allocation, an idle block is not touched, and its zeros stay zeros. The seed is BufferManager; the
// ages at which idle blocks go are those of .NET's shared array pool.
#pragma once

#include <string.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "mempool/reclaim.hpp"
#include "mempool/sync.hpp"

namespace mempool {

/// When the bytes that a buffer's owner could write are overwritten with zeros, so that no later owner reads them. With
/// on_reuse they lie in idle blocks until then, and in blocks that were freed for good.
/// Except with `never`, every buffer reads as zeros when it is handed out.
enum class scrub { on_release, on_reuse, never };

/// What is in use leaves no room for the block.
class budget_exceeded : public std::bad_alloc {
 public:
  const char* what() const noexcept override { return "buffer_manager: max_bytes leaves no room for this buffer"; }
};

struct buffer_manager_options {
  std::size_t max_bytes = std::size_t{100} << 20;  ///< 64 or more: of all blocks, in use and idle
  std::size_t keep_per_class = 10;                 ///< idle blocks of a size that only the destructive pass takes
  std::chrono::milliseconds idle_after = std::chrono::seconds{30};  ///< 0 or more: what lies longer is not in demand
  mempool::scrub scrub = mempool::scrub::on_release;
  std::string name = "";  ///< not empty, and the manager shared: what libmempool's monitor knows it by
};

/// Of one moment. Sizes in bytes, of blocks.
struct buffer_manager_stats {
  std::size_t max_bytes = 0;
  std::size_t reserved = 0;  ///< in_use + idle, never above max_bytes
  std::size_t in_use = 0;
  std::size_t idle = 0;
  std::size_t peak = 0;           ///< of reserved
  std::uint64_t hits = 0;         ///< buffers from idle blocks, so far
  std::uint64_t misses = 0;       ///< buffers that needed a new one
  std::uint64_t refused = 0;      ///< for want of budget or memory
  std::uint64_t given_back = 0;   ///< bytes of idle blocks freed, so far
  std::array<std::size_t, 48> idle_blocks{};  ///< [k]: idle blocks of 2^k bytes
};

/// The time to within some milliseconds, at a quarter of steady_clock's price: it is read at every release.
struct buffer_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<buffer_clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
    ::timespec at{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &at);
    return time_point{std::chrono::seconds{at.tv_sec} + std::chrono::nanoseconds{at.tv_nsec}};
#else
    return time_point{std::chrono::steady_clock::now().time_since_epoch()};
#endif
  }
};

namespace detail {

struct buffer_record;

/// What a buffer knows of the manager it came from, whatever the manager's template arguments.
class buffer_owner {
 public:
  virtual void give_back(buffer_record* record) noexcept = 0;
  virtual void detach(buffer_record* record) = 0;

 protected:
  ~buffer_owner() = default;
};

/// One block's, for as long as the block exists. Belongs to the buffer, or under a lock to the list it is in.
struct buffer_record {
  buffer_owner* owner = nullptr;
  std::byte* data = nullptr;
  unsigned lg = 0;                       // the block is of 2^lg bytes
  std::atomic<std::uint32_t> shares{0};  // of shared_buffer
  std::size_t dirty = 0;                 // so many bytes may differ from zero
  std::chrono::nanoseconds since{};      // idle since, by the manager's clock
  buffer_record* newer = nullptr;
  buffer_record* older = nullptr;
};

[[noreturn, gnu::cold]] inline void refuse_buffer_argument(const char* argument, std::size_t value, std::size_t most) {
  throw std::invalid_argument{std::string{argument} + " is " + std::to_string(value) + ", and may be 0 to " +
                              std::to_string(most)};
}

}  // namespace detail

class shared_buffer;

/// A writable buffer with one owner; its block goes back when it ends. Move-only; may outlive its manager. Bytes beyond
/// size() are not its owner's, and are not scrubbed: resize() first. Thread-safety: like an int; with a manager of
/// sync::none the block goes back in the manager's thread.
class buffer {
 public:
  buffer() noexcept = default;
  buffer(buffer&& other) noexcept
      : record_{std::exchange(other.record_, nullptr)},
        data_{std::exchange(other.data_, nullptr)},
        size_{std::exchange(other.size_, 0)} {}
  buffer& operator=(buffer&& other) noexcept {
    if (this == &other) return *this;
    reset();
    record_ = std::exchange(other.record_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~buffer() { reset(); }

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// What resize() may ask for: 0, or a power of two from 64.
  std::size_t capacity() const noexcept { return record_ == nullptr ? 0 : std::size_t{1} << record_->lg; }
  std::byte* begin() noexcept { return data_; }
  std::byte* end() noexcept { return data_ + size_; }
  const std::byte* begin() const noexcept { return data_; }
  const std::byte* end() const noexcept { return data_ + size_; }

  /// Within capacity(). Errors: std::invalid_argument.
  void resize(std::size_t size) {
    if (size > capacity()) detail::refuse_buffer_argument("buffer::resize: size", size, capacity());
    if (record_ != nullptr) record_->dirty = std::max(record_->dirty, size);
    size_ = size;
  }
  /// Any number of owners from here, and no writer. Cost: none.
  shared_buffer share() && noexcept;
  /// For a callback that carries a plain pointer: in use until the manager's release() has it back. Null where there is
  /// no block. Errors: std::bad_alloc, with nothing changed.
  [[nodiscard]] std::byte* detach() {
    if (record_ == nullptr) return nullptr;
    record_->owner->detach(record_);
    record_ = nullptr;
    size_ = 0;
    return std::exchange(data_, nullptr);
  }
  /// The block goes back now.
  void reset() noexcept {
    size_ = 0;
    data_ = nullptr;
    if (record_ != nullptr) {
      auto* const record = std::exchange(record_, nullptr);
      record->owner->give_back(record);
    }
  }

 private:
  template <class Sync, class Clock>
  friend class basic_buffer_manager;
  buffer(detail::buffer_record* record, std::size_t size) noexcept
      : record_{record}, data_{record->data}, size_{size} {}

  detail::buffer_record* record_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A part of a buffer that is shared, read-only; the block goes back with its last owner. Copies and slices cost one
/// atomic addition. Thread-safety: like a shared_ptr.
class shared_buffer {
 public:
  shared_buffer() noexcept = default;
  shared_buffer(const shared_buffer& other) noexcept
      : record_{other.record_}, data_{other.data_}, size_{other.size_} {
    if (record_ != nullptr) record_->shares.fetch_add(1, std::memory_order_relaxed);
  }
  shared_buffer(shared_buffer&& other) noexcept
      : record_{std::exchange(other.record_, nullptr)},
        data_{std::exchange(other.data_, nullptr)},
        size_{std::exchange(other.size_, 0)} {}
  shared_buffer& operator=(shared_buffer other) noexcept {
    std::swap(record_, other.record_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~shared_buffer() {
    if (record_ != nullptr && record_->shares.fetch_sub(1, std::memory_order_acq_rel) == 1)
      record_->owner->give_back(record_);
  }

  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const std::byte* begin() const noexcept { return data_; }
  const std::byte* end() const noexcept { return data_ + size_; }

  /// Bytes from `offset` to the end. Errors: std::invalid_argument.
  shared_buffer slice(std::size_t offset) const {
    if (offset > size_) detail::refuse_buffer_argument("shared_buffer::slice: offset", offset, size_);
    return slice(offset, size_ - offset);
  }
  /// `count` bytes from `offset`. Errors: std::invalid_argument.
  shared_buffer slice(std::size_t offset, std::size_t count) const {
    if (offset > size_) detail::refuse_buffer_argument("shared_buffer::slice: offset", offset, size_);
    if (count > size_ - offset) detail::refuse_buffer_argument("shared_buffer::slice: count", count, size_ - offset);
    shared_buffer part{*this};
    part.data_ += offset;
    part.size_ = count;
    return part;
  }

 private:
  friend class buffer;
  shared_buffer(detail::buffer_record* record, const std::byte* data, std::size_t size) noexcept
      : record_{record}, data_{data}, size_{size} {}

  detail::buffer_record* record_ = nullptr;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

inline shared_buffer buffer::share() && noexcept {
  if (record_ == nullptr) return {};
  record_->shares.store(1, std::memory_order_relaxed);
  return shared_buffer{std::exchange(record_, nullptr), std::exchange(data_, nullptr), std::exchange(size_, 0)};
}

/// Hands out buffers and takes them back.
///
/// Thread-safety: Sync. With sync::none the manager and its buffers belong to one thread, which gives back what the
/// monitor asks for at its next allocations (within 256 of them). Buffers may outlive the manager: their blocks are
/// freed then. Fork: a child may use it where no other thread was inside. Clock is read at every release and by
/// shrink(). Cost: a lock and a few list links where a block of the size is idle; malloc or calloc where not; scrubbing
/// on top.
template <class Sync = sync::sharded, class Clock = buffer_clock>
class basic_buffer_manager {
  class core;
  enum class refusal { budget, memory };

 public:
  /// Errors: std::invalid_argument, std::bad_alloc.
  explicit basic_buffer_manager(buffer_manager_options options = {}) : core_{new core{options}} {
    if constexpr (Sync::is_shared) {
      if (options.name.empty()) return;
      core* const shared = core_.get();
      holder_ = holder{options.name, [shared] { return shared->bytes(); },
                       [shared](const reclaim_request& request) { return shared->shrink(request); }};
    }
  }
  basic_buffer_manager(const basic_buffer_manager&) = delete;
  basic_buffer_manager& operator=(const basic_buffer_manager&) = delete;

  /// A buffer of `size` bytes, aligned as malloc aligns; 0 is an empty one that has no block. Errors: budget_exceeded;
  /// std::bad_alloc where the memory is not there, though all idle blocks were given back for it.
  buffer allocate(std::size_t size) {
    if (size == 0) return {};
    auto why = refusal::budget;
    if (auto* const record = core_->take(size, why)) return buffer{record, size};
    if (why == refusal::budget) throw budget_exceeded{};
    throw std::bad_alloc{};
  }
  /// Likewise, but nothing where allocate() throws.
  std::optional<buffer> try_allocate(std::size_t size) noexcept {
    if (size == 0) return buffer{};
    auto why = refusal::budget;
    if (auto* const record = core_->take(size, why)) return buffer{record, size};
    return std::nullopt;
  }
  /// Takes back what buffer::detach() gave away; null is nothing. Errors: std::invalid_argument where a pointer is not
  /// from there, or was released already; nothing is changed then. Cost: a hash look-up.
  void release(const void* data) {
    if (data != nullptr) core_->release(data);
  }

  /// Frees idle blocks, those of the size that lay longest first, until no more than `to_bytes` are reserved. Returns
  /// the bytes freed.
  std::size_t trim(std::size_t to_bytes = 0) noexcept { return core_->trim(to_bytes); }
  /// Frees idle blocks until request.bytes are free: in the benign pass those that lay for idle_after, in the idle pass
  /// for half of it, keep_per_class of each size excepted; in the destructive pass any. Returns the bytes freed.
  std::size_t shrink(const reclaim_request& request) noexcept { return core_->shrink(request); }

  /// Of all blocks.
  std::size_t bytes() const noexcept { return core_->bytes(); }
  /// Cost: all locks, for a moment.
  buffer_manager_stats stats() const noexcept { return core_->stats(); }

 private:
  struct closing {
    void operator()(core* owner) const noexcept { owner->close(); }
  };
  std::unique_ptr<core, closing> core_;
  holder holder_;  // the last one declared: its end waits for a call in flight, which needs the core
};

using buffer_manager = basic_buffer_manager<>;

/// What outlives the manager while buffers do. Locks in order: the budget's, the shards' by number. Blocks are let in,
/// and idle ones leave for good, under the budget's lock; so who holds it and all the shards' knows to the byte what is
/// in use.
template <class Sync, class Clock>
class basic_buffer_manager<Sync, Clock>::core final : public detail::buffer_owner {
  using record = detail::buffer_record;
  using picker = detail::thread_shards<Sync>;
  static constexpr unsigned kMinLg = 6;   // a cache line
  static constexpr unsigned kMaxLg = 47;  // what a process can address
  static constexpr unsigned kClasses = kMaxLg - kMinLg + 1;
  static constexpr std::uint64_t kPollEvery = 256;
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  static constexpr auto kAnyAge = std::chrono::nanoseconds::max();

  /// The newest is taken, and the oldest let go.
  struct list {
    record* newest = nullptr;
    record* oldest = nullptr;
    std::size_t count = 0;
  };
  struct alignas(picker::kAlignment) shard {
    [[no_unique_address]] typename Sync::lock_type lock;
    std::atomic<std::uint64_t> filled{0};  // a bit for each list that is not empty; without the lock, a hint
    std::uint64_t hits = 0;
    bool is_closed = false;
    std::array<list, kClasses> lists{};
  };
  class all_shards {
   public:
    explicit all_shards(core& of) : of_{of} {
      for (std::size_t i = 0; i < of_.count(); ++i) of_.shards_[i].lock.lock();
    }
    ~all_shards() {
      for (std::size_t i = of_.count(); i-- > 0;) of_.shards_[i].lock.unlock();
    }
    all_shards(const all_shards&) = delete;
    all_shards& operator=(const all_shards&) = delete;

   private:
    core& of_;
  };
  struct nothing {};

 public:
  explicit core(const buffer_manager_options& options)
      : max_bytes_{options.max_bytes},
        keep_per_class_{options.keep_per_class},
        idle_after_{options.idle_after},
        scrub_{options.scrub} {
    if (max_bytes_ < bytes_of(0))
      throw std::invalid_argument{"buffer_manager: max_bytes is " + std::to_string(max_bytes_) +
                                  ", and may be 64 or more"};
    if (options.idle_after.count() < 0)
      throw std::invalid_argument{"buffer_manager: idle_after is " + std::to_string(options.idle_after.count()) +
                                  " ms, and may be 0 or more"};
  }

  record* take(std::size_t size, refusal& why) noexcept {
    unsigned const lg = std::max(kMinLg, static_cast<unsigned>(std::bit_width(size - 1)));
    if (lg > kMaxLg) [[unlikely]] {
      refused_.fetch_add(1, kRelaxed);
      return nullptr;
    }
    unsigned const size_class = lg - kMinLg;
    std::size_t const home = pick_.home();
    if constexpr (!Sync::is_shared)
      if (shards_[home].hits % kPollEvery == 0) [[unlikely]]
        look_at_pressure();
    record* taken = reuse(shards_[home], size_class);
    if constexpr (picker::kIsSharded)
      if (taken == nullptr) taken = reuse_others(home, size_class);
    if (taken == nullptr) [[unlikely]] {
      taken = grow(size_class, why);
      if (taken == nullptr) return nullptr;
    }
    if (scrub_ == scrub::on_reuse) wipe(*taken);
    taken->dirty = size;
    return taken;
  }

  void give_back(record* returned) noexcept override {
    if (scrub_ == scrub::on_release) wipe(*returned);
    returned->since = now();
    {
      shard& home = shards_[pick_.home()];
      std::lock_guard const guard{home.lock};
      if (!home.is_closed) [[likely]] {
        push(home, returned);
        return;  // the core may be gone once the lock is: close() waited for it
      }
    }
    returned->older = nullptr;
    free_all(returned);
  }

  void detach(record* wanted) override {
    std::lock_guard const guard{detached_lock_};
    detached_.emplace(wanted->data, wanted);
  }
  void release(const void* data) {
    record* found = nullptr;
    {
      std::lock_guard const guard{detached_lock_};
      if (auto const at = detached_.find(data); at != detached_.end()) {
        found = at->second;
        detached_.erase(at);
      }
    }
    if (found == nullptr) refuse_pointer(data);
    give_back(found);
  }

  std::size_t trim(std::size_t to_bytes) noexcept {
    std::size_t const reserved = bytes();
    return reserved <= to_bytes ? 0 : give_up(reserved - to_bytes, kAnyAge, 0);
  }
  std::size_t shrink(const reclaim_request& request) noexcept {
    switch (request.pass) {
      case pass::benign: return give_up(request.bytes, now() - idle_after_, keep_per_class_);
      case pass::idle: return give_up(request.bytes, now() - idle_after_ / 2, keep_per_class_);
      case pass::destructive: break;
    }
    return give_up(request.bytes, kAnyAge, 0);
  }

  std::size_t bytes() const noexcept { return reserved_.load(kRelaxed); }
  buffer_manager_stats stats() noexcept {
    std::lock_guard const budget{budget_lock_};
    all_shards const locked{*this};
    buffer_manager_stats figures;
    figures.max_bytes = max_bytes_;
    figures.reserved = bytes();
    figures.idle = idle_bytes();
    figures.in_use = figures.reserved - figures.idle;
    figures.peak = peak_;
    figures.misses = misses_;
    figures.refused = refused_.load(kRelaxed);
    figures.given_back = given_back_.load(kRelaxed);
    for (std::size_t i = 0; i < count(); ++i) {
      figures.hits += shards_[i].hits;
      for (unsigned c = 0; c < kClasses; ++c) figures.idle_blocks[c + kMinLg] += shards_[i].lists[c].count;
    }
    return figures;
  }

  /// The manager goes, and with it what is idle; the core too, unless blocks are in use.
  void close() noexcept {
    record* idle = nullptr;
    {
      std::lock_guard const budget{budget_lock_};
      all_shards const locked{*this};
      for (std::size_t i = 0; i < count(); ++i) shards_[i].is_closed = true;
      idle = collect(SIZE_MAX, kAnyAge, 0);
    }
    free_all(idle);
    leave();
  }

 private:
  static constexpr std::size_t bytes_of(unsigned size_class) noexcept {
    return std::size_t{1} << (size_class + kMinLg);
  }
  static std::chrono::nanoseconds now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch());
  }
  static void wipe(record& of) noexcept {
    ::explicit_bzero(of.data, of.dirty);
    of.dirty = 0;
  }

  // -- Idle blocks: a thread's own shard first ---------------------------------------------------------------------

  std::size_t count() const noexcept { return pick_.count(); }

  // The shard is locked in these three.
  static void push(shard& into, record* added) noexcept {
    unsigned const size_class = added->lg - kMinLg;
    list& of = into.lists[size_class];
    added->newer = nullptr;
    added->older = of.newest;
    (of.newest != nullptr ? of.newest->newer : of.oldest) = added;
    of.newest = added;
    if (of.count++ == 0) into.filled.store(into.filled.load(kRelaxed) | (std::uint64_t{1} << size_class), kRelaxed);
  }
  static record* pop_newest(shard& from, unsigned size_class) noexcept {
    list& of = from.lists[size_class];
    record* const taken = of.newest;
    of.newest = taken->older;
    (of.newest != nullptr ? of.newest->newer : of.oldest) = nullptr;
    count_down(from, size_class);
    return taken;
  }
  static record* pop_oldest(shard& from, unsigned size_class) noexcept {
    list& of = from.lists[size_class];
    record* const taken = of.oldest;
    of.oldest = taken->newer;
    (of.oldest != nullptr ? of.oldest->older : of.newest) = nullptr;
    count_down(from, size_class);
    return taken;
  }
  static void count_down(shard& of, unsigned size_class) noexcept {
    if (--of.lists[size_class].count == 0)
      of.filled.store(of.filled.load(kRelaxed) & ~(std::uint64_t{1} << size_class), kRelaxed);
  }

  static bool looks_filled(const shard& at, unsigned size_class) noexcept {
    return ((at.filled.load(kRelaxed) >> size_class) & 1) != 0;
  }
  record* reuse(shard& from, unsigned size_class) noexcept {
    if (!looks_filled(from, size_class)) return nullptr;
    std::lock_guard const guard{from.lock};
    if (from.lists[size_class].count == 0) return nullptr;
    ++from.hits;
    return pop_newest(from, size_class);
  }
  /// One block of another shard's, and half of the rest for the next time: a thread that allocates what others release
  /// would meet them at every block. Both locks at once, so that no block is between two lists for others to see.
  record* reuse_others(std::size_t home_number, unsigned size_class) noexcept {
    shard& home = shards_[home_number];
    for (std::size_t i = 1; i < count(); ++i) {
      shard& other = shards_[(home_number + i) & (count() - 1)];
      if (!looks_filled(other, size_class)) continue;
      std::scoped_lock const both{home.lock, other.lock};
      list const& of = other.lists[size_class];
      if (of.count == 0) continue;
      record* const taken = pop_newest(other, size_class);
      for (std::size_t more = of.count / 2; more > 0; --more) push(home, pop_oldest(other, size_class));
      ++home.hits;
      return taken;
    }
    return nullptr;
  }

  // -- Blocks come and go ------------------------------------------------------------------------------------------

  /// A new block, for which idle ones of other sizes may have to go.
  [[gnu::noinline]] record* grow(unsigned size_class, refusal& why) noexcept {
    std::size_t const size = bytes_of(size_class);
    record* evicted = nullptr;
    bool fits = size <= max_bytes_;
    if (fits) {
      std::lock_guard const budget{budget_lock_};
      std::size_t const most = max_bytes_ - size;  // so much may be reserved before
      if (reserved_.load(kRelaxed) > most) {
        all_shards const locked{*this};
        std::size_t const reserved = reserved_.load(kRelaxed);
        fits = reserved - idle_bytes() <= most;
        if (fits) evicted = collect(reserved - most, kAnyAge, 0);
      }
      if (fits) {
        reserved_.store(reserved_.load(kRelaxed) + size, kRelaxed);
        peak_ = std::max(peak_, reserved_.load(kRelaxed));
        ++misses_;
      }
    }
    free_all(evicted);
    if (fits) {
      if (record* const made = make(size_class)) return made;
      if (trim(0) != 0)
        if (record* const made = make(size_class)) return made;
      std::lock_guard const budget{budget_lock_};
      reserved_.store(reserved_.load(kRelaxed) - size, kRelaxed);
      --misses_;
    }
    why = fits ? refusal::memory : refusal::budget;
    refused_.fetch_add(1, kRelaxed);
    return nullptr;
  }
  record* make(unsigned size_class) noexcept {
    std::size_t const size = bytes_of(size_class);
    void* const data = scrub_ == scrub::never ? std::malloc(size) : std::calloc(1, size);
    record* const made = data == nullptr ? nullptr : new (std::nothrow) record;
    if (made == nullptr) {
      std::free(data);
      return nullptr;
    }
    made->owner = this;
    made->data = static_cast<std::byte*>(data);
    made->lg = size_class + kMinLg;
    owners_.fetch_add(1, kRelaxed);
    return made;
  }

  std::size_t idle_bytes() const noexcept {
    std::size_t total = 0;
    for (std::size_t i = 0; i < count(); ++i)
      for (unsigned c = 0; c < kClasses; ++c) total += shards_[i].lists[c].count << (c + kMinLg);
    return total;
  }
  /// Takes idle blocks out, from the end of the list whose end lay longest, and so on until there are `wanted` bytes:
  /// those idle since `before`, `keep` of each size excepted. The budget and all shards are locked. Returns a chain.
  record* collect(std::size_t wanted, std::chrono::nanoseconds before, std::size_t keep) noexcept {
    std::array<std::size_t, kClasses> idle{};
    for (std::size_t i = 0; i < count(); ++i)
      for (unsigned c = 0; c < kClasses; ++c) idle[c] += shards_[i].lists[c].count;
    auto const may_go = [&](shard const& at, unsigned c) {
      return at.lists[c].count != 0 && idle[c] > keep && at.lists[c].oldest->since <= before;
    };
    record* chain = nullptr;
    std::size_t got = 0;
    while (got < wanted) {
      shard* coldest = nullptr;
      unsigned size_class = 0;
      for (std::size_t i = 0; i < count(); ++i)
        for (unsigned c = 0; c < kClasses; ++c)
          if (may_go(shards_[i], c) &&
              (coldest == nullptr || shards_[i].lists[c].oldest->since < coldest->lists[size_class].oldest->since)) {
            coldest = &shards_[i];
            size_class = c;
          }
      if (coldest == nullptr) break;
      do {
        record* const out = pop_oldest(*coldest, size_class);
        --idle[size_class];
        out->older = chain;
        chain = out;
        got += bytes_of(size_class);
      } while (got < wanted && may_go(*coldest, size_class));
    }
    reserved_.store(reserved_.load(kRelaxed) - got, kRelaxed);
    given_back_.fetch_add(got, kRelaxed);
    return chain;
  }
  std::size_t give_up(std::size_t wanted, std::chrono::nanoseconds before, std::size_t keep) noexcept {
    record* chain = nullptr;
    {
      std::lock_guard const budget{budget_lock_};
      all_shards const locked{*this};
      chain = collect(wanted, before, keep);
    }
    return free_all(chain);
  }
  /// With no lock held: freeing a large block is a system call. After the last block the core may be gone.
  std::size_t free_all(record* chain) noexcept {
    std::size_t freed = 0;
    while (chain != nullptr) {
      record* const next = chain->older;
      freed += std::size_t{1} << chain->lg;
      std::free(chain->data);
      delete chain;
      chain = next;
      leave();
    }
    return freed;
  }
  void leave() noexcept {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) end();
  }
  /// Not inline: a compiler that sees it in a loop does not know that the loop's caller is an owner too.
  [[gnu::noinline]] void end() noexcept { delete this; }

  [[noreturn, gnu::cold]] void refuse_pointer(const void* data) {
    bool is_idle = false;
    {
      all_shards const locked{*this};
      for (std::size_t i = 0; i < count(); ++i)
        for (list const& of : shards_[i].lists)
          for (record const* at = of.newest; at != nullptr; at = at->older)
            is_idle = is_idle || at->data == data;
    }
    char line[128];
    std::snprintf(line, sizeof line, "buffer_manager::release: data is %p, which %s", data,
                  is_idle ? "was released already" : "no buffer::detach of this manager's gave away");
    throw std::invalid_argument{line};
  }
  [[gnu::noinline, gnu::cold]] void look_at_pressure() noexcept {
    reclaim_request request;
    if (poll_.asked(request)) shrink(request);
  }

  std::size_t const max_bytes_;
  std::size_t const keep_per_class_;
  std::chrono::nanoseconds const idle_after_;
  mempool::scrub const scrub_;
  [[no_unique_address]] picker pick_;
  std::array<shard, picker::kMost> shards_;

  [[no_unique_address]] typename Sync::lock_type budget_lock_;
  std::atomic<std::size_t> reserved_{0};  // changed under the budget's lock, as are the next two
  std::size_t peak_ = 0;
  std::uint64_t misses_ = 0;
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> given_back_{0};
  std::atomic<std::size_t> owners_{1};  // blocks, and the manager

  [[no_unique_address]] typename Sync::lock_type detached_lock_;
  std::unordered_map<const void*, record*> detached_;
  [[no_unique_address]] std::conditional_t<Sync::is_shared, nothing, pressure_poll> poll_;
};

}  // namespace mempool
