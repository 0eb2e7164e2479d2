#include "base/json_line.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace cryptnono {
namespace {

TEST(JsonLine, has_the_form_of_pythons_json) {
  const std::string line = JsonLine()
                               .add("pid", 7)
                               .add("cmdline", "a b")
                               .add("share", 0.5)
                               .add("cut", true)
                               .add("list", std::vector<std::string>{"x", "y"})
                               .finish("Killed process", "info");
  EXPECT_TRUE(line.starts_with(
      R"({"pid": 7, "cmdline": "a b", "share": 0.5, "cut": true, "list": ["x", "y"], )"
      R"("event": "Killed process", "level": "info", "timestamp": "20)"))
      << line;
  EXPECT_TRUE(line.ends_with("Z\"}\n"));
  EXPECT_EQ(nlohmann::json::parse(line)["timestamp"].get<std::string>().size(),
            std::string("2026-01-02T03:04:05.678901Z").size());
}

TEST(JsonLine, is_valid_and_ascii_whatever_the_bytes) {
  std::string hostile;
  for (int i = 0; i < 256; ++i) hostile += static_cast<char>(i);
  hostile += "\x1b[2J\n\r\"\\\xf0\x9f\x98\x80";
  const std::string line = JsonLine().add("cmdline", hostile).finish("e", "info");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  for (const char c : line.substr(0, line.size() - 1)) {
    ASSERT_GE(c, ' ');
    ASSERT_LT(static_cast<unsigned char>(c), 0x7f + 1);
  }
  const auto parsed = nlohmann::json::parse(line)["cmdline"].get<std::string>();
  EXPECT_NE(parsed.find("\x1b[2J\n\r\"\\\xf0\x9f\x98\x80"), std::string::npos);
  EXPECT_NE(line.find("\\ud83d\\ude00"),
            std::string::npos);  // a surrogate pair, as Python writes it
}

TEST(JsonLine, is_valid_when_utf8_is_cut_or_wrong_anywhere) {
  // Each kind of broken sequence, at the start, within and at the end of the text.
  for (const std::string broken : {"\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80", "\xc0\xaf",
                                   "\xf5\x80\x80\x80", "\x80"}) {
    for (const std::string& text : {broken, broken + "tail", "head" + broken, broken + broken}) {
      const std::string literal = json_string(text);
      const auto parsed = nlohmann::json::parse(literal, nullptr, false);
      ASSERT_TRUE(parsed.is_string()) << literal;
      EXPECT_NE(parsed.get<std::string>().find("\xef\xbf\xbd"), std::string::npos) << literal;
      if (text.ends_with("tail")) {
        EXPECT_TRUE(parsed.get<std::string>().ends_with("tail")) << literal;
      }
    }
  }
}

TEST(JsonLine, writes_every_number_so_that_it_parses_back) {
  const std::string line = JsonLine()
                               .add("max", std::numeric_limits<std::uint64_t>::max())
                               .add("min", std::numeric_limits<std::int64_t>::min())
                               .add("third", 1.0 / 3)
                               .add("nan", std::numeric_limits<double>::quiet_NaN())
                               .finish("e", "info");
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["max"].get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parsed["min"].get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parsed["third"].get<double>(), 1.0 / 3);
  EXPECT_TRUE(parsed["nan"].is_null());
}

TEST(JsonLine, may_be_used_again_after_finish) {
  JsonLine line;
  line.add("a", "1").finish("first", "info");
  EXPECT_TRUE(line.add("b", std::vector<std::string>{})
                  .finish("second", "info")
                  .starts_with(R"({"b": [], "event": "second")"));
  EXPECT_TRUE(
      line.finish("bare", "critical").starts_with(R"({"event": "bare", "level": "critical")"));
}

}  // namespace
}  // namespace cryptnono
