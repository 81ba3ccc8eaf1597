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
constinit os::FileId log_file;
constinit char log_path[4096] = {};

/// A file is opened when the first line is due, and kept: later there may be no descriptor left, or no /.
void open_log() noexcept {
  descriptor = 2;
  if (std::strcmp(log_path, "stderr") == 0) return;
  int const fd = os::open_file(log_path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (fd >= 0) {
    log_file = os::file_behind(fd);
    descriptor = fd;
    return;
  }
  Line line;
  line.text("libmempool: MEMPOOL_LOG=\"").text(log_path).text("\" cannot be written; lines go to stderr");
  os::write_stderr(line.finished());
}

void open_once() noexcept {
  if (opened) return;
  opened = true;
  open_log();
  use_spdlog = &mempool_sink_open != nullptr && mempool_sink_open(descriptor);
}

}  // namespace

void remember_log() noexcept {
  const char* const path = options::text(options::Opt::log);
  std::size_t const length = std::strlen(path);
  if (length < sizeof log_path) std::memcpy(log_path, path, length + 1);  // a longer one is no path
}

void say(pressure::Level level, std::string_view text) noexcept {
  open_once();
  if (use_spdlog) return mempool_sink_write(static_cast<int>(level), text.data(), text.size());
  constexpr std::string_view names[] = {"info", "warning", "critical"};
  Line line;
  line.text("libmempool: ").text(names[static_cast<unsigned>(level)]).text(": ").text(text);
  std::string_view const finished = line.finished();
  mempool_sink_emit(descriptor, finished.data(), finished.size());
}

void forget_parents_sink() noexcept {
  if (opened) use_spdlog = false;
}

}  // namespace mempool::monitor

extern "C" void mempool_sink_emit(int fd, const char* text, std::size_t length) {
  using namespace mempool;
  // A program may close descriptors it does not know, and the number be a file of its own by now.
  if (fd != 2 && !(os::file_behind(monitor::descriptor) == monitor::log_file)) monitor::open_log();
  if (fd != 2 && monitor::descriptor != 2)
    os::write_all(monitor::descriptor, {text, length});
  else
    os::write_stderr({text, length});
}
