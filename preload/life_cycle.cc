// What the loader calls: one constructor, one destructor. The destructor frees nothing: other libraries'
// destructors and running threads go on allocating after it.

#include "base/figures.hpp"
#include "base/line.hpp"
#include "base/summary.hpp"
#include "mempool/mempool.h"
#include "monitor/monitor.hpp"
#include "options/options.hpp"
#include "platform/fatal.hpp"
#include "platform/os.hpp"
#include "routing/router.hpp"
#include "routing/start.hpp"

#if defined(__APPLE__)
#include <cstdlib>

#include "macos_zone.hpp"
#endif

namespace {

/// MEMPOOL_VERBOSE=1: what runs, under whose limit, and what was set.
void say_start_line() {
  mempool::Line line;
  line.text(mempool::kVersionLine);
  mempool::append_build_id(line);
  mempool::monitor::append_limit(line);
  mempool::options::append_differences(line);
  mempool::os::write_stderr(line.finished());
}

#if defined(__APPLE__)
// A destructor would be a second init function, which registers it.
#define MEMPOOL_AT_EXIT
#else
#define MEMPOOL_AT_EXIT [[gnu::destructor]]
#endif
MEMPOOL_AT_EXIT void at_exit();

[[gnu::constructor]] void at_load() {
  mempool::routing::start();
  if (mempool::routing::is_off()) return;
#if defined(__APPLE__)
  mempool::macos::register_zone();
  std::atexit(at_exit);
#endif
  mempool::monitor::install();
  if (mempool::options::number(mempool::options::Opt::verbose) != 0) say_start_line();
}

MEMPOOL_AT_EXIT void at_exit() {
  mempool::monitor::say_farewell();
  if (!mempool::routing::prints_summary()) return;
  mempool::Line line;
  line.text("libmempool: ");
  mempool::describe_supply(line, mempool::figures).text(", peak RSS ").size(mempool::os::peak_resident());
  mempool::os::write_stderr(line.finished());
}

}  // namespace

/// Here and not in api.cc: a static link that asks for this name (-u) gets the constructor with it.
extern "C" [[gnu::visibility("default")]] const char* libmempool_version() { return mempool::kVersionLine; }
