#include "seal/open.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "seal/crypto.h"
#include "seal/header.h"
#include "seal/unwrap.h"

namespace cryptnono::seal {

namespace {

constexpr std::size_t kNonceSize = 16;
constexpr std::size_t kChunk = std::size_t{64} << 10;
constexpr std::size_t kSealedChunk = kChunk + kTagSize;

template <typename... Values>
tl::unexpected<Error> refuse(fmt::format_string<Values...> format, Values&&... values) {
  return fail(fmt::format(format, std::forward<Values>(values)...), ExitCode::kConfig);
}

Result<Secret> file_key(const Header& header, const Identities& identities) {
  for (const Stanza& stanza : header.stanzas) {
    if (stanza.arguments.front() == "scrypt")
      return refuse("sealed with a passphrase, which is not supported; seal it for a key");
  }
  for (const Identity& identity : identities.all()) {
    for (const Stanza& stanza : header.stanzas) {
      if (std::optional<Secret> key = TRY(unwrap(identity, stanza))) return *std::move(key);
    }
  }
  return refuse("sealed, and no identity opens it ({}; the file has {} recipient{})",
                identities.origin(), header.stanzas.size(), header.stanzas.size() == 1 ? "" : "s");
}

std::array<unsigned char, 12> chunk_nonce(std::uint64_t number, bool last) {
  std::array<unsigned char, 12> out{};
  for (std::size_t i = 0; i < sizeof number; ++i)
    out[10 - i] = static_cast<unsigned char>(number >> (8 * i));
  out[11] = last ? 1 : 0;
  return out;
}

Result<Secret> open_payload(const Secret& key, std::string_view payload) {
  if (payload.size() < kNonceSize + kTagSize) return refuse("truncated: it ends in its payload");
  const Key payload_key =
      hkdf(as_bytes(key.view()), as_bytes(payload.substr(0, kNonceSize)), "payload");
  payload.remove_prefix(kNonceSize);
  const std::size_t chunks = (payload.size() + kSealedChunk - 1) / kSealedChunk;
  const std::size_t last_size = payload.size() - (chunks - 1) * kSealedChunk;
  // Only a text without any byte has a chunk without any.
  if (last_size < kTagSize || (last_size == kTagSize && chunks > 1))
    return refuse("truncated: it ends in its payload");
  const std::size_t size = payload.size() - chunks * kTagSize;
  if (size > kMaxPlaintext) return refuse("larger than {} MiB", kMaxPlaintext >> 20);
  Secret out(std::max<std::size_t>(size, 1));
  for (std::size_t i = 0; i < chunks; ++i) {
    const bool last = i + 1 == chunks;
    const Bytes sealed = as_bytes(payload.substr(i * kSealedChunk, kSealedChunk));
    unsigned char* const to = out.data() + i * kChunk;
    if (aead_open(payload_key, chunk_nonce(i, last), sealed, to)) continue;
    if (!aead_open(payload_key, chunk_nonce(i, !last), sealed, to))
      return refuse("altered or truncated: its payload is not what was sealed");
    return last ? refuse("truncated: more followed its last chunk")
                : refuse("altered: something follows its last chunk");
  }
  out.shrink(size);
  return out;
}

}  // namespace

bool is_sealed(std::string_view text) {
  return text.starts_with("age-encryption.org/") || is_armored(text);
}

Result<Secret> open(std::string_view file, const Identities& identities) {
  std::string binary;
  if (is_armored(file)) {
    binary = TRY(remove_armor(file));
    file = binary;
  }
  const Header header = TRY(parse_header(file));
  const Secret key = TRY(file_key(header, identities));
  const auto mac = hmac(hkdf(as_bytes(key.view()), as_bytes(""), "header"), header.authentic);
  if (sodium_memcmp(mac.data(), header.mac.data(), mac.size()) != 0)
    return refuse("altered: the MAC of its header does not fit");
  return open_payload(key, file.substr(header.size));
}

}  // namespace cryptnono::seal
