// Honest lines of a machine, less what nobody else should read.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

namespace cryptnono::generate {

// Collects lines; sorted, none twice.
class CorpusLines {
 public:
  // NUL and control characters become spaces, blanks at the ends go. Left out: an empty line, one
  // that is longer than kMaxLineBytes, one that is not UTF-8. Hidden: passwords and tokens, home
  // directories' names (docs/rules.md says which, and that it is no guarantee).
  void add(std::string_view line);

  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::size_t size() const { return lines_.size(); }
  [[nodiscard]] std::size_t hidden() const { return hidden_; }      // secrets
  [[nodiscard]] std::size_t left_out() const { return left_out_; }  // too long, or not UTF-8

  static constexpr std::size_t kMaxLineBytes = 65536;

 private:
  std::set<std::string, std::less<>> lines_;
  std::size_t hidden_ = 0;
  std::size_t left_out_ = 0;
};

// `line` with what looks like a secret replaced by "HIDDEN". `count` is raised by the number.
[[nodiscard]] std::string hide_secrets(std::string line, std::size_t& count);

}  // namespace cryptnono::generate
