// Connections are costly to open. A pool opens no more than are used at once, checks each when it comes back, and
// closes what it does not keep.

#include "mempool/object_pool.hpp"

#include <cstdio>
#include <string>
#include <utility>

struct connection {
  std::string host;
  int queries = 0;
  bool is_broken = false;
};

int opened = 0, closed = 0;

struct connection_policy {
  std::string host;

  connection create() const {
    ++opened;
    return {host};
  }
  bool recycle(connection& used) const { return !used.is_broken; }
  void retire(connection&) const noexcept { ++closed; }
};

int main() {
  mempool::object_pool<connection, connection_policy>::handle survivor;
  {
    mempool::object_pool<connection, connection_policy> pool{connection_policy{"db1"}, {.initial = 1, .max_live = 2}};

    for (int request = 0; request < 1000; ++request) {
      auto c = pool.acquire();  // goes back at the end of the scope
      ++c->queries;
      c->is_broken = request == 500;
    }
    std::printf("1000 requests: %d connections opened, %d closed\n", opened, closed);

    auto one = pool.acquire(), two = pool.acquire();
    bool const is_full = !pool.try_acquire();
    std::printf("two in use: a third is %s\n", is_full ? "refused" : "handed out");
    if (opened != 3 || closed != 1 || !is_full) return 1;

    survivor = std::move(one);
  }  // the pool is gone, and one connection still in use

  std::printf("%s answered %d queries\n", survivor->host.c_str(), survivor->queries);
  survivor.reset();
  std::printf("in the end: %d opened, %d closed\n", opened, closed);
  return opened == closed ? 0 : 1;
}
