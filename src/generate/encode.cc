#include "generate/encode.h"

#include <openssl/evp.h>

#include <algorithm>

namespace cryptnono::generate {

namespace {

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // and the NUL that OpenSSL writes
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

}  // namespace

std::vector<std::string> base64_forms(std::string_view text) {
  std::vector<std::string> forms;
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string encoded = base64(std::string(before, '\0') + std::string(text));
    // A character holds 6 bits: the first one that begins at or after the text, and the last one
    // that ends with it or before.
    const std::size_t first = (before * 8 + 5) / 6;
    const std::size_t end = (before + text.size()) * 8 / 6;
    if (end <= first) continue;
    std::string form = encoded.substr(first, end - first);
    std::string url_safe = form;
    std::replace(url_safe.begin(), url_safe.end(), '+', '-');
    std::replace(url_safe.begin(), url_safe.end(), '/', '_');
    const bool differs = url_safe != form;
    forms.push_back(std::move(form));
    if (differs) forms.push_back(std::move(url_safe));
  }
  return forms;
}

std::string hex(std::string_view text, std::string_view prefix) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(text.size() * (2 + prefix.size()));
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += prefix;
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::string reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

}  // namespace cryptnono::generate
