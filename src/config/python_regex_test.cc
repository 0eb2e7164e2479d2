#include "config/python_regex.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cryptnono::config {
namespace {

constexpr const char* kPython = "/usr/bin/python3";

std::string translated(std::string_view pattern) {
  const auto result = translate_python_regex(pattern);
  return result ? *result
                : "error at " + std::to_string(result.error().offset) + ": " + result.error().what;
}

TEST(PythonRegex, RewritesWhatRe2WritesOtherwise) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"^/usr/bin/x .*", "^/usr/bin/x .*"},
      {R"(a\.b\/c\-d)", R"(a\.b/c-d)"},
      {"(?P<n>a)(?:b)(c)", "(?P<n>a)(?:b)(c)"},
      {"caf\xc3\xa9*", R"(caf\x{e9}*)"},
      {R"(a\Z)", R"(a\z)"},
      {"a(?#comment (with more)b", "ab"},
      {"a(?#b)*", "a*"},
      // Braces.
      {"a{,5}", "a{0,5}"},
      {"a{,}", "a{0,}"},
      {"a{2,}?", "a{2,}?"},
      {"a{", R"(a\{)"},
      {"{}a{x}{1", R"(\{\}a\{x\}\{1)"},
      {"a{}", R"(a\{\})"},
      // The end.
      {"a$", R"(a(?:\n?\z))"},
      {"a$|b$", R"(a(?:\n?\z)|b(?:\n?\z))"},
      {"(?:a$|b)?", R"((?:a(?:\n?\z)|b)?)"},
      {"(a$|b$)c", R"((a\z|b\z)c)"},
      {"a$b", R"(a\zb)"},
      {"a$$", R"(a(?:\n?\z)(?:\n?\z))"},
      {"a$()", R"(a\z())"},
      {"(?m)^a$", "(?m:^)a(?m:$)"},
      {"(?m:a$)b$", R"((?:a(?m:$))b(?:\n?\z))"},
      // Escapes.
      {R"(\x41\u00e9\U0001f600)", R"(A\x{e9}\x{1f600})"},
      {R"(\0\07\101\n)", R"(\x{0}\x{7}A\x{a})"},
      {R"([\101\b\7])", R"([A\x{8}\x{7}])"},
      {R"(\x2a)", R"(\*)"},
      // Classes.
      {"[]a]", R"([\]a])"},
      {"[^]a-z-]", R"([^\]a-z\-])"},
      {"[[:alpha:]]", R"([\[:alpha:]\])"},
      {R"([a\]b])", R"([a\]b])"},
      {R"(\d)", R"([\p{Nd}])"},
      {R"(\W)", R"([^\p{L}\p{N}_])"},
      {R"([\w.-])", R"([\p{L}\p{N}_.\-])"},
      {R"([\W])", R"([^\p{L}\p{N}_])"},
      {R"([a\W])", R"((?:[a]|[^\p{L}\p{N}_]))"},
      {R"([^\W_])", R"([\p{L}\p{N}])"},
      {R"([^\W\d])", R"([\p{L}\p{Nl}\p{No}_])"},
      {R"((?a)\w[\W\d])", R"([0-9A-Za-z_][\W0-9])"},
      {R"((?a:\d)\d)", R"((?:[0-9])[\p{Nd}])"},
      // Flags.
      {"(?i)a", "(?i)a"},
      {"(?im)(?s)a", "(?i)(?s)a"},
      {"(?u)a", "a"},
      {"(?-i:a)(?s-i:.)", "(?-i:a)(?s-i:.)"},
  };
  for (const auto& [pattern, expected] : cases) {
    EXPECT_EQ(translated(pattern), expected) << pattern;
    EXPECT_TRUE(re2::RE2(expected, allowed_pattern_options()).ok()) << expected;
  }
}

TEST(PythonRegex, RefusesWithAPosition) {
  struct Case {
    std::string pattern;
    std::size_t offset;
    std::string what;  // a part of the message
  };
  const std::vector<Case> cases = {
      {"ab(?=c)", 2, "lookahead"},
      {"ab(?!c)", 2, "lookahead"},
      {"ab(?<=c)", 2, "lookbehind"},
      {"ab(?<!c)", 2, "lookbehind"},
      {"(a)(?(1)b)", 3, "conditional"},
      {"a(?>b)", 1, "atomic"},
      {"a(?P<n>b)(?P=n)", 9, "backreference"},
      {"(a)\\1", 3, "backreference"},
      {"(a)\\99", 3, "backreference"},
      {"a*+", 1, "possessive"},
      {"a{1,2}+", 1, "possessive"},
      {"(?x) a", 0, "verbose"},
      {"\\N{DIGIT ONE}", 0, "by name"},
      {"caf\xc3\xa9(?=x)", 5, "lookahead"},
      {"a{1001}", 1, "1000"},
      {"a{1,99999999999}", 1, "1000"},
      {"a{3,2}", 1, "at least"},
      {"*a", 0, "nothing to repeat"},
      {"a|?", 2, "nothing to repeat"},
      {"(+)", 1, "nothing to repeat"},
      {"^*", 1, "nothing to repeat"},
      {"\\b+", 2, "nothing to repeat"},
      {"{1}", 0, "nothing to repeat"},
      {"a**", 2, "repetition of a repetition"},
      {"a{2}{3}", 4, "repetition of a repetition"},
      {"a(b", 1, "not closed"},
      {"(a))", 3, "closes nothing"},
      {"a[b", 1, "not closed"},
      {"[]", 0, "not closed"},
      {"[b-a]", 2, "ascending"},
      {"[a-\\d]", 2, "ascending"},
      {"[^\\Wx]", 0, "\\W in a negated class"},
      {"a\\", 1, "backslash at the end"},
      {"\\p{L}", 0, "unknown escape \\p"},
      {"\\Qa", 0, "unknown escape \\Q"},
      {"[\\9]", 1, "unknown escape \\9"},
      {"\\x4", 0, "2 hexadecimal"},
      {"\\u+123", 0, "4 hexadecimal"},
      {"\\ud83d", 0, "not a Unicode character"},
      {"\\477", 0, "octal"},
      {"a(?i)b", 1, "at its start"},
      {"(?i:a", 0, "not closed"},
      {"(?z)", 2, "unknown flag z"},
      {"(?", 0, "unknown group"},
      {"(?i", 3, "expected : or )"},
      {"(?au)", 0, "exclude"},
      {"(?i-i:a)", 0, "no sense"},
      {"(?P<1>a)", 4, "name of a group"},
      {"(?P<n", 4, "name of a group"},
      {"(?P>n)", 2, "unknown flag P"},
      {"a(?#b", 1, "comment is not closed"},
      {"a\xff", 1, "UTF-8"},
      {std::string(100'000, '('), 200, "too deeply"},
  };
  for (const Case& c : cases) {
    const auto result = translate_python_regex(c.pattern);
    ASSERT_FALSE(result.has_value()) << c.pattern << " became " << *result;
    EXPECT_EQ(result.error().offset, c.offset) << c.pattern << ": " << result.error().what;
    EXPECT_NE(result.error().what.find(c.what), std::string::npos)
        << c.pattern << ": " << result.error().what;
  }
}

TEST(PythonRegex, PassesOnWhatRe2Complains) {
  const auto nested = compile_allowed_pattern("(?:(?:a{100}){100}){100}");
  ASSERT_FALSE(nested);
  EXPECT_EQ(nested.error().what, "RE2: invalid repetition size: {100}");

  const auto large = compile_allowed_pattern(R"((?:\w{100}){9})");
  ASSERT_FALSE(large);
  EXPECT_NE(large.error().what.find("RE2: pattern too large"), std::string::npos)
      << large.error().what;
  EXPECT_NE(large.error().what.find("(?a)"), std::string::npos);
  EXPECT_TRUE(compile_allowed_pattern(R"((?a)(?:\w{100}){9})"));
}

TEST(PythonRegex, KnowsWhatSparesEverything) {
  for (const char* pattern : {".*", "", "a*", "^", "(?:ls|)", "."}) {
    EXPECT_TRUE(compile_allowed_pattern(pattern)->spares_all) << pattern;
  }
  for (const char* pattern : {"^$", "a", R"(\w)", "^/", "[^/]"}) {
    EXPECT_FALSE(compile_allowed_pattern(pattern)->spares_all) << pattern;
  }
}

// The rest is measured against Python itself.

// clang-format off
std::vector<std::string> differential_patterns() {
  return {
      "^(/usr/bin/)?ls.*$", "^/usr/bin/ls", "ls$", "ls$|cat$", "(?:ls|cat)$", "(ls$|x)y", "ls\\Z",
      "^ls\\Z|^cat$", "a$\\n", "a$\\Z", "a$$", "a?$", "(a$)?", "(?m)a$", "(?m)a$\\nb",
      "(?m)^a\\n^b$", "a\\n^b", "(?m:a$)\\nb$", "\\w+", "\\W+", "\\s+x", "\\S+ x", "\\d+", "\\D+$",
      "[\\w]+$", "[\\W]+$", "[\\s]+$", "[\\S]+$", "[\\D]+$", "[^\\w]+$", "[^\\s]+$", "[^\\S]+$",
      "[^\\d]+$", "[^\\W]+$", "[^\\W_]+$", "[^\\W\\d]+$", "[^\\W\\d_]+$", "[a\\W]+$", "[\\w.-]+$",
      "[-a]+$", "[]a]+$", "[^]a]+$", "[a-z]+$", "[A-Z_]+$", "[[:alpha:]]+$", "[^a]$", "(?a)\\w+$",
      "(?a)\\W", "(?a)\\s+$", "(?a)[^\\S]+$", "(?a)\\d+$", "(?a)[\\W]+$", "(?a:\\d)\\d", "\\bls\\b",
      "l\\Bs", "ls\\b.", "x\\b", "(?i)LS", "(?-i:ls)", "(?-i:LS)x?", "(?s).+$", ".+$", "(?s:.)x",
      "(?-s:.)+$", "a{2}", "a{2,}$", "a{,2}$", "a{,}$", "a{", "a{}", "a{x}", "a{1,2}?$", "a{0}b",
      "{}", "{x", "a{1", "(a{1,2}){2}$", "a*", "a+?$", "a??b", "(ab)*$", "(?:ab|a)b$", "(?P<n>a)b",
      "()a", "(|a)b", "a||b", "|a", "(?:)*a", "(?:^)*a", "a(?#no)b", "a(?#no)+$", "\\x61b",
      "\\u0061b", "\\U00000061b", "\\141b", "\\0", "\\07", "[\\141\\b]+", "\\x2e", "\\.", "a.b",
      "a\\.b", "\\-\\/\\ \\#", "caf\xc3\xa9", "CAF\xc3\x89", "[\xc3\xa0-\xc3\xbf]+$", "\\xe9",
      "\xce\xa3", "[^\xc3\xa9]+$", "\\t", "[\\t ]+x", "]", "}", "a]b}", "\\]\\}", "'[^']+'$",
      ".*'allowed .*'.*", "/bin/sh -c 'echo .*'", "python3? -m (pip|venv) .*", "[./]+a",
      "^(?:/opt/[\\w.]+/)*bin/\\w+(?: -\\w+)*$", "\\A/usr", "(?i:straSSe)", "\\$HOME", "a$HOME",
      "\\a|\\f|\\v", "[\\a\\f\\v]+", "(a|b)*?c", "x*y*z*$", "(?:a|b|c|d){3}$", "[a-c-e]+$",
      "[+--]+", "[!-~]+$"
  };
}
// clang-format on

// clang-format off
std::vector<std::string> differential_texts() {
  return {
      "", "a", "A", "b", "ab", "aab", "aaa", "abab", "a\n", "aa\n", "a\n\n", "a\nb", "a\nb\n", "\n",
      "ls", "LS", "lsx", "ls\n", "ls -la", "/usr/bin/ls", "/usr/bin/ls -l /tmp", "/usr/bin/ls\n",
      "/usr/bin/lsx -o stratum+tcp://p", "cat", "cat\n", "x y", "x_1", "1", "12", "_", "-", "]",
      "}", "{}", "{x", "a{", "a{}", "a{x}", "a{1", "a]b}", "'x y'", "a.b", "axb", "a b", " x",
      "\t x", "\x1c", "\x1f" "x", "\x0b", "\x0c", "\x07", "\x08", "\x7f", "caf\xc3\xa9",
      "CAF\xc3\x89", "\xc3\xa9", "\xc3\xa9 x", "\xc2\xa0x", "\xc2\x85", "\xe2\x80\xa8",
      "\xe3\x80\x80", "\xd9\xa3\xd9\xa4", "\xc2\xb2", "\xe2\x85\xa7", "\xe4\xb8\x80", "e\xcc\x81",
      "\xf0\x9f\x98\x80", "\xcf\x83", "\xcf\x82", "/bin/echo 'allowed cryptnono.banned.string1'",
      "/bin/sh -c 'echo x'", "python3 -m pip install x", "PYTHON -m venv", "/opt/a.b/bin/run -x -y",
      "bin/run", "strasse", "STRASSE", "$HOME", "a$HOME", "+,-", ",", "-/ #", "abc", "abcd", "ace",
      "x", "xy", "xyz", "yx", "c", "abc\n", "ab\n", "\"q\""
  };
}
// clang-format on

// Where RE2 cannot do as Python: see python_regex.h. It must then be the stricter of the two.
bool may_be_stricter(const std::string& pattern) {
  return pattern == "a$\\n";  // a `$` before a newline
}

// The results of re.match for every pair, one character each: 0, 1, or E for a pattern that is an
// error.
std::optional<std::string> ask_python(const std::vector<std::string>& patterns,
                                      const std::vector<std::string>& texts) {
  std::string directory = std::filesystem::temp_directory_path() / "python_regex_test.XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return std::nullopt;
  const std::string input = directory + "/in.json";
  std::ofstream(input) << nlohmann::json{patterns, texts};
  const std::string command =
      std::string(kPython) +
      " -W ignore -c 'import json,re,sys\n"
      "ps,ts=json.load(open(sys.argv[1]))\n"
      "for p in ps:\n"
      "  try: r=re.compile(p,re.I)\n"
      "  except re.error: print(end=\"E\"*len(ts)); continue\n"
      "  print(end=\"\".join(\"01\"[r.match(t) is not None] for t in ts))' " +
      input;
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
  const bool good = ::pclose(pipe) == 0;
  std::filesystem::remove_all(directory);
  if (!good) return std::nullopt;
  return out;
}

TEST(PythonRegex, MatchesExactlyWherePythonDoes) {
  if (::access(kPython, X_OK) != 0) GTEST_SKIP() << kPython << " is not installed";
  const auto patterns = differential_patterns();
  const auto texts = differential_texts();
  const auto expected = ask_python(patterns, texts);
  ASSERT_TRUE(expected);
  ASSERT_EQ(expected->size(), patterns.size() * texts.size());

  std::size_t matches = 0;
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    const auto translated_pattern = translate_python_regex(patterns[p]);
    ASSERT_TRUE(translated_pattern) << patterns[p] << ": " << translated_pattern.error().what;
    const re2::RE2 compiled(*translated_pattern, allowed_pattern_options());
    ASSERT_TRUE(compiled.ok()) << patterns[p] << ": " << compiled.error();
    for (std::size_t t = 0; t < texts.size(); ++t) {
      const bool match =
          compiled.Match(texts[t], 0, texts[t].size(), re2::RE2::ANCHOR_START, nullptr, 0);
      const char python = (*expected)[p * texts.size() + t];
      ASSERT_NE(python, 'E') << "Python refuses " << patterns[p];
      matches += match ? 1 : 0;
      if (match == (python == '1') || (!match && may_be_stricter(patterns[p]))) continue;
      ADD_FAILURE() << "pattern " << patterns[p] << " (" << *translated_pattern << ") text "
                    << testing::PrintToString(texts[t]) << ": RE2 " << match << ", Python "
                    << python;
    }
  }
  EXPECT_GT(matches, texts.size()) << "the pairs hardly test anything";
}

// Random patterns over a small alphabet: whatever is translated means the same to Python, which
// accepts it too.
TEST(PythonRegex, AgreesWithPythonOnRandomPatterns) {
  if (::access(kPython, X_OK) != 0) GTEST_SKIP() << kPython << " is not installed";
  const std::vector<std::string> pieces = {
      "a",   "b", ".", "\\w", "\\W", "\\s",  "\\d",  "[ab]", "[^a]", "[\\W_]",   "(",     ")",
      "(?:", "|", "*", "+",   "?",   "{2}",  "{,1}", "^",    "$",    "\\Z",      "\\n",   " ",
      "\\b", "{", "}", "]",   "-",   "(?i:", "(?s:", "(?m:", "(?a:", "\xc3\xa9", "\\x61", "(?#x)"};
  std::uint32_t state = 12345;
  const auto random = [&state](std::size_t below) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % below;
  };
  std::vector<std::string> patterns;
  std::vector<std::string> translations;
  while (patterns.size() < 400) {
    std::string pattern;
    for (std::size_t n = 1 + random(7); n > 0; --n) pattern += pieces[random(pieces.size())];
    const auto result = translate_python_regex(pattern);
    // \b and a `$` in the middle are not exact.
    if (!result || pattern.find("\\b") != std::string::npos ||
        result->find("\\z") != result->rfind("\\z"))
      continue;
    if (pattern.find('$') != std::string::npos && result->find("n?\\z") == std::string::npos)
      continue;
    patterns.push_back(pattern);
    translations.push_back(*result);
  }
  const std::vector<std::string> texts = {"",
                                          "a",
                                          "A",
                                          "b",
                                          "ab",
                                          "aa",
                                          "a\n",
                                          "\n",
                                          "a b",
                                          "b\na",
                                          "1a",
                                          "_",
                                          "a{",
                                          "\xc3\xa9"
                                          "a",
                                          "-a",
                                          "a]}"};
  const auto expected = ask_python(patterns, texts);
  ASSERT_TRUE(expected);
  ASSERT_EQ(expected->size(), patterns.size() * texts.size());
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    const re2::RE2 compiled(translations[p], allowed_pattern_options());
    ASSERT_TRUE(compiled.ok()) << patterns[p] << " became " << translations[p] << ": "
                               << compiled.error();
    for (std::size_t t = 0; t < texts.size(); ++t) {
      const bool match =
          compiled.Match(texts[t], 0, texts[t].size(), re2::RE2::ANCHOR_START, nullptr, 0);
      EXPECT_EQ(match ? '1' : '0', (*expected)[p * texts.size() + t])
          << "pattern " << patterns[p] << " (" << translations[p] << ") text "
          << testing::PrintToString(texts[t]);
    }
  }
}

}  // namespace
}  // namespace cryptnono::config
