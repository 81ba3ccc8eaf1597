set(MEMPOOL_MACOS_ARCH arm64)
include(${CMAKE_CURRENT_LIST_DIR}/macos-by-zig.cmake)
