#include "routing/start.hpp"

#include <atomic>
#include <cstring>
#include <fcntl.h>

#include "base/figures.hpp"
#include "options/options.hpp"
#include "platform/fatal.hpp"
#include "platform/os.hpp"
#include "platform/hooks.hpp"
#include "pools/record.hpp"
#include "pressure/account.hpp"
#include "routing/fallback.hpp"
#include "routing/libc_heap.hpp"
#include "routing/router.hpp"

namespace mempool {

constinit Figures figures{};

namespace routing {
namespace {

enum class Phase : std::uint32_t { none, starting, started, off };
constinit std::atomic<Phase> phase{Phase::none};
constinit std::atomic<std::uintptr_t> starter_thread{0};
constinit int summary_owner = 0;  // our process id where `figures` is the shared page
constinit int printer = 0;        // the process that prints at exit

using options::Opt;

const std::uint32_t* phase_word() noexcept { return reinterpret_cast<const std::uint32_t*>(&phase); }

/// Lays the launcher's page over our own counters, where no other process has claimed it. A program that this
/// process becomes by exec finds its own id there and counts on.
void share_figures(const char* path) noexcept {
  int const fd = os::open_file(path, O_RDWR);
  if (fd < 0) return;
  char last = 0;
  bool const is_whole = os::read_at(fd, &last, 1, sizeof figures - 1) == 1;  // a shorter file kills who touches its end
  if (is_whole && os::map_file_over({reinterpret_cast<char*>(&figures), sizeof figures}, fd)) {
    auto const self = static_cast<std::uint32_t>(os::process_id());
    std::uint32_t nobody = 0;
    if (figures.magic == Figures::kMagic &&
        (figures.owner.compare_exchange_strong(nobody, self, std::memory_order_relaxed) || nobody == self))
      summary_owner = static_cast<int>(self);
    else if (!os::map_over({reinterpret_cast<char*>(&figures), sizeof figures}))
      broken_invariant("the counter page cannot be mapped again");
  }
  os::close_file(fd);
}

void claim_summary() noexcept {
  const char* const where = options::text(Opt::summary);
  if (where == nullptr || std::strcmp(where, "0") == 0) return;
  if (std::strcmp(where, "1") != 0) return share_figures(where);
  printer = os::process_id();
  // What this process runs inherits the variable; only the process it was meant for may print. Its text is the
  // process's own writable memory, and "0" is as long as "1".
  if (const char* const value = os::environment("MEMPOOL_SUMMARY"); value != nullptr && value[0] == '1')
    *const_cast<char*>(value) = '0';
}

Phase start_once() noexcept {
  libc_heap::remember_break();
  os::remember_stderr();
  options::read();
  if (options::number(Opt::enable) == 0 && libc_heap::find()) return Phase::off;
  report_faults_only = options::number(Opt::on_error) != 0;
  claim_summary();
  os::set_thread_exit(thread_exit);
  os::Span for_fallback;
  pools::start(options::number(Opt::enable) != 0 && options::number(Opt::pools) != 0,
               fallback::region_bytes_wanted(os::address_space_left()), for_fallback);
  fallback::set_region(for_fallback);
  return Phase::started;
}

}  // namespace

void start() noexcept {
  Phase now = phase.load(std::memory_order_acquire);
  if (now >= Phase::started) [[likely]] return;
  std::uintptr_t const self = os::thread_mark();
  if (now == Phase::none && phase.compare_exchange_strong(now, Phase::starting, std::memory_order_acquire)) {
    starter_thread.store(self, std::memory_order_relaxed);
    Phase const result = start_once();
    phase.store(result, std::memory_order_release);
    os::wake_all(phase_word());
    if (result == Phase::started) os::call_at_fork(fork_prepare, fork_parent, fork_child);
    return;
  }
  // Another thread is at it. The starting thread itself comes here when the C library allocates under it: it is
  // served by what stands already.
  while (phase.load(std::memory_order_acquire) == Phase::starting &&
         starter_thread.load(std::memory_order_relaxed) != self)
    os::wait(phase_word(), static_cast<std::uint32_t>(Phase::starting));
}

bool is_off() noexcept {
  Phase const now = phase.load(std::memory_order_relaxed);
  return now == Phase::off || (now == Phase::starting && pools::layout.span == 0 && options::number(Opt::enable) == 0);
}

void start_monitor() noexcept {
  auto const starter = pressure::starter.load(std::memory_order_acquire);
  if (starter != nullptr && pressure::start_due.exchange(false, std::memory_order_acquire)) starter();
}

void leave_summary_to_parent() noexcept {
  if (summary_owner == 0) return;
  summary_owner = 0;
  alignas(64) char copy[kFiguresBytes];
  std::memcpy(copy, &figures, sizeof copy);
  if (!os::map_over({reinterpret_cast<char*>(&figures), sizeof figures}))
    broken_invariant("the counter page cannot be left to the parent");
  std::memcpy(static_cast<void*>(&figures), copy, sizeof copy);
}

bool prints_summary() noexcept { return printer != 0 && printer == os::process_id(); }

}  // namespace routing
}  // namespace mempool
