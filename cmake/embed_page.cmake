# Run as a script: cmake -D PAGE=page.html -D OUT=page.cc -P embed_page.cmake
#
# Puts the style sheet and the scripts that PAGE names into it, without their indentation and comments (a `//` that begins
# a line or follows a `;`), and writes the whole as a string of C++. `make` sees it again when one of the parts changes (src/status/page.cmake lists them).
cmake_policy(SET CMP0054 NEW)
get_filename_component(folder ${PAGE} DIRECTORY)
file(READ ${PAGE} page)

function(part NAME RESULT)
  file(READ ${folder}/${NAME} text)
  string(REGEX REPLACE "\n +" "\n" text "${text}")
  string(REGEX REPLACE "\n(//[^\n]*\n)+" "\n" text "${text}")
  string(REGEX REPLACE "; +// [^\n]*" ";" text "${text}")
  string(REGEX REPLACE "\n\n+" "\n" text "${text}")
  set(${RESULT} "${text}" PARENT_SCOPE)
endfunction()

string(REGEX MATCHALL "<link rel=\"stylesheet\" href=\"[^\"]+\">|<script src=\"[^\"]+\"></script>" references "${page}")
foreach(reference IN LISTS references)
  string(REGEX REPLACE ".*(href|src)=\"([^\"]+)\".*" "\\2" name "${reference}")
  part(${name} text)
  if(name MATCHES "css$")
    string(REPLACE "${reference}" "<style>\n${text}</style>" page "${page}")
  else()
    string(REPLACE "${reference}" "<script>\n${text}</script>" page "${page}")
  endif()
endforeach()

if(page MATCHES "\\)page\"")
  message(FATAL_ERROR "the page holds the end of its own string")
endif()
file(WRITE ${OUT}.tmp "// Made by cmake/embed_page.cmake.
#include \"status/page.h\"

namespace cryptnono::status {

std::string_view page_html() {
  static constexpr std::string_view kPage = R\"page(${page})page\";
  return kPage;
}

}  // namespace cryptnono::status
")
file(RENAME ${OUT}.tmp ${OUT})
