# libmempool.dylib and libmempool.a of macOS: our objects and mimalloc's, with libSystem alone behind them.
#
# There is no `ld -r` that joins and hides on both the system's linker and LLVM's, so mimalloc's names are given a
# prefix as it is compiled, and ours are hidden: a program that links its own mimalloc beside libmempool.a meets none.

file(GLOB mimalloc_files ${mimalloc_source}/include/*.h ${mimalloc_source}/src/*.c ${mimalloc_source}/src/*.h)
set(names "")
set(macros "")
foreach(file ${mimalloc_files})
  file(READ ${file} text)
  string(REGEX MATCHALL "[A-Za-z0-9_]*mi_[a-z0-9_]+" found "${text}")
  list(APPEND names ${found})
  string(REGEX MATCHALL "# *define +mi_[a-z0-9_]+" found "${text}")
  string(REGEX REPLACE "# *define +" "" found "${found}")
  list(APPEND macros ${found})
endforeach()
list(REMOVE_DUPLICATES names)
list(FILTER names INCLUDE REGEX "^_?mi_")
list(REMOVE_ITEM names ${macros})
list(SORT names)
set(text "// mimalloc's names, as ours.\n#pragma once\n")
foreach(name ${names})
  string(APPEND text "#define ${name} mempool_private_${name}\n")
endforeach()
set(names_header ${CMAKE_CURRENT_BINARY_DIR}/mimalloc-names.h)
file(CONFIGURE OUTPUT ${names_header} CONTENT "${text}")

# What it asks of the C library goes through routing/mimalloc_shims.cc, as on Linux. No thread_local (its default heap
# is found by the shims' pthread_getspecific), no constructor, and no header of a crypto library for a random seed.
file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/mimalloc-redirects.syms redirects)
set(text "#pragma once\n#include \"mimalloc-names.h\"\n")
list(FILTER redirects EXCLUDE REGEX "^realpath ")  # has another name in the headers there, and is not called
foreach(line ${redirects} "pthread_getspecific mempool_mi_getspecific" "_NSGetEnviron mempool_mi_environ_of")
  string(APPEND text "#define ${line}\n")
endforeach()
string(APPEND text "#include <stdlib.h>\n#include <pthread.h>\n#include <AvailabilityMacros.h>\n\
#undef MAC_OS_X_VERSION_10_10\n#undef MAC_OS_X_VERSION_10_15\nextern pthread_key_t _mi_heap_default_key;\n\
#define MI_TLS_PTHREAD\n#define __thread\n#define constructor unused\n")
set(redirects_header ${CMAKE_CURRENT_BINARY_DIR}/mimalloc-redirects.h)
file(CONFIGURE OUTPUT ${redirects_header} CONTENT "${text}")

# The numbers of Linux's system calls, which it looks for there too.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty/sys/syscall.h "")

add_library(mimalloc_raw OBJECT ${mimalloc_source}/src/static.c)
set_target_properties(mimalloc_raw PROPERTIES C_STANDARD 11 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
target_include_directories(mimalloc_raw PRIVATE ${mimalloc_include} ${CMAKE_CURRENT_BINARY_DIR}
  ${CMAKE_CURRENT_BINARY_DIR}/empty)
target_compile_definitions(mimalloc_raw PRIVATE MI_STATIC_LIB NDEBUG)
target_compile_options(mimalloc_raw PRIVATE -O2 -w -fno-builtin-malloc -fno-stack-protector
  "SHELL:-include ${redirects_header}")
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/routing/fallback.cc PROPERTIES
  COMPILE_OPTIONS "-include;${names_header}")

# The zone is the default one in the static form alone: in the dylib malloc() is interposed.
set(zone ${PROJECT_SOURCE_DIR}/preload/macos_zone.cc)
set(interpose ${PROJECT_SOURCE_DIR}/preload/macos_interpose.cc)
list(REMOVE_ITEM preload_sources ${zone} ${interpose})
add_library(mempool_preload OBJECT ${preload_sources})
add_library(mempool_dylib OBJECT ${zone} ${interpose})
add_library(mempool_default_zone OBJECT ${zone})
target_compile_definitions(mempool_default_zone PRIVATE MEMPOOL_ZONE_IS_DEFAULT)
# libc++'s headers take most of the time of a build.
target_precompile_headers(mempool_core PRIVATE <algorithm> <atomic> <bit> <cerrno> <cstring> <string_view> <utility>)
foreach(objects mempool_preload mempool_dylib mempool_default_zone)
  target_link_libraries(${objects} PRIVATE mempool_warnings mempool_includes)
  target_compile_options(${objects} PRIVATE ${core_options})
  target_precompile_headers(${objects} REUSE_FROM mempool_core)
endforeach()

# The C driver's link: nothing of a C++ library is needed. A cross build names its linker in MEMPOOL_MACOS_LINK.
set(prefix "")
if(NOT MEMPOOL_MACOS_LINK)
  set(prefix -Wl,)
  set(MEMPOOL_MACOS_LINK ${CMAKE_C_COMPILER} -dynamiclib)
  foreach(arch ${CMAKE_OSX_ARCHITECTURES})
    list(APPEND MEMPOOL_MACOS_LINK -arch ${arch})
  endforeach()
  if(CMAKE_OSX_SYSROOT)
    list(APPEND MEMPOOL_MACOS_LINK -isysroot ${CMAKE_OSX_SYSROOT})
  endif()
  if(CMAKE_OSX_DEPLOYMENT_TARGET)
    list(APPEND MEMPOOL_MACOS_LINK -mmacosx-version-min=${CMAKE_OSX_DEPLOYMENT_TARGET})
  endif()
endif()
set(options -install_name,@rpath/libmempool.dylib -compatibility_version,${PROJECT_VERSION_MAJOR}.0
  -current_version,${PROJECT_VERSION})
file(STRINGS ${exports} names REGEX "libmempool_")
foreach(line ${names})
  string(REGEX REPLACE ".*(libmempool_[a-z_]+).*" "-exported_symbol,_\\1" option "${line}")
  list(APPEND options ${option})
endforeach()
# Newer than the oldest system, and than some SDKs.
set(functions ${PROJECT_SOURCE_DIR}/preload/macos_functions.def)
file(STRINGS ${functions} weak REGEX "^MEMPOOL_PAIR.malloc_type_")
foreach(line ${weak})
  string(REGEX REPLACE ".*\\((.*)\\)" "-U,_\\1" option ${line})
  list(APPEND options ${option})
endforeach()
if(NOT prefix)
  string(REPLACE "," ";" options "${options}")
endif()
list(TRANSFORM options PREPEND "${prefix}")

set(library ${CMAKE_CURRENT_BINARY_DIR}/libmempool.dylib)
set(archive ${CMAKE_CURRENT_BINARY_DIR}/libmempool.a)
set(core $<FILTER:$<TARGET_OBJECTS:mempool_core>,EXCLUDE,\\.pch$>)
set(everywhere ${core} $<TARGET_OBJECTS:mempool_preload> $<TARGET_OBJECTS:mimalloc_raw>)
add_custom_command(OUTPUT ${library}
  COMMAND ${MEMPOOL_MACOS_LINK} -o ${library} ${everywhere} $<TARGET_OBJECTS:mempool_dylib> ${options}
  DEPENDS ${everywhere} $<TARGET_OBJECTS:mempool_dylib> COMMAND_EXPAND_LISTS VERBATIM)
add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_AR} rcs ${archive} ${everywhere} $<TARGET_OBJECTS:mempool_default_zone>
  DEPENDS ${everywhere} $<TARGET_OBJECTS:mempool_default_zone> COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(mempool_library ALL DEPENDS ${library} ${archive})
add_dependencies(mempool_library mempool_core mempool_preload mempool_dylib mempool_default_zone mimalloc_raw)

set(mempool_include_dir ${PROJECT_SOURCE_DIR}/include)
set(mempool_library ${library})
set(mempool_archive ${archive})
include(${PROJECT_SOURCE_DIR}/cmake/targets.cmake)
add_dependencies(mempool::mempool mempool_library)
add_dependencies(mempool::static mempool_library)
