// Seals for recipients, by the program `age`, which knows all kinds of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "seal/secret.h"

namespace cryptnono::seal {

struct Recipients {
  std::vector<std::string> keys;   // as `age -r` takes them: age1..., ssh-ed25519 ..., ssh-rsa ...
  std::vector<std::string> files;  // as `age -R` does: of such lines; not "-"
};

struct SealOptions {
  bool armor = false;
};

// What lets sizes tell little: the text with newlines at its end, up to the next power of two of
// bytes, and kMinPadded at least. YAML, JSON and lists of addresses mean the same with them.
inline constexpr std::size_t kMinPadded = std::size_t{16} << 10;
[[nodiscard]] Secret pad(std::string_view plaintext);
// `text` without what pad() may have added, but for one newline.
[[nodiscard]] std::string_view without_padding(std::string_view text);

// The sealed file. The text goes to `age`, which is looked for in PATH, through a socket: it stands
// in no file, in no argument and in no environment. An error has what age said; it is
// ExitCode::kUsage if a recipient is wrong, and kFailure if age is missing or fails otherwise.
[[nodiscard]] Result<std::string> seal(std::string_view plaintext, const Recipients& recipients,
                                       const SealOptions& options = {});

}  // namespace cryptnono::seal
