// UTF-8, one code point at a time. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cryptnono::config::utf8 {

struct Decoded {
  char32_t code_point = 0;
  std::uint8_t length = 1;  // bytes taken, at least one: a caller always gets on
  bool valid = false;       // false: the first byte begins no well-formed sequence (RFC 3629)
};

// The code point at the start of `text`, which must not be empty.
[[nodiscard]] Decoded decode(std::string_view text);

// How many code points `text` has; a stray byte counts as none if it looks like a continuation, as
// one otherwise.
[[nodiscard]] inline std::size_t count(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

// Offset of the first byte that is not well-formed UTF-8; npos if there is none.
[[nodiscard]] std::size_t find_invalid(std::string_view text);

}  // namespace cryptnono::config::utf8
