// When the monitor starts. A sleeping second thread costs a single-threaded program its fast paths and breaks
// unshare(2), so it is not made before the process matters:
//   under a finite limit, with threads: at 512 KiB of heap
//   under a finite limit, one thread:   at 16 MiB of heap, or when a growth event sees RSS at 16 MiB and an eighth of
//                                       the limit: of workers that share it four can be told in time
//   without one, with threads:          at 16 MiB of heap
//   without one, one thread:            never
// It ends where one thread has been alone with it for a while and all is well; monitor_ended() says when it comes back.

#include "pressure/account.hpp"

#include <algorithm>

#include "options/options.hpp"
#include "platform/os.hpp"

namespace mempool::pressure {

constinit std::atomic<bool> start_due{false};
constinit std::atomic<void (*)() noexcept> starter{nullptr};

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kBetweenLooks = kMiB;
constexpr std::uint64_t kYouth = 1000000000;  // ns

constinit std::atomic<std::size_t> handed_out{0};
constinit std::atomic<std::size_t> grown{0};  // never less: what RSS is looked at by
constinit std::atomic<std::size_t> next_look{0};
constinit std::atomic<std::size_t> peak_at_load{0};
constexpr std::size_t kHeapAlone = 16 * kMiB;
constinit std::atomic<std::size_t> heap_alone{kHeapAlone};  // of one thread, from which on it is due
constinit std::atomic<std::size_t> not_before{0};           // of heap, after it was refused a thread
constinit std::atomic<int> threads{0};
constinit std::atomic<bool> raised{false};
constinit std::atomic<std::uint64_t> limit{0};
constinit std::atomic<int> process{0};
constinit std::atomic<std::uint64_t> forked_at{0};
constinit std::atomic<int> forked_by{0};
constinit std::atomic<std::size_t> resident_at_fork{0};
constinit std::atomic<std::size_t> tripwire{SIZE_MAX};
// The monitor's futex word, of these bits.
constexpr std::uint32_t kTripped = 1, kWork = 2;
constinit std::atomic<std::uint32_t> woken{0};
constinit std::atomic<bool> running{false};
constinit std::atomic<int> monitor_thread{0};
constinit std::atomic<std::uintptr_t> looking_thread{0};  // its mark; 0: nobody looks
constinit std::atomic<std::uint32_t> asked{0}, answered{0};
constexpr int kPatience = 10;  // ms
// Values of handed_out at which the limits are reached.
constinit std::atomic<std::size_t> limit_mark{SIZE_MAX}, hard_mark{SIZE_MAX};
constinit std::atomic<std::size_t> oversized{0};
constinit std::atomic<bool> tight{false};
constinit std::atomic<const char*> single_threaded{nullptr};

const std::uint32_t* woken_word() noexcept { return reinterpret_cast<const std::uint32_t*>(&woken); }

void wake_monitor(std::uint32_t why) noexcept {
  if ((woken.fetch_or(why, std::memory_order_release) & why) == 0) os::wake_one(woken_word());
}

bool has_threads() noexcept {
  if (threads.load(std::memory_order_relaxed) > 1) return true;
  const char* const flag = single_threaded.load(std::memory_order_relaxed);
  return flag != nullptr && *flag == 0;
}

bool is_due(std::size_t heap) noexcept {
  if (heap < not_before.load(std::memory_order_relaxed)) return false;
  std::uint64_t const known = limit.load(std::memory_order_relaxed);
  bool const threaded = has_threads();
  if (known == 0) return threaded && heap >= 16 * kMiB;
  if (heap >= (threaded ? kMiB / 2 : heap_alone.load(std::memory_order_relaxed))) return true;
  std::size_t const total = grown.load(std::memory_order_relaxed);
  if (threaded || total < next_look.load(std::memory_order_relaxed)) return false;
  next_look.store(total + kBetweenLooks, std::memory_order_relaxed);
  // The peak survives exec: what was there at load is somebody else's.
  std::size_t const peak = os::peak_resident();
  return peak > peak_at_load.load(std::memory_order_relaxed) && peak >= std::max<std::uint64_t>(16 * kMiB, known / 8);
}

}  // namespace

void heap_grew(std::size_t bytes) noexcept {
  std::size_t const heap = handed_out.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (heap >= tripwire.load(std::memory_order_relaxed)) [[unlikely]] {
    tripwire.store(SIZE_MAX, std::memory_order_relaxed);
    wake_monitor(kTripped);
  }
  if (raised.load(std::memory_order_relaxed)) [[likely]]
    return;
  grown.fetch_add(bytes, std::memory_order_relaxed);
  if (starter.load(std::memory_order_relaxed) == nullptr || !is_due(heap)) return;
  // What an ended monitor wrote comes before its successor's start.
  if (!raised.exchange(true, std::memory_order_acquire)) start_due.store(true, std::memory_order_release);
}

void heap_kept(std::size_t bytes) noexcept { handed_out.fetch_add(bytes, std::memory_order_relaxed); }

void note_headroom(std::size_t heap, std::size_t to_limit, std::size_t to_hard_limit, bool may_grow) noexcept {
  // What was freed meanwhile may be missing in what was seen.
  heap = std::min(heap, handed_out.load(std::memory_order_relaxed));
  limit_mark.store(to_limit < SIZE_MAX / 2 ? heap + to_limit : SIZE_MAX, std::memory_order_relaxed);
  std::size_t const mark = to_hard_limit < SIZE_MAX / 2 ? heap + to_hard_limit : SIZE_MAX;
  if (may_grow || mark < hard_mark.load(std::memory_order_relaxed)) hard_mark.store(mark, std::memory_order_relaxed);
}

bool fits(std::size_t bytes) noexcept {
  std::size_t const mark = limit_mark.load(std::memory_order_relaxed),
                    heap = handed_out.load(std::memory_order_relaxed);
  return heap <= mark && bytes <= mark - heap;
}

bool fits_hard_limit(std::size_t bytes) noexcept {
  std::size_t const mark = hard_mark.load(std::memory_order_relaxed), heap = handed_out.load(std::memory_order_relaxed);
  return heap <= mark && bytes <= mark - heap;
}

void await_look() noexcept {
  std::uintptr_t const looking = looking_thread.load(std::memory_order_relaxed);
  if (looking == 0 || looking == os::thread_mark()) return;
  std::uint32_t const mine = asked.fetch_add(1, std::memory_order_release) + 1;
  wake_monitor(kTripped);
  for (int waits = 5; waits != 0; --waits) {
    std::uint32_t const seen = answered.load(std::memory_order_acquire);
    if (static_cast<std::int32_t>(seen - mine) >= 0) return;
    os::wait(reinterpret_cast<const std::uint32_t*>(&answered), seen, kPatience);
  }
}

std::uint32_t looks_asked_for() noexcept { return asked.load(std::memory_order_acquire); }
bool is_awaited(std::uint32_t looks) noexcept { return looks != answered.load(std::memory_order_relaxed); }
void answer(std::uint32_t looks) noexcept {
  if (!is_awaited(looks)) return;
  answered.store(looks, std::memory_order_release);
  os::wake_all(reinterpret_cast<const std::uint32_t*>(&answered));
}

void note_oversized(std::size_t bytes) noexcept {
  std::size_t seen = oversized.load(std::memory_order_relaxed);
  while (seen < bytes && !oversized.compare_exchange_weak(seen, bytes, std::memory_order_relaxed)) {
  }
  wake_monitor(kTripped);
}

std::size_t take_oversized() noexcept { return oversized.exchange(0, std::memory_order_relaxed); }

bool is_tight() noexcept { return tight.load(std::memory_order_relaxed); }
void set_tight(bool is) noexcept { tight.store(is, std::memory_order_relaxed); }

void heap_shrank(std::size_t bytes) noexcept { handed_out.fetch_sub(bytes, std::memory_order_relaxed); }

void thread_attached() noexcept {
  if (threads.fetch_add(1, std::memory_order_relaxed) == 0) process.store(os::process_id(), std::memory_order_relaxed);
}
void thread_detached() noexcept {
  // The last one has to see the monitor that any of the others started.
  if (threads.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (monitor_thread.load(std::memory_order_relaxed) == 0) return;
  wake_monitor(kTripped);
  for (int ms = 0; ms < 1000; ++ms) {
    int const thread = monitor_thread.load(std::memory_order_relaxed);
    if (thread != kOnItsWay && !os::is_alive(thread)) return;
    os::nap(1000);
  }
}
int live_threads() noexcept { return threads.load(std::memory_order_relaxed); }

std::size_t handed_out_now() noexcept { return handed_out.load(std::memory_order_relaxed); }
void wake_at(std::size_t handed_out_then) noexcept { tripwire.store(handed_out_then, std::memory_order_relaxed); }

Woken sleep(int timeout_ms) noexcept {
  if (woken.load(std::memory_order_acquire) == 0) os::wait(woken_word(), 0, timeout_ms);
  std::uint32_t const why = woken.exchange(0, std::memory_order_acquire);
  return {(why & kTripped) != 0, (why & kWork) != 0};
}

bool may_leave_to_monitor(std::size_t most) noexcept { return running.load(std::memory_order_relaxed) && fits(most); }
void monitor_is(int thread) noexcept {
  monitor_thread.store(thread, std::memory_order_relaxed);
  looking_thread.store(os::thread_mark(), std::memory_order_relaxed);
}
void monitor_started() noexcept { running.store(true, std::memory_order_relaxed); }
void monitor_was_refused(std::size_t bytes) noexcept {
  not_before.store(handed_out.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  raised.store(false, std::memory_order_release);
}

void monitor_ends() noexcept {
  running.store(false, std::memory_order_relaxed);
  looking_thread.store(0, std::memory_order_relaxed);
  tripwire.store(SIZE_MAX, std::memory_order_relaxed);
}

void monitor_ended(std::size_t bytes) noexcept {
  // The C library's flag counted the monitor, and stays as it was.
  single_threaded.store(nullptr, std::memory_order_relaxed);
  heap_alone.store(std::max(kHeapAlone, handed_out.load(std::memory_order_relaxed) + bytes), std::memory_order_relaxed);
  peak_at_load.store(os::peak_resident() + bytes, std::memory_order_relaxed);
  raised.store(false, std::memory_order_release);
}
void leave_to_monitor() noexcept { wake_monitor(kWork); }
void wake_monitor_to_look() noexcept { wake_monitor(kTripped); }

void learn_single_threaded(const char* flag) noexcept { single_threaded.store(flag, std::memory_order_relaxed); }

void learn_limit(std::uint64_t bytes) noexcept {
  limit.store(bytes, std::memory_order_relaxed);
  if (bytes != 0) peak_at_load.store(os::peak_resident(), std::memory_order_relaxed);
}

void forked() noexcept {
  forked_by.store(process.load(std::memory_order_relaxed), std::memory_order_relaxed);
  resident_at_fork.store(os::peak_resident(), std::memory_order_relaxed);  // which the kernel resets at fork
  process.store(os::process_id(), std::memory_order_relaxed);
  forked_at.store(os::monotonic_ns(), std::memory_order_relaxed);
  threads.store(1, std::memory_order_relaxed);
  // The C library's flag stays as it was in a parent with threads: it says nothing here.
  if (const char* const flag = single_threaded.load(std::memory_order_relaxed); flag != nullptr && *flag == 0)
    single_threaded.store(nullptr, std::memory_order_relaxed);
  heap_alone.store(kHeapAlone, std::memory_order_relaxed);
  not_before.store(0, std::memory_order_relaxed);
  raised.store(false, std::memory_order_relaxed);
  start_due.store(options::number(options::Opt::monitor) == 1, std::memory_order_relaxed);
  tripwire.store(SIZE_MAX, std::memory_order_relaxed);
  woken.store(0, std::memory_order_relaxed);
  monitor_thread.store(0, std::memory_order_relaxed);
  looking_thread.store(0, std::memory_order_relaxed);
  asked.store(0, std::memory_order_relaxed);
  answered.store(0, std::memory_order_relaxed);
  running.store(false, std::memory_order_relaxed);
  oversized.store(0, std::memory_order_relaxed);
  tight.store(false, std::memory_order_relaxed);
  // The hard limit stays: what the parent had in use the child has too.
  limit_mark.store(SIZE_MAX, std::memory_order_relaxed);
}

int known_process() noexcept { return process.load(std::memory_order_relaxed); }
bool is_fork_child() noexcept { return forked_at.load(std::memory_order_relaxed) != 0; }
std::size_t inherited_resident() noexcept {
  bool const shares = is_fork_child() && os::parent_id() == forked_by.load(std::memory_order_relaxed);
  return shares ? resident_at_fork.load(std::memory_order_relaxed) : 0;
}
bool is_too_young() noexcept {
  return is_fork_child() && os::monotonic_ns() - forked_at.load(std::memory_order_relaxed) < kYouth;
}

}  // namespace mempool::pressure
