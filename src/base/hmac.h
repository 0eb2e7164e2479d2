// HMAC-SHA256 (RFC 2104), by libcrypto: signs what the webhook sends, and makes the ids of rules.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/sha256.h"

namespace cryptnono {

// Any key and text, empty ones too. Nothing: libcrypto has no memory, or no SHA-256. Any thread.
[[nodiscard]] std::optional<Sha256> hmac_sha256(std::string_view key, std::string_view text);

// The same in lower-case hex, as a receiver computes it; "" if it cannot be computed.
[[nodiscard]] std::string hmac_sha256_hex(std::string_view key, std::string_view text);

}  // namespace cryptnono
