// The 20 operators new and delete, for tests/interpose/run: every form allocates, fails and frees as the standard says.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>

namespace {

int failures = 0;
#define CHECK(condition)                                       \
  do {                                                         \
    if (!(condition)) {                                        \
      std::printf("line %d: %s\n", __LINE__, #condition);      \
      ++failures;                                              \
    }                                                          \
  } while (0)

volatile std::size_t zero = 0;
constexpr auto kAlign = std::align_val_t{256};
int calls = 0;
void* reserve = nullptr;

template <class New>
bool throws_bad_alloc(New make) {
  try {
    make();
  } catch (const std::bad_alloc&) {
    return std::uncaught_exceptions() == 0;
  }
  return false;
}

void every_form_allocates() {
  void* a = ::operator new(zero);
  void* b = ::operator new[](zero);
  CHECK(a && b && a != b);
  ::operator delete(a);
  ::operator delete[](b);
  void* c = ::operator new(100, std::nothrow);
  void* d = ::operator new[](100, std::nothrow);
  ::operator delete(c, std::nothrow);
  ::operator delete[](d, std::nothrow);
  for (std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{5000}, std::size_t{1} << 20}) {
    void* e = ::operator new(size, kAlign);
    void* f = ::operator new[](size, kAlign);
    void* g = ::operator new(size, kAlign, std::nothrow);
    void* h = ::operator new[](size, kAlign, std::nothrow);
    for (void* p : {e, f, g, h}) CHECK(p && reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
    ::operator delete(e, kAlign);
    ::operator delete[](f, kAlign);
    ::operator delete(g, kAlign, std::nothrow);
    ::operator delete[](h, kAlign, std::nothrow);
    ::operator delete(::operator new(size), size);
    ::operator delete[](::operator new[](size), size);
    ::operator delete(::operator new(size, kAlign), size, kAlign);
    ::operator delete[](::operator new[](size, kAlign), size, kAlign);
  }
}

void every_form_fails() {
  std::size_t const n = (std::size_t{1} << 62) + zero;
  CHECK(throws_bad_alloc([n] { return ::operator new(n); }));
  CHECK(throws_bad_alloc([n] { return ::operator new[](n); }));
  CHECK(throws_bad_alloc([n] { return ::operator new(n, kAlign); }));
  CHECK(throws_bad_alloc([n] { return ::operator new[](n, kAlign); }));
  CHECK(::operator new(n, std::nothrow) == nullptr);
  CHECK(::operator new[](n, std::nothrow) == nullptr);
  CHECK(::operator new(n, kAlign, std::nothrow) == nullptr);
  CHECK(::operator new[](n, kAlign, std::nothrow) == nullptr);
}

void the_handler_is_asked() {
  std::size_t const n = (std::size_t{1} << 62) + zero;
  std::set_new_handler([] {
    if (++calls == 3) std::set_new_handler(nullptr);
  });
  CHECK(throws_bad_alloc([n] { return ::operator new(n); }));
  CHECK(calls == 3);
  std::set_new_handler([] { throw 42; });
  int caught = 0;
  try {
    (void)::operator new(n);
  } catch (int i) {
    caught = i;
  }
  CHECK(caught == 42);
  CHECK(::operator new(n, std::nothrow) == nullptr);
  CHECK(::operator new[](n, kAlign, std::nothrow) == nullptr);
  std::set_new_handler(nullptr);
}

}  // namespace

int main() {
  every_form_allocates();
  every_form_fails();
  the_handler_is_asked();
  return failures != 0;
}
