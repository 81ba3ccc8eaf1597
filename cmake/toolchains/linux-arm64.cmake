# arm64 Linux, by the cross compiler of Debian (scripts/deps build cross).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(MEMPOOL_TOOL_PREFIX aarch64-linux-gnu-)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu ${MEMPOOL_PACKAGES})  # a folder with that machine's packages unpacked
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
