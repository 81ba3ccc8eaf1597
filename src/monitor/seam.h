// The seam between the library and the spdlog object: all that each may call of the other. C names, since the two are
// separate worlds with separate C++ runtimes.
#pragma once

#include <cstddef>

extern "C" {

// Defined in the spdlog object; weak, so that the library stands without it. One thread calls them, the monitor's.

/// Lines go to `fd` from now on. False where spdlog could not be set up: the caller writes raw lines then.
[[gnu::weak]] bool mempool_sink_open(int fd);
/// `level`: 0 info, 1 warning, 2 critical. `text` has no newline.
[[gnu::weak]] void mempool_sink_write(int level, const char* text, std::size_t length);

// Defined in the library.

/// One write(2), to the log that was opened or to stderr (`fd` 2), each only while it is still that.
void mempool_sink_emit(int fd, const char* text, std::size_t length);

// The heap of the spdlog object, which is linked with these in place of malloc and its kind.
void* mempool_sink_malloc(std::size_t bytes);
void mempool_sink_free(void* block);
void* mempool_sink_calloc(std::size_t count, std::size_t bytes);
void* mempool_sink_realloc(void* block, std::size_t bytes);
void* mempool_sink_aligned_alloc(std::size_t alignment, std::size_t bytes);
char* mempool_sink_strdup(const char* text);
}
