// What the loader calls: one constructor, one destructor. The destructor frees nothing: other libraries'
// destructors and running threads go on allocating after it.

#include "base/figures.hpp"
#include "base/line.hpp"
#include "base/summary.hpp"
#include "monitor/monitor.hpp"
#include "options/options.hpp"
#include "platform/fatal.hpp"
#include "platform/os.hpp"
#include "routing/router.hpp"
#include "routing/start.hpp"

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

[[gnu::constructor]] void at_load() {
  mempool::routing::start();
  if (mempool::routing::is_off()) return;
  mempool::monitor::install();
  if (mempool::options::number(mempool::options::Opt::verbose) != 0) say_start_line();
}

[[gnu::destructor]] void at_exit() {
  mempool::monitor::say_farewell();
  if (!mempool::routing::prints_summary()) return;
  mempool::Line line;
  line.text("libmempool: ");
  mempool::describe_supply(line, mempool::figures).text(", peak RSS ").size(mempool::os::peak_resident());
  mempool::os::write_stderr(line.finished());
}

}  // namespace
