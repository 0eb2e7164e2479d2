#include "seal/crypto.h"

#include <sodium.h>

#include <algorithm>

namespace cryptnono::seal {

static_assert(kTagSize == crypto_aead_chacha20poly1305_ietf_ABYTES);
static_assert(sizeof(Key::bytes) == crypto_auth_hmacsha256_BYTES);
static_assert(sizeof(Key::bytes) == crypto_scalarmult_BYTES);

Bytes as_bytes(std::string_view text) {
  if (text.empty()) text = "";
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

namespace {

// libsodium has HKDF from 1.0.19 on; Debian 12 has 1.0.18.
class Hmac {
 public:
  explicit Hmac(Bytes key) { crypto_auth_hmacsha256_init(&state_, key.data(), key.size()); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;
  ~Hmac() { wipe(&state_, sizeof state_); }
  Hmac& add(Bytes bytes) {
    crypto_auth_hmacsha256_update(&state_, bytes.data(), bytes.size());
    return *this;
  }
  void finish(std::array<unsigned char, 32>& out) {
    crypto_auth_hmacsha256_final(&state_, out.data());
  }

 private:
  crypto_auth_hmacsha256_state state_{};
};

}  // namespace

Key hkdf(Bytes input, Bytes salt, std::string_view info) {
  Key extracted;
  Hmac(salt).add(input).finish(extracted.bytes);
  constexpr unsigned char kFirst = 1;
  Key out;
  Hmac(extracted.bytes).add(as_bytes(info)).add({&kFirst, 1}).finish(out.bytes);
  return out;
}

std::array<unsigned char, 32> hmac(const Key& key, std::string_view text) {
  std::array<unsigned char, 32> out{};
  Hmac(key.bytes).add(as_bytes(text)).finish(out);
  return out;
}

std::optional<Key> x25519(const Key& scalar, Bytes point) {
  Key out;
  if (point.size() != crypto_scalarmult_BYTES) return std::nullopt;
  if (crypto_scalarmult(out.bytes.data(), scalar.bytes.data(), point.data()) != 0)
    return std::nullopt;
  return out;
}

Key x25519_base(const Key& scalar) {
  Key out;
  crypto_scalarmult_base(out.bytes.data(), scalar.bytes.data());
  return out;
}

bool aead_open(const Key& key, const std::array<unsigned char, 12>& nonce, Bytes sealed,
               unsigned char* out) {
  if (sealed.size() < kTagSize) return false;
  return crypto_aead_chacha20poly1305_ietf_decrypt(out, nullptr, nullptr, sealed.data(),
                                                   sealed.size(), nullptr, 0, nonce.data(),
                                                   key.bytes.data()) == 0;
}

std::optional<std::string> decode_base64(std::string_view text, Padding padding) {
  // libsodium 1.0.18 takes '+' and '/' for the same with their highest bit set.
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return std::nullopt;
  std::string out(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  const int variant = padding == Padding::kEquals ? sodium_base64_VARIANT_ORIGINAL
                                                  : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(),
                        text.size(), nullptr, &size, nullptr, variant) != 0)
    return std::nullopt;
  out.resize(size);
  return out;
}

std::string encode_base64(Bytes bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
  std::string out(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), kVariant);
  out.pop_back();  // the NUL at its end
  return out;
}

}  // namespace cryptnono::seal
