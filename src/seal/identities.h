// Identities: the private keys that open sealed files.
//
// From files as age-keygen writes them (lines AGE-SECRET-KEY-1..., comments, several keys) and
// OpenSSH private keys without a passphrase (ed25519, RSA); from directories of such files, as
// Kubernetes mounts a Secret; and from the environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "seal/secret.h"

namespace cryptnono::seal {

// In each of these variables a Kubernetes Secret may stand: the key itself, or the path of a file
// or directory.
inline constexpr const char* kIdentityVariable = "CRYPTNONO_IDENTITY";
inline constexpr const char* kIdentityFileVariable = "CRYPTNONO_IDENTITY_FILE";

inline constexpr std::size_t kMaxIdentityFile = std::size_t{64} << 10;

struct Identity {
  enum class Kind : std::uint8_t { kX25519, kSshEd25519, kSshRsa };
  Kind kind = Kind::kX25519;
  Secret secret;     // X25519: the scalar of 32 bytes, also that of an ed25519 key
  std::string wire;  // ssh: the public key as SSH sends it
  std::string tag;   // ssh: by which stanzas name it
  struct Rsa {       // where in `secret` the numbers stand, big endian
    std::size_t n = 0, n_size = 0, e = 0, e_size = 0, d = 0, d_size = 0;
  } rsa;
};

// Movable; const members may be called by any thread.
class Identities {
 public:
  // Those of all `paths`, and the one that keep_environment_identity() has taken. In a directory
  // each regular file whose name does not begin with a dot counts, links followed. An error names
  // the file; what is no identity at all is one.
  static Result<Identities> load(const std::vector<std::string>& paths);

  // What a file holds; `name` is for errors. For tests, and for what is not in a file.
  static Result<Identities> parse(std::string_view name, const Secret& text);

  [[nodiscard]] const std::vector<Identity>& all() const { return all_; }
  // Where they are from, for a message: "/a, /b and CRYPTNONO_IDENTITY", or "no identity is given".
  [[nodiscard]] std::string origin() const;
  // Files that others than their owner can read.
  [[nodiscard]] const std::vector<std::string>& readable_by_others() const {
    return readable_by_others_;
  }

 private:
  Result<void> add(std::string_view name, std::string_view text);
  Result<void> add_file(const std::string& path);
  Result<void> add_path(const std::string& path);

  std::vector<Identity> all_;
  std::vector<std::string> origins_;
  std::vector<std::string> readable_by_others_;
};

// Takes the key out of the variable kIdentityVariable: for all loads that follow it is kept in a
// Secret, and the environment, also as /proc shows it, has it no longer. Once, before any thread
// starts and before anything is executed.
void keep_environment_identity();

}  // namespace cryptnono::seal
