#include "seal/bech32.h"

#include <array>
#include <cstdint>

namespace cryptnono::seal {

namespace {

constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::size_t kChecksum = 6;      // symbols
constexpr std::size_t kMaxLength = 4096;  // age's longest key has about 2000

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// The BCH code's remainder; 1 in the end if the checksum is right.
std::uint32_t step(std::uint32_t sum, std::uint32_t value) {
  constexpr std::array<std::uint32_t, 5> kGenerator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                                    0x2a1462b3};
  const std::uint32_t top = sum >> 25;
  sum = (sum & 0x1ffffff) << 5 ^ value;
  for (std::size_t i = 0; i < kGenerator.size(); ++i) {
    if ((top >> i & 1) != 0) sum ^= kGenerator[i];
  }
  return sum;
}

}  // namespace

std::optional<Bech32> decode_bech32(std::string_view text) {
  const std::size_t separator = text.rfind('1');
  if (text.size() > kMaxLength || separator == std::string_view::npos || separator == 0 ||
      text.size() - separator - 1 < kChecksum)
    return std::nullopt;
  bool any_lower = false;
  bool any_upper = false;
  Bech32 out;
  std::uint32_t sum = 1;
  for (const char c : text) {
    any_lower = any_lower || is_lower(c);
    any_upper = any_upper || is_upper(c);
  }
  if (any_lower && any_upper) return std::nullopt;
  for (const char c : text.substr(0, separator)) {
    if (c < 33 || c > 126) return std::nullopt;
    out.prefix += lower(c);
    sum = step(sum, static_cast<std::uint32_t>(lower(c)) >> 5);
  }
  sum = step(sum, 0);
  for (const char c : out.prefix) sum = step(sum, static_cast<std::uint32_t>(c) & 31);

  const std::string_view symbols = text.substr(separator + 1);
  out.data = Secret((symbols.size() - kChecksum) * 5 / 8);
  std::size_t size = 0;
  std::uint32_t bits = 0;
  std::uint32_t held = 0;  // bits that make no byte yet
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const std::size_t value = kAlphabet.find(lower(symbols[i]));
    if (value == std::string_view::npos) return std::nullopt;
    sum = step(sum, static_cast<std::uint32_t>(value));
    if (i >= symbols.size() - kChecksum) continue;
    bits = (bits << 5 | static_cast<std::uint32_t>(value)) & 0xfff;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    out.data.data()[size++] = static_cast<unsigned char>(bits >> held);
  }
  const bool canonical = held < 5 && (bits & ((1U << held) - 1)) == 0;
  if (sum != 1 || !canonical) return std::nullopt;
  return out;
}

}  // namespace cryptnono::seal
