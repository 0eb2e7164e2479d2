#include "replay/json_fields.h"

#include <cstdint>

#include "base/hex.h"

namespace cryptnono::replay {

namespace {

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void blanks() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    blanks();
    if (peek() != c || at_end()) return false;
    ++at_;
    return true;
  }

  // `out` may be null.
  bool string(std::string* out) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const std::size_t plain = text_.find_first_of("\"\\", at_);
      if (plain == std::string_view::npos) return false;
      if (out != nullptr) out->append(text_, at_, plain - at_);
      at_ = plain + 1;
      if (text_[plain] == '"') return true;
      if (!escape(out)) return false;
    }
    return false;
  }

  // A number, true, false, null.
  bool literal() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::string_view("+-.").find(text_[at_]) != std::string_view::npos ||
            (text_[at_] >= '0' && text_[at_] <= '9') || (text_[at_] >= 'a' && text_[at_] <= 'z') ||
            text_[at_] == 'E' || text_[at_] == 'N' || text_[at_] == 'I'))
      ++at_;
    return at_ > begin;
  }

  // Any value. Inside of it brackets are matched, which is all that a torn line needs.
  bool skip_value() {
    std::string open;
    do {
      blanks();
      const char c = peek();
      if (at_end()) return false;
      if (c == '{' || c == '[') {
        open += c == '{' ? '}' : ']';
        ++at_;
      } else if (c == '"') {
        if (!string(nullptr)) return false;
      } else if (!open.empty() && c == open.back()) {
        open.pop_back();
        ++at_;
      } else if (!open.empty() && (c == ',' || c == ':')) {
        ++at_;
      } else if (!literal()) {
        return false;
      }
    } while (!open.empty());
    return true;
  }

 private:
  bool hex4(std::uint32_t& out) {
    if (at_ + 4 > text_.size()) return false;
    out = 0;
    for (int i = 0; i < 4; ++i) {
      const auto digit = hex_digit(text_[at_++]);
      if (!digit) return false;
      out = out << 4 | *digit;
    }
    return true;
  }

  bool escape(std::string* out) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (c != 'u') {
      static constexpr std::string_view kFrom = "\"\\/bfnrt";
      static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
      const std::size_t which = kFrom.find(c);
      if (which == std::string_view::npos) return false;
      if (out != nullptr) *out += kTo[which];
      return true;
    }
    std::uint32_t unit = 0;
    if (!hex4(unit)) return false;
    if (unit >= 0xd800 && unit < 0xdc00 && text_.substr(at_, 2) == "\\u") {
      const std::size_t before = at_;
      std::uint32_t low = 0;
      at_ += 2;
      if (!hex4(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
      } else {
        at_ = before;
      }
    }
    if (out == nullptr) return true;
    if (unit >= 0xdc80 && unit <= 0xdcff) {
      *out += static_cast<char>(unit - 0xdc00);
    } else {
      append_utf8(*out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool read_strings(Reader& reader, JsonField& field) {
  if (!reader.take('[')) return false;
  if (reader.take(']')) return true;
  do {
    reader.blanks();
    if (reader.peek() == '"') {
      if (!reader.string(&field.strings.emplace_back())) return false;
    } else if (!reader.skip_value()) {
      return false;
    }
  } while (reader.take(','));
  return reader.take(']');
}

}  // namespace

bool read_fields(std::string_view line, const std::function<void(JsonField&)>& field) {
  Reader reader(line);
  if (!reader.take('{')) return false;
  if (!reader.take('}')) {
    do {
      std::string key;
      JsonField one;
      if (!reader.string(&key) || !reader.take(':')) return false;
      one.key = key;
      reader.blanks();
      one.is_array = reader.peek() == '[';
      if (reader.peek() == '"') {
        if (!reader.string(&one.strings.emplace_back())) return false;
      } else if (one.is_array ? !read_strings(reader, one) : !reader.skip_value()) {
        return false;
      }
      field(one);
    } while (reader.take(','));
    if (!reader.take('}')) return false;
  }
  reader.blanks();
  return reader.at_end();
}

}  // namespace cryptnono::replay
