// Forms of a text that hide it from a reader, and not from whoever runs it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::generate {

// What base64 makes of `text` in the middle of other bytes, when 0, 1 or 2 bytes modulo 3 stand
// before it: only the characters that do not depend on the bytes around. Without duplicates; with
// the characters + and /, and if it has one of them once more with - and _ (RFC 4648, section 5).
[[nodiscard]] std::vector<std::string> base64_forms(std::string_view text);

// Two lower-case digits for each byte, with `prefix` before each.
[[nodiscard]] std::string hex(std::string_view text, std::string_view prefix = {});

// The bytes from the last to the first.
[[nodiscard]] std::string reversed(std::string_view text);

}  // namespace cryptnono::generate
