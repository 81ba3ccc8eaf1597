#include "platform/fatal.hpp"

#if defined(__APPLE__)
#include <mach-o/loader.h>
#else
#include <elf.h>
#include <link.h>
#endif

#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "base/figures.hpp"
#include "base/line.hpp"
#include "platform/os.hpp"

// The linker's name for the start of the file this code is linked into; on Linux absent in odd link scripts.
#if defined(__APPLE__)
extern "C" [[gnu::visibility("hidden")]] const mach_header_64 __dso_handle;
#else
extern "C" [[gnu::weak, gnu::visibility("hidden")]] const ElfW(Ehdr) __ehdr_start;
#endif

namespace mempool {

constinit bool report_faults_only = false;

namespace {

constinit std::atomic<unsigned char> said{0};  // bit per Fault, under MEMPOOL_ON_ERROR=report

constexpr std::string_view name_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::double_free:
      return "double free";
    case Fault::invalid_free:
      return "invalid free";
    case Fault::invalid_realloc:
      return "invalid realloc";
  }
  return "misuse";
}

void append_hex(Line& line, const unsigned char* bytes, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    char const digits[2] = {"0123456789abcdef"[bytes[i] >> 4], "0123456789abcdef"[bytes[i] & 15]};
    line.text({digits, 2});
  }
}

}  // namespace

void append_version(Line& line) noexcept {
  line.text(" [").text(kVersionLine);
  append_build_id(line);
  line.text("]");
}

#if defined(__APPLE__)
void append_build_id(Line& line) noexcept {
  auto const* at = reinterpret_cast<const char*>(&__dso_handle + 1);
  for (std::uint32_t i = 0; i < __dso_handle.ncmds; ++i) {
    auto const* const command = reinterpret_cast<const load_command*>(at);
    if (command->cmd == LC_UUID) {
      line.text(", build-id ");
      return append_hex(line, reinterpret_cast<const uuid_command*>(at)->uuid, 16);
    }
    at += command->cmdsize;
  }
}
#else
// The headers lie behind what the linker's name is declared as: no object of that size, but the whole file.
[[gnu::no_sanitize("object-size")]] void append_build_id(Line& line) noexcept {
  if (&__ehdr_start == nullptr) return;
  auto const base = reinterpret_cast<const char*>(&__ehdr_start);
  auto const* headers = reinterpret_cast<const ElfW(Phdr)*>(base + __ehdr_start.e_phoff);
  std::uintptr_t first_address = 0;
  for (unsigned i = 0; i < __ehdr_start.e_phnum; ++i)
    if (headers[i].p_type == PT_LOAD) {
      first_address = headers[i].p_vaddr;
      break;
    }
  for (unsigned i = 0; i < __ehdr_start.e_phnum; ++i) {
    if (headers[i].p_type != PT_NOTE) continue;
    const char* at = base + (headers[i].p_vaddr - first_address);
    const char* const end = at + headers[i].p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      auto const* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
      const char* const name = at + sizeof *note;
      const char* const id = name + round_up(note->n_namesz, 4);
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
        line.text(", build-id ");
        append_hex(line, reinterpret_cast<const unsigned char*>(id), note->n_descsz);
        return;
      }
      at = id + round_up(note->n_descsz, 4);
    }
  }
}
#endif

unsigned long fault_count() noexcept { return figures.faults.load(std::memory_order_relaxed); }

void misuse(Fault fault, const void* block, std::size_t class_bytes) noexcept {
  auto const bit = static_cast<unsigned char>(1u << static_cast<unsigned>(fault));
  figures.faults.fetch_add(1, std::memory_order_relaxed);
  if (report_faults_only && (said.fetch_or(bit, std::memory_order_relaxed) & bit) != 0) return;
  Line line;
  line.text("libmempool: ").text(name_of(fault)).text(" of ").hex(reinterpret_cast<std::uintptr_t>(block));
  if (class_bytes != 0)
    line.text(" (class ").dec(class_bytes).text("B)");
  else
    line.text(" (not pooled)");
  append_version(line);
  os::write_stderr(line.finished());
  if (!report_faults_only) os::abort();
}

void broken_invariant(const char* what) noexcept {
  Line line;
  line.text("libmempool: broken invariant: ").text(what);
  append_version(line);
  os::write_stderr(line.finished());
  os::abort();
}

}  // namespace mempool
