// Bech32 (BIP 173) without its limit of length, as age writes its keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "seal/secret.h"

namespace cryptnono::seal {

struct Bech32 {
  std::string prefix;  // in lower case, without the 1
  Secret data;
};

// Nothing if it is not that: mixed case, a letter that is not in the alphabet, a wrong checksum.
[[nodiscard]] std::optional<Bech32> decode_bech32(std::string_view text);

}  // namespace cryptnono::seal
