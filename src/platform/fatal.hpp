// Every way libmempool ends a process, one function each: one line on fd 2, then abort.
//
// The texts are part of the interface: tests assert them to the letter. MEMPOOL_ON_ERROR=report turns the
// first group into a counter: the line is written once per kind, the block is leaked and the program goes on.
#pragma once

#include <cstddef>

#include "base/line.hpp"

namespace mempool {

enum class Fault : unsigned char {
  double_free,      // the block is free already
  invalid_free,     // not the start of a block, or a block that was never handed out
  invalid_realloc,  // the same two, found by realloc or malloc_usable_size
};

/// Set once at start, before the first thread: true for MEMPOOL_ON_ERROR=report.
extern bool report_faults_only;
/// Faults that were reported and survived.
unsigned long fault_count() noexcept;

/// Reports a misuse of `block`, of a block size of `class_bytes` (0: not pooled). Returns only where
/// report_faults_only is set; the caller then leaks the block.
void misuse(Fault fault, const void* block, std::size_t class_bytes) noexcept;

/// A broken invariant of ours, named by the sentence `what`.
[[noreturn]] void broken_invariant(const char* what) noexcept;

/// Appends " [libmempool 0.1.0 (commit ...), build-id ...]" and ", build-id ...": what a report needs to find the
/// right symbols. Nothing where the linker left no note.
void append_version(Line& line) noexcept;
void append_build_id(Line& line) noexcept;

/// What `strings` finds, the start line prints and libmempool_version() returns:
/// "libmempool 0.1.0 (commit abcdef123456)". The build-id is appended at run time where it is known.
extern const char kVersionLine[];

}  // namespace mempool
