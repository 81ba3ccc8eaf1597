# What others use, in the build and where it is installed. Told from outside: mempool_include_dir, mempool_library,
# mempool_archive and, where spdlog was built, mempool_spdlog_archive.
#
#   mempool::headers        the patterns and the C interface; a program finds the library where it is preloaded
#   mempool::mempool        these, and libmempool.so
#   mempool::static         these, and libmempool.a
#   mempool::static_spdlog  these, libmempool.a and libmempool-spdlog.a, through which its lines go then
#   mempool::preload        libmempool.so, to be named and not linked: LD_PRELOAD=$<TARGET_FILE:mempool::preload>

find_package(Threads REQUIRED)
add_library(mempool::headers INTERFACE IMPORTED GLOBAL)
target_include_directories(mempool::headers INTERFACE ${mempool_include_dir})
target_link_libraries(mempool::headers INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
get_property(mempool_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if("CXX" IN_LIST mempool_languages)  # a program in C may use the C interface
  target_compile_features(mempool::headers INTERFACE cxx_std_20)
endif()

add_library(mempool::mempool SHARED IMPORTED GLOBAL)
set_target_properties(mempool::mempool PROPERTIES IMPORTED_LOCATION ${mempool_library})
# A program whose libraries alone call malloc does not refer to it itself. The option holds for the whole link: a library
# that the program names and does not need is then loaded too.
if(NOT APPLE)
  target_link_options(mempool::mempool INTERFACE -Wl,--no-as-needed)
endif()
add_library(mempool::preload MODULE IMPORTED GLOBAL)
set_target_properties(mempool::preload PROPERTIES IMPORTED_LOCATION ${mempool_library})
add_library(mempool::static STATIC IMPORTED GLOBAL)
set_target_properties(mempool::static PROPERTIES IMPORTED_LOCATION ${mempool_archive})
foreach(linked mempool::mempool mempool::static)
  target_link_libraries(${linked} INTERFACE mempool::headers)
  target_compile_definitions(${linked} INTERFACE MEMPOOL_LINKED)
endforeach()
# -u: a program that only calls strdup would otherwise take the C library's malloc.
if(APPLE)  # what brings the constructor, which makes our zone the default one
  target_link_options(mempool::static INTERFACE -Wl,-u,_libmempool_version)
  return()
endif()
target_link_options(mempool::static INTERFACE -Wl,-u,malloc,-u,_Znwm
  # The weak references to the program's C++ library take nothing out of its archive by themselves.
  $<$<LINK_LANGUAGE:CXX>:-Wl,-u,_ZSt17__throw_bad_allocv,-u,_ZSt15get_new_handlerv>)

if(mempool_spdlog_archive)
  add_library(mempool::static_spdlog STATIC IMPORTED GLOBAL)
  set_target_properties(mempool::static_spdlog PROPERTIES IMPORTED_LOCATION ${mempool_spdlog_archive})
  # -u: the library refers to the seam weakly, and a weak reference alone takes nothing out of an archive.
  # --eh-frame-hdr: the runtime in it looks its frames up there, which gcc leaves out of static programs.
  target_link_options(mempool::static_spdlog INTERFACE -Wl,-u,libmempool_sink_open,--eh-frame-hdr)
  target_link_libraries(mempool::static_spdlog INTERFACE mempool::static)
endif()
