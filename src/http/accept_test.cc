#include "http/accept.h"

#include <gtest/gtest.h>

namespace cryptnono::http {
namespace {

double wanted(std::string_view accept, std::string_view type, std::string_view subtype,
              std::string_view version = "", bool exactly = false) {
  return quality_of(parse_accept(accept), type, subtype, version, exactly);
}

TEST(Accept, the_most_specific_range_decides) {
  constexpr std::string_view kAccept =
      "text/*;q=0.3, text/html;q=0.7, text/html;version=2;q=0.9, */*;q=0.5";
  EXPECT_DOUBLE_EQ(wanted(kAccept, "text", "html"), 0.7);
  EXPECT_DOUBLE_EQ(wanted(kAccept, "text", "html", "2"), 0.9);
  EXPECT_DOUBLE_EQ(wanted(kAccept, "text", "plain"), 0.3);
  EXPECT_DOUBLE_EQ(wanted(kAccept, "image", "png"), 0.5);
  EXPECT_DOUBLE_EQ(wanted("text/html", "image", "png"), 0);
  EXPECT_DOUBLE_EQ(wanted("text/html;q=0, */*", "text", "html"), 0);
}

TEST(Accept, exactly_leaves_wildcards_out) {
  EXPECT_DOUBLE_EQ(wanted("*/*", "text", "html", "", true), 0);
  EXPECT_DOUBLE_EQ(wanted("text/*", "text", "html", "", true), 0);
  EXPECT_DOUBLE_EQ(wanted("*/*, text/html;q=0.1", "text", "html", "", true), 0.1);
}

TEST(Accept, a_version_is_another_type) {
  EXPECT_DOUBLE_EQ(wanted("text/plain;version=0.0.4;q=0.5", "text", "plain", "0.0.4"), 0.5);
  EXPECT_DOUBLE_EQ(wanted("text/plain;version=1.0.0", "text", "plain", "0.0.4"), 0);
}

TEST(Accept, takes_spaces_case_quotes_and_unknown_parameters) {
  EXPECT_DOUBLE_EQ(wanted(" TEXT/HTML ; Q=0.25 ", "text", "html"), 0.25);
  EXPECT_DOUBLE_EQ(wanted("a/b;x=\"1,2;q=0\\\"\";q=0.5,text/html", "a", "b"), 0.5);
  EXPECT_DOUBLE_EQ(wanted("a/b;x=\"1,2;q=0\\\"\";q=0.5,text/html", "text", "html"), 1);
  EXPECT_DOUBLE_EQ(wanted("text/html;level=1", "text", "html"), 1);
}

TEST(Accept, leaves_out_what_is_not_well_formed) {
  for (const std::string_view text :
       {"", ",", ";;", "text", "/", "text/", "/html", "*/html", "text/html;q=", "text/html;q=2",
        "text/html;q=1.1", "text/html;q=0.1234", "text/html;q=-1", "text/html;q=0,5x;y", "\"",
        "\\"})
    EXPECT_DOUBLE_EQ(wanted(text, "text", "html"), 0) << text;
  EXPECT_DOUBLE_EQ(wanted("nonsense, text/html;q=1.000", "text", "html"), 1);
}

}  // namespace
}  // namespace cryptnono::http
