// Why a program did not load a preloaded object, or must not be given it: what its file tells.
//
// The rules are those of ld.so(8): LD_PRELOAD is read by the program's dynamic loader, so a program without one
// never sees it, a privileged one ignores it, and one of another C library or processor cannot use ours.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

/// The file that execvp(3) would have run for `name`; empty if there is none.
inline std::string found_in_path(std::string const& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* const path = getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";
  for (;;) {
    std::size_t const colon = rest.find(':');
    std::string const folder{rest.substr(0, colon)};
    std::string const file = (folder.empty() ? "." : folder) + "/" + name;
    struct stat about {};
    if (access(file.c_str(), X_OK) == 0 && stat(file.c_str(), &about) == 0 && S_ISREG(about.st_mode)) return file;
    if (colon == std::string_view::npos) return {};
    rest.remove_prefix(colon + 1);
  }
}

/// The first 64 KiB of a file: an ELF file's headers, and the names that it asks for.
inline std::string head_of(std::string const& path) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return {};  // to open a pipe would wait
  std::ifstream file{path, std::ios::binary};
  std::string head(64 * 1024, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head;
}

/// The interpreter that a script's first line names; empty for what is no script.
inline std::string interpreter_of(std::string_view head) {
  if (!head.starts_with("#!")) return {};
  std::string_view line = head.substr(2, head.find('\n') - 2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return std::string{line.substr(0, line.find_first_of(" \t"))};
}

/// The dynamic loader that an ELF program names; empty for one that is statically linked.
inline std::string_view loader_of(std::string_view head) {
  Elf64_Ehdr header;
  if (head.size() < sizeof header) return {};
  std::memcpy(&header, head.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return {};
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    std::size_t const at = header.e_phoff + std::size_t{i} * header.e_phentsize;
    if (at + sizeof(Elf64_Phdr) > head.size()) break;
    Elf64_Phdr segment;
    std::memcpy(&segment, head.data() + at, sizeof segment);
    if (segment.p_type == PT_INTERP && segment.p_offset < head.size())
      return head.substr(segment.p_offset, segment.p_filesz);
  }
  return {};
}

enum class CLibrary { unknown, glibc, musl };

/// That of a program, or of a script's interpreter; unknown for one that is statically linked.
inline CLibrary c_library_of(std::string const& program) {
  std::string head = head_of(found_in_path(program));
  if (std::string const interpreter = interpreter_of(head); !interpreter.empty()) head = head_of(interpreter);
  if (!head.starts_with(ELFMAG)) return CLibrary::unknown;
  std::string_view const loader = loader_of(head);
  if (loader.find("musl") != std::string_view::npos) return CLibrary::musl;
  return loader.find("/ld-linux") != std::string_view::npos ? CLibrary::glibc : CLibrary::unknown;
}

/// The one that a shared object asks for, by its name.
inline CLibrary c_library_behind(std::string const& library) {
  std::string const head = head_of(library);
  if (head.find(std::string_view{"libc.so.6", 10}) != std::string::npos) return CLibrary::glibc;
  return head.find(std::string_view{"libc.so", 8}) != std::string::npos ? CLibrary::musl : CLibrary::unknown;
}

/// The processor that this program and its library are for.
#if defined(__aarch64__)
inline constexpr Elf64_Half kMachine = EM_AARCH64;
#else
inline constexpr Elf64_Half kMachine = EM_X86_64;
#endif

/// A reason, as the rest of a sentence about the program.
inline std::string why_not_loaded(std::string const& program, bool as_interpreter = false) {
  std::string const path = found_in_path(program);
  std::string const head = head_of(path);
  if (std::string const interpreter = interpreter_of(head); !interpreter.empty() && !as_interpreter)
    return "it is a script, and of its interpreter " + interpreter + ": " + why_not_loaded(interpreter, true);
  struct stat about {};
  if (stat(path.c_str(), &about) == 0 && (((about.st_mode & S_ISUID) != 0 && about.st_uid != getuid()) ||
                                          ((about.st_mode & S_ISGID) != 0 && about.st_gid != getgid())))
    return "it is a set-user-ID or set-group-ID program, and the loader ignores LD_PRELOAD there";
  Elf64_Ehdr header;
  if (head.size() < sizeof header || !head.starts_with(ELFMAG)) return "its file cannot be read as a program";
  std::memcpy(&header, head.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine)
    return "it is a program for another processor or word size";
  if (loader_of(head).empty()) return "it is statically linked, and has no loader that reads LD_PRELOAD";
  return "its loader took no LD_PRELOAD (file capabilities do that), or it ended too early to tell";
}
