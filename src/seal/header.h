// The head of a sealed file: for each recipient a stanza that holds the file's key, wrapped, and a
// MAC over all of it. The format is age-encryption.org/v1, read strictly: what the specification
// does not allow is an error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cryptnono::seal {

// Bounds the work that a hostile file makes: each stanza of X25519 costs about 100 us an identity.
inline constexpr std::size_t kMaxStanzas = 1024;
inline constexpr std::size_t kMaxHeader = std::size_t{1} << 20;

// What may stand around an armoured file, and around an identity in its file.
inline constexpr std::string_view kBlanks = " \t\r\n";

struct Stanza {
  std::vector<std::string_view> arguments;  // at least one, none empty; the first is the type
  std::string body;                         // decoded
};

// Its views are into the text that was parsed.
struct Header {
  std::vector<Stanza> stanzas;  // at least one
  std::string mac;              // 32 bytes
  std::string_view authentic;   // what the MAC is of
  std::size_t size = 0;         // bytes; the payload follows
};

[[nodiscard]] Result<Header> parse_header(std::string_view file);

// Does the text begin like ASCII armor, after blanks?
[[nodiscard]] bool is_armored(std::string_view file);

// The binary file in the armor; an error if anything in it is not as it must be.
[[nodiscard]] Result<std::string> remove_armor(std::string_view file);

}  // namespace cryptnono::seal
