// What reads text that others wrote, fed with anything: libFuzzer's entry point, under ASan and UBSan.
//
// The variable PARSER chooses the parser. Each input is copied to a block of exactly its size, so that reading one byte too
// many is seen.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/printable.hpp"
#include "options/options.hpp"
#include "pressure/limit.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// Somewhere in the text: what a file says of groups before it, of mounts after it.
void limits(std::string_view text) {
  using namespace mempool::pressure;
  std::size_t const cut = std::min(text.find('\0'), text.size());
  std::vector<char> const first(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(cut));
  std::vector<char> const second(text.begin() + static_cast<std::ptrdiff_t>(cut), text.end());
  for (bool version2 : {false, true}) {
    std::string_view const group = parse_group({first.data(), first.size()}, version2);
    Mount const mount = parse_mount({second.data(), second.size()}, version2);
    require(std::memchr(mount.point, 0, sizeof mount.point) != nullptr);
    require(std::memchr(mount.root, 0, sizeof mount.root) != nullptr);
    for (std::size_t capacity : {std::size_t{1}, std::size_t{64}, std::size_t{512}}) {
      std::vector<char> folder(capacity);
      if (mount.found() && group_folder(mount, group, folder.data(), capacity))
        require(std::memchr(folder.data(), 0, capacity) != nullptr);
    }
  }
}

void fields(std::string_view text) {
  using namespace mempool::pressure;
  for (std::string_view key : {"inactive_file", "total_inactive_file", "slab_reclaimable", "MemTotal", "MemAvailable",
                               "hierarchical_memory_limit"})
    require(parse_field(text, key) != kNoLimit);
  std::uint64_t const limit = parse_limit(text);
  require(limit == kNoLimit || limit < std::uint64_t{1} << 62);
}

void option_values(std::string_view text) {
  using namespace mempool::options;
  for (Row const& row : kTable) {
    Value value{.number = 77, .percent = 7};
    if (!parse(row.unit, text, value)) {
      require(value.number == 77 && value.percent == 7);
      continue;
    }
    require(value.number >= -1 && value.number <= std::int64_t{1} << 62);
    require(value.percent <= 100);
  }
}

void names(std::string_view text) {
  std::string name{text};
  mempool::make_printable(name.data());
  for (std::string_view rest{name.c_str()}; !rest.empty();) {
    unsigned const length = mempool::printable_length(rest);
    require(length != 0);
    rest.remove_prefix(length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Parser = void (*)(std::string_view);
  static Parser const parser = []() -> Parser {
    const char* const name = std::getenv("PARSER");
    std::string_view const wanted{name != nullptr ? name : ""};
    return wanted == "limits" ? limits : wanted == "fields" ? fields : wanted == "names" ? names
           : wanted == "option_values" ? option_values : nullptr;
  }();
  if (parser == nullptr) std::abort();
  std::vector<char> const copy(data, data + size);
  parser({copy.data(), copy.size()});
  return 0;
}
