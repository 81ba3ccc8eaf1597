// Why a program did not load a preloaded object: what its file tells.
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
#include <vector>

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

/// A reason, as the rest of a sentence about the program.
inline std::string why_not_loaded(std::string const& program, bool as_interpreter = false) {
  std::string const path = found_in_path(program);
  std::ifstream file{path, std::ios::binary};
  std::vector<char> head(64 * 1024);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  auto const length = static_cast<std::size_t>(file.gcount());
  std::string_view const bytes{head.data(), length};

  if (bytes.starts_with("#!") && !as_interpreter) {
    std::string_view line = bytes.substr(2, bytes.find('\n') - 2);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    std::string const interpreter{line.substr(0, line.find_first_of(" \t"))};
    return "it is a script, and of its interpreter " + interpreter + ": " + why_not_loaded(interpreter, true);
  }
  struct stat about {};
  if (stat(path.c_str(), &about) == 0 && (((about.st_mode & S_ISUID) != 0 && about.st_uid != getuid()) ||
                                          ((about.st_mode & S_ISGID) != 0 && about.st_gid != getgid())))
    return "it is a set-user-ID or set-group-ID program, and the loader ignores LD_PRELOAD there";
  if (length < sizeof(Elf64_Ehdr) || !bytes.starts_with(ELFMAG)) return "its file cannot be read as a program";
  Elf64_Ehdr header;
  std::memcpy(&header, head.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
    return "it is a program for another processor or word size";
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    std::size_t const at = header.e_phoff + std::size_t{i} * header.e_phentsize;
    if (at + sizeof(Elf64_Phdr) > length) break;
    Elf64_Phdr segment;
    std::memcpy(&segment, head.data() + at, sizeof segment);
    if (segment.p_type != PT_INTERP || segment.p_offset >= length) continue;
    std::string_view const loader = bytes.substr(segment.p_offset, segment.p_filesz);
    if (loader.find("musl") != std::string_view::npos) return "it runs on musl, and libmempool is built for glibc";
    return "its loader took no LD_PRELOAD (file capabilities do that), or it ended too early to tell";
  }
  return "it is statically linked, and has no loader that reads LD_PRELOAD";
}
