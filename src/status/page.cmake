# The page of `/`: page.html with its style sheet and scripts, in one string.
set(page_parts page.html page.css page_dom.js page_plot.js page_parts.js page.js)
list(TRANSFORM page_parts PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
add_custom_command(
  OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page.cc
  COMMAND ${CMAKE_COMMAND} -D PAGE=${CMAKE_CURRENT_SOURCE_DIR}/page.html -D OUT=${CMAKE_CURRENT_BINARY_DIR}/page.cc
          -P ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake
  DEPENDS ${page_parts} ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake
  COMMENT "Page"
  VERBATIM)
cryptnono_library(cryptnono_status_page SOURCES ${CMAKE_CURRENT_BINARY_DIR}/page.cc)
cryptnono_test(status_page_test SOURCES page_test.cc DEPS cryptnono_status_page)

# Prints the page, for the tests in a browser (tests/page).
add_executable(status_page page_print.cc)
target_link_libraries(status_page PRIVATE cryptnono_status_page)
