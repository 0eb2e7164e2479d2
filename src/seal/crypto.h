// The primitives that the format of age names, in its shapes. docs/adr/0010 says where each is
// from.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "seal/secret.h"

namespace cryptnono::seal {

using Bytes = std::span<const unsigned char>;

inline constexpr std::size_t kFileKeySize = 16;
inline constexpr std::size_t kTagSize = 16;  // what ChaCha20-Poly1305 adds

// 32 bytes that are a secret: wiped when it goes.
struct Key {
  std::array<unsigned char, 32> bytes{};
  Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key() { wipe(bytes.data(), bytes.size()); }
};

// Never null: libsodium's functions may not be given that, even of no size.
[[nodiscard]] Bytes as_bytes(std::string_view text);

// RFC 5869 with SHA-256, 32 bytes of output.
[[nodiscard]] Key hkdf(Bytes input, Bytes salt, std::string_view info);

[[nodiscard]] std::array<unsigned char, 32> hmac(const Key& key, std::string_view text);

// RFC 7748. Nothing if the result is all zero, which a point of low order makes of it.
[[nodiscard]] std::optional<Key> x25519(const Key& scalar, Bytes point);
[[nodiscard]] Key x25519_base(const Key& scalar);

// ChaCha20-Poly1305 (RFC 8439) without further data; `out` has room for sealed.size() - kTagSize
// bytes. False if it is not authentic: then `out` holds nothing of use.
[[nodiscard]] bool aead_open(const Key& key, const std::array<unsigned char, 12>& nonce,
                             Bytes sealed, unsigned char* out);

enum class Padding : bool { kNone, kEquals };

// Strict base64 (RFC 4648, section 4): canonical, nothing skipped. Nothing if it is not that.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text, Padding padding);
[[nodiscard]] std::string encode_base64(Bytes bytes);  // without padding

}  // namespace cryptnono::seal
