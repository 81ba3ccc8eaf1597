#include "monitor/event.hpp"

#include <algorithm>

namespace mempool::monitor {
namespace {

using pressure::Level;

/// "80% of the limit of 256.0MiB (cgroup /x) is used: 204.8MiB".
void say_usage(LongLine& line, Event const& event) noexcept {
  pressure::Bound const& bound = event.bound;
  line.dec(bound.usage * 100 / std::max<std::uint64_t>(bound.limit, 1)).text("% of the limit of ").size(bound.limit);
  line.text(" (").text(bound.source).text(") is used: ").size(bound.usage).text(", rss ").size(event.resident);
}

void say_heap(LongLine& line, Event const& event) noexcept {
  line.text("; heap live ").size(event.heap_live).text(", kept ").size(event.heap_kept);
  std::uint64_t const heap = event.heap_live + event.heap_kept;
  line.text(", other ").size(event.resident > heap ? event.resident - heap : 0);
}

void say_growth(LongLine& line, Event const& event) noexcept {
  if (event.growth == 0) return;
  line.text("; growing ").size(event.growth).text("/s");
  if (event.seconds_left == pressure::kNever) return;
  line.text(", the limit is reached in ");
  if (event.seconds_left == 0) line.text("less than ");
  line.dec(std::max<std::uint64_t>(event.seconds_left, 1)).text("s");
}

void say_who(LongLine& line, Event const& event) noexcept {
  for (Held const& each : event.largest)
    if (each.name[0] != 0)
      line.text(&each == event.largest ? "; held by " : ", ").text(each.name).text(" ").size(each.bytes);
  // A class that holds little tells nothing.
  for (pools::InClass const& each : event.classes)
    if (each.bytes != 0 && each.bytes >= event.bound.usage / 16)
      line.text(&each == event.classes ? "; most in blocks of " : ", ").size(each.block).text(": ").size(each.bytes);
}

void say_noise(LongLine& line, Event const& event) noexcept {
  if (event.some_permille != 0) {
    line.text("; stalled ").dec(event.some_permille / 10).text(".").dec(event.some_permille % 10).text("% of the time");
  }
  // Where it was not usage alone that reached a threshold.
  if (event.cause == "simulated")
    line.text("; simulated");
  else if (event.kind == Event::Kind::entered && event.cause != "look" && event.cause != "tripwire")
    line.text("; said for the ").text(event.cause);
  if (event.suppressed != 0) line.text("; ").dec(event.suppressed).text(" lines left out");
}

/// A JSON object under way: keys are ours, values may hold anything.
class Object {
 public:
  explicit Object(LongLine& line) noexcept : line_{line} { line_.text("{"); }
  Object& text(std::string_view key, std::string_view value) noexcept {
    begin(key).text("\"");
    for (char const c : value) put_escaped(c);
    line_.text("\"");
    return *this;
  }
  Object& number(std::string_view key, std::uint64_t value) noexcept {
    begin(key).dec(value);
    return *this;
  }
  /// A nested list: the caller writes what is in it.
  LongLine& begin(std::string_view key) noexcept {
    if (!is_first_) line_.text(",");
    is_first_ = false;
    return line_.text("\"").text(key).text("\":");
  }

 private:
  void put_escaped(char c) noexcept {
    constexpr std::string_view hex = "0123456789abcdef";
    auto const byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      line_.text("\\u00").text({&hex[byte >> 4], 1}).text({&hex[byte & 15], 1});
      return;
    }
    if (c == '"' || c == '\\') line_.text("\\");
    line_.text({&c, 1});
  }

  LongLine& line_;
  bool is_first_ = true;
};

constexpr std::string_view kKinds[] = {"entered",   "left",      "stays",     "gave_back",
                                       "exhausted", "oversized", "new_limit", "ended"};

}  // namespace

std::string_view name_of(Level level) noexcept {
  constexpr std::string_view names[pressure::kLevels] = {"normal", "warning", "critical", "emergency"};
  return names[static_cast<unsigned>(level)];
}

void format_text(LongLine& line, Event const& event) noexcept {
  switch (event.kind) {
    case Event::Kind::gave_back:
      line.text("gave back ").size(event.given_back).text(" in ").dec(event.took_ms).text("ms");
      return;
    case Event::Kind::exhausted:
      line.text("nothing is left to give back: heap live ").size(event.heap_live);
      return;
    case Event::Kind::oversized:
      line.text("a request of ").size(event.bytes).text(" exceeds the headroom of ").size(event.bound.headroom());
      line.text(" (limit ").size(event.bound.limit).text(", ").text(event.bound.source).text(")");
      return;
    case Event::Kind::new_limit:
      line.text("the limit changed from ").size(event.bytes).text(" to ").size(event.bound.limit);
      line.text(" (").text(event.bound.source).text(")");
      return;
    case Event::Kind::ended:
      line.text("ended, with a peak of ").size(event.bytes).text(" (limit ").size(event.bound.limit).text(", ");
      line.text(event.bound.source)
          .text("), ")
          .dec(event.warnings)
          .text(event.warnings == 1 ? " warning" : " warnings");
      line.text(" and ").dec(event.criticals).text(" critical; gave back ").size(event.given_back).text(" in all");
      return;
    case Event::Kind::left:
      if (event.level == Level::normal)
        line.text("no longer short of memory: ");
      else
        line.text("no longer ").text(name_of(event.was)).text(": ");
      break;
    case Event::Kind::stays:
      line.text("still ").text(name_of(event.level)).text(": ");
      break;
    case Event::Kind::entered:
      break;
  }
  say_usage(line, event);
  say_heap(line, event);
  say_growth(line, event);
  say_who(line, event);
  say_noise(line, event);
}

void format_json(LongLine& line, Event const& event, int pid, std::uint64_t time_ns) noexcept {
  Object object{line};
  object.number("schema", 1).number("time_ns", time_ns).number("pid", static_cast<std::uint64_t>(pid));
  object.text("event", kKinds[static_cast<unsigned>(event.kind)]).text("level", name_of(event.level));
  object.text("was", name_of(event.was)).text("cause", event.cause);
  object.number("limit", event.bound.limit).number("usage", event.bound.usage).text("source", event.bound.source);
  object.number("resident", event.resident).number("heap_live", event.heap_live).number("heap_kept", event.heap_kept);
  object.number("growth", event.growth);
  if (event.seconds_left != pressure::kNever) object.number("seconds_left", event.seconds_left);
  object.begin("held_by").text("[");
  for (Held const& each : event.largest) {
    if (each.name[0] == 0) continue;
    if (&each != event.largest) line.text(",");
    Object{line}.text("name", each.name).number("bytes", each.bytes);
    line.text("}");
  }
  line.text("]");
  if (event.kind == Event::Kind::gave_back)
    object.number("given_back", event.given_back).number("took_ms", event.took_ms);
  if (event.kind == Event::Kind::oversized) object.number("request", event.bytes);
  if (event.kind == Event::Kind::new_limit) object.number("limit_before", event.bytes);
  if (event.kind == Event::Kind::ended) {
    object.number("peak_resident", event.bytes).number("warnings", event.warnings).number("criticals", event.criticals);
    object.number("given_back", event.given_back);
  }
  object.number("stalled_some_permille", event.some_permille).number("stalled_full_permille", event.full_permille);
  object.number("sequence", event.sequence).number("suppressed", event.suppressed);
  line.text("}");
}

}  // namespace mempool::monitor
