// Diagnostic: one finding in a configuration, with its place. Diagnostics: the findings of one
// load.
//
// An operator mends a configuration in one round when every mistake of every file is shown at once,
// so the readers of this folder report into a Diagnostics and carry on instead of returning at the
// first error.
//
// Rules are secret. A message about a banned string or an allowed pattern says where it stands and
// what is wrong with it, and never quotes it; the values of all other keys are quoted (with
// show_value).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cryptnono::config {

// Line and column from 1, the column in code points, as an editor counts. Line 0: the file as a
// whole.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  bool operator==(const Position&) const = default;
};

struct Diagnostic {
  std::string file;  // path as given; empty: about all files together
  Position position;
  std::string what;
};

// "file:line:col: what", less the parts that are not known.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

// Most errors, and most warnings, that one load keeps. A list of strings in the wrong encoding is
// one mistake, not a hundred thousand lines.
inline constexpr std::size_t kMaxDiagnostics = 100;

// Collects the findings of one load. Not thread-safe.
class Diagnostics {
 public:
  void error(std::string_view file, Position position, std::string what);
  void warning(std::string_view file, Position position, std::string what);

  // The text of this file is secret: what messages about it quote is left out from now on.
  void keep_secret(std::string_view file) { secret_files_.emplace(file); }
  [[nodiscard]] bool is_secret(std::string_view file) const {
    return secret_files_.find(file) != secret_files_.end();
  }

  [[nodiscard]] bool has_errors() const { return errors_.count > 0; }

  // The findings in the order in which they were reported; if more than kMaxDiagnostics were, one
  // last entry without a file says how many are left out. Each may be called once.
  [[nodiscard]] std::vector<Diagnostic> take_errors() { return take(errors_, "errors"); }
  [[nodiscard]] std::vector<Diagnostic> take_warnings() { return take(warnings_, "warnings"); }

 private:
  struct List {
    std::vector<Diagnostic> kept;
    std::size_t count = 0;  // reported, kept or not
  };

  void add(List& list, std::string_view file, Position position, std::string what) const;
  static std::vector<Diagnostic> take(List& list, std::string_view noun);

  std::set<std::string, std::less<>> secret_files_;
  List errors_;
  List warnings_;
};

// `value` in double quotes for a message: control characters, quotes and bytes that are not UTF-8
// as escapes, so that a hostile file cannot drive the terminal, and cut after 60 bytes.
[[nodiscard]] std::string show_value(std::string_view value);

// Of `known`, the name nearest to `name`, if it is near enough to be meant; otherwise empty.
// Ignores ASCII case.
[[nodiscard]] std::string_view nearest(std::string_view name,
                                       const std::vector<std::string_view>& known);

}  // namespace cryptnono::config
