// What the C++ runtime inside the spdlog object would take from the C library in versions above GLIBC_2.28, or must
// not do in somebody else's process. The link redirects it here (cmake/spdlog-redirects.syms).

#include <elf.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

#include "platform/syscall.hpp"

extern "C" [[gnu::visibility("hidden")]] const ElfW(Ehdr) __ehdr_start;

extern "C" {

/// What compilers hand to __cxa_atexit; the start files that define it elsewhere are not linked in.
[[gnu::visibility("hidden")]] void* __dso_handle = nullptr;

/// __libc_single_threaded: the monitor is a second thread, whatever the C library says.
char libmempool_sink_single_threaded = 0;

unsigned libmempool_sink_arc4random() {
  unsigned random = 0;
  mempool::os::system_call(SYS_getrandom, reinterpret_cast<long>(&random), sizeof random, 1 /* GRND_NONBLOCK */);
  return random;
}

/// pthread_once. One thread runs this code.
int libmempool_sink_once(int* done, void (*function)()) {
  if (*done == 0) {
    *done = 1;
    function();
  }
  return 0;
}

int libmempool_sink_key_create(unsigned*, void (*)(void*)) { return 0; }

/// __cxa_atexit: nothing of ours is destroyed while the program's own exit handlers still run.
int libmempool_sink_atexit(void (*)(void*), void*, void*) { return 0; }

int libmempool_sink_stat(const char* path, struct stat* into) {
  return mempool::os::failed(mempool::os::system_call(SYS_newfstatat, -100 /* AT_FDCWD */, reinterpret_cast<long>(path),
                                                      reinterpret_cast<long>(into)))
             ? -1
             : 0;
}

/// What _dl_find_object fills in: see dl_find_object(3).
struct FoundObject {
  unsigned long long flags;
  void* map_start;
  void* map_end;
  void* link_map;
  void* eh_frame;
  unsigned long long reserved[7];
};

/// An exception of this object passes through this object alone, so it is the only one to be found.
int libmempool_sink_find_object(void* address, FoundObject* found) {
  auto* const start = reinterpret_cast<char*>(const_cast<ElfW(Ehdr)*>(&__ehdr_start));
  auto const* headers = reinterpret_cast<const ElfW(Phdr)*>(start + __ehdr_start.e_phoff);
  // Addresses in the headers count from 0 in a shared library, not so in a statically linked program.
  char* base = start;
  for (unsigned i = 0; i < __ehdr_start.e_phnum; ++i) {
    if (headers[i].p_type == PT_LOAD && headers[i].p_offset == 0) base = start - headers[i].p_vaddr;
  }
  *found = {};
  found->map_start = start;
  for (unsigned i = 0; i < __ehdr_start.e_phnum; ++i) {
    if (headers[i].p_type == PT_LOAD) found->map_end = base + headers[i].p_vaddr + headers[i].p_memsz;
    if (headers[i].p_type == PT_GNU_EH_FRAME) found->eh_frame = base + headers[i].p_vaddr;
  }
  return address >= found->map_start && address < found->map_end && found->eh_frame != nullptr ? 0 : -1;
}

}  // extern "C"
