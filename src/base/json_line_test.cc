#include "base/json_line.h"

#include <gtest/gtest.h>

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
  EXPECT_TRUE(line.starts_with(R"({"pid": 7, "cmdline": "a b", "share": 0.5, "cut": true, "list": ["x", "y"], )"
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
  EXPECT_NE(line.find("\\ud83d\\ude00"), std::string::npos);  // a surrogate pair, as Python writes it
}

}  // namespace
}  // namespace cryptnono
