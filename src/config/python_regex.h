// Allowed patterns: from Python's `re`, in which existing configurations are written, to RE2.
//
// The predecessor spares a command line if re.match(pattern, line, re.IGNORECASE) finds anything:
// anchored at the start, open at the end. RE2 runs in linear time whatever the pattern and the
// line, which matters because users of a node write the lines. Most of the syntax is the same; the
// rest is rewritten here so that RE2 finds a match exactly where Python does, or is refused. Where
// an exact rewrite does not exist, RE2 spares less than Python and never more:
//   - `\b` and `\B` know ASCII letters, digits and _ only;
//   - `$` with something after it (which Python can match in a line that ends in \n only) means the
//   very end;
//   - no construct matches a byte that is not UTF-8.
// `\d \w \s` are Unicode as in Python, ASCII below (?a).
//
// Pure functions; any thread.
#pragma once

#include <re2/re2.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace cryptnono::config {

struct RegexError {
  std::size_t offset = 0;  // byte of the pattern where the trouble begins; its size if something is
                           // missing at the end
  std::string what;        // names the construct; does not quote the pattern
};

// `pattern` in RE2's syntax. It is good RE2 syntax, but may still need too much memory: only
// compile_allowed_pattern knows. What RE2 cannot do is an error: lookahead, lookbehind,
// backreferences, conditionals, atomic groups, possessive quantifiers, verbose mode, \N{...}, more
// than 1000 repetitions.
[[nodiscard]] tl::expected<std::string, RegexError> translate_python_regex(
    std::string_view pattern);

// How allowed patterns are compiled, everywhere: no regard to case, no captures, quiet, at most 8
// MiB each. Matching is RE2::ANCHOR_START.
[[nodiscard]] re2::RE2::Options allowed_pattern_options();

struct AllowedPattern {
  std::string re2;               // translated
  bool spares_all = false;       // matches whatever line: surely a mistake
  std::size_t program_size = 0;  // RE2's instructions
};

// Translates and compiles once, to say at load time what would fail later. RE2's own complaint
// becomes an error with offset 0.
[[nodiscard]] tl::expected<AllowedPattern, RegexError> compile_allowed_pattern(
    std::string_view pattern);

}  // namespace cryptnono::config
