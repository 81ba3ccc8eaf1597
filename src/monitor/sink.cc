#include "monitor/sink.hpp"

#include <cstring>
#include <fcntl.h>

#include "base/line.hpp"
#include "monitor/seam.h"
#include "options/options.hpp"
#include "platform/os.hpp"

namespace mempool::monitor {
namespace {

constinit bool opened = false;
constinit bool use_spdlog = false;
constinit int descriptor = 2;

/// A file is opened when the first line is due, and kept: later there may be no descriptor left, or no /.
void open_once() noexcept {
  if (opened) return;
  opened = true;
  const char* const path = options::text(options::Opt::log);
  if (std::strcmp(path, "stderr") != 0) {
    descriptor = os::open_file(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (descriptor < 0) {
      Line line;
      line.text("libmempool: MEMPOOL_LOG=\"").text(path).text("\" cannot be written; lines go to stderr");
      os::write_all(2, line.finished());
      descriptor = 2;
    }
  }
  use_spdlog = &mempool_sink_open != nullptr && mempool_sink_open(descriptor);
}

}  // namespace

void say(pressure::Level level, std::string_view text) noexcept {
  open_once();
  if (use_spdlog) return mempool_sink_write(static_cast<int>(level), text.data(), text.size());
  constexpr std::string_view names[] = {"info", "warning", "critical"};
  Line line;
  line.text("libmempool: ").text(names[static_cast<unsigned>(level)]).text(": ").text(text);
  os::write_all(descriptor, line.finished());
}

void forget_parents_sink() noexcept {
  open_once();
  use_spdlog = false;
}

}  // namespace mempool::monitor

extern "C" void mempool_sink_emit(int fd, const char* text, std::size_t length) {
  mempool::os::write_all(fd, {text, length});
}
