// What application threads tell the monitor's side, on miss paths only: counting, one flag, no I/O.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace mempool::pressure {

/// Bytes handed out (not touched): slabs committed, and fallback requests at their size. Cost: a relaxed add and two
/// compares; a getrusage(2) each MiB while the monitor is not started yet. Sets start_due by the rule in account.cc,
/// or wakes the monitor (a futex, no descriptor).
void heap_grew(std::size_t bytes) noexcept;
void heap_shrank(std::size_t bytes) noexcept;

/// Freed mappings that are kept stay in memory, and so in the count: beside heap_shrank() where one is freed, and
/// undone by it where one goes or finds a new use.
void heap_kept(std::size_t bytes) noexcept;

/// What a look saw that began when so many bytes were handed out: bytes that may still be handed out before the limit,
/// and before the one that MEMPOOL_LIMIT_HARD sets. SIZE_MAX: none. At load, and by the monitor.
/// A look may come before the pages of a block are touched, and take them for room. So the hard limit's room grows only
/// where it `may_grow`: at a look that a thread waits for, which has touched what it wanted.
void note_headroom(std::size_t handed_out, std::size_t to_limit, std::size_t to_hard_limit, bool may_grow) noexcept;
/// False where `bytes` more would not fit what was seen, net of what was handed out and given back since. Two loads.
bool fits(std::size_t bytes) noexcept;
bool fits_hard_limit(std::size_t bytes) noexcept;
/// Waits until the monitor has looked anew, 50 ms at most; not at all where none runs. Cost: a look, two futex calls.
void await_look() noexcept;
/// The monitor's side: the looks asked for before one begins, and that it has noted what it saw.
std::uint32_t looks_asked_for() noexcept;
bool is_awaited(std::uint32_t looks_asked_for) noexcept;
void answer(std::uint32_t looks_asked_for) noexcept;
/// A request that did not fit: wakes the monitor, which tells it.
void note_oversized(std::size_t bytes) noexcept;
/// The largest of them since the last call; 0: none.
std::size_t take_oversized() noexcept;

/// Short of memory: at critical and above, as the monitor says. Whoever grows the heap gives back as much first.
bool is_tight() noexcept;
void set_tight(bool is) noexcept;

/// Live threads that have allocated. 1 again in a fork child.
void thread_attached() noexcept;
void thread_detached() noexcept;
int live_threads() noexcept;

/// True once the monitor should be started. Read on the way out of the outermost slow path.
extern std::atomic<bool> start_due;

/// Called with no lock or gate of ours held when start_due is seen; set by the monitor. Null: no monitor here.
extern std::atomic<void (*)() noexcept> starter;

/// Where the C library says that the process has one thread alone (glibc since 2.32): a thread that never allocates is
/// not counted above. nullptr: nobody says so.
void learn_single_threaded(const char* flag) noexcept;

/// The limit that was found at load; 0: none that is finite, or nobody looked.
void learn_limit(std::uint64_t bytes) noexcept;

/// Bytes handed out by now, net of what was freed.
std::size_t handed_out_now() noexcept;
/// The tripwire: the monitor wakes at the first growth that finds so much handed out. SIZE_MAX: never.
void wake_at(std::size_t handed_out) noexcept;
/// What ended the monitor's sleep before its time.
struct Woken {
  bool by_tripwire, by_work;
};
/// The monitor's sleep: `timeout_ms`, or until the tripwire, or leave_to_monitor().
Woken sleep(int timeout_ms) noexcept;

/// True where a monitor runs that says so, and the limit has room for `most` bytes: so much of what was freed beyond
/// the budget may wait for the monitor, which may get no core for a while. Not under a limit of addresses.
bool may_leave_to_monitor(std::size_t most) noexcept;
void monitor_started() noexcept;
/// The thread it is. The program's last thread waits for its end, a second at most: what runs at exit has to run in a
/// thread that has the program's descriptors. Said before it is made (kOnItsWay), and where it could not be (0).
inline constexpr int kOnItsWay = -1;
void monitor_is(int thread) noexcept;
/// It is about to end: nothing is left to it from here on.
void monitor_ends() noexcept;
/// It ended, with the program's one thread left: it is due again at a second thread, or where the heap or the resident
/// set has grown by `bytes`.
void monitor_ended(std::size_t bytes) noexcept;
/// No thread could be had for it: it is not due again before the heap has grown by `bytes`.
void monitor_was_refused(std::size_t bytes) noexcept;
/// Ends its sleep: something changed that it is to see.
void wake_monitor_to_look() noexcept;
/// Wakes it to give back what is kept beyond the budget. Cost: a load, or a futex call where it sleeps.
void leave_to_monitor() noexcept;

/// In the fork child, before anything else of ours runs there.
void forked() noexcept;
/// The process that loaded us or was forked: differs from the kernel's answer in a vfork child alone.
int known_process() noexcept;
bool is_fork_child() noexcept;
/// Resident bytes that a fork child began with, as long as the parent it shares them with lives; else 0.
std::size_t inherited_resident() noexcept;
/// True in a fork child's first second: most of them exec, and are none of our business.
bool is_too_young() noexcept;

}  // namespace mempool::pressure
