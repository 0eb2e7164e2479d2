#include "config/python_regex_scanner.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "config/utf8.h"

namespace cryptnono::config {

namespace {

// What stands for \d, \w and \s inside of [ ]. Python's \w is str.isalnum() or _, its \s is
// str.isspace().
constexpr std::string_view kUnicodeDigit = R"(\p{Nd})";
constexpr std::string_view kUnicodeWord = R"(\p{L}\p{N}_)";
constexpr std::string_view kUnicodeSpace =
    R"(\x09-\x0d\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kUnicodeNotSpace =
    R"(\x00-\x08\x0e-\x1b\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr std::string_view kAsciiSpace = R"(\x09-\x0d\x20)";
constexpr std::string_view kAsciiNotSpace = R"(\x00-\x08\x0e-\x1f\x21-\x{10ffff})";

// Inside of [ ]. \W in Unicode has no such form: it is a complement of a union (see ClassBody).
std::string_view class_shorthand(char letter, bool ascii) {
  switch (letter) {
    case 'd':
      return ascii ? std::string_view(R"(0-9)") : kUnicodeDigit;
    case 'D':
      return ascii ? std::string_view(R"(\D)") : std::string_view(R"(\P{Nd})");
    case 's':
      return ascii ? kAsciiSpace : kUnicodeSpace;
    case 'S':
      return ascii ? kAsciiNotSpace : kUnicodeNotSpace;
    case 'w':
      return ascii ? std::string_view(R"(0-9A-Za-z_)") : kUnicodeWord;
    default:
      return R"(\W)";
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_octal(char c) { return c >= '0' && c <= '7'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void append_escaped(char32_t code_point, std::string_view special, std::string& out) {
  const bool printable = code_point >= 0x20 && code_point < 0x7f;
  if (!printable) {
    fmt::format_to(std::back_inserter(out), "\\x{{{:x}}}", static_cast<std::uint32_t>(code_point));
    return;
  }
  const char c = static_cast<char>(code_point);
  if (special.find(c) != std::string_view::npos) out += '\\';
  out += c;
}

}  // namespace

struct RegexScanner::ClassItem {
  char32_t code_point = 0;
  char shorthand = 0;  // not 0: this instead of the code point
};

struct ClassBody {
  std::string members;      // for the inside of [ ], without \W in Unicode
  bool not_word = false;    // \W in Unicode was among them
  bool underscore = false;  // _ alone was
  bool digits = false;      // \d was
  bool anything_else = false;
};

void append_literal(char32_t code_point, std::string& out) {
  append_escaped(code_point, R"(\.+*?()|[]{}^$)", out);
}

void append_shorthand(char letter, bool ascii, std::string& out) {
  const bool complement = letter == 'W' && !ascii;
  out += complement ? "[^" : "[";
  out += class_shorthand(complement ? 'w' : letter, ascii);
  out += ']';
}

bool RegexScanner::take(std::string_view expected) {
  if (!pattern_.substr(at_).starts_with(expected)) return false;
  at_ += expected.size();
  return true;
}

char32_t RegexScanner::take_code_point() {
  const utf8::Decoded next = utf8::decode(pattern_.substr(at_));
  at_ += next.length;
  return next.code_point;
}

std::string_view RegexScanner::take_digits() {
  const std::size_t begin = at_;
  while (is_digit(peek())) ++at_;
  return pattern_.substr(begin, at_ - begin);
}

std::optional<std::string_view> RegexScanner::take_until(char end) {
  const std::size_t found = pattern_.find(end, at_);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view before = pattern_.substr(at_, found - at_);
  at_ = found + 1;
  return before;
}

bool RegexScanner::fail(std::size_t offset, std::string what) {
  error_ = {offset, std::move(what)};
  return false;
}

bool RegexScanner::read_escape(bool in_class, RegexEscape& escape) {
  const std::size_t start = at_++;
  if (at_end()) return fail(start, "a backslash at the end");
  const char c = peek();
  if (is_digit(c)) {
    ++at_;
    return read_number_escape(c, start, in_class, escape);
  }
  if (!is_letter(c)) {
    escape = {RegexEscape::Kind::kCodePoint, take_code_point(), 0};
    return true;
  }
  ++at_;
  constexpr std::string_view kControls = "abfnrtv";
  constexpr std::string_view kControlValues = "\a\b\f\n\r\t\v";
  const std::size_t control = kControls.find(c);
  if (control != std::string_view::npos && (c != 'b' || in_class)) {
    escape = {RegexEscape::Kind::kCodePoint, static_cast<char32_t>(kControlValues[control]), 0};
    return true;
  }
  if (std::string_view("dDsSwW").find(c) != std::string_view::npos) {
    escape = {RegexEscape::Kind::kShorthand, 0, c};
    return true;
  }
  if (!in_class && std::string_view("AZzbB").find(c) != std::string_view::npos) {
    escape = {RegexEscape::Kind::kAssertion, 0, c};
    return true;
  }
  if (c == 'x' || c == 'u' || c == 'U') return read_hex_escape(c, start, escape);
  if (c == 'N') return fail(start, "characters by name (\\N) are not supported; use \\uXXXX");
  return fail(start, fmt::format("unknown escape \\{}", c));
}

// Python: \0 and up to two octal digits, or three octal digits, are a character; everything else is
// a backreference. In a class one to three octal digits are a character.
bool RegexScanner::read_number_escape(char first, std::size_t start, bool in_class,
                                      RegexEscape& escape) {
  const std::size_t after_first = start + 2;
  const bool three_octal = is_octal(first) && after_first + 1 < pattern_.size() &&
                           is_octal(pattern_[after_first]) && is_octal(pattern_[after_first + 1]);
  if (first != '0' && !three_octal && !(in_class && is_octal(first))) {
    return fail(start, in_class ? fmt::format("unknown escape \\{}", first)
                                : "backreferences are not supported");
  }
  auto value = static_cast<char32_t>(first - '0');
  for (int more = 0; more < 2 && is_octal(peek()); ++more) {
    value = value * 8 + static_cast<char32_t>(pattern_[at_++] - '0');
  }
  if (value > 0377) return fail(start, "an octal escape beyond \\377");
  escape = {RegexEscape::Kind::kCodePoint, value, 0};
  return true;
}

bool RegexScanner::read_hex_escape(char letter, std::size_t start, RegexEscape& escape) {
  const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
  const std::string_view hex = pattern_.substr(at_, digits);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (hex.size() != digits || error != std::errc() || end != hex.data() + hex.size()) {
    return fail(start, fmt::format("\\{} needs {} hexadecimal digits", letter, digits));
  }
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    return fail(start, "not a Unicode character");
  }
  at_ += digits;
  escape = {RegexEscape::Kind::kCodePoint, value, 0};
  return true;
}

bool RegexScanner::read_class_item(ClassItem& item) {
  if (peek() != '\\') {
    item = {take_code_point(), 0};
    return true;
  }
  RegexEscape escape;
  if (!read_escape(true, escape)) return false;
  item = {escape.code_point, escape.letter};
  return true;
}

// One member: a shorthand, a character or a range that begins with `first`.
bool RegexScanner::read_class_body(ClassItem first, bool ascii, ClassBody& body) {
  constexpr std::string_view kSpecial = R"(\[]^-)";
  const std::size_t start = at_;
  const bool range = peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
  ClassItem last = first;
  if (range) {
    ++at_;
    if (!read_class_item(last)) return false;
    if (first.shorthand != 0 || last.shorthand != 0 || last.code_point < first.code_point) {
      return fail(start, "the ends of this range are no ascending characters");
    }
  }
  if (first.shorthand == 'W' && !ascii) {
    body.not_word = true;
    return true;
  }
  if (first.shorthand != 0) {
    body.members += class_shorthand(first.shorthand, ascii);
    (first.shorthand == 'd' ? body.digits : body.anything_else) = true;
    return true;
  }
  append_escaped(first.code_point, kSpecial, body.members);
  if (range) {
    body.members += '-';
    append_escaped(last.code_point, kSpecial, body.members);
  }
  (first.code_point == '_' && !range ? body.underscore : body.anything_else) = true;
  return true;
}

bool RegexScanner::read_class(bool ascii, std::string& out) {
  const std::size_t start = at_++;
  const bool negated = take("^");
  ClassBody body;
  // A bracket that comes first is a member.
  for (bool first = true; first || peek() != ']'; first = false) {
    if (at_end()) return fail(start, "this [ is not closed");
    ClassItem item;
    if (!read_class_item(item)) return false;
    if (at_end()) return fail(start, "this [ is not closed");
    if (!read_class_body(item, ascii, body)) return false;
  }
  ++at_;

  if (!body.not_word) {
    out += negated ? "[^" : "[";
    out += body.members;
    out += ']';
  } else if (!negated) {
    // RE2 has no union with a complement of a union inside of [ ].
    out += body.members.empty() ? "[^" : "(?:[" + body.members + "]|[^";
    out += kUnicodeWord;
    out += body.members.empty() ? "]" : "])";
  } else if (!body.anything_else) {
    // "No \W" is \w; take _ and \d out of it by leaving out their categories.
    out += R"([\p{L})";
    out += body.digits ? R"(\p{Nl}\p{No})" : R"(\p{N})";
    out += body.underscore ? "]" : "_]";
  } else {
    return fail(start,
                "\\W in a negated class together with others than _ and \\d; write (?a) in front");
  }
  return true;
}

}  // namespace cryptnono::config
