// The seam between the library and the spdlog object: all that each may call of the other. C names, since the two are
// separate worlds with separate C++ runtimes.
#pragma once

#include <cstddef>

extern "C" {

// Defined in the spdlog object; weak, so that the library stands without it. One thread calls them, the monitor's.

/// How the lines of one place look: whoever looks at stderr has a clock, or a service manager that stamps lines; a file
/// has to be told; a JSON object stands for itself.
enum libmempool_sink_style { libmempool_sink_plain, libmempool_sink_stamped, libmempool_sink_bare };

/// Lines go to `count` places from now on. False where spdlog could not be set up: the caller writes raw lines then.
[[gnu::weak]] bool libmempool_sink_open(const enum libmempool_sink_style* styles, unsigned count);
/// `level`: 0 info, 1 warning, 2 critical, 3 emergency. `text` has no newline.
[[gnu::weak]] void libmempool_sink_write(int level, const char* text, std::size_t length);

// Defined in the library.

/// One write(2) of a whole line to the place of that number; what cannot be written is counted.
void libmempool_sink_emit(unsigned place, const char* text, std::size_t length);

// The heap of the spdlog object, which is linked with these in place of malloc and its kind.
void* libmempool_sink_malloc(std::size_t bytes);
void libmempool_sink_free(void* block);
void* libmempool_sink_calloc(std::size_t count, std::size_t bytes);
void* libmempool_sink_realloc(void* block, std::size_t bytes);
void* libmempool_sink_aligned_alloc(std::size_t alignment, std::size_t bytes);
char* libmempool_sink_strdup(const char* text);
}
