// HTTP requests out of a pool: object_pool at work on objects whose worth is the memory they have gathered.
//
//   mempool::http_request_pool requests;
//   auto request = requests.create("GET", "/v1/users");
//   request->headers.set("accept", "application/json");
//
// The rule: recycling empties a request and keeps its capacity, down to the strings of its headers, so one like those
// before it asks for no memory. A request that grew large is let go instead. The seed is HttpRequestPool, 50 at the
// start and 200 at most.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mempool/object_pool.hpp"

namespace mempool {

/// Names and values in the order they were set; names are compared as they are. A request has few, so a look-up goes
/// through them; clear() and erase() leave the strings where they are, for the next to be set. Not thread-safe.
class http_headers {
 public:
  using value_type = std::pair<std::string, std::string>;
  using const_iterator = std::vector<value_type>::const_iterator;

  /// Replaces the value where the name is there. Errors: std::bad_alloc, with nothing added. Neither may point into
  /// these headers.
  void set(std::string_view name, std::string_view value) {
    if (auto const at = position(name); at != size_) {
      entries_[at].second.assign(value);
      return;
    }
    if (size_ == entries_.size()) entries_.emplace_back();
    entries_[size_].first.assign(name);
    entries_[size_].second.assign(value);
    ++size_;
  }
  /// The value, or null.
  const std::string* find(std::string_view name) const noexcept {
    auto const at = position(name);
    return at == size_ ? nullptr : &entries_[at].second;
  }
  bool erase(std::string_view name) noexcept {
    auto const at = entries_.begin() + static_cast<std::ptrdiff_t>(position(name));
    auto const last = entries_.begin() + static_cast<std::ptrdiff_t>(size_);
    if (at == last) return false;
    std::rotate(at, at + 1, last);
    --size_;
    return true;
  }
  void clear() noexcept { size_ = 0; }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const_iterator begin() const noexcept { return entries_.begin(); }
  const_iterator end() const noexcept { return entries_.begin() + static_cast<std::ptrdiff_t>(size_); }

  /// Bytes kept, in use or not.
  std::size_t footprint() const noexcept {
    std::size_t total = entries_.capacity() * sizeof(value_type);
    for (auto const& [name, value] : entries_) total += name.capacity() + value.capacity();
    return total;
  }

 private:
  std::size_t position(std::string_view name) const noexcept {
    std::size_t at = 0;
    while (at != size_ && entries_[at].first != name) ++at;
    return at;
  }

  std::vector<value_type> entries_;
  std::size_t size_ = 0;  // the first so many are in use
};

struct http_request {
  std::string method;
  std::string url;
  http_headers headers;
  std::string body;
  std::chrono::system_clock::time_point timestamp{};  ///< of its creation

  /// Bytes kept beside the object itself, in use or not.
  std::size_t footprint() const noexcept {
    return method.capacity() + url.capacity() + headers.footprint() + body.capacity();
  }
};

struct http_request_policy {
  static constexpr std::size_t kLargestKept = 65536;

  http_request create() const { return {}; }
  bool recycle(http_request& request) const noexcept {
    request.method.clear();
    request.url.clear();
    request.headers.clear();
    request.body.clear();
    request.timestamp = {};
    return request.footprint() <= kLargestKept;
  }
  std::size_t footprint(const http_request& request) const noexcept { return request.footprint(); }
};

/// Any thread. Costs and errors are object_pool's.
class http_request_pool {
  using requests = object_pool<http_request, http_request_policy, sync::sharded>;

 public:
  using handle = requests::handle;

  explicit http_request_pool(object_pool_options options = {.initial = 50, .max_idle = 200})
      : requests_{std::move(options)} {}

  /// A request without headers and body, stamped with the present time. The views may not point into a pooled request.
  handle create(std::string_view method, std::string_view url) {
    handle request = requests_.acquire();
    request->method.assign(method);
    request->url.assign(url);
    request->timestamp = std::chrono::system_clock::now();
    return request;
  }

  std::size_t shrink(const reclaim_request& request) noexcept { return requests_.shrink(request); }
  std::size_t bytes() const noexcept { return requests_.bytes(); }
  object_pool_stats stats() const noexcept { return requests_.stats(); }

 private:
  requests requests_;
};

}  // namespace mempool
