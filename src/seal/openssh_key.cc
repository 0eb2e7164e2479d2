#include "seal/openssh_key.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <cstdint>
#include <optional>

#include "base/sha256.h"
#include "seal/crypto.h"

namespace cryptnono::seal {

namespace {

constexpr std::string_view kKeyBegin = "-----BEGIN OPENSSH PRIVATE KEY-----";
constexpr std::string_view kKeyEnd = "-----END OPENSSH PRIVATE KEY-----";
constexpr std::string_view kMagic{"openssh-key-v1\0", 15};
constexpr std::size_t kTagBytes = 4;  // of the hash by which a stanza names the key

// Reads SSH's wire format; after a mistake everything is empty and good() is false.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : bytes_(bytes) {}
  std::uint32_t number() {
    const std::string_view four = take(4);
    std::uint32_t out = 0;
    for (const char c : four) out = out << 8 | static_cast<unsigned char>(c);
    return out;
  }
  std::string_view text() { return take(number()); }
  // A positive number without its leading zeros.
  std::string_view integer() {
    std::string_view out = text();
    if (!out.empty() && (static_cast<unsigned char>(out[0]) & 0x80) != 0) good_ = false;
    while (!out.empty() && out[0] == '\0') out.remove_prefix(1);
    if (out.empty()) good_ = false;
    return out;
  }
  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return out;
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

tl::unexpected<Error> broken() { return fail("the OpenSSH private key is broken"); }

std::optional<Secret> decode(std::string_view pem) {
  if (!pem.starts_with(kKeyBegin) || !pem.ends_with(kKeyEnd) ||
      pem.size() < kKeyBegin.size() + kKeyEnd.size())
    return std::nullopt;
  pem.remove_prefix(kKeyBegin.size());
  pem.remove_suffix(kKeyEnd.size());
  Secret out(pem.size() + 1);
  std::size_t size = 0;
  if (sodium_base642bin(out.data(), out.size(), pem.data(), pem.size(), "\r\n", &size, nullptr,
                        sodium_base64_VARIANT_ORIGINAL) != 0)
    return std::nullopt;
  out.shrink(size);
  return out;
}

Result<void> read_ed25519(Wire& key, std::string_view public_key, Identity& out) {
  const std::string_view point = key.text();
  const std::string_view pair = key.text();
  if (!key.good() || point.size() != crypto_sign_ed25519_PUBLICKEYBYTES ||
      pair.size() != crypto_sign_ed25519_SECRETKEYBYTES)
    return broken();
  // The private part must be that of the public one, by which files are sealed.
  Wire sent(public_key);
  sent.text();
  Secret derived(crypto_sign_ed25519_SECRETKEYBYTES);
  std::array<unsigned char, crypto_sign_ed25519_PUBLICKEYBYTES> derived_point{};
  crypto_sign_ed25519_seed_keypair(derived_point.data(), derived.data(), as_bytes(pair).data());
  const std::string_view made(reinterpret_cast<const char*>(derived_point.data()),
                              derived_point.size());
  if (made != point || made != sent.text()) return broken();
  out.kind = Identity::Kind::kSshEd25519;
  out.secret = Secret(crypto_scalarmult_SCALARBYTES);
  crypto_sign_ed25519_sk_to_curve25519(out.secret.data(), derived.data());
  return {};
}

Result<void> read_rsa(Wire& key, std::string_view public_key, Identity& out) {
  const std::string_view n = key.integer();
  const std::string_view e = key.integer();
  const std::string_view d = key.integer();
  Wire sent(public_key);
  sent.text();
  if (!key.good() || sent.integer() != e || sent.integer() != n || d.size() > n.size() ||
      e.size() > n.size())
    return broken();
  if (n.size() * 8 < kMinRsaBits || n.size() * 8 > kMaxRsaBits)
    return fail(fmt::format("an RSA key of {} bits; {} to {} are supported", n.size() * 8,
                            kMinRsaBits, kMaxRsaBits));
  out.kind = Identity::Kind::kSshRsa;
  out.secret = Secret(n.size() + e.size() + d.size());
  std::size_t at = 0;
  const auto put = [&](std::string_view number) {
    std::copy(number.begin(), number.end(), out.secret.data() + at);
    return std::exchange(at, at + number.size());
  };
  out.rsa = {.n = put(n),
             .n_size = n.size(),
             .e = put(e),
             .e_size = e.size(),
             .d = put(d),
             .d_size = d.size()};
  return {};
}

}  // namespace

Result<Identity> parse_openssh_key(std::string_view pem) {
  if (!pem.starts_with(kKeyBegin))
    return fail(
        "a private key in another form than OpenSSH's own; `ssh-keygen -p -N '' -f FILE` "
        "rewrites it");
  const std::optional<Secret> bytes = decode(pem);
  if (!bytes || !bytes->view().starts_with(kMagic)) return broken();
  Wire outer(bytes->view().substr(kMagic.size()));
  const std::string_view cipher = outer.text();
  const std::string_view derivation = outer.text();
  outer.text();
  const std::uint32_t keys = outer.number();
  const std::string_view public_key = outer.text();
  const std::string_view section = outer.text();
  if (!outer.good() || keys != 1 || !outer.rest().empty()) return broken();
  if (cipher != "none" || derivation != "none")
    return fail("the SSH key has a passphrase, which is not supported: nobody is there to type it");
  Wire inner(section);
  if (inner.number() != inner.number()) return broken();
  const std::string_view type = inner.text();
  Wire sent(public_key);
  if (!inner.good() || sent.text() != type) return broken();
  Identity out;
  if (type == "ssh-ed25519") {
    TRY(read_ed25519(inner, public_key, out));
  } else if (type == "ssh-rsa") {
    TRY(read_rsa(inner, public_key, out));
  } else {
    return fail("an SSH key of a kind that age does not know; it knows ed25519 and RSA");
  }
  out.wire = public_key;
  const auto hash = sha256(public_key);
  out.tag = encode_base64({hash.data(), kTagBytes});
  return out;
}

}  // namespace cryptnono::seal
