# musl on the machine that builds, by Debian's musl-tools: musl-gcc for C, and g++ by the same specs for C++, of which
# there is no library here. libstdc++'s headers are asked for nothing but what they define themselves; tests/musl/run
# checks that, by what the objects refer to.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
find_program(musl_gcc musl-gcc NO_CACHE)
find_file(musl_specs musl-gcc.specs NO_CACHE
  PATHS /usr/lib/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-musl /usr/local/musl/lib)
if(NOT musl_gcc OR NOT musl_specs)
  message(FATAL_ERROR "musl-gcc is not there: scripts/deps cross")
endif()
set(CMAKE_C_COMPILER ${musl_gcc})
set(CMAKE_CXX_COMPILER g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # a C++ program cannot be linked

execute_process(COMMAND ${CMAKE_CXX_COMPILER} -E -x c++ -v /dev/null ERROR_VARIABLE said OUTPUT_QUIET)
string(REGEX MATCHALL "\n /[^\n]*/c\\+\\+/[^\n]*" cxx_headers "${said}")
list(TRANSFORM cxx_headers REPLACE "\n " " -isystem ")
string(CONCAT cxx_headers ${cxx_headers})
# The kernel's headers alone of what lies beside glibc's.
set(kernel_headers ${CMAKE_BINARY_DIR}/kernel-headers)
file(MAKE_DIRECTORY ${kernel_headers})
foreach(folder linux asm-generic ${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu/asm)
  get_filename_component(name ${folder} NAME)
  file(CREATE_LINK /usr/include/${folder} ${kernel_headers}/${name} SYMBOLIC)
endforeach()
set(CMAKE_C_FLAGS_INIT "-idirafter ${kernel_headers} -U_FORTIFY_SOURCE")
set(CMAKE_CXX_FLAGS_INIT
  "-specs=${musl_specs} -isystem ${CMAKE_CURRENT_LIST_DIR}/musl${cxx_headers} ${CMAKE_C_FLAGS_INIT}")

# No package of the building machine's is for musl.
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_ROOT_PATH /usr/lib/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-musl)
