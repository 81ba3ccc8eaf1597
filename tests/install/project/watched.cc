// A program with a cache that the monitor watches, if the library is there.
#include <mempool/reclaim.hpp>

#include <cstdio>
#include <string>
#include <vector>

int main() {
  std::vector<std::string> cache(1000, std::string(100, 'x'));
  mempool::holder const holder{"cache", [&] { return cache.size() * 100; }, [](std::size_t) { return std::size_t{0}; }};
  std::puts(holder.is_watched() ? "watched" : "not watched");
  return holder.is_watched() ? 0 : 1;
}
