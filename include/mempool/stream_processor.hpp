// Work through a stream that does not fit in memory: items are gathered into chunks, bounded by count and by bytes, a
// function turns each chunk into results, and the caller pulls those one at a time.
//
//   mempool::stream_processor enrich{[](std::span<raw> chunk) { return look_up(chunk); }, {.chunk_items = 500}};
//   for (row&& r : enrich.process(read_lines("big.csv"))) save(r);
//
// Rule: whoever wants a result pays for it. Nothing is read before it is needed, no chunk starts before the last one's
// results are gone, and each stream has its own state: one that is abandoned or fails leaves nothing behind.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "mempool/generator.hpp"
#include "mempool/reclaim.hpp"

namespace mempool {

/// Bytes that an item keeps from others: its own, and what it owns elsewhere. Known are containers (the elements'
/// footprints, the capacity of those that have one, about three pointers a node for the rest) and pairs; views own
/// nothing; anything else counts as its sizeof. Specialise it for types that own more:
///
///   template <> struct mempool::footprint_of<raw> {
///     std::size_t operator()(const raw& r) const { return sizeof r + r.text.capacity(); }
///   };
///
/// Cost: O(1) for strings and for vectors of trivial elements, else O(elements).
template <class T>
struct footprint_of {
  std::size_t operator()(const T& item) const;
};

/// The footprint of an item, by footprint_of.
template <class T>
std::size_t footprint(const T& item) {
  return footprint_of<T>{}(item);
}

template <class First, class Second>
struct footprint_of<std::pair<First, Second>> {
  std::size_t operator()(const std::pair<First, Second>& item) const {
    return sizeof item + (footprint(item.first) - sizeof item.first) + (footprint(item.second) - sizeof item.second);
  }
};

template <class T>
std::size_t footprint_of<T>::operator()(const T& item) const {
  std::size_t bytes = sizeof(T);
  if constexpr (std::ranges::forward_range<const T> && !std::ranges::view<T>) {
    using element = std::ranges::range_value_t<const T>;
    // Not std::vector<bool>, whose elements are no objects, nor a path, which is a range of paths.
    if constexpr (std::is_lvalue_reference_v<std::ranges::range_reference_t<const T>> && !std::same_as<element, T>) {
      if constexpr (std::ranges::contiguous_range<const T>) {
        // Small strings and arrays keep their elements within themselves.
        auto const at = reinterpret_cast<std::uintptr_t>(std::ranges::data(item));
        bool const is_inside = at - reinterpret_cast<std::uintptr_t>(std::addressof(item)) < sizeof(T);
        std::size_t room = static_cast<std::size_t>(std::ranges::size(item));
        if constexpr (requires { { item.capacity() } -> std::convertible_to<std::size_t>; }) room = item.capacity();
        if (!is_inside) bytes += room * sizeof(element);
      } else {
        bytes += static_cast<std::size_t>(std::ranges::distance(item)) * (sizeof(element) + 3 * sizeof(void*));
      }
      if constexpr (!std::is_trivially_copyable_v<element>)
        for (const auto& each : item) bytes += footprint(each) - sizeof each;
    }
  }
  return bytes;
}

/// When a chunk is closed by its bytes. The hard limit holds: an item that would exceed it begins the next chunk (one
/// that exceeds it alone is a chunk by itself). The seed's is looked at after an item was added, and passed by that.
enum class chunk_limit { hard, seed };

struct stream_processor_options {
  std::size_t chunk_items = 1000;                   ///< items in a chunk at most; 0 counts as 1
  std::size_t chunk_bytes = std::size_t{50} << 20;  ///< footprint of a chunk at most; 0: an item a chunk
  chunk_limit limit = chunk_limit::hard;
  /// The share of memory that is in use, 0 to 1; asked before each chunk. Empty: what the library's monitor says. Above
  /// 0.8 both limits shrink in proportion, down to one item at 1.
  std::function<double()> pressure = {};
};

/// Fn is called with a std::span<T> of a chunk, T being the value type of the source, whose items it may move from or
/// change; it returns a range of results: a container, a view, or a generator that makes them singly. Fn and options
/// are copied into each stream, so a stream may outlive its processor, and two threads may have a stream each from one
/// processor. A stream itself belongs to one thread at a time.
///
/// Errors: whatever source or Fn throw comes out of the loop that pulls; the stream has ended then. Memory: one chunk
/// and Fn's result for it, in each stream. Cost for an item: its footprint, a move, and a coroutine's resumption.
template <class Fn>
class stream_processor {
  template <class Source>
  using item_of = std::ranges::range_value_t<Source>;
  template <class Source>
  using results_of = std::invoke_result_t<Fn&, std::span<item_of<Source>>>;

 public:
  explicit stream_processor(Fn fn, stream_processor_options options = {})
      : fn_(std::move(fn)), options_(std::move(options)) {}

  /// A stream of the results for `source`. An lvalue is referred to, and must live as long; anything else is moved into
  /// the stream. Nothing is read until the first result is pulled; of an empty source Fn never hears.
  template <std::ranges::input_range Source>
    requires std::copy_constructible<Fn> && std::ranges::input_range<results_of<Source>>
  generator<std::ranges::range_value_t<results_of<Source>>> process(Source&& source) const {
    return run<Source>(fn_, options_, std::forward<Source>(source));
  }

 private:
  /// The items of one chunk after the other, out of one block of memory.
  template <class T>
  class chunk {
    static_assert(!std::same_as<T, bool>, "bools in a std::vector are no span; wrap them, or use char");

   public:
    explicit chunk(stream_processor_options options) : options_(std::move(options)) {}

    std::span<T> items() noexcept { return items_; }
    void clear() noexcept {
      items_.clear();
      bytes_ = 0;
    }

    /// Adds items until the chunk is full; false when the source has ended. The iterator moves on only when another
    /// item is wanted: the source may take its time for that, and the chunk that is full should not wait for it.
    template <class Iterator, class End>
    bool fill(Iterator& at, const End& end) {
      make_room();
      if (carried_) {
        append(std::move(*carried_), footprint(*carried_));
        carried_.reset();
      }
      while (items_.size() < items_allowed_ && (bytes_ < bytes_allowed_ || items_.empty())) {
        if (std::exchange(is_consumed_, false)) ++at;
        if (at == end) return false;
        auto&& item = *at;
        is_consumed_ = true;
        std::size_t const size = footprint<T>(item);
        if (options_.limit == chunk_limit::hard && !items_.empty() && size > bytes_allowed_ - bytes_) {
          carried_.emplace(std::forward<decltype(item)>(item));
          return true;
        }
        append(std::forward<decltype(item)>(item), size);
      }
      return true;
    }

   private:
    static constexpr double kEased = 0.8;
    static constexpr std::size_t kReservedAtMost = std::size_t{1} << 20;  // bytes: the stream may be a short one

    template <class Item>
    void append(Item&& item, std::size_t size) {
      items_.emplace_back(std::forward<Item>(item));
      bytes_ += std::min(size, SIZE_MAX - bytes_);
    }

    void make_room() {
      double const pressure = pressure_now();
      double const share = pressure > kEased ? std::max(0.0, (1 - pressure) / (1 - kEased)) : 1;
      items_allowed_ = std::max<std::size_t>(scaled(options_.chunk_items, share), 1);
      bytes_allowed_ = scaled(options_.chunk_bytes, share);
      if (share < 1 && items_.capacity() / 2 > items_allowed_) std::vector<T>{}.swap(items_);
      items_.reserve(std::min({items_allowed_, bytes_allowed_ / sizeof(T) + 1, kReservedAtMost / sizeof(T) + 1}));
    }
    static std::size_t scaled(std::size_t full, double share) noexcept {
      return share < 1 ? static_cast<std::size_t>(static_cast<double>(full) * share) : full;
    }

    /// What the monitor saw last costs a lock to read. So it is read once holders have been asked to give back, and
    /// from then on before each chunk until it has fallen again; else a look is one load.
    double pressure_now() {
      if (options_.pressure) return options_.pressure();
      auto const& library = detail::api::get();
      if (!library.is_there()) return 0;
      std::uint32_t const epoch = __atomic_load_n(library.epoch(), __ATOMIC_ACQUIRE);
      if (std::exchange(epoch_, epoch) == epoch && pressure_ <= kEased) return pressure_;
      ::libmempool_snapshot seen{};
      seen.size = sizeof seen;
      library.get_snapshot(&seen);
      pressure_ = seen.limit == 0 || seen.limit == UINT64_MAX
                      ? 0
                      : static_cast<double>(seen.usage) / static_cast<double>(seen.limit);
      // A simulated level has no usage of its own, and thresholds may be other shares than these.
      if (seen.level >= LIBMEMPOOL_CRITICAL) pressure_ = std::max(pressure_, 0.9);
      if (seen.level >= LIBMEMPOOL_EMERGENCY) pressure_ = std::max(pressure_, 0.97);
      return pressure_;
    }

    stream_processor_options options_;
    std::vector<T> items_;
    std::size_t bytes_ = 0;
    std::optional<T> carried_;  // was read, and begins the next chunk
    bool is_consumed_ = false;  // the item that the iterator stands at
    std::size_t items_allowed_ = 1;
    std::size_t bytes_allowed_ = 0;
    std::uint32_t epoch_ = 0;  // 0: holders have never been asked
    double pressure_ = 0;
  };

  /// Source is a reference or a value, and stays one in the coroutine's frame.
  template <class Source>
  static generator<std::ranges::range_value_t<results_of<Source>>> run(Fn fn, stream_processor_options options,
                                                                       Source source) {
    using results_type = results_of<Source>;
    // What a container that is ours holds may be moved from; what a view shows belongs to somebody else.
    constexpr bool is_ours =
        !std::is_lvalue_reference_v<results_type> && !std::ranges::view<std::remove_cvref_t<results_type>>;

    chunk<item_of<Source>> gathered(std::move(options));
    auto at = std::ranges::begin(source);
    auto const end = std::ranges::end(source);
    for (bool has_more = true; has_more;) {
      has_more = gathered.fill(at, end);
      if (gathered.items().empty()) break;
      {
        auto&& results = std::invoke(fn, gathered.items());
        for (auto&& result : results) {
          if constexpr (is_ours)
            co_yield std::move(result);
          else
            co_yield std::forward<decltype(result)>(result);
        }
      }
      gathered.clear();
    }
  }

  Fn fn_;
  stream_processor_options options_;
};

}  // namespace mempool
