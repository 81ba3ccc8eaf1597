# mimalloc as one private object: built from source as C, nothing of it visible, nothing of it run at load.
#
# Where its source comes from, in this order: a tree named by the user (FETCHCONTENT_SOURCE_DIR_MIMALLOC); a static
# package (the target mimalloc-static of vcpkg or Conan), taken as an archive in place of a source; with
# MEMPOOL_DOWNLOAD=ON a release pinned by commit, if its server answers; the distribution's source package.
# The download has to be asked for, so that what a build is made of does not depend on the network of the day.

set(MEMPOOL_MIMALLOC_COMMIT 30ac9d56b8b9ea57ae84bc8ef17ef39000da08fe)  # v2.4.1
set(MEMPOOL_MIMALLOC_REPOSITORY https://github.com/microsoft/mimalloc)
option(MEMPOOL_DOWNLOAD "Try to download mimalloc at its pinned commit before the distribution's source package" OFF)

set(mimalloc_source "")
if(NOT FETCHCONTENT_SOURCE_DIR_MIMALLOC AND NOT TARGET mimalloc-static)
  find_package(mimalloc CONFIG QUIET)
endif()
if(FETCHCONTENT_SOURCE_DIR_MIMALLOC)
  set(mimalloc_source ${FETCHCONTENT_SOURCE_DIR_MIMALLOC})
  set(mimalloc_origin "the tree ${mimalloc_source}")
elseif(TARGET mimalloc-static)
  set(mimalloc_archive $<TARGET_FILE:mimalloc-static>)
  set(mimalloc_include $<TARGET_PROPERTY:mimalloc-static,INTERFACE_INCLUDE_DIRECTORIES>)
  set(mimalloc_origin "the static package mimalloc-static")
elseif(MEMPOOL_DOWNLOAD)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env GIT_TERMINAL_PROMPT=0 git ls-remote ${MEMPOOL_MIMALLOC_REPOSITORY} HEAD
    TIMEOUT 15 RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(failed)
    message(STATUS "${MEMPOOL_MIMALLOC_REPOSITORY} does not answer; the distribution's source package is taken")
  else()
    include(FetchContent)
    FetchContent_Declare(mimalloc GIT_REPOSITORY ${MEMPOOL_MIMALLOC_REPOSITORY} GIT_TAG ${MEMPOOL_MIMALLOC_COMMIT})
    FetchContent_GetProperties(mimalloc)
    if(NOT mimalloc_POPULATED)
      FetchContent_Populate(mimalloc)
    endif()
    set(mimalloc_source ${mimalloc_SOURCE_DIR})
    set(mimalloc_origin "the download of commit ${MEMPOOL_MIMALLOC_COMMIT}")
  endif()
endif()
if(NOT mimalloc_origin)
  execute_process(COMMAND ${PROJECT_SOURCE_DIR}/cmake/distribution-source mimalloc ${PROJECT_SOURCE_DIR}/build/sources
    OUTPUT_VARIABLE mimalloc_source OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "mimalloc's source was not found. Name a tree with -DFETCHCONTENT_SOURCE_DIR_MIMALLOC=DIR, "
      "or allow a download with -DMEMPOOL_DOWNLOAD=ON.")
  endif()
  set(mimalloc_origin "the distribution's source package in ${mimalloc_source}")
endif()
message(STATUS "mimalloc: ${mimalloc_origin}")
if(APPLE)  # macos.cmake compiles it
  set(mimalloc_include ${mimalloc_source}/include)
  return()
endif()

set(mimalloc_object ${CMAKE_CURRENT_BINARY_DIR}/mimalloc-private.o)
if(mimalloc_source)
  set(mimalloc_include ${mimalloc_source}/include)
  add_library(mimalloc_raw OBJECT ${mimalloc_source}/src/static.c)
  set_target_properties(mimalloc_raw PROPERTIES C_STANDARD 11 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
  target_include_directories(mimalloc_raw PRIVATE ${mimalloc_include})
  target_compile_definitions(mimalloc_raw PRIVATE MI_STATIC_LIB NDEBUG)
  target_compile_options(mimalloc_raw PRIVATE -O2 -w -fno-builtin-malloc -ftls-model=initial-exec)
  if(MEMPOOL_SANITIZE STREQUAL thread)  # it has to see by what order one thread's block becomes another's
    target_compile_options(mimalloc_raw PRIVATE -fsanitize=thread)
  endif()
  set(mimalloc_input $<TARGET_OBJECTS:mimalloc_raw>)
  set(mimalloc_input_target mimalloc_raw)
else()
  set(mimalloc_input --whole-archive ${mimalloc_archive} --no-whole-archive)
  set(mimalloc_input_target mimalloc-static)
endif()
# Its constructor goes (the first request starts it), and what it asks of the C library goes through
# routing/mimalloc_shims.cc: thread exit inside our fork gate, no environment, no file, no output.
add_custom_command(OUTPUT ${mimalloc_object}
  COMMAND ${MEMPOOL_LD} -r -o ${mimalloc_object} ${mimalloc_input}
  COMMAND ${MEMPOOL_OBJCOPY} --redefine-syms=${PROJECT_SOURCE_DIR}/cmake/mimalloc-redirects.syms
    --remove-section=.init_array --remove-section=.rela.init_array --remove-section=.fini_array
    --wildcard --keep-global-symbol=mi_* ${mimalloc_object}
  DEPENDS ${mimalloc_input_target} $<$<BOOL:${mimalloc_source}>:$<TARGET_OBJECTS:mimalloc_raw>>
    ${PROJECT_SOURCE_DIR}/cmake/mimalloc-redirects.syms
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(mimalloc_private DEPENDS ${mimalloc_object})
