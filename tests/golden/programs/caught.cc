// Catches bad_alloc from a request that nobody can serve, and from its own new_handler's giving up; uses a thread.
#include <cstdio>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace {

bool fails(std::size_t bytes) {
  try {
    ::operator delete(::operator new(bytes));
    return false;
  } catch (const std::bad_alloc&) {
    return true;
  }
}

int asked = 0;

}  // namespace

int main() {
  std::vector<std::string> lines;
  std::thread([&] {
    for (int i = 0; i < 1000; ++i) lines.emplace_back(40, 'x');
  }).join();
  if (lines.size() != 1000 || !fails(~std::size_t{0} / 4)) return 1;
  std::set_new_handler([] {
    if (++asked == 2) throw std::bad_alloc{};
  });
  if (!fails(~std::size_t{0} / 4) || asked != 2) return 2;
  std::puts("caught");
}
