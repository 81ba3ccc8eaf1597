#include "options/options.hpp"

#include <cstring>

#include "platform/os.hpp"

namespace mempool::options {
namespace {

Value default_of(Row const& row) noexcept {
  Value value;
  parse(row.unit, row.fallback, value);
  return value;
}

constinit std::array<Value, kTable.size()> values{};
constinit std::array<const char*, kTable.size()> texts{};
constinit bool has_read = false;

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool same(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

/// Digits at the front of `text`, which loses them. False where there are none or the number passes 2^62.
constexpr bool take_number(std::string_view& text, std::int64_t& n) noexcept {
  std::size_t used = 0;
  n = 0;
  for (; used < text.size() && text[used] >= '0' && text[used] <= '9'; ++used) {
    if (n > (std::int64_t{1} << 62) / 10 - 1) return false;
    n = n * 10 + (text[used] - '0');
  }
  text.remove_prefix(used);
  return used != 0;
}

constexpr bool parse_size(std::string_view text, std::int64_t& bytes) noexcept {
  struct Suffix {
    std::string_view name;
    unsigned lg;
  };
  constexpr Suffix suffixes[] = {{"", 0},     {"b", 0},  {"k", 10},   {"kib", 10}, {"m", 20},
                                 {"mib", 20}, {"g", 30}, {"gib", 30}, {"t", 40},   {"tib", 40}};
  if (!take_number(text, bytes)) return false;
  for (Suffix const& suffix : suffixes)
    if (same(text, suffix.name)) {
      if (bytes > (std::int64_t{1} << 62) >> suffix.lg) return false;
      bytes <<= suffix.lg;
      return true;
    }
  return false;
}

constexpr bool parse_time(std::string_view text, std::int64_t& ms) noexcept {
  if (!take_number(text, ms) || ms > std::int64_t{1} << 40) return false;
  if (same(text, "ms")) return true;
  std::int64_t const factor = same(text, "s") ? 1000 : same(text, "m") ? 60000 : same(text, "h") ? 3600000 : 0;
  ms *= factor;
  return factor != 0;
}

constexpr bool parse_percent(std::string_view text, std::uint8_t& percent) noexcept {
  std::int64_t n = 0;
  if (!text.ends_with('%')) return false;
  text.remove_suffix(1);
  if (!take_number(text, n) || !text.empty() || n < 1 || n > 100) return false;
  percent = static_cast<std::uint8_t>(n);
  return true;
}

/// Calls `visit` with every variable of ours in the environment, and its row.
void each_setting(void (*visit)(Row const& row, const char* given)) noexcept {
  os::each_environment(
      [](const char* entry, void* context) {
        if (std::strncmp(entry, "MEMPOOL_", 8) != 0) return;
        for (Row const& row : kTable)
          if (std::size_t const length = row.name.size();
              std::strncmp(entry, row.name.data(), length) == 0 && entry[length] == '=')
            (*static_cast<void (**)(Row const&, const char*)>(context))(row, entry + length + 1);
      },
      static_cast<void*>(&visit));
}

void say_bad_value(Row const& row, std::string_view given) noexcept {
  constexpr std::size_t kShown = 64;
  Line line;
  line.text("libmempool: ").text(row.name).text("=\"");
  for (char const c : std::string_view{given.data(), given.size() < kShown ? given.size() : kShown}) {
    char const shown = c >= ' ' && c <= '~' ? c : '?';
    line.text({&shown, 1});
  }
  line.text(given.size() > kShown ? "...\" is not " : "\" is not ").text(row.allowed);
  line.text("; the default, ").text(row.fallback).text(", is used");
  os::write_stderr(line.finished());
}

}  // namespace

bool parse(Unit unit, std::string_view text, Value& into) noexcept {
  Value value;
  bool good = false;
  switch (unit) {
    case Unit::flag:
      good = text == "0" || text == "1";
      value.number = text == "1";
      break;
    case Unit::automatic:
      good = text == "0" || text == "1" || same(text, "auto");
      value.number = text == "1" ? 1 : text == "0" ? 0 : -1;
      break;
    case Unit::limit:
      good = same(text, "auto") || parse_percent(text, value.percent) ||
             (parse_size(text, value.number) && value.number != 0);
      break;
    case Unit::hard:
      good = parse_percent(text, value.percent) || parse_size(text, value.number);
      break;
    case Unit::threshold:
      good =
          parse_percent(text, value.percent) ||
          (text.starts_with('-') && parse_size({text.data() + 1, text.size() - 1}, value.number) && value.number != 0);
      break;
    case Unit::time:
      good = parse_time(text, value.number) && value.number >= 20 && value.number <= 3600000;
      break;
    case Unit::path:
      good = !text.empty();
      break;
    case Unit::choice:
      good = same(text, "abort") || same(text, "report");
      value.number = same(text, "report");
      break;
    case Unit::format:
      good = same(text, "text") || same(text, "json");
      value.number = same(text, "json");
      break;
  }
  if (good) into = value;
  return good;
}

void read() noexcept {
  if (has_read) return;
  has_read = true;
  for (Row const& row : kTable) {
    auto const i = static_cast<std::size_t>(row.id);
    values[i] = default_of(row);
    texts[i] = row.fallback.data();  // a literal: it ends in a zero
  }
  if (os::is_secure()) return;
  each_setting([](Row const& row, const char* given) {
    auto const i = static_cast<std::size_t>(row.id);
    if (parse(row.unit, given, values[i])) texts[i] = given;
  });
  // Only now is it known whether anything may be said at all.
  if (number(Opt::enable) == 0) return;
  each_setting([](Row const& row, const char* given) {
    if (Value value; !parse(row.unit, given, value)) say_bad_value(row, given);
  });
}

void append_differences(Line& line) noexcept {
  for (Row const& row : kTable) {
    auto const i = static_cast<std::size_t>(row.id);
    bool const differs = row.unit == Unit::path ? row.fallback != texts[i] : !(values[i] == default_of(row));
    if (differs) line.text(", ").text(row.name).text("=").text(texts[i]);
  }
  if (os::is_secure()) return;
  os::each_environment(
      [](const char* entry, void* context) {
        std::string_view name{entry};
        if (!name.starts_with("MEMPOOL_")) return;
        name = {name.data(), name.find('=') < name.size() ? name.find('=') : name.size()};
        for (Row const& row : kTable)
          if (row.name == name) return;
        static_cast<Line*>(context)->text(", unknown: ").text(name);
      },
      &line);
}

const Value& value(Opt which) noexcept { return values[static_cast<std::size_t>(which)]; }
const char* text(Opt which) noexcept { return texts[static_cast<std::size_t>(which)]; }

}  // namespace mempool::options
