// Shapes of wallet addresses.
#pragma once

#include <string_view>

namespace cryptnono::generate {

// What `address` is by its shape, for people ("Monero subaddress"); empty: no shape that is known.
//
// Checked: for Monero the length, base58 in blocks, and the network's byte (its checksum is Keccak,
// which OpenSSL 3.0 does not have); for Bitcoin and its relatives base58check or bech32 (BIP 173,
// BIP 350) with the checksum, and the version; for Ethereum 0x and 40 hexadecimal digits.
[[nodiscard]] std::string_view wallet_shape(std::string_view address);

}  // namespace cryptnono::generate
