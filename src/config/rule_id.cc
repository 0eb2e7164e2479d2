#include "config/rule_id.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hex.h"
#include "base/hmac.h"
#include "base/utf8.h"

namespace cryptnono::config {

namespace {

constexpr std::size_t kHashedBytes = 10;  // 16 characters of 5 bits
constexpr std::size_t kCharacters = 16;
constexpr std::size_t kHexKeyLength = 64;
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

std::string base32(const Sha256& digest) {
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (std::size_t i = 0; i < kHashedBytes; ++i) {
    bits = bits << 8 | digest.at(i);
    for (held += 8; held >= 5; held -= 5) out += kBase32[bits >> (held - 5) & 31];
  }
  return out;
}

}  // namespace

std::string_view kind_words(RuleKind kind) {
  switch (kind) {
    case RuleKind::kWord:
      return "banned string";
    case RuleKind::kSubstring:
      return "banned substring";
    case RuleKind::kAllowPattern:
      return "allowed pattern";
    case RuleKind::kAllowExecutable:
      return "allowed executable";
    default:
      return "banned address";
  }
}

std::string rule_id(std::string_view key, RuleKind kind, std::string_view text) {
  std::string hashed(1, static_cast<char>(kind));
  hashed += text;
  if (kind == RuleKind::kWord || kind == RuleKind::kSubstring) {
    hashed = ascii_lower(hashed);
  }
  const auto digest = hmac_sha256(key, hashed);
  return digest ? "r" + base32(*digest) : std::string();
}

std::string rule_id(std::string_view key, RuleKind kind, std::string_view text,
                    std::string_view group, Origin origin) {
  if (!key.empty()) return rule_id(key, kind, text);
  return fmt::format("{}:{}:{}", group, origin.line, origin.column);
}

bool is_keyed_rule_id(std::string_view text) {
  return text.size() == 1 + kCharacters && text[0] == 'r' &&
         text.find_first_not_of(kBase32, 1) == std::string_view::npos;
}

std::string id_key_of(std::string_view written) {
  if (written.size() < kMinIdKeyLength || written.size() > kMaxIdKeyLength) return {};
  const auto is_hex = [](char c) { return hex_digit(c).has_value(); };
  if (written.size() != kHexKeyLength || !std::all_of(written.begin(), written.end(), is_hex))
    return std::string(written);
  std::string key;
  for (std::size_t i = 0; i < written.size(); i += 2)
    key += static_cast<char>(*hex_digit(written[i]) * 16 + *hex_digit(written[i + 1]));
  return key;
}

}  // namespace cryptnono::config
