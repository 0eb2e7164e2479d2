// The checksum of bech32 (BIP 173) and bech32m (BIP 350), by which keys of age and addresses of
// coins are told from their misspellings.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cryptnono {

// The symbols of 5 bits, from 0 to 31.
inline constexpr std::string_view kBech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
inline constexpr std::size_t kBech32Checksum = 6;  // symbols, the last ones

// What a text comes to whose checksum is right.
inline constexpr std::uint32_t kBech32 = 1;
inline constexpr std::uint32_t kBech32m = 0x2bc830a3;

// What the code leaves of `prefix` and of the symbols that follow the separator "1", checksum
// included. Upper and lower case are the same. Nothing: a symbol is not in the alphabet.
std::optional<std::uint32_t> bech32_remainder(std::string_view prefix, std::string_view symbols);

}  // namespace cryptnono
