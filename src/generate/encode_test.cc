#include "generate/encode.h"

#include <gmock/gmock.h>

#include "base/sha256.h"
#include "config/rule_id.h"

namespace cryptnono::generate {
namespace {

using testing::ElementsAre;

// The forms that the Sigma rule 9069ea3c-b213-4c52-be13-86506a227ab1 lists, made by other hands.
TEST(Base64, HasTheThreeAlignments) {
  EXPECT_THAT(base64_forms("--donate-level="),
              ElementsAre("LS1kb25hdGUtbGV2ZWw9", "0tZG9uYXRlLWxldmVsP", "tLWRvbmF0ZS1sZXZlbD"));
}

TEST(Base64, HasTheUrlSafeAlphabetWhereItDiffers) {
  EXPECT_THAT(base64_forms("\xfb\xff\xfe"),
              ElementsAre("+//+", "-__-", "v//", "v__", "7//", "7__"));
}

TEST(Base64, ShortTextsHaveNothingOfTheirOwn) {
  EXPECT_THAT(base64_forms(""), ElementsAre());
  EXPECT_THAT(base64_forms("a"), ElementsAre("Y", "h"));
}

TEST(Hex, IsLowerCase) {
  EXPECT_EQ(hex("xmrig"), "786d726967");
  EXPECT_EQ(hex("J\xff", "\\x"), "\\x4a\\xff");
}

TEST(RuleId, IsTheHashThatEverybodyElseComputes) {
  // printf 'wxmrig' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | head -c10 | base32
  EXPECT_EQ(config::rule_id("0123456789abcdef", config::RuleKind::kWord, "xmrig"),
            "rz2zqbo6lehljnl4n");
  EXPECT_EQ(config::rule_id("0123456789abcdef", config::RuleKind::kWord, "XMRig"),
            config::rule_id("0123456789abcdef", config::RuleKind::kWord, "xmrig"));
  EXPECT_NE(config::rule_id("0123456789abcdef", config::RuleKind::kSubstring, "xmrig"),
            config::rule_id("0123456789abcdef", config::RuleKind::kWord, "xmrig"));
}

TEST(Sha256, OfNothing) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace cryptnono::generate
