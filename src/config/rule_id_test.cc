#include "config/rule_id.h"

#include <gtest/gtest.h>

namespace cryptnono::config {
namespace {

constexpr std::string_view kKey = "a key of sixteen bytes or more";

// By Python's hmac, hashlib and base64:
//   'r' + base64.b32encode(hmac.new(key, kind + text,
//   hashlib.sha256).digest()[:10]).decode().lower()
TEST(RuleId, is_what_another_implementation_computes) {
  EXPECT_EQ(rule_id(kKey, RuleKind::kWord, "xmrig"), "rllvcuwury5aqppk6");
  EXPECT_EQ(rule_id(kKey, RuleKind::kSubstring, "xmrig"), "ryeckiyvhebucrdqv");
  EXPECT_EQ(rule_id(kKey, RuleKind::kSubstring, "stratum+tcp://"), "rokrysoaof5jum43b");
  EXPECT_EQ(rule_id(kKey, RuleKind::kAllowPattern, "^/usr/bin/X "), "rvhfgy4dbhmrk3ui6");
  EXPECT_EQ(rule_id(kKey, RuleKind::kAllowExecutable, "/usr/bin/Less"), "rl5xcwh7cogurscfx");
  EXPECT_EQ(rule_id(kKey, RuleKind::kAddress, "198.51.100.0/24:3333"), "reycpcyzebnbfqalg");
  EXPECT_EQ(rule_id(kKey, RuleKind::kWord, "Ünïcode"), "rzzgldmhvtxymvkxz");
  EXPECT_EQ(rule_id(id_key_of(std::string(62, '0') + "fF"), RuleKind::kWord, "xmrig"),
            "rzcsw5xn77vbe6vyz");
}

TEST(RuleId, of_what_is_banned_does_not_tell_cases_apart_and_of_what_is_allowed_does) {
  EXPECT_EQ(rule_id(kKey, RuleKind::kWord, "XMRig"), rule_id(kKey, RuleKind::kWord, "xmrig"));
  EXPECT_NE(rule_id(kKey, RuleKind::kAllowPattern, "^A"),
            rule_id(kKey, RuleKind::kAllowPattern, "^a"));
}

TEST(RuleId, without_a_key_is_the_rules_place) {
  EXPECT_EQ(rule_id({}, RuleKind::kWord, "xmrig", "pools", {.file = 0, .column = 5, .line = 3}),
            "pools:3:5");
  EXPECT_EQ(rule_id(kKey, RuleKind::kWord, "xmrig", "pools", {}), "rllvcuwury5aqppk6");
  EXPECT_TRUE(is_keyed_rule_id("rllvcuwury5aqppk6"));
  EXPECT_FALSE(is_keyed_rule_id("pools:3:5"));
  EXPECT_FALSE(is_keyed_rule_id("rllvcuwury5aqppk1"));
}

TEST(RuleId, a_key_is_64_hex_digits_or_a_text) {
  EXPECT_EQ(id_key_of(std::string(64, 'A')), std::string(32, '\xaa'));
  EXPECT_EQ(id_key_of(std::string(64, 'g')), std::string(64, 'g'));
  EXPECT_EQ(id_key_of(std::string(62, 'a')), std::string(62, 'a'));
  EXPECT_EQ(id_key_of(std::string(kMinIdKeyLength - 1, 'x')), "");
  EXPECT_EQ(id_key_of(std::string(kMaxIdKeyLength + 1, 'x')), "");
}

}  // namespace
}  // namespace cryptnono::config
