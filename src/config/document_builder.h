// What the two parsers behind parse_document share. Not for other folders, nor for other files of
// this one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"

namespace cryptnono::config {

// Why a parser stopped, and where.
struct SyntaxError {
  Position position;
  std::string what;
};

// Puts a Document together from a parser's events, which come in the order of the text and are
// balanced. The first event that is refused (too deep, a key that is no scalar) returns false and
// leaves error() set; the parser then stops.
class DocumentBuilder {
 public:
  // `expected_bytes`: size of the file, to allocate once.
  explicit DocumentBuilder(std::size_t expected_bytes) { document_.text_.reserve(expected_bytes); }

  struct Scalar {
    Position position;
    std::string_view text;
    Document::Style style = Document::Style::kPlain;
    bool verbatim = false;
    bool in_quotes = false;
  };

  [[nodiscard]] bool add(const Scalar& scalar);
  [[nodiscard]] bool begin(Document::Kind kind, Position position);
  void end();

  // Of a refused event.
  [[nodiscard]] const SyntaxError& error() const { return error_; }

  [[nodiscard]] Document take();

 private:
  struct Open {
    std::uint32_t index = 0;
    bool key_next = false;  // a mapping that waits for a key
  };

  [[nodiscard]] bool admit(bool scalar, Position position);

  Document document_;
  std::vector<Open> open_;
  SyntaxError error_;
};

// Each reads `text`, which is well-formed UTF-8 without a byte order mark, into `builder`, up to
// the first error.
[[nodiscard]] std::optional<SyntaxError> parse_yaml(std::string_view text,
                                                    DocumentBuilder& builder);
[[nodiscard]] std::optional<SyntaxError> parse_json(std::string_view text,
                                                    DocumentBuilder& builder);

// Line and column of the byte at `offset` of `text`; of its end if it is shorter.
[[nodiscard]] Position position_of_byte(std::string_view text, std::size_t offset);

}  // namespace cryptnono::config
