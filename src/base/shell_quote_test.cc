#include "base/shell_quote.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <random>

#include "base/utf8.h"

namespace cryptnono {
namespace {

using std::literals::operator""sv;
using Views = std::vector<std::string_view>;

TEST(SplitCmdline, keeps_empty_arguments_and_forgives_a_missing_last_nul) {
  EXPECT_EQ(split_cmdline(""), Views{});
  EXPECT_EQ(split_cmdline("a\0"sv), Views{"a"});
  EXPECT_EQ(split_cmdline("a\0b"sv), (Views{"a", "b"}));
  EXPECT_EQ(split_cmdline("a\0\0b\0"sv), (Views{"a", "", "b"}));
  EXPECT_EQ(split_cmdline("\0"sv), Views{""});
}

TEST(ShellJoin, quotes_what_a_shell_would_split) {
  EXPECT_EQ(shell_join({"/bin/echo", "allowed x"}), "/bin/echo 'allowed x'");
  EXPECT_EQ(shell_join({"", "it's"}), R"('' 'it'"'"'s')");
}

// Runs `script` with `argument`; its output, or nothing if there is no Python.
std::string python(const std::string& script, const std::string& argument) {
  const std::string command = "/usr/bin/python3 -c '" + script + "' " + argument + " 2>/dev/null";
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  pclose(pipe);
  return out;
}

TEST(ShellJoin, agrees_with_python) {
  std::mt19937 random(7);
  static constexpr std::string_view kAlphabet = "aZ09 _@%+=:,./-'\"\\$`~#\t\xc3\xa9";
  std::vector<std::string> arguments;
  std::string hex;
  for (int i = 0; i < 400; ++i) {
    std::string argument;
    for (auto n = random() % 6; n > 0; --n) argument += kAlphabet[random() % kAlphabet.size()];
    for (const unsigned char c : argument) {
      std::array<char, 3> digits{};
      std::snprintf(digits.data(), digits.size(), "%02x", c);
      hex += digits.data();
    }
    hex += "00";
    arguments.push_back(std::move(argument));
  }
  const std::string expected = python(
      "import os,shlex,sys\n"
      "a=bytes.fromhex(sys.argv[1]).split(b\"\\0\")[:-1]\n"
      "sys.stdout.buffer.write(os.fsencode(shlex.join([os.fsdecode(x) for x in a])))",
      hex);
  if (expected.empty()) GTEST_SKIP() << "no /usr/bin/python3 to compare with";
  EXPECT_EQ(shell_join(Views(arguments.begin(), arguments.end())), expected);
}

TEST(Utf8, replaces_each_stray_byte) {
  EXPECT_EQ(replace_invalid_utf8("a\xff\xfe"
                                 "b"),
            "a\xef\xbf\xbd\xef\xbf\xbd"
            "b");
  EXPECT_EQ(replace_invalid_utf8("\xc3\xa9\xf0\x9f\x98\x80"), "\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(replace_invalid_utf8("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");  // overlong
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"),
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");                        // a surrogate
  EXPECT_EQ(replace_invalid_utf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");  // cut
}

}  // namespace
}  // namespace cryptnono
