#include "monitor/stalls.hpp"

#include <fcntl.h>
#include <cstring>

#include "platform/os.hpp"

namespace mempool::monitor {
namespace {

/// 150 ms of stalls in 2 s: windows of whole multiples of 2 s need no privilege (Linux 6.4).
constexpr std::string_view kTrigger = "some 150000 2000000";
constexpr const char* kOfMachine = "/proc/pressure/memory";
constexpr unsigned kStandstill = 100;  // thousandths

constinit char watch[512] = {};  // "": nobody said
constinit char trigger[256] = {};
constinit std::size_t trigger_bytes = 0;

/// Decodes base64; false where it is none, or does not fit.
bool decode(const char* text, char (&into)[256], std::size_t& length) noexcept {
  std::uint32_t bits = 0;
  unsigned have = 0;
  length = 0;
  for (; *text != 0 && *text != '='; ++text) {
    char const c = *text;
    int const value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0 || length == sizeof into) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    have += 6;
    if (have >= 8) into[length++] = static_cast<char>(bits >> (have -= 8) & 255);
  }
  return true;
}

/// "some avg10=1.25 avg60=...": the thousandths behind `avg10=` in the line that begins with `kind`.
unsigned permille_of(std::string_view text, std::string_view kind) noexcept {
  std::size_t at = text.find(kind);
  if (at == std::string_view::npos) return 0;
  at = text.find("avg10=", at);
  if (at == std::string_view::npos) return 0;
  unsigned n = 0;
  int decimals = -1;
  for (at += 6; at < text.size() && decimals < 1; ++at) {
    if (text[at] == '.') {
      decimals = 0;
      continue;
    }
    if (text[at] < '0' || text[at] > '9') break;
    n = n * 10 + static_cast<unsigned>(text[at] - '0');
    if (decimals >= 0) ++decimals;
  }
  return decimals == 1 ? n : n * 10;
}

}  // namespace

void remember_pressure_watch() noexcept {
  const char* const path = os::environment("MEMORY_PRESSURE_WATCH");
  if (path == nullptr || std::strlen(path) >= sizeof watch) return;
  std::memcpy(watch, path, std::strlen(path) + 1);
  const char* const text = os::environment("MEMORY_PRESSURE_WRITE");
  if (text != nullptr && !decode(text, trigger, trigger_bytes)) trigger_bytes = 0;
}

void Stalls::open() noexcept {
  if (std::strcmp(watch, "/dev/null") == 0) return;
  char own[640];
  const char* path = watch;
  if (watch[0] == 0) path = pressure::own_pressure_file(own, sizeof own) ? own : kOfMachine;
  if (path[0] != '/') return;
  descriptor_ = os::open_file(path, O_RDWR | O_NONBLOCK);
  if (descriptor_ < 0 && path == own) descriptor_ = os::open_file(path = kOfMachine, O_RDWR | O_NONBLOCK);
  if (descriptor_ < 0) return;
  are_of_machine_ = path == kOfMachine;
  std::string_view const wanted = trigger_bytes != 0 ? std::string_view{trigger, trigger_bytes} : kTrigger;
  if (os::is_kernel_file(descriptor_) && os::write_all(descriptor_, wanted)) return;
  close();
}

void Stalls::close() noexcept {
  if (descriptor_ >= 0) os::close_file(descriptor_);
  descriptor_ = -1;
}

pressure::Level Stalls::look() noexcept {
  if (descriptor_ < 0) {
    unsigned const said = os::machine_pressure();
    return said >= 2 ? pressure::Level::critical : said == 1 ? pressure::Level::warning : pressure::Level::normal;
  }
  if (!os::has_priority_event(descriptor_)) {
    some_ = full_ = 0;
    return pressure::Level::normal;
  }
  read_shares();
  return full_ >= kStandstill ? pressure::Level::critical : pressure::Level::warning;
}

void Stalls::read_shares() noexcept {
  char text[256];
  if (descriptor_ < 0) return;
  long const length = os::read_at(descriptor_, text, sizeof text, 0);
  std::string_view const shares{text, static_cast<std::size_t>(length > 0 ? length : 0)};
  some_ = permille_of(shares, "some");
  full_ = permille_of(shares, "full");
}

}  // namespace mempool::monitor
