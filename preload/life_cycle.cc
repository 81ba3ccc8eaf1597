// What the loader calls: one constructor, one destructor. The destructor frees nothing: other libraries'
// destructors and running threads go on allocating after it.

#include "base/figures.hpp"
#include "base/line.hpp"
#include "base/summary.hpp"
#include "monitor/monitor.hpp"
#include "platform/os.hpp"
#include "routing/router.hpp"
#include "routing/start.hpp"

namespace {

[[gnu::constructor]] void at_load() {
  mempool::routing::start();
  if (!mempool::routing::is_off()) mempool::monitor::install();
}

[[gnu::destructor]] void at_exit() {
  if (!mempool::routing::prints_summary()) return;
  mempool::Line line;
  line.text("libmempool: ");
  mempool::describe_supply(line, mempool::figures).text(", peak RSS ").size(mempool::os::peak_resident());
  mempool::os::write_all(2, line.finished());
}

}  // namespace
