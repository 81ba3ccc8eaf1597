# cmake --install: the library, its headers, and what find_package(mempool) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mempool)
set(package_files ${CMAKE_CURRENT_BINARY_DIR}/package)

install(FILES ${library} ${archive} ${spdlog_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mempool DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/mempool-config.cmake.in ${package_files}/mempool-config.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${package_files}/mempool-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${package_files}/mempool-config.cmake ${package_files}/mempool-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/targets.cmake DESTINATION ${package_dir})
