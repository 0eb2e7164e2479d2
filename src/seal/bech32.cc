#include "seal/bech32.h"

#include <algorithm>
#include <cstdint>

#include "base/bech32.h"
#include "base/utf8.h"

namespace cryptnono::seal {

namespace {

constexpr std::size_t kMaxLength = 4096;  // age's longest key has about 2000

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

}  // namespace

std::optional<Bech32> decode_bech32(std::string_view text) {
  const std::size_t separator = text.rfind('1');
  if (text.size() > kMaxLength || separator == std::string_view::npos || separator == 0 ||
      text.size() - separator - 1 < kBech32Checksum)
    return std::nullopt;
  bool any_lower = false;
  bool any_upper = false;
  for (const char c : text) {
    any_lower = any_lower || is_lower(c);
    any_upper = any_upper || is_upper(c);
  }
  if (any_lower && any_upper) return std::nullopt;
  const std::string_view prefix = text.substr(0, separator);
  const std::string_view symbols = text.substr(separator + 1);
  const auto graphic = [](char c) { return c >= 33 && c <= 126; };
  if (!std::all_of(prefix.begin(), prefix.end(), graphic) ||
      bech32_remainder(prefix, symbols) != kBech32)
    return std::nullopt;
  Bech32 out{.prefix = ascii_lower(prefix), .data = {}};
  const std::string_view content = symbols.substr(0, symbols.size() - kBech32Checksum);
  out.data = Secret(content.size() * 5 / 8);
  std::size_t size = 0;
  std::uint32_t bits = 0;
  std::uint32_t held = 0;  // bits that make no byte yet
  for (const char c : content) {
    const std::size_t value = kBech32Alphabet.find(ascii_lower(c));
    bits = (bits << 5 | static_cast<std::uint32_t>(value)) & 0xfff;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    out.data.data()[size++] = static_cast<unsigned char>(bits >> held);
  }
  const bool canonical = held < 5 && (bits & ((1U << held) - 1)) == 0;
  if (!canonical) return std::nullopt;
  return out;
}

}  // namespace cryptnono::seal
