// What the two caches have in common: an index of linked nodes, values that are made once however many threads ask for
// them, and the options of shards. For generational_cache and weak_cache; nothing here is for others to use.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <future>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mempool/reclaim.hpp"
#include "mempool/sync.hpp"

namespace mempool::detail {

/// std::hash of a number is often the number itself: spreads it over the bits that choose shard and bucket.
constexpr std::uint64_t spread(std::size_t hash) noexcept {
  auto h = static_cast<std::uint64_t>(hash);
  h ^= h >> 32;
  h *= 0x9E37'79B9'7F4A'7C15;
  return h ^ (h >> 29);
}
/// Which of `count` shards, a power of two up to 2^16; bits that the index of a shard seldom looks at.
constexpr std::size_t shard_number(std::uint64_t hash, std::size_t count) noexcept {
  return static_cast<std::size_t>(hash >> 48) & (count - 1);
}

/// As many shards as `wanted` says; where it is 0, one for each `unit` of `room`, up to 16.
/// @throws std::invalid_argument where `wanted` is neither 0 nor a power of two, or too large
template <class Sync>
std::size_t shards_for(std::size_t wanted, std::size_t room, std::size_t unit, const char* who) {
  constexpr bool is_sharded = std::same_as<Sync, sync::sharded>;
  constexpr std::size_t most = is_sharded ? 1024 : 1;
  constexpr std::size_t automatic = is_sharded ? 16 : 1;
  if (wanted > most || (wanted != 0 && !std::has_single_bit(wanted)))
    throw std::invalid_argument{std::string{who} + ": shards is " + std::to_string(wanted) +
                                "; 0 and powers of two up to " + std::to_string(most) + " are allowed"};
  return wanted != 0 ? wanted : std::clamp<std::size_t>(std::bit_floor(room / unit), 1, automatic);
}

/// The library's level, or where there is no library the one given.
inline level present_level(level otherwise) noexcept {
  auto const& library = api::get();
  if (!library.is_there()) return otherwise;
  ::libmempool_snapshot state{};
  state.size = sizeof state;
  library.get_snapshot(&state);
  return static_cast<level>(state.level);
}

/// Finds nodes by key. A node has a key, a hash and a chain (the next in its bucket), and belongs to whoever links it.
template <class Node>
class node_index {
 public:
  std::size_t count() const noexcept { return count_; }
  /// Of the table, without the nodes.
  std::size_t bytes() const noexcept { return buckets_.capacity() * sizeof(Node*); }

  /// Where the pointer to this key's node is; null where there is none.
  template <class K, class Hash, class Eq>
  Node** find(const K& key, Hash hash, const Eq& equal) {
    for (Node** at = bucket_of(hash); *at != nullptr; at = &(*at)->chain)
      if ((*at)->hash == hash && equal((*at)->key, key)) return at;
    return nullptr;
  }
  /// Where the pointer to a node that is linked is.
  Node** find(const Node& linked) noexcept {
    Node** at = bucket_of(linked.hash);
    while (*at != &linked) at = &(*at)->chain;
    return at;
  }

  void link(Node& in) noexcept {
    Node** const bucket = bucket_of(in.hash);
    in.chain = *bucket;
    *bucket = &in;
    ++count_;
  }
  Node& unlink(Node** at) noexcept {
    Node& out = **at;
    *at = out.chain;
    --count_;
    return out;
  }

  /// The bucket whose turn it is: who looks through one at each insertion has seen all before long.
  Node** next_in_turn() noexcept { return &buckets_[hand_++ & (buckets_.size() - 1)]; }
  /// Calls with each bucket, from which it may unlink.
  template <class Visit>
  void each_bucket(Visit&& visit) {
    for (Node*& bucket : buckets_) visit(&bucket);
  }
  /// The first node from bucket `from` on, which is moved to where that is; null at the end.
  Node** first_from(std::size_t& from) noexcept {
    while (from < buckets_.size() && buckets_[from] == nullptr) ++from;
    return from < buckets_.size() ? &buckets_[from] : nullptr;
  }

  /// The size to grow to before another node is linked; 0 while there is room.
  std::size_t wanted_size() const noexcept { return count_ > buckets_.size() ? 2 * buckets_.size() : 0; }
  /// The size to shrink to where most nodes have gone; 0 while it is about right.
  std::size_t spare_size() const noexcept {
    std::size_t const size = std::bit_ceil(std::max(count_, kFirst));
    return buckets_.size() / 2 > size ? size : 0;
  }
  /// A power of two. O(nodes). Strong guarantee: the allocation comes first.
  void rehash(std::size_t size) {
    std::vector<Node*> buckets(size);
    buckets.swap(buckets_);
    for (Node* each : buckets) {
      while (each != nullptr) {
        Node& moved = *std::exchange(each, each->chain);
        Node** const bucket = bucket_of(moved.hash);
        moved.chain = *bucket;
        *bucket = &moved;
      }
    }
  }
  /// For an index that no node is in, and none will be.
  void give_up() noexcept { std::vector<Node*>{}.swap(buckets_); }

  static constexpr std::size_t kFirst = 8;

 private:
  template <class Hash>
  Node** bucket_of(Hash hash) noexcept {
    return &buckets_[hash & (buckets_.size() - 1)];
  }

  std::vector<Node*> buckets_ = std::vector<Node*>(kFirst);  // a power of two
  std::size_t count_ = 0;
  std::size_t hand_ = 0;
};

/// Values that are being made, at most one for a key; others wait for it. All members are called under the lock of the
/// shard they belong to, but for those of a flight that say otherwise.
template <class K, class Hash, class Result>
class flights {
 public:
  /// A value under way: lives on the stack of the thread that makes it.
  class flight {
   public:
    flight(const K& key, Hash hash) : key_{&key}, hash_{hash} {}
    flight(const flight&) = delete;
    flight& operator=(const flight&) = delete;

    /// A put, erase or clear came since: the value must not be kept.
    bool is_overtaken() const noexcept { return is_overtaken_; }
    /// For those who wait, once it has been taken off; without the lock.
    void land(const Result& made) {
      if (promise_) promise_->set_value(made);
    }
    /// Likewise, with the exception that is being handled.
    void fail() noexcept {
      if (!promise_) return;
      try {
        promise_->set_exception(std::current_exception());
      } catch (const std::future_error&) {  // they have their value already; what failed is this thread's return
      }
    }

   private:
    friend flights;
    const K* const key_;
    Hash const hash_;
    std::thread::id const owner_ = std::this_thread::get_id();
    bool is_overtaken_ = false;
    flight* next_ = nullptr;
    std::optional<std::promise<Result>> promise_;  // made by the first who waits
    std::shared_future<Result> result_;
  };

  /// Begins `mine`, and returns an invalid future; or, where the key's value is under way already, one to wait for.
  /// @throws std::system_error (resource_deadlock_would_occur) where this very thread makes it
  template <class Eq>
  std::shared_future<Result> board(flight& mine, const Eq& equal, const char* who) {
    for (flight* f = first_; f != nullptr; f = f->next_) {
      if (f->is_overtaken_ || f->hash_ != mine.hash_ || !equal(*f->key_, *mine.key_)) continue;
      if (f->owner_ == mine.owner_)
        throw std::system_error{std::make_error_code(std::errc::resource_deadlock_would_occur), who};
      if (!f->promise_) {
        f->promise_.emplace();
        f->result_ = f->promise_->get_future().share();
      }
      return f->result_;
    }
    mine.next_ = first_;
    first_ = &mine;
    return {};
  }
  /// Ends it; nothing where that was done already.
  void take_off(flight& out) noexcept {
    for (flight** at = &first_; *at != nullptr; at = &(*at)->next_) {
      if (*at != &out) continue;
      *at = out.next_;
      return;
    }
  }
  template <class Eq>
  void overtake(const K& key, Hash hash, const Eq& equal) {
    for (flight* f = first_; f != nullptr; f = f->next_)
      if (f->hash_ == hash && equal(*f->key_, key)) f->is_overtaken_ = true;
  }
  void overtake_all() noexcept {
    for (flight* f = first_; f != nullptr; f = f->next_) f->is_overtaken_ = true;
  }

 private:
  flight* first_ = nullptr;
};

}  // namespace mempool::detail
