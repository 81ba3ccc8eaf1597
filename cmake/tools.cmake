# Programs beside the library: tools/some_name.cc becomes some-name. The C++ runtime is linked in, so that they start
# wherever the library does.
file(GLOB tool_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/*.cc)
foreach(source ${tool_sources})
  get_filename_component(name ${source} NAME_WE)
  string(REPLACE "_" "-" name ${name})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE mempool_warnings mempool_includes)
  target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
endforeach()

file(RELATIVE_PATH libraries_from_programs /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${CMAKE_INSTALL_LIBDIR})
target_compile_definitions(mempool-run PRIVATE MEMPOOL_INSTALLED_LIBRARY="${libraries_from_programs}/${soname}")
install(TARGETS mempool-run DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT development)
