# cmake --install: the library, its headers, and what find_package(mempool) and pkg-config read. Two components, which
# are also the two Debian packages: `runtime` is what a program needs to start, `development` the rest.

# Debian's folder for libraries under every prefix: its compilers, loader, CMake and pkg-config look there.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_INSTALL_LIBDIR
    AND CMAKE_LIBRARY_ARCHITECTURE AND EXISTS /etc/debian_version)
  set(CMAKE_INSTALL_LIBDIR lib/${CMAKE_LIBRARY_ARCHITECTURE} CACHE PATH "Folder of the libraries, under the prefix")
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR=\"${CMAKE_INSTALL_LIBDIR}\" is not a folder under the prefix, such as lib")
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mempool)
set(package_files ${CMAKE_CURRENT_BINARY_DIR}/package)

get_filename_component(library_name ${library} NAME)
if(APPLE)
  install(FILES ${library} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime)
  set(shared_flags -lmempool)
else()
  # The names of a shared library: the file, what the loader asks for, what a compiler asks for.
  set(installed_library ${library_name}.${PROJECT_VERSION})
  file(MAKE_DIRECTORY ${package_files})
  file(CREATE_LINK ${installed_library} ${package_files}/${soname} SYMBOLIC)
  file(CREATE_LINK ${soname} ${package_files}/${library_name} SYMBOLIC)
  install(FILES ${library} RENAME ${installed_library} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime)
  install(FILES ${package_files}/${soname} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime)
  install(FILES ${package_files}/${library_name} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  # A program whose libraries alone call malloc does not refer to it itself.
  set(shared_flags "-Wl,--push-state,--no-as-needed -lmempool -Wl,--pop-state")
endif()
install(FILES ${archive} ${spdlog_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mempool DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/docs/mempool.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7 COMPONENT development)
if(MEMPOOL_TOOLS)
  install(FILES ${PROJECT_SOURCE_DIR}/docs/mempool-run.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT development)
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/mempool-config.cmake.in ${package_files}/mempool-config.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${package_files}/mempool-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${package_files}/mempool-config.cmake ${package_files}/mempool-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/targets.cmake DESTINATION ${package_dir} COMPONENT development)

# The flags of mempool::static for pkg-config, which does not know the language: those for C++ have a file of their own.
get_target_property(static_flags mempool::static INTERFACE_LINK_OPTIONS)
string(REGEX MATCH "\\$<\\$<LINK_LANGUAGE:CXX>:([^>]*)>" for_cxx "${static_flags}")
set(static_cxx_flags ${CMAKE_MATCH_1})
list(REMOVE_ITEM static_flags "" "${for_cxx}")
list(JOIN static_flags " " static_flags)
if(static_flags MATCHES "\\$<")
  message(FATAL_ERROR "pkg-config cannot say this of mempool::static: ${static_flags}")
endif()
file(RELATIVE_PATH prefix_of_pkgconfig /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
foreach(name mempool mempool-static mempool-static-c++)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${package_files}/${name}.pc @ONLY)
  install(FILES ${package_files}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endforeach()
