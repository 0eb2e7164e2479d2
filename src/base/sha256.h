// SHA-256 (FIPS 180-4), by libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace cryptnono {

using Sha256 = std::array<std::uint8_t, 32>;

// Of a text that comes in parts. One thread.
class Sha256Stream {
 public:
  Sha256Stream();
  void add(std::string_view part);
  [[nodiscard]] Sha256 finish();  // once, at the end

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

[[nodiscard]] Sha256 sha256(std::string_view text);
// In lower-case hexadecimal.
[[nodiscard]] std::string sha256_hex(std::string_view text);

}  // namespace cryptnono
