set(MEMPOOL_MACOS_ARCH arm64)
set(MEMPOOL_ZIG_TARGET aarch64-macos.12.0)
include(${CMAKE_CURRENT_LIST_DIR}/macos-by-zig.cmake)
