# Writes version.cc, and only where its text changes: the commit is part of it.
execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
else()
  # Without the lock: to refresh the index is nothing a build should do while somebody commits.
  execute_process(
    COMMAND git --no-optional-locks -C ${SOURCE} status --porcelain --untracked-files=no -- src preload include cmake
    OUTPUT_VARIABLE changes OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(changes)
    string(APPEND commit "+")
  endif()
endif()
set(text "#include \"platform/fatal.hpp\"\n\nnamespace mempool {\n\n\
constinit const char kVersionLine[] = \"libmempool ${VERSION} (commit ${commit})\";\n\n}  // namespace mempool\n")
set(present "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} present)
endif()
if(NOT present STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
