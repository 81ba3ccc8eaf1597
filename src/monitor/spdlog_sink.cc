// spdlog behind the monitor's lines: formats, levels and files. The only file that names spdlog.
//
// It is joined with a C++ runtime of its own into one object in which nothing is visible but the two functions of the
// seam, and whose malloc is sink_arena.cc's: what the program allocates with can be at its end when this must work.
// Its constructors do not run at load but at libmempool_sink_open. Called by one thread, the monitor's.

#define SPDLOG_LEVEL_NAMES \
  { "trace", "debug", "info", "warning", "critical", "emergency", "off" }
#include <spdlog/common.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "monitor/seam.h"

using Constructor = void (*)();
extern "C" {
[[gnu::weak]] extern const Constructor __start_mempool_late_init[];
[[gnu::weak]] extern const Constructor __stop_mempool_late_init[];
}

namespace {

/// A line is one write(2) to one of the library's places.
class Place final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  Place(unsigned number, libmempool_sink_style style) : number_{number} {
    constexpr const char* patterns[] = {"libmempool: %l: %v", "%Y-%m-%dT%H:%M:%S.%eZ [%P] libmempool: %l: %v", "%v"};
    formatter_ = std::make_unique<spdlog::pattern_formatter>(patterns[style], spdlog::pattern_time_type::utc);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    libmempool_sink_emit(number_, line.data(), line.size());
  }
  void flush_() override {}

 private:
  unsigned number_;
};

spdlog::logger* logger = nullptr;  // never destroyed: exit must not run anything of ours

}  // namespace

extern "C" bool libmempool_sink_open(const libmempool_sink_style* styles, unsigned count) {
  for (const Constructor* each = __start_mempool_late_init; each != __stop_mempool_late_init; ++each) (*each)();
  try {
    std::vector<spdlog::sink_ptr> places;
    for (unsigned i = 0; i < count; ++i) places.push_back(std::make_shared<Place>(i, styles[i]));
    logger = new spdlog::logger("libmempool", places.begin(), places.end());
    return true;
  } catch (...) {
    return false;
  }
}

extern "C" void libmempool_sink_write(int level, const char* text, std::size_t length) {
  static constexpr spdlog::level::level_enum levels[] = {spdlog::level::info, spdlog::level::warn, spdlog::level::err,
                                                         spdlog::level::critical};
  try {
    logger->log(levels[level], spdlog::string_view_t{text, length});
  } catch (...) {
    libmempool_sink_emit(0, text, length);
  }
}
