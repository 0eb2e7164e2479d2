// A rule's id: a keyed hash of its text, so that the same rule has the same id wherever it is used,
// and the id tells nothing to whoever lacks the key.
#pragma once

#include <string>
#include <string_view>

namespace cryptnono::generate {

enum class RuleKind : char { kWord = 'w', kSubstring = 's' };

// "r" and 16 characters of base32 (RFC 4648, lower case): the first 10 bytes of HMAC-SHA256(key,
// kind || text with ASCII case folded).
[[nodiscard]] std::string rule_id(std::string_view key, RuleKind kind, std::string_view text);

}  // namespace cryptnono::generate
