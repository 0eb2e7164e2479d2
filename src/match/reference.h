// The matching rules written down as plainly as possible, to test the real matchers against.
// Quadratic; tests only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "match/matcher.h"
#include "match/tables.h"

namespace cryptnono::match {

inline unsigned char reference_fold(char c) {
  if (c == '\0') return ' ';
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned char>(c - 'A' + 'a');
  return static_cast<unsigned char>(c);
}

inline bool reference_is_word(std::string_view text, std::size_t i) {
  if (i >= text.size()) return false;
  const char c = text[i];
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

inline bool reference_stands_at(std::string_view text, std::size_t at, std::string_view needle) {
  if (at + needle.size() > text.size()) return false;
  for (std::size_t i = 0; i < needle.size(); ++i) {
    if (reference_fold(text[at + i]) != reference_fold(needle[i])) return false;
  }
  return true;
}

inline Hit reference_match_text(const std::vector<Entry>& entries, std::string_view text) {
  Hit hit;
  // By kind of machine, then end position, then length: the order that Hit::rule promises.
  for (const bool words : {true, false}) {
    std::uint32_t rule = MATCH_NO_RULE;
    std::size_t best_end = 0;
    std::size_t best_length = 0;
    for (const Entry& entry : entries) {
      if ((entry.kind == Kind::kWord) != words) continue;
      for (std::size_t at = 0; at + entry.text.size() <= text.size(); ++at) {
        if (!reference_stands_at(text, at, entry.text)) continue;
        const std::size_t end = at + entry.text.size();
        if (words &&
            ((at > 0 && reference_is_word(text, at - 1)) || reference_is_word(text, end))) {
          continue;
        }
        if (entry.kind == Kind::kAllowLiteral) hit.flags |= MATCH_OUT_ALLOW_LITERAL;
        if (entry.kind == Kind::kAllowPath) hit.flags |= MATCH_OUT_ALLOW_PATH;
        if (entry.kind != Kind::kWord && entry.kind != Kind::kSubstring) continue;
        hit.flags |= MATCH_OUT_BANNED;
        hit.groups |= std::uint64_t{1} << entry.group;
        if (rule == MATCH_NO_RULE || end < best_end ||
            (end == best_end && entry.text.size() > best_length)) {
          rule = entry.rule;
          best_end = end;
          best_length = entry.text.size();
        }
      }
    }
    if (hit.rule == MATCH_NO_RULE) hit.rule = rule;
  }
  return hit;
}

}  // namespace cryptnono::match
