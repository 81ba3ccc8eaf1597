#include "monitor/monitor.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/figures.hpp"
#include "base/line.hpp"
#include "monitor/sink.hpp"
#include "options/options.hpp"
#include "platform/os.hpp"
#include "pools/pools.hpp"
#include "pressure/account.hpp"
#include "pressure/limit.hpp"
#include "pressure/policy.hpp"
#include "routing/fallback.hpp"
#include "routing/libc_heap.hpp"

// A program without a thread library has no monitor either.
#pragma weak pthread_create
#pragma weak pthread_sigmask
#pragma weak pthread_attr_setstacksize

namespace mempool::monitor {
namespace {

using options::Opt;
using pressure::Level;
using pressure::Reading;

constexpr std::int64_t kSecondLook = 100;     // ms
constexpr std::int64_t kShortestLook = 20;   // ms
constexpr std::int64_t kAfterTripwire = 20;  // ms: the bytes were handed out, now they are being touched
constexpr int kReuse = 10;  // ms for which a freed mapping may find a new use before it is given back
constexpr std::size_t kWorthALine = std::size_t{1} << 20;
constexpr std::size_t kStackBytes = std::size_t{128} << 10;

constinit std::atomic<int> running_in{0};  // the process whose monitor runs, or started to

void note(Reading const& reading) noexcept {
  figures.limit_bytes.store(reading.limit == pressure::kNoLimit ? 0 : reading.limit, std::memory_order_relaxed);
  std::memcpy(figures.limit_source, reading.source, sizeof figures.limit_source);
  if (reading.resident > figures.peak_resident.load(std::memory_order_relaxed))
    figures.peak_resident.store(reading.resident, std::memory_order_relaxed);
  figures.samples.fetch_add(1, std::memory_order_relaxed);
}

/// "83% of the limit of 256.0MiB (cgroup /x) is used: 213.1MiB, rss 210.0MiB; heap live 180.2MiB, kept 3.0MiB".
Line& describe(Line& line, Reading const& reading) noexcept {
  pools::Totals const pooled = pools::totals();
  line.dec(reading.usage * 100 / std::max<std::uint64_t>(reading.limit, 1));
  line.text("% of the limit of ").size(reading.limit);
  line.text(" (").text(reading.source).text(") is used: ").size(reading.usage).text(", rss ").size(reading.resident);
  line.text("; heap live ").size(pooled.live_bytes + fallback::live_bytes());
  return line.text(", kept ").size(pooled.cached_bytes + fallback::kept_bytes());
}

/// Gives back what is free; the bytes that went.
std::size_t give_back() noexcept {
  std::size_t const discarded = pools::trim();
  fallback::trim();
  return discarded;
}

void on_change(Level from, Level to, Reading const& reading, std::uint64_t rate) noexcept {
  Line line;
  if (to > from) {
    (to == Level::warning ? figures.warnings : figures.criticals).fetch_add(1, std::memory_order_relaxed);
    describe(line, reading);
    if (rate != 0) line.text(", growing ").size(rate).text("/s");
    // Said before anything is given back: the line must be out should that take too long.
    say(to, line.view());
    if (std::size_t const freed = give_back(); freed >= kWorthALine) {
      Line freed_line;
      freed_line.text("gave back ").size(freed);
      say(Level::normal, freed_line.view());
    }
  } else {
    line.text(to == Level::normal ? "no longer short of memory: " : "no longer critical: ");
    describe(line, reading);
    say(to, line.view());
  }
}

/// How often a heap's budget is to be halved: once more at each second or longer look at which the program had asked
/// that heap for less than the budget.
class Quiet {
 public:
  unsigned step(std::size_t supplied, std::size_t budget) noexcept {
    halvings_ = supplied - before_ < budget ? std::min(halvings_ + 1, 31u) : 0;
    before_ = supplied;
    return halvings_;
  }
  unsigned halvings() const noexcept { return halvings_; }

 private:
  std::size_t before_ = 0;
  unsigned halvings_ = 0;
};

/// What may be kept without use, between warnings: the budgets while the program works, less and less when it does not.
class Decay {
 public:
  void step(std::uint64_t now_ns) noexcept {
    if (now_ns - before_ns_ < kStepNs) return;
    before_ns_ = now_ns;
    if (pools_.step(pools::totals().supplied_bytes, pools::keep_budget()) != 0) pools::forget(1);
    pools::take_spares_of_idle_threads();
    if (fallback_.step(fallback::supplied_bytes(), fallback::keep_budget()) != 0) fallback::forget_half();
    settle();
  }
  void settle() noexcept {
    pools::settle(pools_.halvings());
    fallback::settle(fallback_.halvings());
  }

 private:
  static constexpr std::uint64_t kStepNs = 1000000000;
  std::uint64_t before_ns_ = 0;
  Quiet pools_, fallback_;
};

/// Growth as a line tells it: over half a second or more, since between two looks 20 ms apart chance has its say.
class Growth {
 public:
  /// Bytes a second, of the last such span; 0 before there was one, and where usage fell.
  std::uint64_t step(std::uint64_t usage, std::uint64_t now_ns) noexcept {
    std::uint64_t const span_ns = now_ns - start_ns_;
    if (start_ns_ != 0 && span_ns < kSpanNs) return rate_;
    if (start_ns_ != 0) rate_ = usage > start_ ? (usage - start_) * 1000 / (span_ns / 1000000) : 0;
    start_ = usage;
    start_ns_ = now_ns;
    return rate_;
  }

 private:
  static constexpr std::uint64_t kSpanNs = 500000000;
  std::uint64_t start_ = 0, start_ns_ = 0, rate_ = 0;
};

/// Sleeps; what the program's threads left to do is done meanwhile. True where the tripwire ended it.
bool rest(std::int64_t pause_ms, Decay& decay) noexcept {
  std::uint64_t const end = os::monotonic_ns() + static_cast<std::uint64_t>(pause_ms) * 1000000;
  for (std::uint64_t now = os::monotonic_ns(); now < end; now = os::monotonic_ns()) {
    pressure::Woken const woken = pressure::sleep(static_cast<int>((end - now + 999999) / 1000000));
    if (woken.by_work) {
      std::uint32_t const nobody_wakes_this = 0;
      if (!woken.by_tripwire) os::wait(&nobody_wakes_this, 0, kReuse);
      decay.settle();
    }
    if (woken.by_tripwire) return true;
  }
  return false;
}

void watch() noexcept {
  // Where addresses are limited, what waits for this thread would stand in the way of the program's own mmap.
  if (os::address_space_left() == SIZE_MAX) pressure::monitor_started();
  Growth growth;
  Decay decay;
  pressure::Policy policy{options::value(Opt::warning), options::value(Opt::critical)};
  std::uint64_t before = 0, before_ns = 0, rate = 0;
  unsigned samples = 0;
  bool was_tripped = false;
  std::int64_t patience = kShortestLook;
  for (;;) {
    Reading const reading = pressure::read_limits();
    if (reading.resident == 0) {  // no descriptor left, or no /proc: nothing is known, and nothing said
      rest(options::number(Opt::interval), decay);
      continue;
    }
    std::uint64_t const now = os::monotonic_ns();
    std::uint64_t const ms = (now - before_ns) / 1000000;
    rate = before_ns != 0 && ms != 0 && reading.usage > before ? (reading.usage - before) * 1000 / ms : 0;
    before = reading.usage;
    before_ns = now;
    std::uint64_t const told_rate = growth.step(reading.usage, now);
    note(reading);
    // One look tells no rate: the second one follows soon.
    std::int64_t pause = ms == 0 || samples++ == 0 ? kSecondLook : options::number(Opt::interval);
    if (reading.limit != pressure::kNoLimit) {
      Level const was = policy.level();
      Level const is = policy.step(reading.usage, reading.limit);
      if (is != was) on_change(was, is, reading, told_rate);
      pause = policy.next_look_ms(reading.usage, reading.limit, rate, pause);
      // Close to a threshold, or beyond the last, while nothing grows: ever more seldom. The tripwire is set.
      bool const grows = rate > reading.limit / 1000;
      patience = grows || is != was ? kShortestLook : std::min(patience * 2, options::number(Opt::interval));
      pause = std::max(pause, patience);
      // Pages are charged when they are touched, which may be long after they were handed out.
      if (!was_tripped) pressure::wake_after(policy.to_next_threshold(reading.usage, reading.limit));
    }
    decay.step(now);
    // A program may end its first thread and go on in others; the last one to end ends the process, and that is this
    // one then. The C library calls exit(0) for it.
    if (pressure::live_threads() == 0) {
      if (os::is_last_thread()) return;
      pause = std::min(pause, kShortestLook);
    }
    was_tripped = rest(was_tripped ? std::min(pause, kAfterTripwire) : pause, decay);
  }
}

void* run(void*) {
  prctl(PR_SET_NAME, "mempool", 0, 0, 0);
  watch();
  // What follows is the program's exit, with its handlers: not without signals.
  sigset_t const none{};
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  return nullptr;
}

/// pressure::starter. With all signals blocked while the thread is made: it must never run a handler of the program's.
void start() noexcept {
  if (&pthread_create == nullptr || &pthread_sigmask == nullptr || &pthread_attr_setstacksize == nullptr) return;
  int const self = os::process_id();
  // Not in a vfork child, whose memory and flag are its parent's, and not in a young child yet: at a later slow path.
  if (self != pressure::known_process() || pressure::is_too_young()) {
    pressure::start_due.store(true, std::memory_order_relaxed);
    return;
  }
  if (running_in.exchange(self, std::memory_order_relaxed) == self) return;
  int const saved = errno;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The C library takes static TLS, the program's too, out of the stack; where it does not say how much, its default
  // has room.
  using LeastStack = std::size_t (*)(const pthread_attr_t*);
  if (auto const least = reinterpret_cast<LeastStack>(libc_heap::next_symbol("__pthread_get_minstack")))
    pthread_attr_setstacksize(&attributes, kStackBytes + least(&attributes));
  pthread_t thread;
  if (pressure::is_fork_child()) forget_parents_sink();
  pthread_create(&thread, &attributes, run, nullptr);  // where no thread can be had, there is no monitor
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  errno = saved;
}

}  // namespace

void install() noexcept {
  if (options::number(Opt::monitor) == 0) return;
  remember_log();
  Reading const reading = pressure::read_limits();
  note(reading);
  pressure::learn_limit(reading.is_finite() ? reading.limit : 0);
  pressure::learn_single_threaded(static_cast<const char*>(libc_heap::program_symbol("__libc_single_threaded")));
  pressure::starter.store(start, std::memory_order_release);
  if (options::number(Opt::monitor) == 1) pressure::start_due.store(true, std::memory_order_relaxed);
}

void append_limit(Line& line) noexcept {
  Reading const reading = pressure::read_limits();
  line.text(", limit ");
  if (reading.limit == pressure::kNoLimit)
    line.text("unknown");
  else
    line.size(reading.limit).text(" (").text(reading.source).text(")");
}

}  // namespace mempool::monitor
