# cpack: one Debian package for each component that is installed. `scripts/package` builds them.
#
# cpack's own way to find a package's libraries calls ldconfig from maintainer scripts, where Debian wants a trigger. So
# shlibs and triggers are files of ours.

# Before 1: a package of the distribution's own replaces this one.
set(release 0mempool1)
set(debian_version ${PROJECT_VERSION}-${release})
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mempool)
set(CPACK_PACKAGE_CONTACT "The libmempool authors <libmempool@example.org>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/debian/finish.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${release})
set(CPACK_DEBIAN_PACKAGE_SOURCE mempool)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libmempool${PROJECT_VERSION_MAJOR})
# cpack 3.25 has no word for Multi-Arch: it follows the section, on a line of its own.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION "libs\nMulti-Arch: same")
# dpkg-shlibdeps would say 2.34, since the thread functions moved into libc then; they are referred to weakly, and are
# wherever the program has them. tests/golden/run checks the symbol versions.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "libc6 (>= 2.28)")
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "malloc that warns before the memory limit kills the process
A drop-in malloc for any program: small requests are served by power-of-two
pools behind caches of each thread, the others by a private mimalloc. A
monitor compares the memory in use with the limit that would kill the process,
says when it comes near, and gives back what is free.

LD_PRELOAD=libmempool.so.0 puts it into a program.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmempool-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "malloc that warns before a memory limit (development files)
Headers of the C interface and of the memory patterns for C++20, the static
libraries, files for CMake and pkg-config, the manual page, and mempool-run,
which runs a program under the library and sums up what it did.")
file(WRITE ${package_files}/shlibs
  "libmempool ${PROJECT_VERSION_MAJOR} libmempool${PROJECT_VERSION_MAJOR} (>= ${PROJECT_VERSION})\n")
file(WRITE ${package_files}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${package_files}/shlibs ${package_files}/triggers)

set(CPACK_MEMPOOL_SOURCE_DIR ${PROJECT_SOURCE_DIR})
set(CPACK_MEMPOOL_VERSION ${debian_version})
include(CPack)
