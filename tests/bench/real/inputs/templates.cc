// Templates in numbers: -DINSTANCES=N makes N sets of them. A compiler's memory is many small nodes that nearly all
// stay, beside tables that double.
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

template <int N>
struct Key {
  std::string text;
  int number = N;
  auto operator<=>(Key const&) const = default;
};
template <int... N>
using Row = std::tuple<Key<N>...>;

template <int N>
std::size_t exercise(std::string const& text) {
  std::map<Key<N>, std::vector<Key<N>>> tree;
  for (char const letter : text) tree[Key<N>{std::string(3, letter)}].push_back(Key<N>{text});
  Row<N, N + 1, N + 2, N + 3> const row{Key<N>{text}, Key<N + 1>{text}, Key<N + 2>{text}, Key<N + 3>{text}};
  auto const joined = std::tuple_cat(row, row, std::tuple{N});
  return tree.size() + std::apply([](auto const&... part) { return (sizeof part + ...); }, joined);
}

template <int... N>
std::size_t all(std::string const& text, std::integer_sequence<int, N...>) {
  return (exercise<N>(text) + ...);
}

int main(int, char** words) { return static_cast<int>(all(words[0], std::make_integer_sequence<int, INSTANCES>{})); }
