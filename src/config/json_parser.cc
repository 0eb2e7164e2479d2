// parse_json: the SAX events of nlohmann::json into a DocumentBuilder.
//
// The events carry no positions. They do come in the order of the text, so a cursor that walks
// along, token by token, knows where each began. It may trust that the token is well-formed: the
// parser has read it already.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/document_builder.h"

namespace cryptnono::config {

namespace {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  // Goes on to the next token and returns its place.
  Position start_token() {
    while (at_ < text_.size() && is_one_of(" \t\r\n,:")) step();
    return {line_, column_};
  }

  void skip_one() { step(); }

  // Past the string at the cursor; returns how many bytes it has between its quotes, escapes as
  // written.
  std::size_t skip_string() {
    step();
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') step();
      step();
    }
    const std::size_t size = at_ - begin;
    step();
    return size;
  }

  // Past the number or word at the cursor; returns it.
  std::string_view skip_literal() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && !is_one_of(" \t\r\n,:]}")) step();
    return text_.substr(begin, at_ - begin);
  }

 private:
  [[nodiscard]] bool is_one_of(std::string_view set) const {
    return set.find(text_[at_]) != std::string_view::npos;
  }

  void step() {
    if (at_ == text_.size()) return;
    const auto byte = static_cast<unsigned char>(text_[at_++]);
    if (byte == '\n') {
      ++line_;
      column_ = 1;
    } else if ((byte & 0xc0) != 0x80) {
      ++column_;  // once for each code point
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::uint32_t column_ = 1;
};

// The library's message without its own position and without the text that it read last, which may
// be a rule.
std::string shorten(std::string message) {
  if (const std::size_t at = message.find("syntax error"); at != std::string::npos)
    message.erase(0, at);
  const std::size_t read = message.find("; last read: ");
  if (read == std::string::npos) return message;
  const std::size_t expected = message.rfind("; expected ");
  const bool keep_rest = expected != std::string::npos && expected > read;
  return message.erase(read, keep_rest ? expected - read : std::string::npos);
}

class Handler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Handler(std::string_view text, DocumentBuilder& builder)
      : text_(text), builder_(builder), cursor_(text) {}

  [[nodiscard]] const std::optional<SyntaxError>& error() const { return error_; }

  bool null() override { return add_literal(); }
  bool boolean(bool) override { return add_literal(); }
  bool number_integer(number_integer_t) override { return add_literal(); }
  bool number_unsigned(number_unsigned_t) override { return add_literal(); }
  bool number_float(number_float_t, const string_t&) override { return add_literal(); }
  bool string(string_t& value) override { return add_string(value); }
  bool key(string_t& value) override { return add_string(value); }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(std::size_t) override { return begin(Document::Kind::kMapping); }
  bool start_array(std::size_t) override { return begin(Document::Kind::kSequence); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& exception) override {
    // `position` counts the bytes read, the offending one among them.
    error_ = SyntaxError{position_of_byte(text_, position == 0 ? 0 : position - 1),
                         shorten(exception.what())};
    return false;
  }

 private:
  bool add_string(const std::string& value) {
    const Position position = cursor_.start_token();
    // An escape is longer than what it stands for: equal length means that there is none.
    const bool verbatim = cursor_.skip_string() == value.size();
    return admit(builder_.add({.position = position,
                               .text = value,
                               .style = Document::Style::kString,
                               .verbatim = verbatim,
                               .in_quotes = true}));
  }

  bool add_literal() {
    const Position position = cursor_.start_token();
    return admit(builder_.add({.position = position,
                               .text = cursor_.skip_literal(),
                               .style = Document::Style::kJsonLiteral,
                               .verbatim = true}));
  }

  bool begin(Document::Kind kind) {
    const Position position = cursor_.start_token();
    cursor_.skip_one();
    return admit(builder_.begin(kind, position));
  }

  bool end() {
    cursor_.start_token();
    cursor_.skip_one();
    builder_.end();
    return true;
  }

  bool admit(bool admitted) {
    if (!admitted) error_ = builder_.error();
    return admitted;
  }

  std::string_view text_;
  DocumentBuilder& builder_;
  Cursor cursor_;
  std::optional<SyntaxError> error_;
};

}  // namespace

std::optional<SyntaxError> parse_json(std::string_view text, DocumentBuilder& builder) {
  Handler handler(text, builder);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &handler)) return std::nullopt;
  return handler.error();
}

}  // namespace cryptnono::config
