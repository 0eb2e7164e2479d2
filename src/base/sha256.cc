#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/hex.h"

namespace cryptnono {

void Sha256Stream::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256Stream::add(std::string_view part) {
  EVP_DigestUpdate(context_.get(), part.data(), part.size());
}

Sha256 Sha256Stream::finish() {
  Sha256 digest{};
  EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
  return digest;
}

Sha256 sha256(std::string_view text) {
  Sha256Stream stream;
  stream.add(text);
  return stream.finish();
}

std::string sha256_hex(std::string_view text) { return to_hex(sha256(text)); }

}  // namespace cryptnono
