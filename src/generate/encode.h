// Forms of a text that hide it from a reader, and not from whoever runs it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace cryptnono::generate {

// ASCII letters in lower case, all else as it is: what the matcher does, whatever the locale.
[[nodiscard]] std::string fold(std::string_view text);

// What base64 makes of `text` in the middle of other bytes, when 0, 1 or 2 bytes modulo 3 stand
// before it: only the characters that do not depend on the bytes around. Without duplicates; with
// the characters + and /, and if it has one of them once more with - and _ (RFC 4648, section 5).
[[nodiscard]] std::vector<std::string> base64_forms(std::string_view text);

// Two lower-case digits for each byte, with `prefix` before each.
[[nodiscard]] std::string hex(std::string_view text, std::string_view prefix = {});

// The bytes from the last to the first.
[[nodiscard]] std::string reversed(std::string_view text);

// SHA-256 in hexadecimal.
[[nodiscard]] std::string sha256_hex(std::string_view text);

// The same of a text that comes in parts.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view part);
  [[nodiscard]] std::string finish_hex();  // once, at the end

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace cryptnono::generate
