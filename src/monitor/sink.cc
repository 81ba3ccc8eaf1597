#include "monitor/sink.hpp"

#include <cstring>
#include <fcntl.h>

#include "base/line.hpp"
#include "options/options.hpp"
#include "platform/os.hpp"

// The seam to spdlog: absent from the static library unless libmempool-spdlog.a is linked too.
extern "C" {
[[gnu::weak]] bool mempool_sink_open(const char* path);
[[gnu::weak]] void mempool_sink_write(int level, const char* text, std::size_t length);
}

namespace mempool::monitor {
namespace {

constinit bool opened = false;
constinit bool use_spdlog = false;

void write_raw(pressure::Level level, std::string_view text) noexcept {
  constexpr std::string_view names[] = {"info", "warning", "critical"};
  Line line;
  line.text("libmempool: ").text(names[static_cast<unsigned>(level)]).text(": ").text(text);
  const char* const path = options::text(options::Opt::log);
  if (std::strcmp(path, "stderr") == 0) {
    os::write_all(2, line.finished());
    return;
  }
  int const file = os::open_file(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0644);
  if (file < 0) return;
  os::write_all(file, line.finished());
  os::close_file(file);
}

}  // namespace

void say(pressure::Level level, std::string_view text) noexcept {
  if (!opened) {
    opened = true;
    const char* const path = options::text(options::Opt::log);
    use_spdlog = &mempool_sink_open != nullptr && mempool_sink_open(std::strcmp(path, "stderr") == 0 ? nullptr : path);
  }
  if (use_spdlog)
    mempool_sink_write(static_cast<int>(level), text.data(), text.size());
  else
    write_raw(level, text);
}

void forget_parents_sink() noexcept {
  opened = true;
  use_spdlog = false;
}

}  // namespace mempool::monitor
