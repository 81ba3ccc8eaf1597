// A least-recently-used list of boost::intrusive gives its coldest entries back when it is asked.

#include <boost/intrusive/list.hpp>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "mempool/reclaim.hpp"

namespace {

struct entry : boost::intrusive::list_base_hook<> {
  explicit entry(std::string text) : value{std::move(text)} {}
  std::string value;
};

class lru {
 public:
  ~lru() { shrink(SIZE_MAX); }
  void add(std::string value) {
    auto fresh = std::make_unique<entry>(std::move(value));
    std::lock_guard const guard{lock_};
    bytes_ += fresh->value.size();
    entries_.push_back(*fresh.release());
  }
  std::size_t bytes() {
    std::lock_guard const guard{lock_};
    return bytes_;
  }
  std::size_t shrink(std::size_t wanted) {
    std::lock_guard const guard{lock_};
    std::size_t gone = 0;
    while (gone < wanted && !entries_.empty()) {
      gone += entries_.front().value.size();
      entries_.pop_front_and_dispose(std::default_delete<entry>{});
    }
    bytes_ -= gone;
    return gone;
  }

 private:
  std::mutex lock_;
  boost::intrusive::list<entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace

int main() {
  lru recent;
  mempool::holder const holder{"recent", [&] { return recent.bytes(); }, [&](std::size_t want) { return recent.shrink(want); }};
  for (int i = 0; i < 1000; ++i) recent.add(std::string(1000, 'x'));
  // What the monitor does when memory runs short, done by hand.
  std::size_t const gone = recent.shrink(300'000);
  std::printf("%zu bytes given back, %zu left, watched: %s\n", gone, recent.bytes(), holder.is_watched() ? "yes" : "no");
  return gone == 300'000 && recent.bytes() == 700'000 ? 0 : 1;
}
