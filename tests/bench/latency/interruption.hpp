// Tells, at the cost of a store and a load, whether the calling thread was taken off its core meanwhile.
//
// The kernel clears a thread's pointer to its restartable sequence when it switches away from a thread outside that
// sequence (rseq(2); glibc registers every thread since 2.35). So a pointer to a sequence that is never executed stays
// where it is exactly as long as the thread runs on, and getrusage, which says whether it was made to leave or went
// by itself, to wait for a lock, need not be asked around every call. Where there is no rseq, it is.
//
// Trap: a hypervisor that takes the whole core leaves no trace here. Only a control tells of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/resource.h>

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

class Interruption {
 public:
  /// Right before what is timed.
  void arm() {
    if (still_armed()) return;
    set();  // first: a switch right after it is seen, one between a look and a later set would be counted too late
    preemptions_ = preemptions();
  }

  /// Right after: true where the scheduler took the core away in between.
  bool was_preempted() {
    if (still_armed()) return false;
    long const before = preemptions_;
    set();
    preemptions_ = preemptions();
    return preemptions_ != before;
  }

 private:
  static long preemptions() {
    rusage now{};
    getrusage(RUSAGE_THREAD, &now);
    return now.ru_nivcsw;
  }

#ifdef RSEQ_SIG
  static std::uint64_t volatile& sequence() {
    char* const area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
    return *reinterpret_cast<std::uint64_t volatile*>(area + offsetof(struct rseq, rseq_cs));
  }
  static void set() {
    // Older kernels look for the signature before the abort address even where they only clear the pointer.
    static std::uint32_t const never_executed[4] = {RSEQ_SIG, 0, 0, 0};
    alignas(32) static struct rseq_cs const nowhere = {0, 0, reinterpret_cast<std::uintptr_t>(never_executed + 2), 1,
                                                       reinterpret_cast<std::uintptr_t>(never_executed + 1)};
    if (__rseq_size != 0) sequence() = reinterpret_cast<std::uintptr_t>(&nowhere);
  }
  static bool still_armed() { return __rseq_size != 0 && sequence() != 0; }
#else
  static void set() {}
  static bool still_armed() { return false; }
#endif

  long preemptions_ = preemptions();
};
