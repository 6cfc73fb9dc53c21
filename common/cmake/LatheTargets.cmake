# One library a room, one test program a mirrored test folder.

# lathe_add_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...])
# A static library lathe_NAME with alias lathe::NAME. Without SOURCES it is header-only.
function(lathe_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(ARG_SOURCES)
    add_library(lathe_${name} STATIC ${ARG_SOURCES})
    target_include_directories(lathe_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(lathe_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  else()
    add_library(lathe_${name} INTERFACE)
    target_include_directories(lathe_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(lathe_${name} INTERFACE ${ARG_PUBLIC})
  endif()
  add_library(lathe::${name} ALIAS lathe_${name})
endfunction()

# lathe_compile_together(TARGET COUNT): COUNT files of the target at a time make one translation unit,
# unless LATHE_UNITY is off. Most of a small file's compile time goes into headers and templates that
# its neighbours read, too. Only for tests and generated code: a library's file should not compile
# because of what another one includes.
function(lathe_compile_together target count)
  if(LATHE_UNITY)
    set_target_properties(${target} PROPERTIES
      UNITY_BUILD ON UNITY_BUILD_MODE BATCH UNITY_BUILD_BATCH_SIZE ${count})
  endif()
endfunction()

# lathe_add_test(NAME LABEL SOURCES ... DEPS ... [ENVIRONMENT ...] [TIMEOUT seconds])
# A GoogleTest program NAME, registered with ctest under LABEL
# (unit, contract, sim, integration, e2e, parity, gpu).
function(lathe_add_test name label)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  lathe_compile_together(${name} 6)
  if(CMAKE_BUILD_TYPE STREQUAL Release)
    target_compile_options(${name} PRIVATE -O1)  # a test's own code runs for moments
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "LATHE_SOURCE_DIR=${PROJECT_SOURCE_DIR};LATHE_BINARY_DIR=${CMAKE_BINARY_DIR}/bin;${ARG_ENVIRONMENT}")
endfunction()

# lathe_embed(OUTPUT FUNCTION HEADER header NAMESPACE namespace FOLDER folder FILES name ...)
# Generates OUTPUT in the binary folder from folder/name.yaml ...: the definition of FUNCTION, which
# the header declares, giving the files' names and texts.
function(lathe_embed output function)
  cmake_parse_arguments(ARG "" "HEADER;NAMESPACE;FOLDER" "FILES" ${ARGN})
  list(TRANSFORM ARG_FILES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_FOLDER}/)
  list(TRANSFORM ARG_FILES APPEND .yaml)
  add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${CMAKE_CURRENT_BINARY_DIR}/${output} -DHEADER=${ARG_HEADER}
      -DNAMESPACE=${ARG_NAMESPACE} -DTABLE=${function} "-DFILES=${ARG_FILES}"
      -P ${PROJECT_SOURCE_DIR}/common/cmake/LatheEmbed.cmake
    DEPENDS ${ARG_FILES} ${PROJECT_SOURCE_DIR}/common/cmake/LatheEmbed.cmake
    VERBATIM)
endfunction()
