// Logs through a spdlog of its own and allocates from a mimalloc of its own, beside those in libmempool's archives;
// then grows until libmempool has written a line. usage: neighbours LOG
#include <mimalloc.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

int main(int, char** arguments) {
  std::ostringstream written;
  auto const sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(written);
  auto const logger = std::make_shared<spdlog::logger>("own", sink);
  logger->set_pattern("%n %v");
  spdlog::register_logger(logger);

  void* const own = mi_malloc(1000);
  bool const is_apart = mi_is_in_heap_region(own) && !mi_is_in_heap_region(std::malloc(1000));
  mi_free(own);

  for (int i = 0; i < 600; ++i) std::memset(std::malloc(100 << 10), 1, 100 << 10);
  struct stat file = {};
  for (int i = 0; i < 2000 && (stat(arguments[1], &file) != 0 || file.st_size == 0); ++i) usleep(10000);

  spdlog::get("own")->info("apart {} version {}", is_apart, mi_version());
  std::cout << written.str();
  return file.st_size > 0 ? 0 : 1;
}
