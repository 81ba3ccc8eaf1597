// Which entry of a bounded cache goes first: lru, the seed's two_generations, or s3_fifo (Yang, Zhang, Qiu, Yue, Rashmi:
// FIFO Queues are All You Need for Cache Eviction, SOSP 2023). Each is a plain class over intrusive queues.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace mempool {

/// Who goes first. A policy keeps every entry of one shard in queues of its own and is called under the shard's lock:
///   add(e, ttl, replaced)  takes an entry in; replaced: the one of the same key that was just removed, or null
///   hit(e, now)            it was served
///   remove(e)              it leaves for another reason than its turn
///   evict(limit)           takes out the one to go and returns it; null where there is none
///   reserve(entries)       a power of two; may allocate, which nothing else may
/// and says what memory it holds (bytes), of what type entries are, and the usual ttl. Times are ticks of the clock.
namespace policy {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

/// When what has so long to live from now on ends. What is not forever never becomes forever by overflow.
constexpr std::int64_t until(std::int64_t now, std::int64_t lifetime) noexcept {
  if (lifetime == kNever) return kNever;
  return now > kNever - 1 - lifetime ? kNever - 1 : now + lifetime;
}

/// What policies know of an entry.
struct entry {
  entry* older = nullptr;
  entry* newer = nullptr;
  std::size_t weight = 1;
  std::int64_t expires = kNever;  ///< the last tick at which it may be served
  std::uint32_t hash = 0;
  std::uint8_t hits = 0;
  bool is_old = false;  ///< in the second queue: the old generation, or S3-FIFO's main queue
};

/// Entries in order of arrival, with their number and weight. Does not own them. Every operation is O(1).
class queue {
 public:
  queue() noexcept { ends_.older = ends_.newer = &ends_; }
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;

  void push(entry& e) noexcept {
    e.older = ends_.older;
    e.newer = &ends_;
    ends_.older->newer = &e;
    ends_.older = &e;
    weight_ += e.weight;
    ++count_;
  }
  void remove(entry& e) noexcept {
    e.older->newer = e.newer;
    e.newer->older = e.older;
    weight_ -= e.weight;
    --count_;
  }
  entry& pop_oldest() noexcept {  // requires !empty()
    entry& oldest = *ends_.newer;
    remove(oldest);
    return oldest;
  }
  bool empty() const noexcept { return count_ == 0; }
  std::size_t count() const noexcept { return count_; }
  std::size_t weight() const noexcept { return weight_; }

 private:
  entry ends_;  // a ring through this one needs no test for the first or the last
  std::size_t weight_ = 0;
  std::size_t count_ = 0;
};

/// The least recently used goes first. Exact.
class lru {
 public:
  using entry_type = entry;
  static constexpr std::chrono::minutes kTtl{0};  // none

  void reserve(std::size_t) noexcept {}
  void add(entry& e, std::int64_t, const entry*) noexcept { order_.push(e); }
  void hit(entry& e, std::int64_t) noexcept {
    order_.remove(e);
    order_.push(e);
  }
  void remove(entry& e) noexcept { order_.remove(e); }
  entry* evict(std::size_t) noexcept { return order_.empty() ? nullptr : &order_.pop_oldest(); }
  std::size_t bytes() const noexcept { return 0; }

 private:
  queue order_;
};

/// The seed's rule. An entry is young until its second get (put counts as the first of three accesses), and lives for
/// its ttl from put; then it is old, and lives for twice its ttl from the last get. The seed has no capacity. Here the
/// young give way, first come first gone, while they hold more than a fifth of it; otherwise the old by last use.
class two_generations {
 public:
  struct entry_type : entry {
    std::int64_t ttl = kNever;
  };
  static constexpr std::chrono::minutes kTtl{5};
  static constexpr int kThreshold = 3;
  static constexpr std::size_t kYoungPart = 5;

  void reserve(std::size_t) noexcept {}
  void add(entry_type& e, std::int64_t ttl, const entry*) noexcept {
    e.ttl = ttl;
    young_.push(e);
  }
  void hit(entry_type& e, std::int64_t now) noexcept {
    if (!e.is_old) {
      ++e.hits;
      if (1 + e.hits < kThreshold) return;
      young_.remove(e);
      e.is_old = true;
    } else {
      old_.remove(e);
    }
    old_.push(e);
    if (e.expires != kNever) e.expires = until(now, e.ttl > kNever / 2 ? kNever - 1 : 2 * e.ttl);
  }
  void remove(entry& e) noexcept { (e.is_old ? old_ : young_).remove(e); }
  entry* evict(std::size_t limit) noexcept {
    if (!young_.empty() && (young_.weight() > limit / kYoungPart || old_.empty())) return &young_.pop_oldest();
    return old_.empty() ? nullptr : &old_.pop_oldest();
  }
  std::size_t bytes() const noexcept { return 0; }

 private:
  queue young_;
  queue old_;
};

/// New entries pass through a small queue, a tenth of the room. Those hit twice there go on to the main queue, and so
/// do those asked for again soon after they were dropped (ghosts: hashes alone). The main queue gives each hit entry
/// another round. A hit is one increment. What is asked for once passes through without harm to the rest.
class s3_fifo {
 public:
  using entry_type = entry;
  static constexpr std::chrono::minutes kTtl{0};  // none

  /// Room for the ghosts of so many entries, a power of two. Keeps what fits. Strong guarantee.
  void reserve(std::size_t entries) {
    std::vector<ghost> room(std::max(entries, kWays), ghost{0, clock_ - kForgotten});
    room.swap(ghosts_);
    for (ghost const& old : room) remember(old);
  }
  void add(entry& e, std::int64_t, const entry* replaced) noexcept {
    if (replaced != nullptr) {
      e.is_old = replaced->is_old;
      e.hits = replaced->hits;
      hit(e, 0);
    } else {
      e.is_old = recall(e.hash);
    }
    (e.is_old ? main_ : small_).push(e);
  }
  void hit(entry& e, std::int64_t) noexcept {
    if (e.hits < kMostHits) ++e.hits;
  }
  void remove(entry& e) noexcept { (e.is_old ? main_ : small_).remove(e); }

  /// Amortised O(1): each further turn of the loop was paid for by a hit.
  entry* evict(std::size_t limit) noexcept {
    for (;;) {
      if (!small_.empty() && (small_.weight() >= limit / kSmallPart || main_.empty())) {
        entry& e = small_.pop_oldest();
        if (e.hits < kPromotion) {
          remember({e.hash, clock_++});
          return &e;
        }
        e.hits = 0;
        e.is_old = true;
        main_.push(e);
      } else if (!main_.empty()) {
        entry& e = main_.pop_oldest();
        if (e.hits == 0) return &e;
        --e.hits;
        main_.push(e);
      } else {
        return nullptr;
      }
    }
  }
  std::size_t bytes() const noexcept { return ghosts_.capacity() * sizeof(ghost); }

 private:
  /// The hash of what the small queue dropped, and when, counted in drops.
  struct ghost {
    std::uint32_t hash;
    std::uint32_t dropped;
  };
  static constexpr std::size_t kSmallPart = 10;
  static constexpr std::uint8_t kMostHits = 3;
  static constexpr std::uint8_t kPromotion = 2;
  static constexpr std::size_t kWays = 8;                        // places of a hash: one cache line of ghosts
  static constexpr std::uint32_t kForgotten = 0x8000'0000;       // an age beyond every window
  static constexpr std::size_t kLongestWindow = kForgotten - 1;  // the count of drops wraps; this is half its range

  std::uint32_t age(const ghost& g) const noexcept { return clock_ - g.dropped; }
  ghost* places_of(std::uint32_t hash) noexcept {
    return ghosts_.data() + (hash & (ghosts_.size() / kWays - 1)) * kWays;
  }
  void remember(ghost g) noexcept {
    if (ghosts_.empty()) return;
    ghost* const places = places_of(g.hash);
    ghost* const oldest =
        std::max_element(places, places + kWays, [this](auto& a, auto& b) { return age(a) < age(b); });
    if (age(g) <= age(*oldest)) *oldest = g;
  }
  /// True, and forgotten, where it was among the last drops: as many as there are entries.
  bool recall(std::uint32_t hash) noexcept {
    if (ghosts_.empty()) return false;
    std::size_t const window = std::min(small_.count() + main_.count(), kLongestWindow);
    ghost* const places = places_of(hash);
    ghost* const found = std::find_if(places, places + kWays,
                                      [&](const ghost& g) { return g.hash == hash && age(g) <= window; });
    if (found == places + kWays) return false;
    found->dropped = clock_ - kForgotten;
    return true;
  }

  queue small_;
  queue main_;
  std::vector<ghost> ghosts_;
  std::uint32_t clock_ = 0;
};

}  // namespace policy

}  // namespace mempool
