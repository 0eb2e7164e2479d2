// Rule ids: what logs call a rule by. Who has the rule's file finds it again (`explain --rule`);
// who has not learns nothing, as long as the key is secret, for a key cannot be guessed as a
// miner's name can.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/types.h"

namespace cryptnono::config {

// Its value is what is hashed.
enum class RuleKind : std::uint8_t {
  kWord = 'w',
  kSubstring = 's',
  kAllowPattern = 'p',
  kAllowExecutable = 'e',
  kAddress = 'a',
};

// "banned string", "allowed pattern" and so on.
[[nodiscard]] std::string_view kind_words(RuleKind kind);

// "r" and 16 characters of a-z2-7 (base32, RFC 4648): the first 10 bytes of HMAC-SHA256(key, kind's
// byte, text). What is banned is hashed with its ASCII letters in lower case, for the matcher does
// not tell them apart; all else as it is written. So a rule keeps its id wherever it stands and
// whatever stands around it, and each of two kinds has its own. 80 bits: with 100,000 rules the
// odds that two share one are 4 in 10^15. About a microsecond: for a rule that hit, not for all.
// "": libcrypto cannot compute it.
[[nodiscard]] std::string rule_id(std::string_view key, RuleKind kind, std::string_view text);

// The same, or where the group has no key the rule's place, "GROUP:LINE:COLUMN".
[[nodiscard]] std::string rule_id(std::string_view key, RuleKind kind, std::string_view text,
                                  std::string_view group, Origin origin);

// Whether `text` looks like rule_id's, and not like a place.
[[nodiscard]] bool is_keyed_rule_id(std::string_view text);

// Bounds of a key, in bytes.
inline constexpr std::size_t kMinIdKeyLength = 16;
inline constexpr std::size_t kMaxIdKeyLength = 1024;

// The key that `written` (the value of ruleIdKey) stands for: the bytes of 64 hex digits, else the
// text itself. "": it is too short or too long.
[[nodiscard]] std::string id_key_of(std::string_view written);

}  // namespace cryptnono::config
