// The lexical level of Python's `re`: escapes and character classes. Only for python_regex.cc.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "config/python_regex.h"

namespace cryptnono::config {

struct ClassBody;  // a character class as far as it is read

struct RegexEscape {
  enum class Kind {
    kCodePoint,  // `code_point`
    kShorthand,  // one of d D s S w W, in `letter`
    kAssertion   // one of A Z z b B, in `letter`
  };
  Kind kind = Kind::kCodePoint;
  char32_t code_point = 0;
  char letter = 0;
};

// Reads a pattern from left to right. The functions that read a construct return false, with
// error() set, if it is wrong or not possible in RE2; then nothing more may be read.
class RegexScanner {
 public:
  explicit RegexScanner(std::string_view pattern) : pattern_(pattern) {}

  [[nodiscard]] bool at_end() const { return at_ == pattern_.size(); }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : pattern_[at_]; }
  void seek(std::size_t at) { at_ = at; }

  // Takes `expected` if it comes next.
  bool take(std::string_view expected);
  // Takes one code point. Not at the end.
  char32_t take_code_point();
  // Takes ASCII digits, perhaps none.
  std::string_view take_digits();
  // Takes up to and including `end`; gives what stands before it, nothing if there is no `end`.
  std::optional<std::string_view> take_until(char end);

  // With the backslash next.
  [[nodiscard]] bool read_escape(bool in_class, RegexEscape& escape);
  // With the bracket next: appends the class in RE2's syntax. `ascii`: what \d \w \s mean in it.
  [[nodiscard]] bool read_class(bool ascii, std::string& out);

  // Sets error() and returns false.
  bool fail(std::size_t offset, std::string what);
  [[nodiscard]] const RegexError& error() const { return error_; }

 private:
  struct ClassItem;
  [[nodiscard]] bool read_number_escape(char first, std::size_t start, bool in_class,
                                        RegexEscape& escape);
  [[nodiscard]] bool read_hex_escape(char letter, std::size_t start, RegexEscape& escape);
  [[nodiscard]] bool read_class_item(ClassItem& item);
  [[nodiscard]] bool read_class_body(ClassItem first, bool ascii, ClassBody& body);

  std::string_view pattern_;
  std::size_t at_ = 0;
  RegexError error_;
};

// `code_point` as RE2 writes it outside of a class.
void append_literal(char32_t code_point, std::string& out);
// \d \D \s \S \w \W outside of a class.
void append_shorthand(char letter, bool ascii, std::string& out);

}  // namespace cryptnono::config
