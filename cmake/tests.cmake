# Two programs: one over the layers' objects, one over the patterns' headers. Entry points are tested under the preload,
# by the run scripts.
find_package(GTest REQUIRED)
find_package(Threads REQUIRED)
include(GoogleTest)
file(GLOB_RECURSE unit_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/*_test.cc)
add_executable(unit-tests ${unit_sources} $<TARGET_OBJECTS:mempool_core> ${mimalloc_object})
add_dependencies(unit-tests mimalloc_private)
target_link_libraries(unit-tests PRIVATE mempool_includes GTest::gtest GTest::gtest_main
  Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(unit-tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_compile_options(unit-tests PRIVATE -Wall -Wextra -Wshadow -Werror)
if(CMAKE_CROSSCOMPILING)
  # An emulator runs them: that they are built soon counts for more.
  target_compile_options(unit-tests PRIVATE -O0 -g0)
  target_precompile_headers(unit-tests PRIVATE <gtest/gtest.h> <thread> <vector>)
endif()
if(MEMPOOL_SANITIZE)
  target_compile_options(unit-tests PRIVATE -fsanitize=${MEMPOOL_SANITIZE})
  target_link_options(unit-tests PRIVATE -fsanitize=${MEMPOOL_SANITIZE})
endif()
if(MEMPOOL_SANITIZE STREQUAL thread)
  target_sources(unit-tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit/tsan_suppressions.cc)
  target_compile_definitions(unit-tests PRIVATE MEMPOOL_TEST_UNDER_TSAN)
endif()
add_test(NAME unit COMMAND unit-tests)

# What tests/pressure/run brings near a limit.
add_executable(pressure-loads ${PROJECT_SOURCE_DIR}/tests/pressure/loads.c)
target_link_libraries(pressure-loads PRIVATE mempool_includes Threads::Threads)
set_target_properties(pressure-loads PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})

find_library(MEMPOOL_RAPIDCHECK rapidcheck NO_CACHE)
if(NOT MEMPOOL_RAPIDCHECK)
  message(STATUS "rapidcheck is not there: the patterns' tests are not built")
  return()
endif()
file(GLOB pattern_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/patterns/*_test.cc)
add_executable(pattern-tests ${pattern_sources})
target_link_libraries(pattern-tests PRIVATE mempool_warnings GTest::gtest GTest::gtest_main ${MEMPOOL_RAPIDCHECK}
  Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(pattern-tests PRIVATE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(pattern-tests PRIVATE -O1)  # most of a minute less to compile than -O2, and no slower to run
if(MEMPOOL_SANITIZE)
  target_compile_options(pattern-tests PRIVATE -fsanitize=${MEMPOOL_SANITIZE})
  target_link_options(pattern-tests PRIVATE -fsanitize=${MEMPOOL_SANITIZE})
endif()
add_test(NAME patterns COMMAND pattern-tests)
