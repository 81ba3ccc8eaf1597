// A document in the manner of JSON parsed into a tree, walked once and dropped: many small nodes of mixed sizes that
// come together and go together.
//
// Source: the json benchmarks of pyperformance and of nativejson-benchmark (M. Yip, 2014), in shape. Trap: parsers
// with an arena measure the arena; every node, key and list here is a block of its own. No block but the text, which
// is made once, is longer than 1 KiB. AMOUNT documents of about 1500 values.

#include <memory>
#include <string_view>

#include "common.hpp"

namespace {

/// A number, a text, or members with or without keys.
struct Value {
  std::uint64_t number = 0;
  std::string text;
  std::vector<std::pair<std::string, std::unique_ptr<Value>>> members;
};

void write(std::string& out, Random& random, int depth) {
  std::uint64_t const kind = depth > 0 ? 2 : random.below(2);
  if (kind == 0) out += std::to_string(random.below(1000000));
  if (kind == 1) out += '"' + std::string(random.below(60), 'x') + '"';
  if (kind < 2) return;
  char const* between = "{";
  for (std::uint64_t left = 3 + random.below(7); left > 0; --left) {
    out += between + ("\"a key that is number " + std::to_string(left)) + "\":";
    write(out, random, depth - 1);
    between = ",";
  }
  out += '}';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_{text} {}
  std::unique_ptr<Value> value() {
    auto result = std::make_unique<Value>();
    if (rest_[0] == '"') {
      result->text = string();
    } else if (rest_[0] != '{') {
      while (rest_[0] >= '0' && rest_[0] <= '9')
        result->number = result->number * 10 + static_cast<unsigned>(next() - '0');
    } else {
      while (next() != '}') {  // past the brace that opens, a comma, or the brace that closes
        std::string key = string();
        next();
        result->members.emplace_back(std::move(key), value());
      }
    }
    return result;
  }

 private:
  char next() {
    char const first = rest_[0];
    rest_.remove_prefix(1);
    return first;
  }
  std::string string() {
    std::size_t const end = rest_.find('"', 1);
    std::string result{rest_.substr(1, end - 1)};
    rest_.remove_prefix(end + 1);
    return result;
  }
  std::string_view rest_;
};

std::uint64_t walk(Value const& value) {
  std::uint64_t sum = value.number + value.text.size();
  for (auto const& [key, member] : value.members) sum += key.size() + walk(*member);
  return sum;
}

}  // namespace

int main(int count, char** words) {
  Arguments const given = arguments(count, words);
  std::string document;
  Random random{99};
  write(document, random, 4);
  document += '\n';
  return print(sum_over_threads(given.threads, [&](unsigned) {
    std::uint64_t sum = 0;
    for (long left = given.amount; left > 0; --left) sum += walk(*Parser{document}.value());
    return sum;
  }));
}
