set(MEMPOOL_MACOS_ARCH x86_64)
include(${CMAKE_CURRENT_LIST_DIR}/macos-by-zig.cmake)
