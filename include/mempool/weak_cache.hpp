// A cache that keeps nothing alive: it finds by key what somebody still uses, and makes what nobody does.
//
// Rule: an entry is one node, and the node is the token. A value made here carries its node with it and unlinks that
// node alone when the last owner goes, so the end of an overwritten value cannot touch the entry that replaced it. No
// value is created or destroyed under a lock of the cache's.
//
// Where a value is small it shares one allocation with its node and its count of owners. From kSplitFrom bytes on it
// has one of its own, so that a std::weak_ptr that outlives it does not keep its bytes (as std::make_shared would).
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
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

#include "mempool/detail/keyed.hpp"
#include "mempool/reclaim.hpp"
#include "mempool/sync.hpp"

namespace mempool {

/// What a weak cache has done since it was made, and what it holds.
struct weak_cache_stats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t waits = 0;     ///< calls that waited for another thread's create
  std::size_t entries = 0;     ///< those of values that were put and have died are counted until noticed
  std::size_t kept = 0;        ///< values the cache keeps alive (soft mode)
  std::size_t kept_bytes = 0;  ///< sizeof(T) and what `weigh` says, of each kept
};

/// Values by key, as long as somebody owns them. See docs/patterns/weak-cache.md.
///
/// Sync: none (the values' owners are in one thread too), mutex, or sharded. Hash and Eq as for std::unordered_map.
/// Values may outlive the cache. A cycle of owners among values keeps them for ever, as always with std::shared_ptr.
///
/// Errors: what K, T, Hash, Eq, `weigh` or `create` throw, and std::bad_alloc, leave the cache as it was.
/// Threads: any, unless Sync is none. Fork: a child may use it if no other thread was in it at the time.
/// Cost: O(1) expected. A value of get_or_create or adopt takes one allocation, or two from kSplitFrom bytes on; one of
/// put takes one for its node. About 100 bytes beside key and value.
template <class K, class T, class Sync = sync::sharded, class Hash = std::hash<K>, class Eq = std::equal_to<K>>
class weak_cache {
 public:
  static constexpr std::size_t kSplitFrom = 128;

  struct options {
    /// Soft mode: so many values, those used last, stay alive without an owner until memory runs short; at most 2^24.
    std::size_t keep_alive = 0;
    /// Bytes a value owns beyond sizeof(T), asked once when it comes; counted while the cache keeps the value alive.
    std::function<std::size_t(const T&)> weigh = nullptr;
    std::size_t shards = 0;  ///< with sync::sharded: a power of two up to 1024; 0: up to 16
    std::string name = "";   ///< when not empty, a holder of this name gives back under pressure (Sync::is_shared)
  };

  weak_cache() : weak_cache(options{}) {}

  /// @throws std::invalid_argument where an option is out of its range
  explicit weak_cache(options how) : weigh_{std::move(how.weigh)}, core_{std::make_shared<core>(checked_count(how))} {
    std::size_t const count = core_->count;
    for (std::size_t i = 0; i < count; ++i) {
      shard& part = core_->shards[i];
      part.kept.resize(how.keep_alive / count + (i < how.keep_alive % count ? 1 : 0));
      publish(part);
    }
    if constexpr (Sync::is_shared) {
      if (!how.name.empty())
        watch_ = holder{how.name, [this] { return bytes(); },
                        [this](const reclaim_request& request) { return shrink(request); }};
    }
  }
  weak_cache(const weak_cache&) = delete;
  weak_cache& operator=(const weak_cache&) = delete;
  ~weak_cache() {
    if constexpr (Sync::is_shared) watch_.reset();
    clear();
    for (shard& part : core_->all()) {  // values that live on need the core, but none of its tables
      std::lock_guard guard{part.lock};
      part.index.give_up();
      std::vector<node*>{}.swap(part.kept);
    }
  }

  /// The value under this key, or null where there is none or nobody owns it any more.
  std::shared_ptr<T> get(const K& key) {
    std::uint64_t const hash = hash_of(key);
    shard& part = core_->shard_of(hash);
    std::shared_ptr<T> displaced;
    std::lock_guard guard{part.lock};
    return find_alive(part, key, hash, displaced);
  }

  /// The value under this key, made where there is none: once, however many threads ask for it; they wait for the one
  /// that makes it. `create(key)` returns a T (which need not be movable) or a std::unique_ptr<T> (null: nothing is
  /// kept, and null returned). It runs without a lock and may use the cache, but for this key. What it throws, all who
  /// wait throw, and the next call tries again. A put, adopt, erase or clear meanwhile wins: then the value is returned
  /// and not entered.
  /// @throws std::system_error (resource_deadlock_would_occur) where `create` asks for its own key
  template <std::invocable<const K&> Create>
  std::shared_ptr<T> get_or_create(const K& key, Create&& create) {
    std::uint64_t const hash = hash_of(key);
    shard& part = core_->shard_of(hash);
    std::optional<typename creations::flight> mine;  // no hit has to make it
    std::shared_future<std::shared_ptr<T>> others;
    {
      std::shared_ptr<T> displaced;
      std::lock_guard guard{part.lock};
      if (std::shared_ptr<T> found = find_alive(part, key, hash, displaced)) return found;
      others = part.under_way.board(mine.emplace(key, hash), equal_, "weak_cache: the creation of a value asks for its own key");
      if (others.valid()) ++part.waits;
    }
    if (others.valid()) return others.get();
    try {
      made fresh = make(key, hash, std::forward<Create>(create));
      enter(part, fresh, &*mine);
      mine->land(fresh.value);
      look_around();
      return std::move(fresh.value);
    } catch (...) {
      {
        std::lock_guard guard{part.lock};
        part.under_way.take_off(*mine);
      }
      mine->fail();
      throw;
    }
  }

  /// Takes the value over and enters it, in the place of an older one. The entry goes with the value's last owner, who
  /// is at first the caller.
  /// @throws std::invalid_argument where value is null
  std::shared_ptr<T> adopt(const K& key, std::unique_ptr<T> value) {
    if (value == nullptr) throw std::invalid_argument{"weak_cache: the value is null; an object is required"};
    std::uint64_t const hash = hash_of(key);
    made const fresh = make(key, hash, [&](const K&) { return std::move(value); });
    enter(core_->shard_of(hash), fresh, nullptr);
    look_around();
    return fresh.value;
  }

  /// Enters a value that has owners already, in the place of an older one. It may stand under several keys, which
  /// are independent of each other. The cache is not told of such a value's end: the entry goes when it is next looked
  /// up, when one of the next entries passes by its bucket, or with purge().
  /// @throws std::invalid_argument where value is null
  void put(const K& key, const std::shared_ptr<T>& value) {
    if (value == nullptr) throw std::invalid_argument{"weak_cache: the value is null; an object is required"};
    std::uint64_t const hash = hash_of(key);
    auto entry = std::make_unique<node>(key, hash, true);
    entry->value = value;
    entry->weight = weight_of(*value);
    enter(core_->shard_of(hash), {entry.get(), value}, nullptr);
    static_cast<void>(entry.release());  // the index owns it now, and may have freed it already
    look_around();
  }

  /// Forgets the entry; owners keep the value. True where there was one and the value was alive.
  bool erase(const K& key) {
    std::uint64_t const hash = hash_of(key);
    shard& part = core_->shard_of(hash);
    std::shared_ptr<T> displaced;
    std::lock_guard guard{part.lock};
    part.under_way.overtake(key, hash, equal_);
    node** const at = part.index.find(key, hash, equal_);
    if (at == nullptr) return false;
    bool const was_alive = !(*at)->value.expired();
    displaced = part.unlink(at);
    publish(part);
    return was_alive;
  }

  void clear() noexcept {
    for (shard& part : core_->all()) {
      {
        std::lock_guard guard{part.lock};
        part.under_way.overtake_all();
      }
      for (std::size_t bucket = 0;;) {
        std::shared_ptr<T> displaced;
        std::lock_guard guard{part.lock};
        node** const at = part.index.first_from(bucket);
        if (at == nullptr) break;
        displaced = part.unlink(at);
        publish(part);
      }
    }
  }

  /// Drops the entries of values that were put and have died, O(entries). Seldom needed: each new entry looks through
  /// two buckets itself, and made values take their entries with them.
  /// @return the number dropped
  std::size_t purge() noexcept {
    std::size_t dropped = 0;
    for (shard& part : core_->all()) {
      std::lock_guard guard{part.lock};
      std::size_t const before = part.index.count();
      part.index.each_bucket([&](node** bucket) { drop_dead_of(part, bucket); });
      publish(part);
      dropped += before - part.index.count();
    }
    return dropped;
  }

  /// Bytes of tables, nodes and the values kept alive; not of values that others own. No lock.
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (shard& part : core_->all()) sum += part.bytes.load(std::memory_order_relaxed);
    return sum;
  }

  /// Gives back. Benign: dead entries, and tables grown too large. From warning on, or in any other pass: also every
  /// value kept alive, and none is kept until the level is below warning again: new entries look for that at times.
  /// The level is the library's, and where there is no library, the last request's.
  /// @return bytes given back; values that others own too are not counted. request.bytes is not looked at
  std::size_t shrink(const reclaim_request& request) {
    std::size_t given = purge() * sizeof(node);
    asked_at_.store(request.level, std::memory_order_relaxed);
    if (request.level >= level::warning || request.pass != pass::benign) {
      core_->keeps_none.store(true, std::memory_order_relaxed);
      for (shard& part : core_->all()) given += let_go(part);
    } else {
      core_->keeps_none.store(false, std::memory_order_relaxed);
    }
    for (shard& part : core_->all()) {
      std::lock_guard guard{part.lock};
      given += compact(part);
    }
    return given;
  }

  /// Takes each shard's lock in turn.
  weak_cache_stats stats() const {
    weak_cache_stats sum;
    for (shard& part : core_->all()) {
      std::lock_guard guard{part.lock};
      sum.hits += part.hits;
      sum.misses += part.misses;
      sum.waits += part.waits;
      sum.entries += part.index.count();
      sum.kept += part.kept_count;
      sum.kept_bytes += part.kept_bytes;
    }
    return sum;
  }

 private:
  /// An entry. Under the shard's lock but for key, hash, weight and is_own, which do not change once it is linked. First
  /// comes what a look-up reads: often on one line with the count of owners, which lies before the node of a cell.
  struct node {
    node(const K& k, std::uint64_t h, bool own) : hash(h), key(k), is_own(own) {}
    node* chain = nullptr;
    std::uint64_t const hash;
    std::weak_ptr<T> value;
    K const key;
    std::shared_ptr<T> strong;  // while kept alive
    std::size_t weight = 0;
    std::uint32_t place = 0;  // among those kept alive
    bool const is_own;        // allocated by itself, and freed when unlinked; else a part of its value's cell
    bool is_linked = false;
    bool is_used = false;  // since the hand passed
  };

  using creations = detail::flights<K, std::uint64_t, std::shared_ptr<T>>;

  struct alignas(64) shard {
    typename Sync::lock_type lock;
    detail::node_index<node> index;
    std::vector<node*> kept;       // soft mode's places
    std::size_t kept_hand = 0;     // the next place to be given away, if it was not used meanwhile
    std::size_t kept_count = 0;
    std::size_t kept_bytes = 0;
    creations under_way;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t waits = 0;
    std::atomic<std::size_t> bytes{0};  // written under the lock, read without

    /// Takes the entry out. The caller drops what is returned when it no longer has the lock: it may be the last owner.
    [[nodiscard]] std::shared_ptr<T> unlink(node** at) noexcept {
      node& out = index.unlink(at);
      out.is_linked = false;
      std::shared_ptr<T> strong = release(out);
      if (out.is_own) delete &out;
      return strong;
    }
    [[nodiscard]] std::shared_ptr<T> release(node& entry) noexcept {
      if (entry.strong == nullptr) return nullptr;
      kept[entry.place] = nullptr;
      --kept_count;
      kept_bytes -= entry.weight;
      return std::move(entry.strong);
    }
  };

  /// What values need of the cache, as long as one of them lives.
  struct core {
    explicit core(std::size_t number) : count{number}, shards{std::make_unique<shard[]>(number)} {}
    std::size_t const count;
    std::unique_ptr<shard[]> const shards;
    std::atomic<bool> keeps_none{false};  // memory is short

    std::span<shard> all() const noexcept { return {shards.get(), count}; }
    shard& shard_of(std::uint64_t hash) const noexcept { return shards[detail::shard_number(hash, count)]; }

    /// The last owner of a value has gone. The entry may have been replaced or erased long since.
    void forget(node& entry) noexcept {
      shard& part = shard_of(entry.hash);
      std::lock_guard guard{part.lock};
      if (!entry.is_linked) return;
      static_cast<void>(part.unlink(part.index.find(entry)));  // null: who is kept alive has an owner
      publish(part);
    }
  };

  /// A value made here, with its node. Stored is T, or std::unique_ptr<T> where it has an allocation of its own.
  template <class Stored>
  struct cell {
    template <class Make>
    cell(const std::shared_ptr<core>& at, const K& key, std::uint64_t hash, Make&& produce)
        : home{at}, entry(key, hash, false), stored(produce()) {}
    cell(const cell&) = delete;
    cell& operator=(const cell&) = delete;
    ~cell() { home->forget(entry); }

    T* value() noexcept {
      if constexpr (std::same_as<Stored, std::unique_ptr<T>>)
        return stored.get();
      else
        return std::addressof(stored);
    }

    std::shared_ptr<core> const home;
    node entry;
    Stored stored;
  };

  struct made {
    node* entry = nullptr;
    std::shared_ptr<T> value{};
  };

  static constexpr std::size_t kLeastKept = 8;  // places of a shard, or keys that meet in one push each other out
  static constexpr std::size_t kMostKept = std::size_t{1} << 24;
  static constexpr std::uint32_t kLookEvery = 64;  // entries; to ask for the level costs a lock

  static std::size_t checked_count(const options& how) {
    if (how.keep_alive > kMostKept)
      throw std::invalid_argument{"weak_cache: keep_alive is " + std::to_string(how.keep_alive) + "; 0 to " +
                                  std::to_string(kMostKept) + " are allowed"};
    std::size_t const room = how.keep_alive == 0 ? kMostKept : how.keep_alive;
    return detail::shards_for<Sync>(how.shards, room, kLeastKept, "weak_cache");
  }

  std::uint64_t hash_of(const K& key) const { return detail::spread(hash_(key)); }
  std::size_t weight_of(const T& value) const { return sizeof(T) + (weigh_ ? weigh_(value) : 0); }

  /// A look-up that counts as use. `displaced` is to be dropped when the lock is gone.
  std::shared_ptr<T> find_alive(shard& part, const K& key, std::uint64_t hash, std::shared_ptr<T>& displaced) {
    if (node** const at = part.index.find(key, hash, equal_)) {
      if (std::shared_ptr<T> value = (*at)->value.lock()) {
        ++part.hits;
        keep(part, **at, value, displaced);
        return value;
      }
      static_cast<void>(part.unlink(at));  // dead, so not kept; a made value that is just ending finds itself unlinked
      publish(part);
    }
    ++part.misses;
    return nullptr;
  }

  /// Keeps the value alive, in the place of one that was not used lately: the hand passes over those that were, once.
  void keep(shard& part, node& entry, const std::shared_ptr<T>& value, std::shared_ptr<T>& displaced) noexcept {
    if (part.kept.empty() || core_->keeps_none.load(std::memory_order_relaxed)) return;
    if (entry.strong != nullptr) {
      entry.is_used = true;
      return;
    }
    for (;;) {
      std::size_t const place = part.kept_hand;
      part.kept_hand = place + 1 == part.kept.size() ? 0 : place + 1;
      if (node* const other = part.kept[place]) {
        if (std::exchange(other->is_used, false)) continue;
        displaced = part.release(*other);
      }
      part.kept[place] = &entry;
      entry.place = static_cast<std::uint32_t>(place);
      entry.strong = value;
      entry.is_used = false;
      ++part.kept_count;
      part.kept_bytes += entry.weight;
      publish(part);
      return;
    }
  }

  template <class Create>
  made make(const K& key, std::uint64_t hash, Create&& create) {
    using result = std::invoke_result_t<Create, const K&>;
    auto const produce = [&]() -> decltype(auto) { return std::invoke(std::forward<Create>(create), key); };
    if constexpr (std::convertible_to<result, std::unique_ptr<T>>)
      return make_cell<std::unique_ptr<T>>(key, hash, [&]() -> std::unique_ptr<T> { return produce(); });
    else if constexpr (sizeof(T) >= kSplitFrom)
      return make_cell<std::unique_ptr<T>>(key, hash, [&] { return std::unique_ptr<T>(new T(produce())); });
    else
      return make_cell<T>(key, hash, [&]() -> T { return produce(); });
  }
  template <class Stored, class Make>
  made make_cell(const K& key, std::uint64_t hash, Make&& produce) {
    auto const whole = std::make_shared<cell<Stored>>(core_, key, hash, produce);
    if (whole->value() == nullptr) return {};
    made fresh{&whole->entry, std::shared_ptr<T>(whole, whole->value())};
    fresh.entry->value = fresh.value;
    fresh.entry->weight = weight_of(*fresh.value);
    return fresh;
  }

  /// Links the entry. `landing` is the flight that brings it, and ends here; or null. False where it was not linked.
  bool enter(shard& part, const made& fresh, typename creations::flight* landing) {
    std::shared_ptr<T> old_value;
    std::shared_ptr<T> displaced;
    std::lock_guard guard{part.lock};
    if (landing != nullptr) {
      part.under_way.take_off(*landing);
      if (landing->is_overtaken() || fresh.entry == nullptr) return false;
    } else {
      part.under_way.overtake(fresh.entry->key, fresh.entry->hash, equal_);
    }
    if (std::size_t const size = part.index.wanted_size(); size != 0) part.index.rehash(size);
    node** const at = part.index.find(fresh.entry->key, fresh.entry->hash, equal_);
    // Nothing throws from here on.
    if (at != nullptr) old_value = part.unlink(at);
    part.index.link(*fresh.entry);
    fresh.entry->is_linked = true;
    keep(part, *fresh.entry, fresh.value, displaced);
    for (int i = 0; i < 2; ++i) drop_dead_of(part, part.index.next_in_turn());
    publish(part);
    return true;
  }

  void drop_dead_of(shard& part, node** at) noexcept {
    while (*at != nullptr) {
      if ((*at)->value.expired())
        static_cast<void>(part.unlink(at));  // dead, so not kept
      else
        at = &(*at)->chain;
    }
  }

  /// Drops all that is kept alive, one at a time and without the lock. Bytes of those that had no other owner.
  std::size_t let_go(shard& part) noexcept {
    std::size_t given = 0;
    for (std::size_t place = 0; place < part.kept.size(); ++place) {
      std::shared_ptr<T> last;
      std::lock_guard guard{part.lock};
      node* const entry = part.kept[place];
      if (entry == nullptr) continue;
      std::size_t const weight = entry->weight;
      last = part.release(*entry);
      publish(part);
      if (last.use_count() == 1) given += weight;
    }
    return given;
  }

  /// Tables of a shard that lost most of its entries. Bytes given back.
  std::size_t compact(shard& part) noexcept {
    std::size_t const size = part.index.spare_size();
    if (size == 0) return 0;
    std::size_t const before = part.bytes.load(std::memory_order_relaxed);
    try {
      part.index.rehash(size);
    } catch (const std::bad_alloc&) {
      return 0;  // the large ones will do
    }
    publish(part);
    return before - part.bytes.load(std::memory_order_relaxed);
  }
  static void publish(shard& part) noexcept {
    part.bytes.store(part.index.count() * sizeof(node) + part.index.bytes() + part.kept.capacity() * sizeof(node*) +
                         part.kept_bytes,
                     std::memory_order_relaxed);
  }

  /// What a new entry does for the pressure's sake: one load or two, unless there is some.
  void look_around() noexcept {
    if constexpr (!Sync::is_shared) {
      if (reclaim_request request; watch_.asked(request)) shrink(request);
    }
    if (!core_->keeps_none.load(std::memory_order_relaxed)) return;
    if (looks_.fetch_add(1, std::memory_order_relaxed) % kLookEvery != 0) return;
    if (detail::present_level(asked_at_.load(std::memory_order_relaxed)) < level::warning) core_->keeps_none.store(false, std::memory_order_relaxed);
  }

  [[no_unique_address]] Hash hash_;
  [[no_unique_address]] Eq equal_;
  std::function<std::size_t(const T&)> const weigh_;
  std::shared_ptr<core> const core_;
  std::atomic<level> asked_at_{level::normal};
  std::atomic<std::uint32_t> looks_{0};
  std::conditional_t<Sync::is_shared, holder, pressure_poll> watch_;
};

}  // namespace mempool
