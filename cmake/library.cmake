# libmempool.so and libmempool.a: our objects and mimalloc's joined to one, in which only the exported names stay
# global. See docs/how-it-works.md, "The link".

find_package(Python3 QUIET COMPONENTS Interpreter)
include(CheckSymbolExists)
check_symbol_exists(__GLIBC__ limits.h MEMPOOL_GLIBC)
set(exports ${PROJECT_SOURCE_DIR}/preload/exports.map)

add_custom_target(mempool_version
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
    -DOUTPUT=${CMAKE_CURRENT_BINARY_DIR}/version.cc -P ${PROJECT_SOURCE_DIR}/cmake/version.cmake
  BYPRODUCTS ${CMAKE_CURRENT_BINARY_DIR}/version.cc VERBATIM)

file(GLOB core_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/platform/*.cc ${PROJECT_SOURCE_DIR}/src/options/*.cc
  ${PROJECT_SOURCE_DIR}/src/pressure/*.cc ${PROJECT_SOURCE_DIR}/src/pools/*.cc ${PROJECT_SOURCE_DIR}/src/routing/*.cc
  ${PROJECT_SOURCE_DIR}/src/monitor/*.cc)
file(GLOB spdlog_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/monitor/spdlog_*.cc)
if(spdlog_sources)
  list(REMOVE_ITEM core_sources ${spdlog_sources})
endif()
file(GLOB preload_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/preload/*.cc)
if(APPLE)
  list(FILTER core_sources EXCLUDE REGEX "/(os_linux|hooks|libc_heap)\\.cc$")
  list(FILTER preload_sources INCLUDE REGEX "/(api|life_cycle|macos_[a-z]+)\\.cc$")
else()
  list(FILTER core_sources EXCLUDE REGEX "_macos\\.cc$")
  list(FILTER preload_sources EXCLUDE REGEX "/macos_[a-z]+\\.cc$")
endif()

# The rules of the malloc path, as far as a compiler knows them: no exception, no RTTI, no guarded static, no TLS but
# initial-exec, nothing visible by default.
set(core_options -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility=hidden -fvisibility-inlines-hidden
  -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fno-stack-protector)
if(NOT APPLE)
  list(APPEND core_options -ftls-model=initial-exec -fno-semantic-interposition)
endif()

add_library(mempool_core OBJECT ${core_sources} ${CMAKE_CURRENT_BINARY_DIR}/version.cc)
add_dependencies(mempool_core mempool_version)
target_link_libraries(mempool_core PRIVATE mempool_warnings PUBLIC mempool_includes)
target_include_directories(mempool_core PRIVATE ${mimalloc_include})
target_compile_options(mempool_core PRIVATE ${core_options})
if(MEMPOOL_SANITIZE)
  target_compile_options(mempool_core PUBLIC -fsanitize=${MEMPOOL_SANITIZE})
  return()
endif()

if(APPLE)
  include(${PROJECT_SOURCE_DIR}/cmake/macos.cmake)
  return()
endif()

add_library(mempool_preload OBJECT ${preload_sources})
target_link_libraries(mempool_preload PRIVATE mempool_warnings mempool_includes)
target_compile_options(mempool_preload PRIVATE ${core_options})
set_source_files_properties(${PROJECT_SOURCE_DIR}/preload/operators.cc PROPERTIES COMPILE_OPTIONS -fexceptions)

set(joined ${CMAKE_CURRENT_BINARY_DIR}/mempool.o)
set(join ${PROJECT_SOURCE_DIR}/cmake/join)
set(glibc_list ${PROJECT_SOURCE_DIR}/cmake/glibc-2.28.syms)
add_custom_command(OUTPUT ${joined}
  COMMAND ${join} ${MEMPOOL_LD} ${MEMPOOL_OBJCOPY} ${exports} ${glibc_list} ${joined}
    $<TARGET_OBJECTS:mempool_core> $<TARGET_OBJECTS:mempool_preload> ${mimalloc_object}
  DEPENDS ${join} ${exports} ${glibc_list} ${mimalloc_object} mimalloc_private $<TARGET_OBJECTS:mempool_core>
    $<TARGET_OBJECTS:mempool_preload>
  COMMAND_EXPAND_LISTS VERBATIM)

# The archive holds the one joined object: the C library's allocator is replaced whole or not at all.
set(archive ${CMAKE_CURRENT_BINARY_DIR}/libmempool.a)
add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_AR} rcs ${archive} ${joined}
  DEPENDS ${joined} VERBATIM)

set(versioned ${joined})
set(bind_versions "")
if(MEMPOOL_GLIBC)
  set(first_glibc GLIBC_2.2.5)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
    set(first_glibc GLIBC_2.17)
  endif()
  set(versioned ${CMAKE_CURRENT_BINARY_DIR}/mempool-versioned.o)
  set(bind_versions COMMAND ${PROJECT_SOURCE_DIR}/cmake/old-glibc ${MEMPOOL_OBJCOPY} ${glibc_list} ${first_glibc}
    ${joined} ${versioned})
endif()
separate_arguments(link_flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")  # which C library, where it is not the compiler's own
set(library ${CMAKE_CURRENT_BINARY_DIR}/libmempool.so)
set(soname libmempool.so.${PROJECT_VERSION_MAJOR})
include(${PROJECT_SOURCE_DIR}/cmake/spdlog.cmake)
add_custom_command(OUTPUT ${library}
  ${bind_versions}
  COMMAND ${CMAKE_CXX_COMPILER} ${link_flags} -shared -nostartfiles -nodefaultlibs -o ${library} ${versioned}
    ${spdlog_object}
    -Wl,--version-script=${exports} -Wl,-Bsymbolic -Wl,-z,now,-z,relro,-z,nodelete,-z,defs
    -Wl,--build-id=sha1 -Wl,-soname,${soname} -Wl,--gc-sections -lc -lgcc -Wl,--as-needed -lm
  COMMAND ${CMAKE_COMMAND} -E create_symlink libmempool.so ${CMAKE_CURRENT_BINARY_DIR}/${soname}
  BYPRODUCTS ${CMAKE_CURRENT_BINARY_DIR}/${soname}
  DEPENDS ${joined} ${spdlog_object} ${exports} ${glibc_list} ${PROJECT_SOURCE_DIR}/cmake/old-glibc
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(mempool_library ALL DEPENDS ${library} ${archive})
# Make, unlike Ninja, has to be told which targets the objects come from.
add_dependencies(mempool_library mempool_core mempool_preload mimalloc_private)
if(spdlog_object)
  add_dependencies(mempool_library mempool_spdlog)
endif()

set(mempool_include_dir ${PROJECT_SOURCE_DIR}/include)
set(mempool_library ${library})
set(mempool_archive ${archive})
set(mempool_spdlog_archive ${spdlog_archive})
include(${PROJECT_SOURCE_DIR}/cmake/targets.cmake)
add_dependencies(mempool::mempool mempool_library)
add_dependencies(mempool::static mempool_library)
add_dependencies(mempool::preload mempool_library)
if(spdlog_archive)
  add_dependencies(mempool::static_spdlog mempool_spdlog)
endif()
