# mimalloc as one private object: built from source as C, nothing of it visible, nothing of it run at load.
#
# Where its source comes from, in this order: a tree named by the user (FETCHCONTENT_SOURCE_DIR_MIMALLOC); a release
# pinned by commit (MEMPOOL_DOWNLOAD=ON); the distribution's source package. A static package target
# (mimalloc-static of vcpkg or Conan) is taken as an archive in place of a source.

set(MEMPOOL_MIMALLOC_COMMIT 30ac9d56b8b9ea57ae84bc8ef17ef39000da08fe)  # v2.4.1
option(MEMPOOL_DOWNLOAD "Download mimalloc at its pinned commit instead of the distribution's source package" OFF)

set(mimalloc_source "")
if(FETCHCONTENT_SOURCE_DIR_MIMALLOC)
  set(mimalloc_source ${FETCHCONTENT_SOURCE_DIR_MIMALLOC})
elseif(TARGET mimalloc-static)
  set(mimalloc_archive $<TARGET_FILE:mimalloc-static>)
  get_target_property(mimalloc_include mimalloc-static INTERFACE_INCLUDE_DIRECTORIES)
elseif(MEMPOOL_DOWNLOAD)
  include(FetchContent)
  FetchContent_Declare(mimalloc GIT_REPOSITORY https://github.com/microsoft/mimalloc GIT_TAG ${MEMPOOL_MIMALLOC_COMMIT})
  FetchContent_GetProperties(mimalloc)
  if(NOT mimalloc_POPULATED)
    FetchContent_Populate(mimalloc)
  endif()
  set(mimalloc_source ${mimalloc_SOURCE_DIR})
else()
  execute_process(COMMAND ${PROJECT_SOURCE_DIR}/cmake/distribution-source mimalloc ${PROJECT_SOURCE_DIR}/build/sources
    OUTPUT_VARIABLE mimalloc_source OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "mimalloc's source was not found. Name a tree with -DFETCHCONTENT_SOURCE_DIR_MIMALLOC=DIR, "
      "or allow a download with -DMEMPOOL_DOWNLOAD=ON.")
  endif()
endif()

set(mimalloc_object ${CMAKE_CURRENT_BINARY_DIR}/mimalloc-private.o)
if(mimalloc_source)
  set(mimalloc_include ${mimalloc_source}/include)
  add_library(mimalloc_raw OBJECT ${mimalloc_source}/src/static.c)
  set_target_properties(mimalloc_raw PROPERTIES C_STANDARD 11 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
  target_include_directories(mimalloc_raw PRIVATE ${mimalloc_include})
  target_compile_definitions(mimalloc_raw PRIVATE MI_STATIC_LIB NDEBUG)
  target_compile_options(mimalloc_raw PRIVATE -O2 -w -fno-builtin-malloc -ftls-model=initial-exec)
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
