#include "seal/unwrap.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <memory>

#include "seal/crypto.h"

namespace cryptnono::seal {

namespace {

using Unwrapped = Result<std::optional<Secret>>;

constexpr std::string_view kX25519Label = "age-encryption.org/v1/X25519";
constexpr std::string_view kEd25519Label = "age-encryption.org/v1/ssh-ed25519";
constexpr std::string_view kRsaLabel = "age-encryption.org/v1/ssh-rsa";
constexpr std::size_t kPoint = 32;

tl::unexpected<Error> malformed_stanza(std::string_view type) {
  return fail(fmt::format("not a good age file: its {} stanza is broken", type), ExitCode::kConfig);
}

tl::unexpected<Error> altered() {
  return fail("altered: the stanza of an identity that fits does not open", ExitCode::kConfig);
}

Key key_of(const Secret& secret) {
  Key out;
  std::copy_n(secret.data(), out.bytes.size(), out.bytes.begin());
  return out;
}

// The key by which the file's key is wrapped, from what both sides know.
Key wrap_key(const Key& shared, std::string_view ephemeral, const Key& recipient,
             std::string_view label) {
  std::string salt(ephemeral);
  salt.append(reinterpret_cast<const char*>(recipient.bytes.data()), recipient.bytes.size());
  return hkdf(shared.bytes, as_bytes(salt), label);
}

std::optional<Secret> open_body(const Key& key, const std::string& body) {
  Secret out(kFileKeySize);
  if (!aead_open(key, {}, as_bytes(body), out.data())) return std::nullopt;
  return out;
}

Unwrapped unwrap_x25519(const Identity& identity, const Stanza& stanza) {
  if (stanza.arguments.size() != 2) return malformed_stanza("X25519");
  const auto ephemeral = decode_base64(stanza.arguments[1], Padding::kNone);
  if (!ephemeral || ephemeral->size() != kPoint || stanza.body.size() != kFileKeySize + kTagSize)
    return malformed_stanza("X25519");
  const Key secret = key_of(identity.secret);
  const auto shared = x25519(secret, as_bytes(*ephemeral));
  if (!shared) return malformed_stanza("X25519");
  return open_body(wrap_key(*shared, *ephemeral, x25519_base(secret), kX25519Label), stanza.body);
}

Unwrapped unwrap_ed25519(const Identity& identity, const Stanza& stanza) {
  if (stanza.arguments.size() != 3) return malformed_stanza("ssh-ed25519");
  const auto ephemeral = decode_base64(stanza.arguments[2], Padding::kNone);
  if (!ephemeral || ephemeral->size() != kPoint || stanza.body.size() != kFileKeySize + kTagSize)
    return malformed_stanza("ssh-ed25519");
  if (stanza.arguments[1] != identity.tag) return std::nullopt;
  const Key secret = key_of(identity.secret);
  const auto shared = x25519(secret, as_bytes(*ephemeral));
  if (!shared) return malformed_stanza("ssh-ed25519");
  // Binds the key to the SSH key that it was made of, which is the salt.
  const Key tweak = hkdf(as_bytes(""), as_bytes(identity.wire), kEd25519Label);
  const auto tweaked = x25519(tweak, shared->bytes);
  if (!tweaked) return malformed_stanza("ssh-ed25519");
  auto key =
      open_body(wrap_key(*tweaked, *ephemeral, x25519_base(secret), kEd25519Label), stanza.body);
  if (!key) return altered();
  return key;
}

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Number = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

// In OpenSSL's secure heap, which is locked and wiped.
Number number(const Secret& secret, std::size_t at, std::size_t size) {
  Number out(BN_secure_new());
  BN_bin2bn(secret.data() + at, static_cast<int>(size), out.get());
  return out;
}

PrivateKey make_rsa(const Identity& identity) {
  constexpr std::size_t kHeap = std::size_t{256} << 10;  // the largest key needs less than 100 KiB
  if (CRYPTO_secure_malloc_initialized() == 0) CRYPTO_secure_malloc_init(kHeap, 64);
  const Identity::Rsa& at = identity.rsa;
  const Number n = number(identity.secret, at.n, at.n_size);
  const Number e = number(identity.secret, at.e, at.e_size);
  const Number d = number(identity.secret, at.d, at.d_size);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, d.get()) != 1)
    return nullptr;
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) != 1)
    return nullptr;
  return PrivateKey(key);
}

std::optional<Secret> open_oaep(EVP_PKEY* key, const std::string& body) {
  const Context context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (EVP_PKEY_decrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) != 1)
    return std::nullopt;
  // The context owns the label.
  void* const label = OPENSSL_memdup(kRsaLabel.data(), kRsaLabel.size());
  if (EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), label, static_cast<int>(kRsaLabel.size())) !=
      1) {
    OPENSSL_free(label);
    return std::nullopt;
  }
  auto size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  Secret out(size);
  const Bytes sealed = as_bytes(body);
  if (EVP_PKEY_decrypt(context.get(), out.data(), &size, sealed.data(), sealed.size()) != 1 ||
      size != kFileKeySize)
    return std::nullopt;
  out.shrink(size);
  return out;
}

Unwrapped unwrap_rsa(const Identity& identity, const Stanza& stanza) {
  if (stanza.arguments.size() != 2) return malformed_stanza("ssh-rsa");
  if (stanza.arguments[1] != identity.tag) return std::nullopt;
  if (stanza.body.size() != identity.rsa.n_size) return malformed_stanza("ssh-rsa");
  const PrivateKey key = make_rsa(identity);
  if (!key) return fail("the RSA identity is broken", ExitCode::kConfig);
  auto out = open_oaep(key.get(), stanza.body);
  ERR_clear_error();
  if (!out) return altered();
  return out;
}

}  // namespace

Unwrapped unwrap(const Identity& identity, const Stanza& stanza) {
  const std::string_view type = stanza.arguments.front();
  switch (identity.kind) {
    case Identity::Kind::kX25519:
      if (type == "X25519") return unwrap_x25519(identity, stanza);
      break;
    case Identity::Kind::kSshEd25519:
      if (type == "ssh-ed25519") return unwrap_ed25519(identity, stanza);
      break;
    case Identity::Kind::kSshRsa:
      if (type == "ssh-rsa") return unwrap_rsa(identity, stanza);
      break;
  }
  return std::nullopt;
}

}  // namespace cryptnono::seal
