#include "status/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace cryptnono::status {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kPage(page_html());

std::size_t count(const std::string& pattern) {
  const std::regex regex(pattern, std::regex::icase);
  return static_cast<std::size_t>(std::distance(
      std::sregex_iterator(kPage.begin(), kPage.end(), regex), std::sregex_iterator()));
}

TEST(Page, IsWhole) {
  EXPECT_THAT(kPage, StartsWith("<!doctype html>"));
  EXPECT_THAT(kPage, EndsWith("</html>\n"));
  EXPECT_EQ(count("<style>"), 1);
  EXPECT_EQ(count("</style>"), 1);
  EXPECT_EQ(count("<script>"), count("</script>"));
  EXPECT_EQ(count("<script"), 4);
  EXPECT_THAT(kPage, HasSubstr("\nask();\n</script>")) << "the last line of the last part";
  EXPECT_THAT(kPage, HasSubstr("prefers-color-scheme: dark"));
}

TEST(Page, WithoutScriptsItSaysWhereToLook) {
  EXPECT_EQ(count("<noscript>[^\n]*cryptnono status[^\n]*/metrics[^\n]*</noscript>"), 1);
}

TEST(Page, RefersToNothingElsewhere) {
  for (const auto* outside : {"https?:", "\\bwss?:", "url\\(", "@import", "\\bsrc\\s*=", "<link",
                              "<base", "<iframe", "<form", "import\\("}) {
    EXPECT_EQ(count(outside), 0) << outside;
  }
  EXPECT_EQ(count("(^|[^\\s])//"), 0) << "two slashes may begin a comment and nothing else";
  EXPECT_EQ(count("href=\"(?!#|metrics|status.json|readyz|healthz)"), 0);
  EXPECT_EQ(count("fetch\\("), 1);
  EXPECT_THAT(kPage, HasSubstr("fetch('status.json'"))
      << "relative: the page may stand behind a proxy";
}

TEST(Page, MakesNoMarkupOfStrings) {
  for (const auto* maker : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document\\.write",
                            "DOMParser", "createContextualFragment", "\\beval\\b", "new Function",
                            "setHTML", "srcdoc", "javascript:", "\\bon[a-z]+\\s*=\\s*[\"']"}) {
    EXPECT_EQ(count(maker), 0) << maker;
  }
}

TEST(Page, IsSmall) { EXPECT_LT(kPage.size(), 32'000); }

}  // namespace
}  // namespace cryptnono::status
