// A bounded cache: values by key, forgotten by weight, by age and when memory runs short.
//
// Rule: what has expired is never served, and what leaves the cache is gathered under a lock, then told to the listener
// and freed when the lock is gone. Loaders, listeners, weighers and destructors of values therefore may use the cache;
// hashing, comparing and copying a value may not.
//
// Which entry goes first is a policy (cache_policy.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mempool/cache_policy.hpp"
#include "mempool/detail/keyed.hpp"
#include "mempool/reclaim.hpp"
#include "mempool/sync.hpp"

namespace mempool {

/// Why an entry left a cache.
enum class evicted : std::uint8_t {
  capacity,  ///< others needed the room, or it alone was too heavy
  expired,
  pressure,  ///< memory ran short
  replaced,  ///< by a put of the same key
  erased     ///< by erase() or clear()
};

/// What a cache has done since it was made, and what it holds. Weights in the unit of its capacity.
struct cache_stats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t waits = 0;        ///< calls that waited for another thread's load
  std::uint64_t evictions = 0;    ///< for want of room, or under pressure
  std::uint64_t expirations = 0;  ///< noticed so far
  std::size_t entries = 0;
  std::size_t weight = 0;
  std::size_t limit = 0;  ///< the capacity, or what pressure has left of it
};

/// Values by key, at most so many or so heavy. See docs/patterns/generational-cache.md.
///
/// Sync: none (one thread), mutex, or sharded: the capacity is cut in equal parts with a lock each, and an entry
/// heavier than its part is not kept. Hash and Eq as for std::unordered_map. Clock: a std::chrono clock with an
/// integral rep; it is not read for entries that live forever.
///
/// Errors: what K, V, Hash, Eq, weigher or loader throw, and std::bad_alloc, leave the cache as it was. A listener must
/// not throw; if it does, that is counted (faults_contained).
/// Threads: any, unless Sync is none. Fork: a child may use it if no other thread was in it at the time.
/// Cost: get and put O(1) expected; a hit allocates nothing but what copying V does; 48 bytes an entry (64 with
/// two_generations) beside key and value, 8 to 16 for the index and, with s3_fifo, as much for the ghosts.
template <class K, class V, class Policy = policy::s3_fifo, class Sync = sync::sharded, class Hash = std::hash<K>,
          class Eq = std::equal_to<K>, class Clock = std::chrono::steady_clock>
class generational_cache {
 public:
  using duration = typename Clock::duration;
  static_assert(std::integral<typename duration::rep>, "ticks are counted in 64-bit integers");
  static constexpr duration forever = duration::max();

  struct options {
    std::size_t capacity = 0;  ///< the sum of weights; 1 or more
    /// An entry's weight: the bytes it owns beyond itself, or any unit; 0 counts as 1. None: every entry weighs 1.
    std::function<std::size_t(const K&, const V&)> weigh = nullptr;
    duration ttl = kDefaultTtl;  ///< of a put without one; 0 or more; two_generations: 5 minutes, else forever
    /// Told of every entry that leaves, but for those left at destruction. May take the value. In the thread that
    /// caused it, no lock held; in several threads at once unless Sync is none.
    std::function<void(const K&, V&, evicted)> on_evict = nullptr;
    std::size_t shards = 0;  ///< with sync::sharded: a power of two up to 1024; 0: up to 16, of 256 units at least
    std::string name = "";   ///< when not empty, a holder of this name gives back under pressure (Sync::is_shared)
  };

  /// @throws std::invalid_argument where an option is out of its range
  explicit generational_cache(options how)
      : weigh_{std::move(how.weigh)},
        on_evict_{std::move(how.on_evict)},
        ttl_{how.ttl},
        capacity_{how.capacity},
        count_{checked_count(how)},
        shards_{std::make_unique<shard[]>(count_)} {
    for (std::size_t i = 0; i < count_; ++i) {
      shards_[i].order.reserve(detail::node_index<node>::kFirst);
      shards_[i].limit = share_of(i);
      publish(shards_[i]);
    }
    if constexpr (Sync::is_shared) {
      if (!how.name.empty())
        watch_ = holder{how.name, [this] { return bytes(); },
                        [this](const reclaim_request& request) { return shrink(request); }};
    }
  }
  generational_cache(const generational_cache&) = delete;
  generational_cache& operator=(const generational_cache&) = delete;

  /// A copy of the value, or nothing where there is none or it has expired.
  std::optional<V> get(const K& key)
    requires std::copy_constructible<V>
  {
    std::optional<V> copy;
    visit(key, [&](const V& value) { copy.emplace(value); });
    return copy;
  }

  /// Shows the value in its place, under the shard's lock: `look` must not use the cache. False where there is none.
  template <std::invocable<const V&> Look>
  bool visit(const K& key, Look&& look) {
    std::uint64_t const hash = hash_of(key);
    shard& part = shard_of(hash);
    removed gone{*this};
    std::lock_guard guard{part.lock};
    node* const found = find_fresh(part, key, low(hash), gone);
    if (found == nullptr) return false;
    std::invoke(std::forward<Look>(look), std::as_const(found->value));
    return true;
  }

  /// Keeps the value, in the place of an older one under this key.
  /// @return false where it is too heavy to be kept: the older one is gone all the same
  bool put(K key, V value) { return put(std::move(key), std::move(value), ttl_); }

  /// @param ttl  0 or more, or `forever`; the entry is served up to and including that age
  /// @throws std::invalid_argument where ttl is negative
  bool put(K key, V value, duration ttl) {
    std::int64_t const lifetime = checked_ticks(ttl);
    bool const kept = store(make(std::move(key), std::move(value)), lifetime, nullptr);
    look_around();
    return kept;
  }

  /// The value, loaded where there is none: once, however many threads ask for it; they wait for the one that loads.
  /// What the load throws, all of them throw, and the next call tries again. A put, erase or clear meanwhile wins: then
  /// the loaded value is returned and not kept. `load` runs without a lock and may use the cache, but for this key.
  /// @throws std::system_error (resource_deadlock_would_occur) where `load` asks for its own key
  template <std::invocable<const K&> Load>
    requires std::convertible_to<std::invoke_result_t<Load, const K&>, V> && std::copy_constructible<V>
  V get_or_load(const K& key, Load&& load) {
    return get_or_load(key, std::forward<Load>(load), ttl_);
  }
  template <std::invocable<const K&> Load>
    requires std::convertible_to<std::invoke_result_t<Load, const K&>, V> && std::copy_constructible<V>
  V get_or_load(const K& key, Load&& load, duration ttl) {
    std::int64_t const lifetime = checked_ticks(ttl);
    std::uint64_t const hash = hash_of(key);
    shard& part = shard_of(hash);
    std::optional<typename loads::flight> mine;  // no hit has to make it
    std::shared_future<V> others;
    {
      removed gone{*this};
      std::lock_guard guard{part.lock};
      if (node* const found = find_fresh(part, key, low(hash), gone)) return V(std::as_const(found->value));
      others = part.under_way.board(mine.emplace(key, low(hash)), equal_, "generational_cache: the load of a key asks for that key");
      if (others.valid()) ++part.waits;
    }
    if (others.valid()) return others.get();
    try {
      V value = std::invoke(std::forward<Load>(load), key);
      store(make(K(key), V(std::as_const(value))), lifetime, &*mine);
      mine->land(value);
      look_around();
      return value;
    } catch (...) {
      {
        std::lock_guard guard{part.lock};
        part.under_way.take_off(*mine);
      }
      mine->fail();
      throw;
    }
  }

  /// @return true where there was one, and it had not expired
  bool erase(const K& key) {
    std::uint64_t const hash = hash_of(key);
    shard& part = shard_of(hash);
    removed gone{*this};
    std::lock_guard guard{part.lock};
    part.under_way.overtake(key, low(hash), equal_);
    node** const at = part.index.find(key, low(hash), equal_);
    if (at == nullptr) return false;
    bool const is_fresh = (*at)->expires == policy::kNever || (*at)->expires >= now();
    drop(part, at, is_fresh ? evicted::erased : evicted::expired, gone);
    return is_fresh;
  }

  void clear() {
    removed gone{*this};
    for (shard& part : shards()) {
      std::lock_guard guard{part.lock};
      part.under_way.overtake_all();
      part.index.each_bucket([&](node** bucket) {
        while (*bucket != nullptr) drop(part, bucket, evicted::erased, gone);
      });
    }
  }

  /// Drops all that has expired, O(entries). Seldom needed: each put looks through two buckets itself.
  /// @return the number dropped
  std::size_t expire() {
    removed gone{*this};
    std::size_t dropped = 0;
    std::int64_t const at = now();
    for (shard& part : shards()) {
      std::lock_guard guard{part.lock};
      dropped += drop_expired(part, at, gone);
    }
    return dropped;
  }

  /// Changes the capacity, 1 or more; evicts what no longer fits, O(evicted). A cap that pressure has set stays.
  /// @throws std::invalid_argument where capacity is 0
  void resize(std::size_t capacity) {
    if (capacity == 0) throw std::invalid_argument{"generational_cache: capacity is 0; 1 and more are allowed"};
    removed gone{*this};
    std::lock_guard control{control_};
    capacity_ = capacity;
    set_limits(evicted::capacity, gone);
  }

  /// Bytes of entries and tables, and the weights where there is a weigher. No lock.
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (shard& part : shards()) sum += part.bytes.load(std::memory_order_relaxed);
    return sum;
  }

  /// Gives back. Benign: what has expired, and tables grown too large. Idle: also what exceeds 80 % of the weight held
  /// when the pressure began (counted as an eighth of the capacity at least); destructive: 50 %, in an emergency 20 %.
  /// The cache stays so small until the level is below warning, and then regrows by a twentieth of its capacity a
  /// second, as puts come. The level is the library's, and where there is no library, the last request's.
  /// @return bytes given back; request.bytes is not looked at: the share keeps a cache useful, and the rest can go
  std::size_t shrink(const reclaim_request& request) {
    removed gone{*this};
    std::lock_guard control{control_};
    std::int64_t const at = now();
    std::size_t weight = 0;
    for (shard& part : shards()) {
      std::lock_guard guard{part.lock};
      drop_expired(part, at, gone);
      weight += part.weight;
    }
    asked_at_ = request.level;
    if (request.pass != pass::benign) {
      if (cap_ == kNoCap) base_ = std::clamp(weight, capacity_ / kLeastPart, capacity_);
      std::size_t const percent = request.pass == pass::idle            ? kIdlePercent
                                  : request.level == level::emergency ? kEmergencyPercent
                                                                      : kDestructivePercent;
      cap_ = std::min(cap_, std::max<std::size_t>(1, base_ / 100 * percent + base_ % 100 * percent / 100));
      next_look_.store(policy::until(at, kLookTicks), std::memory_order_relaxed);
      is_capped_.store(true, std::memory_order_relaxed);
      set_limits(evicted::pressure, gone);
    }
    std::size_t tables = 0;
    for (shard& part : shards()) {
      std::lock_guard guard{part.lock};
      tables += compact(part);
    }
    return gone.bytes() + tables;
  }

  /// Takes each shard's lock in turn.
  cache_stats stats() const {
    cache_stats sum;
    for (shard& part : shards()) {
      std::lock_guard guard{part.lock};
      sum.hits += part.hits;
      sum.misses += part.misses;
      sum.waits += part.waits;
      sum.evictions += part.evictions;
      sum.expirations += part.expirations;
      sum.entries += part.index.count();
      sum.weight += part.weight;
      sum.limit += part.limit;
    }
    return sum;
  }

 private:
  struct node : Policy::entry_type {
    node(K&& k, V&& v) : key(std::move(k)), value(std::move(v)) {}
    evicted why = evicted::capacity;  // fits into the padding of the base
    node* chain = nullptr;            // the next in its bucket, or among the removed
    K key;
    V value;
  };

  using loads = detail::flights<K, std::uint32_t, V>;

  struct alignas(64) shard {
    typename Sync::lock_type lock;
    detail::node_index<node> index;
    std::size_t weight = 0;
    std::size_t limit = 0;
    std::size_t mortals = 0;  // entries that will expire
    loads under_way;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t waits = 0;
    std::uint64_t evictions = 0;
    std::uint64_t expirations = 0;
    std::atomic<std::size_t> bytes{0};  // written under the lock, read without
    Policy order;

    ~shard() {
      index.each_bucket([this](node** bucket) {
        while (*bucket != nullptr) delete &index.unlink(bucket);
      });
    }
  };

  /// What has left. Declared before the lock is taken, so that it is told and freed after the lock is gone.
  class removed {
   public:
    explicit removed(const generational_cache& from) noexcept : from_{from} {}
    removed(const removed&) = delete;
    removed& operator=(const removed&) = delete;
    ~removed() {
      while (first_ != nullptr) {
        std::unique_ptr<node> const out{std::exchange(first_, first_->chain)};
        if (!from_.on_evict_) continue;
        try {
          from_.on_evict_(std::as_const(out->key), out->value, out->why);
        } catch (...) {
          faults_contained.fetch_add(1, std::memory_order_relaxed);
        }
      }
    }
    void add(node& out, evicted why) noexcept {
      out.why = why;
      out.chain = nullptr;
      *last_ = &out;
      last_ = &out.chain;
      bytes_ += sizeof(node) + (from_.weigh_ ? out.weight : 0);
    }
    std::size_t bytes() const noexcept { return bytes_; }

   private:
    const generational_cache& from_;
    node* first_ = nullptr;
    node** last_ = &first_;
    std::size_t bytes_ = 0;
  };

  static constexpr duration kDefaultTtl =
      Policy::kTtl.count() == 0 ? forever : std::chrono::duration_cast<duration>(Policy::kTtl);
  static constexpr std::size_t kLeastShard = 256;
  static constexpr std::size_t kNoCap = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t kLeastPart = 8;
  static constexpr std::size_t kIdlePercent = 80;
  static constexpr std::size_t kDestructivePercent = 50;
  static constexpr std::size_t kEmergencyPercent = 20;
  static constexpr std::size_t kRegrowPart = 20;
  static constexpr std::int64_t kLookTicks =
      static_cast<std::int64_t>(std::chrono::duration_cast<duration>(std::chrono::seconds{1}).count());

  static std::size_t checked_count(const options& how) {
    if (how.capacity == 0) throw std::invalid_argument{"generational_cache: capacity is 0; 1 and more are allowed"};
    checked_ticks(how.ttl);
    return detail::shards_for<Sync>(how.shards, how.capacity, kLeastShard, "generational_cache");
  }
  static std::int64_t checked_ticks(duration ttl) {
    if (ttl < duration::zero())
      throw std::invalid_argument{"generational_cache: ttl is " + std::to_string(ttl.count()) +
                                  " ticks of the clock; 0 and more are allowed"};
    return ttl == forever ? policy::kNever : static_cast<std::int64_t>(ttl.count());
  }
  static std::int64_t now() { return static_cast<std::int64_t>(Clock::now().time_since_epoch().count()); }

  std::uint64_t hash_of(const K& key) const { return detail::spread(hash_(key)); }
  static std::uint32_t low(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash); }
  std::span<shard> shards() const noexcept { return {shards_.get(), count_}; }
  shard& shard_of(std::uint64_t hash) const noexcept { return shards_[detail::shard_number(hash, count_)]; }

  /// A look-up that counts as use. What has expired is dropped and not found.
  node* find_fresh(shard& part, const K& key, std::uint32_t hash, removed& gone) {
    node** const at = part.index.find(key, hash, equal_);
    if (at == nullptr) {
      ++part.misses;
      return nullptr;
    }
    node& found = **at;
    std::int64_t at_time = 0;  // of no interest to what lives forever, and reading the clock costs as much as a hit
    if (found.expires != policy::kNever) {
      at_time = now();
      if (found.expires < at_time) {
        drop(part, at, evicted::expired, gone);
        ++part.misses;
        return nullptr;
      }
    }
    part.order.hit(found, at_time);
    ++part.hits;
    return &found;
  }

  std::unique_ptr<node> make(K key, V value) {
    auto fresh = std::make_unique<node>(std::move(key), std::move(value));
    if (weigh_) {
      std::size_t const weight = weigh_(std::as_const(fresh->key), std::as_const(fresh->value));
      fresh->weight = std::max<std::size_t>(1, weight);
    }
    return fresh;
  }

  /// `landing` is the flight that brings the entry, and ends here; or null.
  bool store(std::unique_ptr<node> fresh, std::int64_t lifetime, typename loads::flight* landing) {
    std::uint64_t const hash = hash_of(fresh->key);
    shard& part = shard_of(hash);
    fresh->hash = low(hash);
    removed gone{*this};
    std::lock_guard guard{part.lock};
    if (landing != nullptr) {
      part.under_way.take_off(*landing);
      if (landing->is_overtaken()) return false;
    } else {
      part.under_way.overtake(fresh->key, fresh->hash, equal_);
    }
    if (std::size_t const size = part.index.wanted_size(); size != 0) rehash(part, size);
    node** const at = part.index.find(fresh->key, fresh->hash, equal_);
    std::int64_t const at_time = lifetime != policy::kNever || part.mortals != 0 ? now() : 0;
    // Nothing throws from here on.
    node* const old = at != nullptr ? *at : nullptr;
    if (old != nullptr) drop(part, at, old->expires < at_time ? evicted::expired : evicted::replaced, gone);
    if (fresh->weight > part.limit) {
      ++part.evictions;
      gone.add(*fresh.release(), evicted::capacity);
      return false;
    }
    evict_to(part, part.limit - fresh->weight, evicted::capacity, gone);
    fresh->expires = policy::until(at_time, lifetime);
    part.order.add(*fresh, lifetime, old);
    chain(part, *fresh.release());
    if (part.mortals != 0)
      for (int i = 0; i < 2; ++i) drop_expired_of(part, part.index.next_in_turn(), at_time, gone);
    return true;
  }

  void chain(shard& part, node& in) noexcept {
    part.index.link(in);
    part.weight += in.weight;
    if (in.expires != policy::kNever) ++part.mortals;
    publish(part);
  }

  /// Takes out what the order has forgotten already.
  void unchain(shard& part, node** at, evicted why, removed& gone) noexcept {
    node& out = part.index.unlink(at);
    part.weight -= out.weight;
    if (out.expires != policy::kNever) --part.mortals;
    if (why == evicted::expired) ++part.expirations;
    if (why == evicted::capacity || why == evicted::pressure) ++part.evictions;
    publish(part);
    gone.add(out, why);
  }
  void drop(shard& part, node** at, evicted why, removed& gone) noexcept {
    part.order.remove(**at);
    unchain(part, at, why, gone);
  }
  void evict_to(shard& part, std::size_t target, evicted why, removed& gone) noexcept {
    while (part.weight > target) {  // so the order is not empty
      node& victim = static_cast<node&>(*part.order.evict(part.limit));
      unchain(part, part.index.find(victim), why, gone);
    }
  }
  void drop_expired_of(shard& part, node** at, std::int64_t at_time, removed& gone) noexcept {
    while (*at != nullptr) {
      if ((*at)->expires < at_time)
        drop(part, at, evicted::expired, gone);
      else
        at = &(*at)->chain;
    }
  }
  std::size_t drop_expired(shard& part, std::int64_t at_time, removed& gone) noexcept {
    if (part.mortals == 0) return 0;
    std::size_t const before = part.index.count();
    part.index.each_bucket([&](node** bucket) { drop_expired_of(part, bucket, at_time, gone); });
    return before - part.index.count();
  }

  /// O(entries). The entries stay as they are where an allocation fails.
  void rehash(shard& part, std::size_t size) {
    part.order.reserve(size);
    part.index.rehash(size);
    publish(part);
  }
  /// Tables of a shard that lost most of its entries. Bytes given back.
  std::size_t compact(shard& part) noexcept {
    std::size_t const size = part.index.spare_size();
    if (size == 0) return 0;
    std::size_t const before = part.bytes.load(std::memory_order_relaxed);
    try {
      rehash(part, size);
    } catch (const std::bad_alloc&) {
      return 0;  // the large ones will do
    }
    return before - part.bytes.load(std::memory_order_relaxed);
  }
  void publish(shard& part) const noexcept {
    part.bytes.store(part.index.count() * sizeof(node) + (weigh_ ? part.weight : 0) + part.index.bytes() +
                         part.order.bytes(),
                     std::memory_order_relaxed);
  }

  // Limits, under control_, which is taken before a shard's lock and never after it.
  std::size_t share_of(std::size_t i) const noexcept {
    std::size_t const limit = std::min(capacity_, cap_);
    return limit / count_ + (i < limit % count_ ? 1 : 0);
  }
  void set_limits(evicted why, removed& gone) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      std::lock_guard guard{shards_[i].lock};
      shards_[i].limit = share_of(i);
      evict_to(shards_[i], shards_[i].limit, why, gone);
    }
  }
  /// What puts do for the pressure's sake: one load or two, unless there is some.
  void look_around() noexcept {
    if constexpr (!Sync::is_shared) {
      if (reclaim_request request; watch_.asked(request)) shrink(request);
    }
    if (is_capped_.load(std::memory_order_relaxed)) regrow();
  }
  void regrow() noexcept {
    std::int64_t const at = now();
    if (at < next_look_.load(std::memory_order_relaxed)) return;
    removed gone{*this};
    std::unique_lock const control{control_, std::try_to_lock};  // who has it sets the limits anyway
    if (!control.owns_lock() || cap_ == kNoCap) return;
    next_look_.store(policy::until(at, kLookTicks), std::memory_order_relaxed);
    if (detail::present_level(asked_at_) >= level::warning) return;
    std::size_t const step = std::max<std::size_t>(1, capacity_ / kRegrowPart);
    if (cap_ >= capacity_ || capacity_ - cap_ <= step) {
      cap_ = kNoCap;
      is_capped_.store(false, std::memory_order_relaxed);
    } else {
      cap_ += step;
    }
    set_limits(evicted::pressure, gone);
  }

  [[no_unique_address]] Hash hash_;
  [[no_unique_address]] Eq equal_;
  std::function<std::size_t(const K&, const V&)> const weigh_;
  std::function<void(const K&, V&, evicted)> const on_evict_;
  duration const ttl_;
  typename Sync::lock_type control_;
  std::size_t capacity_;
  std::size_t cap_ = kNoCap;  // what pressure leaves of the capacity
  std::size_t base_ = 0;      // the weight held when it began
  level asked_at_ = level::normal;
  std::atomic<bool> is_capped_{false};
  std::atomic<std::int64_t> next_look_{0};  // ticks: the level is asked for once a second
  std::size_t const count_;
  std::unique_ptr<shard[]> const shards_;
  std::conditional_t<Sync::is_shared, holder, pressure_poll> watch_;  // last, so that it ends first
};

}  // namespace mempool
