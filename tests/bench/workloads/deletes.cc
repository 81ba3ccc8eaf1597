// Every form of delete C++ knows: with a size and without, of arrays, and through a base class whose destructor
// knows the size.
//
// Source: ISO C++14 sized deallocation (N3778); the sized run of larson in mimalloc-bench. Trap: g++ may leave out a
// new and its delete altogether (N3664), so every pointer passes through a table; and a sized delete that is slower
// than free means the hint is checked, which is a price asked for. clang++ wants -fsized-deallocation.
// Sizes 8 B to 1 KiB. AMOUNT replacements.

#include <new>

#include "common.hpp"

namespace {

struct Thing {
  std::uint64_t number;
  explicit Thing(std::uint64_t n) : number{n} {}
  virtual ~Thing() = default;
};
template <std::size_t kExtra>
struct Larger : Thing {
  using Thing::Thing;
  char extra[kExtra];
};
Thing* thing(Random& random) {
  std::uint64_t const number = random.below(100);
  switch (number % 4) {
    case 0: return new Thing{number};
    case 1: return new Larger<24>{number};
    case 2: return new Larger<80>{number};
    default: return new Larger<400>{number};
  }
}

constexpr std::size_t kAlive = 1000;
/// One place in each of four tables; each is replaced with the delete that fits its new.
struct Place {
  char* raw;
  char* sized;
  std::size_t size;
  std::string* array;
  Thing* thing;
};

std::uint64_t replace(Place& place, Random& random, bool again) {
  std::uint64_t sum = 0;
  if (place.raw != nullptr) {
    sum = mark(place.raw) + mark(place.sized) + place.array[0].size() + place.thing->number;
    ::operator delete(place.raw);
    ::operator delete(place.sized, place.size);
    delete[] place.array;  // the count in front of the elements tells the size
    delete place.thing;
  }
  place = {};
  if (!again) return sum;
  std::size_t const size = 8 + random.below(1017);
  place.raw = touched(::operator new(size), size);
  place.size = 8 + random.below(1017);
  place.sized = touched(::operator new(place.size), place.size);
  place.array = new std::string[1 + random.below(8)];
  place.thing = thing(random);
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  return print(sum_over_threads(given.threads, [&](unsigned which) {
    Random random{which + 1};
    std::vector<Place> places(kAlive);
    std::uint64_t sum = 0;
    for (Place& place : places) sum += replace(place, random, true);
    for (long left = given.amount; left > 0; --left) sum += replace(places[random.below(kAlive)], random, true);
    for (Place& place : places) sum += replace(place, random, false);
    return sum;
  }));
}
