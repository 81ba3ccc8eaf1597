set(MEMPOOL_MACOS_ARCH x86_64)
set(MEMPOOL_ZIG_TARGET x86_64-macos.12.0)
include(${CMAKE_CURRENT_LIST_DIR}/macos-by-zig.cmake)
