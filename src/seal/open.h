// Opens what was sealed for one of our identities: files of age (age-encryption.org/v1), binary or
// in ASCII armor, for X25519, ssh-ed25519 and ssh-rsa recipients. No other program takes part.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "seal/identities.h"
#include "seal/secret.h"

namespace cryptnono::seal {

inline constexpr std::size_t kMaxPlaintext = std::size_t{64} << 20;
// A sealed file of that many bytes, in armor, with the largest header.
inline constexpr std::size_t kMaxSealed = (kMaxPlaintext >> 10) * 1390 + (std::size_t{2} << 20);

// Does this text, or its beginning, look like a sealed file? What does is treated as one, so a
// broken one is an error and not a configuration.
[[nodiscard]] bool is_sealed(std::string_view text);

// The plaintext, all of it proven authentic. An error says why there is none: no identity fits,
// altered, truncated, not supported, or too large; its code is ExitCode::kConfig.
[[nodiscard]] Result<Secret> open(std::string_view file, const Identities& identities);

}  // namespace cryptnono::seal
