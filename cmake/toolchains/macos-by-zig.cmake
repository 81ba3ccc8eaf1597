# macOS from Linux: compiled by zig's clang, beside which lie the system's headers and the list of what libSystem
# exports, and linked by LLVM's ld64.lld, since zig's own linker drops the section of interposed functions without a
# word. Both are fetched by `scripts/deps macos`.

set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR ${MEMPOOL_MACOS_ARCH})
set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "" FORCE)  # the compiler's script says it
# Told, not found out: CMake's question is an executable, and there is no C++ library to link.
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER_ID Clang)
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_VERSION 16.0)
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
  set(CMAKE_${language}_SIZEOF_DATA_PTR 8)
  set(CMAKE_${language}_COMPILER_FRONTEND_VARIANT GNU)
endforeach()
set(CMAKE_C_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_SIZEOF_VOID_P 8)
set(CMAKE_HAVE_LIBC_PTHREAD TRUE)

get_filename_component(mempool_root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
set(mempool_zig_folder ${mempool_root}/build/zig)
if(NOT EXISTS ${mempool_zig_folder}/zig)
  message(FATAL_ERROR "The compiler for macOS is not there. Type: scripts/deps macos")
endif()
set(CMAKE_C_COMPILER ${CMAKE_CURRENT_LIST_DIR}/macos-clang c ${MEMPOOL_MACOS_ARCH})
set(CMAKE_CXX_COMPILER ${CMAKE_CURRENT_LIST_DIR}/macos-clang c++ ${MEMPOOL_MACOS_ARCH})
find_program(CMAKE_AR NAMES llvm-ar-14 llvm-ar REQUIRED)
find_program(CMAKE_RANLIB NAMES llvm-ranlib-14 llvm-ranlib REQUIRED)
find_program(CMAKE_INSTALL_NAME_TOOL NAMES llvm-install-name-tool-14 llvm-install-name-tool REQUIRED)
find_program(mempool_lld NAMES ld64.lld-14 ld64.lld REQUIRED)
set(MEMPOOL_MACOS_LINK ${mempool_lld} -dylib -arch ${MEMPOOL_MACOS_ARCH} -platform_version macos 12.0 13.0
  ${mempool_zig_folder}/lib/libc/darwin/libSystem.13.tbd)
