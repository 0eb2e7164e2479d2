#include "base/utf8.h"

#include <gtest/gtest.h>

namespace cryptnono {
namespace {

TEST(ForTerminal, WritesOutWhatSteers) {
  EXPECT_EQ(for_terminal("plain 'text' \\ \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80"),
            "plain 'text' \\ \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80");
  EXPECT_EQ(for_terminal(std::string_view("\0\t\n\x1b[0m\x7f", 8)), R"(\x00\x09\x0a\x1b[0m\x7f)");
  EXPECT_EQ(for_terminal("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0"), "\\x80\\x9b\\x9f\xc2\xa0");
  EXPECT_EQ(for_terminal("\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf\xe2\x80\xa8"),
            R"(\u202e\u2066\ufeff\u2028)");
}

// A byte that is no UTF-8 might be one of C1 to a terminal of another opinion.
TEST(ForTerminal, KeepsNoByteThatIsNotUtf8) {
  EXPECT_EQ(for_terminal("a\x9b\xff\xc2"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace cryptnono
