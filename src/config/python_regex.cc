#include "config/python_regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <vector>

#include "config/python_regex_scanner.h"
#include "config/utf8.h"

namespace cryptnono::config {

namespace {

constexpr int kMaxRepeat = 1000;  // RE2's
constexpr std::size_t kMaxGroupDepth =
    200;  // below RE2's 1000, which would report it without a position
constexpr std::int64_t kMaxCompiledBytes = 8 << 20;

// One pass from left to right; what is open is on a stack, so a hostile pattern cannot exhaust the
// call stack.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  tl::expected<std::string, RegexError> run() {
    while (!in_.at_end()) {
      if (!step()) return tl::unexpected(in_.error());
    }
    if (groups_.size() > 1) {
      in_.fail(groups_.back().start, "this ( is not closed");
      return tl::unexpected(in_.error());
    }
    return with_dollars();
  }

 private:
  // What a quantifier would apply to.
  enum class Last { kNothing, kAssertion, kAtom, kQuantified };

  struct Flags {
    bool ascii = false;
    bool multiline = false;
  };

  struct Group {
    std::size_t start = 0;
    Flags flags;
    std::vector<std::size_t>
        tail;  // into dollars_: nothing has followed them in this branch so far
    std::vector<std::size_t> settled;  // the same, of the branches before
  };

  // A `$` outside of multiline mode. Python lets it match at the end and before a \n at the end.
  // RE2 cannot look ahead, but may consume that \n if nothing else follows in the pattern. So it is
  // written when that is known.
  struct Dollar {
    std::size_t offset = 0;  // in out_
    bool last = true;
  };

  bool step();
  bool group();
  bool extension(std::size_t start);
  bool flags(std::size_t start);
  bool flag_letters(std::size_t start, bool on, std::string& letters);
  bool escape();
  bool quantifier(std::size_t start, std::string text);
  bool braces(std::size_t start);
  void open(std::size_t start, std::string_view text, Flags flags);
  bool close();
  void branch();
  void dollar();

  // Everything that something can follow a `$` with.
  void begin_item(Last kind) {
    for (const std::size_t dollar : top().tail) dollars_[dollar].last = false;
    top().tail.clear();
    last_ = kind;
  }
  Group& top() { return groups_.back(); }
  [[nodiscard]] std::string with_dollars() const;

  RegexScanner in_;
  std::string out_;
  std::vector<Group> groups_ = std::vector<Group>(1);
  std::vector<Dollar> dollars_;
  Last last_ = Last::kNothing;
  bool leading_ = true;  // nothing but comments and global flags so far
};

bool Translator::step() {
  const std::size_t start = in_.at();
  const char c = in_.peek();
  if (c == '(') return group();
  leading_ = false;
  switch (c) {
    case ')':
      return close();
    case '|':
      branch();
      return true;
    case '[':
      begin_item(Last::kAtom);
      return in_.read_class(top().flags.ascii, out_);
    case '\\':
      return escape();
    case '*':
    case '+':
    case '?':
      in_.take({&c, 1});
      return quantifier(start, std::string(1, c));
    case '{':
      return braces(start);
    case '^':
      begin_item(Last::kAssertion);
      out_ += top().flags.multiline ? "(?m:^)" : "^";
      break;
    case '$':
      dollar();
      break;
    case '.':
      begin_item(Last::kAtom);
      out_ += '.';
      break;
    default:
      begin_item(Last::kAtom);
      append_literal(in_.take_code_point(), out_);
      return true;
  }
  in_.take({&c, 1});
  return true;
}

void Translator::branch() {
  in_.take("|");
  out_ += '|';
  Group& group = top();
  group.settled.insert(group.settled.end(), group.tail.begin(), group.tail.end());
  group.tail.clear();
  last_ = Last::kNothing;
}

void Translator::dollar() {
  if (top().flags.multiline) {
    begin_item(Last::kAssertion);
    out_ += "(?m:$)";
    return;
  }
  // No begin_item: one `$` after another asks for nothing more.
  top().tail.push_back(dollars_.size());
  dollars_.push_back({.offset = out_.size()});
  last_ = Last::kAssertion;
}

void Translator::open(std::size_t start, std::string_view text, Flags flags) {
  begin_item(Last::kNothing);
  out_ += text;
  groups_.push_back({.start = start, .flags = flags, .tail = {}, .settled = {}});
}

bool Translator::close() {
  const std::size_t start = in_.at();
  if (groups_.size() == 1) return in_.fail(start, "this ) closes nothing");
  in_.take(")");
  out_ += ')';
  const Group closed = std::move(top());
  groups_.pop_back();
  // A `$` that ends the group is followed by what follows the group.
  std::vector<std::size_t>& tail = top().tail;
  tail.insert(tail.end(), closed.settled.begin(), closed.settled.end());
  tail.insert(tail.end(), closed.tail.begin(), closed.tail.end());
  last_ = Last::kAtom;
  return true;
}

bool Translator::group() {
  const std::size_t start = in_.at();
  if (in_.take("(?#")) {
    if (!in_.take_until(')')) return in_.fail(start, "this comment is not closed");
    return true;  // as if it were not there: a quantifier applies to what stands before
  }
  if (groups_.size() > kMaxGroupDepth) return in_.fail(start, "groups are nested too deeply");
  in_.take("(");
  if (in_.take("?")) return extension(start);
  leading_ = false;
  open(start, "(", top().flags);
  return true;
}

bool Translator::extension(std::size_t start) {
  struct Refused {
    std::string_view begin;
    std::string_view what;
  };
  static constexpr std::array<Refused, 7> kRefused = {{
      {"=", "lookahead (?=...) is not supported"},
      {"!", "lookahead (?!...) is not supported"},
      {"<=", "lookbehind (?<=...) is not supported"},
      {"<!", "lookbehind (?<!...) is not supported"},
      {">", "atomic groups (?>...) are not supported"},
      {"(", "conditionals (?(...)...) are not supported"},
      {"P=", "backreferences (?P=...) are not supported"},
  }};
  for (const Refused& refused : kRefused) {
    if (in_.take(refused.begin)) return in_.fail(start, std::string(refused.what));
  }
  if (in_.take(":")) {
    leading_ = false;
    open(start, "(?:", top().flags);
    return true;
  }
  if (!in_.take("P<")) return flags(start);

  leading_ = false;
  const std::size_t name_start = in_.at();
  const auto name = in_.take_until('>');
  const auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (!name || name->empty() || !std::all_of(name->begin(), name->end(), word) ||
      (name->front() >= '0' && name->front() <= '9')) {
    return in_.fail(name_start, "the name of a group must be letters, digits and _ up to >");
  }
  open(start, fmt::format("(?P<{}>", *name), top().flags);
  return true;
}

// (?im) at the start of the pattern, or (?i-s:...) anywhere. RE2 is told of i and s; the others are
// dealt with here.
bool Translator::flags(std::size_t start) {
  const Flags before = top().flags;
  std::string on;
  std::string off;
  if (!flag_letters(start, true, on)) return false;
  if (in_.peek() == '-') {
    in_.take("-");
    if (!flag_letters(start, false, off)) return false;
    if (off.empty() || on.find_first_of(off) != std::string::npos || in_.peek() != ':') {
      return in_.fail(start, "these flags make no sense");
    }
  } else if (on.empty()) {
    return in_.fail(start, "unknown group (?...)");
  }

  Flags inside = before;
  if (on.find('a') != std::string::npos) inside.ascii = true;
  if (on.find('u') != std::string::npos) inside.ascii = false;
  if (on.find('m') != std::string::npos) inside.multiline = true;
  if (off.find('m') != std::string::npos) inside.multiline = false;
  const auto drop = [](char c) { return c != 'i' && c != 's'; };
  std::erase_if(on, drop);
  std::erase_if(off, drop);

  if (in_.take(":")) {
    leading_ = false;
    open(start, fmt::format("(?{}{}{}:", on, off.empty() ? "" : "-", off), inside);
    return true;
  }
  if (!in_.take(")")) return in_.fail(in_.at(), "expected : or ) after the flags of a group");
  if (!leading_) return in_.fail(start, "flags for the whole pattern must stand at its start");
  top().flags = inside;
  if (!on.empty()) out_ += fmt::format("(?{})", on);
  return true;
}

bool Translator::flag_letters(std::size_t start, bool on, std::string& letters) {
  for (char c = in_.peek(); (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); c = in_.peek()) {
    if (c == 'x' && on) return in_.fail(start, "verbose mode (?x) is not supported");
    if (std::string_view(on ? "aimsu" : "imsx").find(c) == std::string_view::npos) {
      return in_.fail(in_.at(), fmt::format("unknown flag {}", c));
    }
    letters += c;
    in_.take({&c, 1});
  }
  if (letters.find('a') != std::string::npos && letters.find('u') != std::string::npos) {
    return in_.fail(start, "flags a and u exclude each other");
  }
  return true;
}

bool Translator::escape() {
  RegexEscape escape;
  if (!in_.read_escape(false, escape)) return false;
  if (escape.kind == RegexEscape::Kind::kAssertion) {
    begin_item(Last::kAssertion);
    out_ += '\\';
    out_ += escape.letter == 'Z' ? 'z' : escape.letter;
    return true;
  }
  begin_item(Last::kAtom);
  if (escape.kind == RegexEscape::Kind::kShorthand) {
    append_shorthand(escape.letter, top().flags.ascii, out_);
  } else {
    append_literal(escape.code_point, out_);
  }
  return true;
}

// With the brace next. Python takes one that does not begin a repetition for itself.
bool Translator::braces(std::size_t start) {
  in_.take("{");
  const std::string_view low = in_.take_digits();
  const bool comma = in_.take(",");
  const std::string_view high = comma ? in_.take_digits() : low;
  const bool empty = low.empty() && !comma;
  if (empty || !in_.take("}")) {
    in_.seek(start + 1);
    begin_item(Last::kAtom);
    out_ += "\\{";
    return true;
  }
  int min = 0;
  int max = 0;
  for (const auto& [digits, value] : {std::pair{low, &min}, std::pair{high, &max}}) {
    if (digits.empty()) continue;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *value);
    if (error != std::errc() || *value > kMaxRepeat) {
      return in_.fail(start, fmt::format("more than {} repetitions are not supported", kMaxRepeat));
    }
  }
  if (high.empty()) return quantifier(start, fmt::format("{{{},}}", min));
  if (max < min) return in_.fail(start, "more repetitions at least than at most");
  return quantifier(start, comma ? fmt::format("{{{},{}}}", min, max) : fmt::format("{{{}}}", min));
}

// After the quantifier itself; `text` is RE2's.
bool Translator::quantifier(std::size_t start, std::string text) {
  if (last_ == Last::kNothing || last_ == Last::kAssertion) {
    return in_.fail(start, "nothing to repeat here");
  }
  if (last_ == Last::kQuantified) return in_.fail(start, "a repetition of a repetition");
  if (in_.peek() == '+') return in_.fail(start, "possessive quantifiers are not supported");
  if (in_.take("?")) text += '?';
  out_ += text;
  last_ = Last::kQuantified;
  return true;
}

std::string Translator::with_dollars() const {
  std::string out;
  std::size_t done = 0;
  for (const Dollar& dollar : dollars_) {
    out.append(out_, done, dollar.offset - done);
    out += dollar.last ? "(?:\\n?\\z)" : "\\z";
    done = dollar.offset;
  }
  out.append(out_, done);
  return out;
}

bool spares_all(const re2::RE2& pattern) {
  static constexpr std::array<std::string_view, 4> kUnlike = {"a", "/usr/bin/x -y 1", "\x01",
                                                              "'\xc3\xa9'"};
  return std::all_of(kUnlike.begin(), kUnlike.end(), [&](std::string_view line) {
    return pattern.Match(line, 0, line.size(), re2::RE2::ANCHOR_START, nullptr, 0);
  });
}

}  // namespace

tl::expected<std::string, RegexError> translate_python_regex(std::string_view pattern) {
  if (const std::size_t at = utf8::find_invalid(pattern); at != std::string_view::npos) {
    return tl::unexpected(RegexError{at, "not UTF-8"});
  }
  return Translator(pattern).run();
}

re2::RE2::Options allowed_pattern_options() {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_case_sensitive(false);
  options.set_never_capture(true);
  options.set_max_mem(kMaxCompiledBytes);
  return options;
}

tl::expected<AllowedPattern, RegexError> compile_allowed_pattern(std::string_view pattern) {
  tl::expected<std::string, RegexError> translated = translate_python_regex(pattern);
  if (!translated) return tl::unexpected(std::move(translated).error());
  const re2::RE2 compiled(*translated, allowed_pattern_options());
  if (!compiled.ok()) {
    // RE2's text ends with the part of the pattern that it means; keep that only if it is a part.
    std::string what = compiled.error();
    if (compiled.error_arg().size() >= translated->size()) what.resize(what.find(':'));
    if (compiled.error_code() == re2::RE2::ErrorPatternTooLarge) {
      what += " (\\w takes much less memory with (?a) in front)";
    }
    return tl::unexpected(RegexError{0, "RE2: " + what});
  }
  return AllowedPattern{*std::move(translated), spares_all(compiled),
                        static_cast<std::size_t>(compiled.ProgramSize())};
}

}  // namespace cryptnono::config
