# spdlog and a C++ runtime of its own, joined to one object whose only visible names are the seam's. Its constructors go
# to a section that the sink runs itself when the first line is due.

set(spdlog_object "")
set(spdlog_archive "")
if(NOT spdlog_sources)
  return()
endif()
add_library(spdlog_raw OBJECT ${PROJECT_SOURCE_DIR}/src/monitor/spdlog_sink.cc
  ${PROJECT_SOURCE_DIR}/src/monitor/spdlog_shims.cc)
target_link_libraries(spdlog_raw PRIVATE mempool_includes)
target_compile_options(spdlog_raw PRIVATE -Wall -Wextra -fvisibility=hidden -fvisibility-inlines-hidden
  -ftls-model=initial-exec -ffunction-sections -fdata-sections $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
target_compile_definitions(spdlog_raw PRIVATE SPDLOG_HEADER_ONLY SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY SPDLOG_NO_TLS
  SPDLOG_NO_THREAD_ID)

set(spdlog_object ${CMAKE_CURRENT_BINARY_DIR}/mempool-spdlog.o)
add_custom_command(OUTPUT ${spdlog_object}
  COMMAND ${PROJECT_SOURCE_DIR}/cmake/join-spdlog ${CMAKE_CXX_COMPILER} ${MEMPOOL_LD} ${MEMPOOL_OBJCOPY}
    ${PROJECT_SOURCE_DIR}/cmake/spdlog-redirects.syms ${spdlog_object} $<TARGET_OBJECTS:spdlog_raw>
  DEPENDS $<TARGET_OBJECTS:spdlog_raw> ${PROJECT_SOURCE_DIR}/cmake/join-spdlog
    ${PROJECT_SOURCE_DIR}/cmake/spdlog-redirects.syms
  COMMAND_EXPAND_LISTS VERBATIM)

# For programs that link libmempool.a and want spdlog's lines too.
set(spdlog_archive ${CMAKE_CURRENT_BINARY_DIR}/libmempool-spdlog.a)
add_custom_command(OUTPUT ${spdlog_archive}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${spdlog_archive}
  COMMAND ${CMAKE_AR} rcs ${spdlog_archive} ${spdlog_object}
  DEPENDS ${spdlog_object} VERBATIM)
add_custom_target(mempool_spdlog ALL DEPENDS ${spdlog_archive})
add_dependencies(mempool_spdlog spdlog_raw)
