# What a Debian package has beyond the files of cmake --install: run by cpack between these and the packages.

# run(VARIABLE COMMAND...): its output, without the last newline.
function(run variable)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} ${output} PARENT_SCOPE)
endfunction()

# The day of the last commit: the same sources give the same changelog.
execute_process(COMMAND git -C ${CPACK_MEMPOOL_SOURCE_DIR} log -1 --format=%aD
  OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT date)
  run(date date -R)
endif()

foreach(component ${CPACK_COMPONENTS_ALL})
  set(tree ${CPACK_TEMPORARY_DIRECTORY}/${component})
  string(TOUPPER ${component} upper)
  set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(documents ${tree}/usr/share/doc/${package})

  # Line tables stay behind in the build folder; the build-id in the file finds them there.
  file(GLOB_RECURSE files LIST_DIRECTORIES false ${tree}/usr/bin/* ${tree}/usr/lib/*)
  foreach(file ${files})
    if(IS_SYMLINK ${file})
    elseif(file MATCHES "\\.a$")
      run(_ strip --strip-debug --remove-section=.comment --remove-section=.note
        --enable-deterministic-archives ${file})
    elseif(file MATCHES "\\.so\\.|/bin/")
      run(_ strip --strip-unneeded --remove-section=.comment --remove-section=.note ${file})
      list(APPEND programs_${component} ${file})
    endif()
  endforeach()

  file(READ ${CPACK_MEMPOOL_SOURCE_DIR}/LICENSE licence)
  file(READ ${CPACK_MEMPOOL_SOURCE_DIR}/THIRD_PARTY.md others)
  file(WRITE ${documents}/copyright
    "${licence}\n${others}\nOn Debian systems the GPL is in /usr/share/common-licenses/GPL-3.\n")
  file(WRITE ${documents}/changelog.Debian "mempool (${CPACK_MEMPOOL_VERSION}) unstable; urgency=medium\n\n"
    "  * Built by the project itself; changelog.gz tells what is new.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  configure_file(${CPACK_MEMPOOL_SOURCE_DIR}/CHANGELOG.md ${documents}/changelog COPYONLY)
  file(GLOB compressed ${documents}/changelog* ${tree}/usr/share/man/man*/*)
  run(_ gzip -9n ${compressed})
endforeach()

# mempool-run needs the C library that it was linked with.
set(work ${CPACK_TEMPORARY_DIRECTORY}-depends)
file(WRITE ${work}/debian/control "Source: mempool\n\nPackage: libmempool-dev\nArchitecture: any\n")
execute_process(COMMAND dpkg-shlibdeps -O ${programs_development} WORKING_DIRECTORY ${work}
  OUTPUT_VARIABLE depends OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "shlibs:Depends=" "" depends "${depends}")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} (= ${CPACK_MEMPOOL_VERSION}), ${depends}")
