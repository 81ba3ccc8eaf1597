// What os::write_stderr asks of the file that stands behind the program's fd 2.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "platform/os.hpp"

namespace mempool::os {

inline FileId id_of(struct stat const& status) noexcept {
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

/// Whether a line may go there, though it may be another file than at start. `flags` as from F_GETFL.
inline bool takes_lines(struct stat const& status, FileId at_start, long flags) noexcept {
  if (at_start == FileId{}) return false;  // it was closed at start: what stands there is a file of the program's
  if (id_of(status) == at_start) return true;
  bool const is_written_alone = (flags & O_ACCMODE) == O_WRONLY;
  if (S_ISREG(status.st_mode)) return (flags & O_APPEND) != 0 || is_written_alone;
  return S_ISCHR(status.st_mode) || (S_ISFIFO(status.st_mode) && is_written_alone);
}

}  // namespace mempool::os
