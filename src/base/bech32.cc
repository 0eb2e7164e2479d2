#include "base/bech32.h"

#include <array>

#include "base/utf8.h"

namespace cryptnono {

namespace {

std::uint32_t step(std::uint32_t sum, std::uint32_t value) {
  constexpr std::array<std::uint32_t, 5> kGenerator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                                    0x2a1462b3};
  const std::uint32_t top = sum >> 25U;
  sum = (sum & 0x1ffffffU) << 5U ^ value;
  for (std::size_t i = 0; i < kGenerator.size(); ++i) {
    if ((top >> i & 1U) != 0) sum ^= kGenerator.at(i);
  }
  return sum;
}

std::uint32_t value_of(char c) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(ascii_lower(c)));
}

}  // namespace

std::optional<std::uint32_t> bech32_remainder(std::string_view prefix, std::string_view symbols) {
  std::uint32_t sum = 1;
  for (const char c : prefix) sum = step(sum, value_of(c) >> 5U);
  sum = step(sum, 0);
  for (const char c : prefix) sum = step(sum, value_of(c) & 31U);
  for (const char c : symbols) {
    const std::size_t value = kBech32Alphabet.find(ascii_lower(c));
    if (value == std::string_view::npos) return std::nullopt;
    sum = step(sum, static_cast<std::uint32_t>(value));
  }
  return sum;
}

}  // namespace cryptnono
