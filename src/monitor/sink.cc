#include "monitor/sink.hpp"

#include <fcntl.h>
#include <time.h>
#include <cstring>

#include "monitor/seam.h"
#include "options/options.hpp"
#include "platform/os.hpp"

namespace mempool::monitor {
namespace {

struct Place {
  enum class Kind : std::uint8_t { stderr_of_the_program, file, last_line } kind = Kind::stderr_of_the_program;
  const char* path = nullptr;
  int descriptor = -1;
  os::FileId file;
};
constexpr unsigned kMostPlaces = 4;
constexpr const char* kTerminationLog = "/dev/termination-log";

constinit bool opened = false;
constinit bool use_spdlog = false;
constinit Place places[kMostPlaces];
constinit unsigned place_count = 0;
constinit bool is_last_line = false;  // whether what is being said is for the places that keep one line
constinit std::uint64_t lost = 0;
constinit char log_text[4096] = {};

/// A file is opened when the first line is due, and kept: later there may be no descriptor left, or no /.
bool open_file(Place& place) noexcept {
  place.descriptor = os::open_file(place.path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
  place.file = place.descriptor >= 0 ? os::file_behind(place.descriptor) : os::FileId{};
  return place.descriptor >= 0;
}

void open_place(const char* word) noexcept {
  constexpr std::string_view termination = "termination";
  Place place;
  if (std::strcmp(word, "stderr") == 0) {
  } else if (termination == word) {
    place = {Place::Kind::last_line, kTerminationLog, -1, {}};
  } else if (std::strncmp(word, "termination=", termination.size() + 1) == 0) {
    place = {Place::Kind::last_line, word + termination.size() + 1, -1, {}};
  } else {
    place.kind = Place::Kind::file;
    place.path = word;
    if (!open_file(place)) {
      place.kind = Place::Kind::stderr_of_the_program;
      Line line;
      line.text("libmempool: MEMPOOL_LOG=\"").text(word).text("\" cannot be written; lines go to stderr");
      os::write_stderr(line.finished());
    }
  }
  for (unsigned i = 0; i < place_count; ++i)  // stderr once, though two files could not be opened
    if (places[i].kind == Place::Kind::stderr_of_the_program && place.kind == places[i].kind) return;
  places[place_count++] = place;
}

bool is_json() noexcept { return options::number(options::Opt::log_format) == 1; }

void open_once() noexcept {
  if (opened) return;
  opened = true;
  for (char* word = log_text; word != nullptr && place_count < kMostPlaces;) {
    char* const comma = std::strchr(word, ',');
    if (comma != nullptr) *comma = 0;
    if (*word != 0) open_place(word);
    word = comma != nullptr ? comma + 1 : nullptr;
  }
  libmempool_sink_style styles[kMostPlaces];
  for (unsigned i = 0; i < place_count; ++i)
    styles[i] = is_json()                             ? libmempool_sink_bare
                : places[i].kind == Place::Kind::file ? libmempool_sink_stamped
                                                      : libmempool_sink_plain;
  use_spdlog = &libmempool_sink_open != nullptr && libmempool_sink_open(styles, place_count);
}

std::uint64_t wall_clock_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec);
}

/// The level a line is logged at: of what comes after it, it is information.
pressure::Level level_of(Event const& event) noexcept {
  using Kind = Event::Kind;
  switch (event.kind) {
    case Kind::entered:
    case Kind::stays:
    case Kind::exhausted:
      return event.level;
    case Kind::oversized:
      return pressure::Level::warning;
    default:
      return pressure::Level::normal;
  }
}

/// What gave_back and exhausted tell is of use beside the line before them, which names the limit and the holders:
/// where one line is kept, it is that one.
bool stands_alone(Event const& event) noexcept {
  return event.kind != Event::Kind::gave_back && event.kind != Event::Kind::exhausted;
}

bool write_last_line(Place const& place, std::string_view text) noexcept {
  // /dev/termination-log is there where somebody reads it; a file that the user named is made.
  int const made = std::strcmp(place.path, kTerminationLog) == 0 ? 0 : O_CREAT;
  int const fd = os::open_file(place.path, O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOFOLLOW | made, 0644);
  if (fd < 0) return false;
  bool const written = os::write_all(fd, text);
  os::close_file(fd);
  return written;
}

bool write_file(Place& place, std::string_view text) noexcept {
  // Where the table of descriptors is the program's, it may close what it does not know and use the number itself.
  if (!(os::file_behind(place.descriptor) == place.file) && !open_file(place)) return false;
  return os::write_all(place.descriptor, text);
}

}  // namespace

void remember_log() noexcept {
  const char* const text = options::text(options::Opt::log);
  std::size_t const length = std::strlen(text);
  std::memcpy(log_text, length < sizeof log_text ? text : "stderr", length < sizeof log_text ? length + 1 : 7);
}

void say(Event const& event) noexcept {
  open_once();
  is_last_line = stands_alone(event);
  LongLine text;
  if (is_json())
    format_json(text, event, os::process_id(), wall_clock_ns());
  else
    format_text(text, event);
  pressure::Level const level = level_of(event);
  if (use_spdlog) return libmempool_sink_write(static_cast<int>(level), text.view().data(), text.view().size());
  LongLine line;
  if (!is_json()) line.text("libmempool: ").text(level == pressure::Level::normal ? "info" : name_of(level)).text(": ");
  std::string_view const finished = line.text(text.view()).finished();
  for (unsigned i = 0; i < place_count; ++i) libmempool_sink_emit(i, finished.data(), finished.size());
}

std::uint64_t lines_lost() noexcept { return lost; }

void forget_parents_sink() noexcept {
  if (opened) use_spdlog = false;
}

}  // namespace mempool::monitor

extern "C" void libmempool_sink_emit(unsigned number, const char* text, std::size_t length) {
  using namespace mempool;
  using Kind = monitor::Place::Kind;
  monitor::Place& place = monitor::places[number];
  std::string_view const line{text, length};
  if (place.kind == Kind::last_line && !monitor::is_last_line) return;
  bool const written = place.kind == Kind::stderr_of_the_program ? os::write_stderr(line)
                       : place.kind == Kind::file                ? monitor::write_file(place, line)
                                                                 : monitor::write_last_line(place, line);
  if (!written) ++monitor::lost;
}
