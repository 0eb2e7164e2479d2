# Every target of ours links `cryptnono_warnings`; third-party headers come in as SYSTEM.
add_library(cryptnono_warnings INTERFACE)
target_compile_options(
  cryptnono_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns about its own std::string (gcc.gnu.org bug 105651) and about moved-from unique_ptrs in tl::expected.
  target_compile_options(cryptnono_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict -Wno-free-nonheap-object>)
endif()
if(CMAKE_UNITY_BUILD)
  # A name of one file hides no name of another, but for this build.
  target_compile_options(cryptnono_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-shadow>)
endif()
target_include_directories(cryptnono_warnings INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
if(CRYPTNONO_SANITIZE)
  target_compile_options(cryptnono_warnings INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                                      -fno-omit-frame-pointer)
  target_link_options(cryptnono_warnings INTERFACE -fsanitize=address,undefined)
endif()

# cryptnono_library(NAME SOURCES... [DEPS libs...]): one static library per folder of src/.
function(cryptnono_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(${NAME} PUBLIC cryptnono_warnings ${ARG_DEPS})
endfunction()

# cryptnono_test(NAME SOURCES... [DEPS libs...]): a GoogleTest binary, registered with CTest. Label "unit" means it
# needs neither root nor BPF, so the sanitizer run includes it.
function(cryptnono_test NAME)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE cryptnono_warnings ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${NAME} PROPERTIES UNITY_BUILD OFF) # each file of tests has helpers of its own, with the same names
  add_test(NAME ${NAME} COMMAND ${NAME})
  set_tests_properties(${NAME} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 300)
  if(NOT ARG_LABEL STREQUAL unit)
    set_tests_properties(${NAME} PROPERTIES RUN_SERIAL ON) # it counts what the kernel does
  endif()
endfunction()
