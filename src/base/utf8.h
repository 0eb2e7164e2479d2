// Text that may not be UTF-8. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace cryptnono {

// The same text, each byte that is not part of well-formed UTF-8 (RFC 3629) replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// ASCII letters in lower case, everything else as it is.
std::string ascii_lower(std::string_view text);

}  // namespace cryptnono
