// OpenSSH's own format of private keys (PROTOCOL.key of OpenSSH).
#pragma once

#include <string_view>

#include "base/result.h"
#include "seal/identities.h"

namespace cryptnono::seal {

inline constexpr std::size_t kMinRsaBits = 2048;
inline constexpr std::size_t kMaxRsaBits = 16384;

// The key in this PEM block. An error says what it is instead: encrypted, of another kind or form.
[[nodiscard]] Result<Identity> parse_openssh_key(std::string_view pem);

}  // namespace cryptnono::seal
