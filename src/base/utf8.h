// Text that may not be UTF-8. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace cryptnono {

// The same text, each byte that is not part of well-formed UTF-8 (RFC 3629) replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// Text of strangers for a terminal, on one line: the same as well-formed UTF-8, with what could
// steer a terminal or the order of the letters (control characters, those of C1 and of
// bidirectional text) written out: \x1b, \u202e.
std::string for_terminal(std::string_view text);

// ASCII letters in lower case, everything else as it is, whatever the locale.
constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
std::string ascii_lower(std::string_view text);

// Without the spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace cryptnono
