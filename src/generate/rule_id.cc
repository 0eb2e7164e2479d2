#include "generate/rule_id.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "generate/encode.h"

namespace cryptnono::generate {

std::string rule_id(std::string_view key, RuleKind kind, std::string_view text) {
  const std::string message = static_cast<char>(kind) + fold(text);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), mac.data(), &length);

  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  constexpr std::size_t kBytes = 10;  // 80 bits are 16 characters of 5
  std::string id = "r";
  for (std::size_t bit = 0; bit < kBytes * 8; bit += 5) {
    const unsigned pair = static_cast<unsigned>(mac.at(bit / 8)) << 8U | mac.at(bit / 8 + 1);
    id += kAlphabet[pair >> (11 - bit % 8) & 31U];
  }
  return id;
}

}  // namespace cryptnono::generate
