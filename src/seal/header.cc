#include "seal/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "seal/crypto.h"

namespace cryptnono::seal {

namespace {

constexpr std::string_view kVersion = "age-encryption.org/v1";
constexpr std::size_t kColumns = 64;
constexpr std::size_t kMacSize = 32;
constexpr std::string_view kBegin = "-----BEGIN AGE ENCRYPTED FILE-----";
constexpr std::string_view kEnd = "-----END AGE ENCRYPTED FILE-----";
constexpr std::size_t kMaxBlanks = 1024;  // around the armor

// Hands out the lines of a text, which each end with a line feed.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  [[nodiscard]] std::size_t offset() const { return offset_; }
  // Nothing at the end, and if there is none within kMaxHeader.
  std::optional<std::string_view> next() {
    const std::size_t end = text_.substr(0, kMaxHeader).find('\n', offset_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text_.substr(offset_, end - offset_);
    offset_ = end + 1;
    return line;
  }
  [[nodiscard]] tl::unexpected<Error> end_error() const {
    if (text_.size() > kMaxHeader)
      return fail(fmt::format("its header has more than {} KiB, or is broken", kMaxHeader >> 10),
                  ExitCode::kConfig);
    return fail("truncated: it ends inside of its header", ExitCode::kConfig);
  }

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
};

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(fmt::format("not a good age file: {}", what), ExitCode::kConfig);
}

// "-> TYPE ARGUMENT..."
Result<std::vector<std::string_view>> parse_arguments(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::string_view rest = line.substr(3);;) {
    const std::size_t space = rest.find(' ');
    const std::string_view argument = rest.substr(0, space);
    const bool visible =
        std::all_of(argument.begin(), argument.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (argument.empty() || !visible) return malformed("a stanza's arguments are broken");
    out.push_back(argument);
    if (space == std::string_view::npos) return out;
    rest.remove_prefix(space + 1);
  }
}

// Full lines of base64 and one that is not full.
Result<std::string> parse_body(Lines& lines) {
  std::string body;
  for (;;) {
    const auto line = lines.next();
    if (!line) return lines.end_error();
    const auto bytes = decode_base64(*line, Padding::kNone);
    if (line->size() > kColumns || !bytes) return malformed("a stanza's body is broken");
    body += *bytes;
    if (line->size() < kColumns) return body;
  }
}

}  // namespace

Result<Header> parse_header(std::string_view file) {
  Lines lines(file);
  const auto version = lines.next();
  if (!version && file.size() > kVersion.size()) return malformed("its first line is broken");
  if (!version) return lines.end_error();
  if (*version != kVersion)
    return fail(
        fmt::format("of a version of age's format that is not known; known is {}", kVersion),
        ExitCode::kConfig);
  Header out;
  for (;;) {
    const std::size_t begin = lines.offset();
    const auto line = lines.next();
    if (!line) return lines.end_error();
    if (line->starts_with("-> ")) {
      if (out.stanzas.size() == kMaxStanzas)
        return malformed(fmt::format("it has more than {} recipients", kMaxStanzas));
      Stanza stanza{.arguments = TRY(parse_arguments(*line)), .body = {}};
      stanza.body = TRY(parse_body(lines));
      out.stanzas.push_back(std::move(stanza));
      continue;
    }
    if (!line->starts_with("--- ")) return malformed("its header is broken");
    auto mac = decode_base64(line->substr(4), Padding::kNone);
    if (!mac || mac->size() != kMacSize) return malformed("the MAC of its header is broken");
    if (out.stanzas.empty()) return malformed("it has no recipient");
    out.mac = *std::move(mac);
    out.authentic = file.substr(0, begin + 3);
    out.size = lines.offset();
    return out;
  }
}

bool is_armored(std::string_view file) {
  const std::size_t first = file.substr(0, kMaxBlanks + 1).find_first_not_of(kBlanks);
  return first != std::string_view::npos && file.substr(first).starts_with(kBegin);
}

Result<std::string> remove_armor(std::string_view file) {
  const auto broken = [](std::string_view what) {
    return fail(fmt::format("its ASCII armor is broken: {}", what), ExitCode::kConfig);
  };
  file.remove_prefix(std::min(file.find_first_not_of(kBlanks), file.size()));
  std::string out;
  out.reserve(file.size() / 4 * 3);
  bool first = true;
  bool last = false;
  while (!file.empty()) {
    const std::size_t end = file.find('\n');
    std::string_view line = file.substr(0, end);
    file.remove_prefix(end == std::string_view::npos ? file.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (first) {
      if (line != kBegin) return broken("its first line");
      first = false;
      continue;
    }
    if (line == kEnd) {
      if (file.size() > kMaxBlanks || file.find_first_not_of(kBlanks) != std::string_view::npos)
        return broken("something follows it");
      return out;
    }
    if (last || line.empty() || line.size() > kColumns) return broken("a line that is not full");
    const auto bytes = decode_base64(line, Padding::kEquals);
    if (!bytes) return broken("not base64");
    out += *bytes;
    last = line.size() < kColumns || line.ends_with('=');
  }
  return fail("truncated: its ASCII armor has no end", ExitCode::kConfig);
}

}  // namespace cryptnono::seal
