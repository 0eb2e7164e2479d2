#include "generate/wallets.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bech32.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace cryptnono::generate {

namespace {

constexpr std::string_view kBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

// The first byte of what the first block of a CryptoNote address says: 8 bytes in 11 digits. Every
// block must be in range.
std::optional<std::uint8_t> cryptonote_tag(std::string_view address) {
  std::optional<std::uint8_t> tag;
  for (std::size_t at = 0; at < address.size(); at += 11) {
    const std::string_view block = address.substr(at, 11);
    __extension__ unsigned __int128 value = 0;
    for (const char c : block) {
      const std::size_t digit = kBase58.find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value * 58 + digit;
    }
    // 11 digits hold 8 bytes; the last block has 7 digits (5 bytes: 69 bytes in all) or 7 (77).
    const unsigned bits = block.size() == 11 ? 64 : 40;
    if ((value >> bits) != 0) return std::nullopt;
    if (at == 0) tag = static_cast<std::uint8_t>(value >> 56U);
  }
  return tag;
}

std::string_view monero(std::string_view address) {
  if (address.size() != 95 && address.size() != 106) return {};
  const auto tag = cryptonote_tag(address);
  if (!tag) return {};
  // The network bytes of Monero's main network, src/cryptonote_config.h: 18, 19 and 42.
  if (address.size() == 95 && *tag == 18) return "Monero address";
  if (address.size() == 95 && *tag == 42) return "Monero subaddress";
  if (address.size() == 106 && *tag == 19) return "Monero integrated address";
  return {};
}

// The bytes without the checksum; nothing if that is wrong.
std::optional<std::vector<std::uint8_t>> base58check(std::string_view text) {
  std::vector<std::uint8_t> bytes;  // the last first
  for (const char c : text) {
    std::size_t carry = kBase58.find(c);
    if (carry == std::string_view::npos) return std::nullopt;
    for (std::uint8_t& byte : bytes) {
      carry += std::size_t{byte} * 58;
      byte = static_cast<std::uint8_t>(carry & 255U);
      carry >>= 8U;
    }
    for (; carry != 0; carry >>= 8U) bytes.push_back(static_cast<std::uint8_t>(carry & 255U));
  }
  for (const char c : text) {
    if (c != '1') break;
    bytes.push_back(0);
  }
  std::reverse(bytes.begin(), bytes.end());
  if (bytes.size() < 5) return std::nullopt;
  const auto text_of = [](const std::uint8_t* data, std::size_t size) {
    return std::string_view(reinterpret_cast<const char*>(data), size);
  };
  const Sha256 once = sha256(text_of(bytes.data(), bytes.size() - 4));
  const Sha256 twice = sha256(text_of(once.data(), once.size()));
  if (!std::equal(bytes.end() - 4, bytes.end(), twice.begin())) return std::nullopt;
  bytes.resize(bytes.size() - 4);
  return bytes;
}

std::string_view bitcoin_like(std::string_view address) {
  if (address.size() < 25 || address.size() > 36) return {};
  const auto bytes = base58check(address);
  if (!bytes) return {};
  // Zcash has two bytes of version, the others one: base58Prefixes in each one's chainparams.cpp.
  if (bytes->size() == 22 && (*bytes)[0] == 0x1c && ((*bytes)[1] == 0xb8 || (*bytes)[1] == 0xbd))
    return "Zcash transparent address";
  if (bytes->size() != 21) return {};
  switch (bytes->front()) {
    case 0x00:
    case 0x05:
      return "Bitcoin address";
    case 0x30:
    case 0x32:
      return "Litecoin address";
    case 0x1e:
    case 0x16:
      return "Dogecoin address";
    case 0x4c:
    case 0x10:
      return "Dash address";
    case 0x3c:
    case 0x7a:
      return "Ravencoin address";
    default:
      return {};
  }
}

std::string_view bech32(std::string_view address) {
  const std::string text = ascii_lower(address);
  const std::size_t separator = text.rfind('1');
  if (text.size() > 90 || separator == std::string::npos || text.size() - separator < 40) return {};
  const std::string human = text.substr(0, separator);
  if (human != "bc" && human != "ltc") return {};
  const auto remainder = bech32_remainder(human, std::string_view(text).substr(separator + 1));
  if (!remainder || (*remainder != kBech32 && *remainder != kBech32m)) return {};
  return human == "bc" ? "Bitcoin address" : "Litecoin address";
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

}  // namespace

std::string_view wallet_shape(std::string_view address) {
  if (address.size() == 42 && address.substr(0, 2) == "0x" && is_hex(address.substr(2)))
    return "Ethereum address";
  for (const auto shape : {monero, bitcoin_like, bech32}) {
    if (const std::string_view name = shape(address); !name.empty()) return name;
  }
  return {};
}

}  // namespace cryptnono::generate
