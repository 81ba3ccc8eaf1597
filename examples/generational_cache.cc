// A cache of rendered pages: bounded in bytes, loaded once a key, never stale, and smaller while memory is short.

#include <chrono>
#include <cstdio>
#include <string>

#include "mempool/generational_cache.hpp"

int main() {
  using namespace std::chrono_literals;

  int dropped = 0;
  mempool::generational_cache<std::string, std::string> pages{
      {.capacity = 64 * 1024,
       .weigh = [](const std::string& path, const std::string& html) { return path.size() + html.size(); },
       .ttl = 300s,
       .on_evict = [&](const std::string&, std::string&, mempool::evicted) { ++dropped; },
       .shards = 1,
       .name = "pages"}};  // the name under which pressure lines speak of it

  int rendered = 0;
  auto const render = [&](const std::string& path) {
    ++rendered;
    return "<h1>" + path + "</h1>" + std::string(1'000, '.');
  };

  // Two pages that everybody reads, and a crawler that reads each of 500 others once.
  for (int i = 0; i < 500; ++i) {
    pages.get_or_load("/home", render);
    pages.get_or_load("/news", render);
    pages.get_or_load("/archive/" + std::to_string(i), render);
  }
  auto const full = pages.stats();
  std::printf("rendered %d pages for %d requests; %zu pages of %zu bytes are kept, %d were dropped\n", rendered, 1'500,
              full.entries, full.weight, dropped);

  // What libmempool asks for by itself when memory runs short:
  std::size_t const given =
      pages.shrink({.bytes = 1, .pass = mempool::pass::destructive, .level = mempool::level::critical});
  auto const shrunk = pages.stats();
  std::printf("under pressure it gave back %zu bytes and keeps to %zu of %zu\n", given, shrunk.limit, full.limit);

  bool const is_as_expected = rendered == 502 && full.weight <= full.limit &&
                              shrunk.weight <= full.weight / 2 + 1 && pages.get("/home").has_value();
  return is_as_expected ? 0 : 1;
}
