// A request's scratch memory from an arena: taken piece by piece, dropped at once, used again by the next request.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <list>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "mempool/allocator.hpp"

namespace {

std::size_t count_words(std::string_view text, std::pmr::memory_resource* scratch) {
  std::pmr::vector<std::pmr::string> words{scratch};
  while (!text.empty()) {
    std::size_t const end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words.size();
}

}  // namespace

int main() {
  mempool::arena scratch;
  std::size_t words = 0;
  std::size_t after_the_first = 0;
  for (int request = 0; request < 1000; ++request) {
    auto const mark = scratch.mark();  // rewinds at the end of each round
    words += count_words("some words, one of which is antidisestablishmentarianism, too long for a string", &scratch);
    if (request == 0) after_the_first = scratch.bytes();
  }
  std::cout << words << " words in " << scratch.bytes() << " bytes of memory\n";
  bool const was_used_again = scratch.bytes() == after_the_first;

  // When memory is short, what lies beyond the present position goes back.
  std::size_t const given_back = scratch.shrink({.bytes = SIZE_MAX});
  std::cout << given_back << " bytes given back, " << scratch.bytes() << " held\n";

  // The same memory without an arena: for containers, for std::pmr, for one object.
  std::list<int, mempool::allocator<int>> list{1, 2, 3};
  std::pmr::string text{"a text that is too long to be kept within the string", mempool::resource()};
  auto const pooled = mempool::make_pooled<std::string>("pooled");
  std::cout << list.size() << " nodes, " << text.size() << " characters, one " << *pooled << " object\n";

  return words == 12'000 && was_used_again && given_back == after_the_first && scratch.bytes() == 0 ? 0 : 1;
}
