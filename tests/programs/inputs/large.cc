// A large translation unit: the standard library's heaviest headers and many instantiations.
#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N>
struct Key {
  std::string text;
  int number = N;
  auto operator<=>(const Key&) const = default;
};

template <int N>
std::size_t exercise(const std::string& text) {
  std::map<Key<N>, std::vector<std::string>> tree;
  std::unordered_map<std::string, std::deque<Key<N>>> table;
  std::regex const words("([a-z]+)|([0-9]+)");
  for (std::sregex_iterator at(text.begin(), text.end(), words), end; at != end; ++at) {
    tree[Key<N>{at->str()}].push_back(at->str());
    table[at->str()].push_back(Key<N>{at->str()});
  }
  std::variant<int, std::string, std::tuple<int, Key<N>>> choice = std::tuple{N, Key<N>{text}};
  std::function<std::size_t(std::size_t)> const add = [&](std::size_t n) { return n + choice.index() + tree.size(); };
  std::set<std::string, std::greater<>> ordered;
  for (auto const& [key, values] : tree) ordered.insert(values.begin(), values.end());
  return add(table.size() + ordered.size());
}

template <int... N>
std::size_t all(const std::string& text, std::integer_sequence<int, N...>) {
  return (exercise<N>(text) + ...);
}

int main(int count, char** words) {
  std::ostringstream out;
  for (int i = 0; i < count; ++i) out << words[i] << ' ' << i;
  std::cout << all(out.str(), std::make_integer_sequence<int, INSTANCES>{}) << '\n';
}
