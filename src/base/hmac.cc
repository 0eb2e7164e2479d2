#include "base/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hex.h"

namespace cryptnono {

std::optional<Sha256> hmac_sha256(std::string_view key, std::string_view text) {
  Sha256 digest{};
  unsigned int size = 0;
  // A null pointer would be the key of the call before.
  const char* key_data = key.empty() ? "" : key.data();
  if (HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &size) == nullptr ||
      size != digest.size())
    return std::nullopt;
  return digest;
}

std::string hmac_sha256_hex(std::string_view key, std::string_view text) {
  const std::optional<Sha256> digest = hmac_sha256(key, text);
  return digest ? to_hex(*digest) : std::string();
}

}  // namespace cryptnono
