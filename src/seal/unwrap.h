// From a stanza to the file's key.
#pragma once

#include <optional>

#include "base/result.h"
#include "seal/header.h"
#include "seal/identities.h"

namespace cryptnono::seal {

// Nothing if the stanza is for somebody else; an error if it is malformed, or is for this identity
// and cannot be unwrapped.
[[nodiscard]] Result<std::optional<Secret>> unwrap(const Identity& identity, const Stanza& stanza);

}  // namespace cryptnono::seal
