#include "config/groups.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"
#include "config/rule_id.h"
#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> errors(std::string_view text) {
  const LoadResult result = load_text("f.yaml", text);
  return result ? std::vector<std::string>{"no error"} : lines(result.error());
}

std::vector<RuleGroup> groups_of(std::string_view text) {
  LoadResult result = load_text("f.yaml", text);
  EXPECT_TRUE(result) << testing::PrintToString(lines(result.error()));
  return result ? std::move(result->config.execwhacker.groups) : std::vector<RuleGroup>();
}

std::vector<std::string> names(const std::vector<RuleGroup>& groups) {
  std::vector<std::string> out;
  for (const RuleGroup& group : groups) out.push_back(group.name);
  return out;
}

// Files of a test, removed at its end.
class Files : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 fmt::format("cryptnono-groups-{}-{}", getpid(),
                             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directory(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string file(const std::string& name, std::string_view text) {
    const std::string path = (directory_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  std::filesystem::path directory_;
};

TEST(Groups, are_read_with_all_that_they_say) {
  const auto groups = groups_of(R"(
groups:
  - id: pools-2026-12
    purpose: Names of mining pools
    action: report
    bannedCommandStrings: [pool.one, 123]
    bannedCommandSubstrings: [stratum+tcp://]
    allowedCommandPatterns: ['^grep (?P<x>a)']
    allowedExecutables: [/usr/bin/less]
  - {id: miners, bannedCommandStrings: [xmrig]}
)");
  ASSERT_THAT(names(groups), ElementsAre("pools-2026-12", "miners"));
  EXPECT_EQ(groups[0].purpose, "Names of mining pools");
  EXPECT_EQ(groups[0].action, Action::kReport);
  ASSERT_EQ(groups[0].banned_strings.size(), 2U);
  EXPECT_EQ(groups[0].banned_strings[0].text, "pool.one");
  EXPECT_EQ(groups[0].banned_strings[0].origin.line, 6U);
  EXPECT_EQ(groups[0].banned_substrings[0].text, "stratum+tcp://");
  EXPECT_THAT(groups[0].written_patterns, ElementsAre("^grep (?P<x>a)"));
  EXPECT_EQ(groups[0].allowed_executables[0].path, "/usr/bin/less");
  EXPECT_EQ(groups[0].id_key, "");
  EXPECT_EQ(groups[1].purpose, "");
  EXPECT_FALSE(groups[1].action);
}

TEST(Groups, stand_beside_the_rules_of_the_file_that_are_in_none) {
  EXPECT_THAT(names(groups_of("groups: [{id: a, bannedCommandStrings: [x1]}]\n"
                              "bannedCommandStrings: [x2]\naction: report\n")),
              ElementsAre("f", "a"));
  EXPECT_EQ(groups_of("groups: [{id: a, bannedCommandStrings: [x1]}]\n"
                      "bannedCommandStrings: [x2]\naction: report\n")[1]
                .action,
            std::nullopt);
  // Who says what it is called has the first choice.
  EXPECT_THAT(names(groups_of("groups: [{id: f, bannedCommandStrings: [x1]}]\n"
                              "bannedCommandStrings: [x2]\n")),
              ElementsAre("f-2", "f"));
  EXPECT_THAT(names(groups_of("groups: []\nbannedCommandStrings: [x2]\n")), ElementsAre("f"));
}

TEST(Groups, what_is_wrong_with_one_is_told_with_its_place) {
  EXPECT_THAT(errors("groups:\n  - purpose: x\n    bannedCommandStrings: [y1]\n"),
              ElementsAre("f.yaml:2:5: an item of groups has no id"));
  EXPECT_THAT(errors("groups:\n  - id: Pools\n"),
              ElementsAre(HasSubstr("f.yaml:2:9: groups.id must be 1 to 63 of a-z")));
  EXPECT_THAT(errors("groups:\n  - id: " + std::string(64, 'a') + "\n"),
              ElementsAre(HasSubstr("f.yaml:2:9: groups.id must be 1 to 63")));
  EXPECT_THAT(errors("groups:\n  - {id: -a, bannedCommandStrings: [x1]}\n"),
              ElementsAre(HasSubstr("groups.id must be 1 to 63")));
  EXPECT_THAT(errors("groups:\n  - id: a\n    banedCommandStrings: [x]\n"),
              ElementsAre(AllOf(HasSubstr("f.yaml:3:5: unknown key"),
                                HasSubstr("did you mean bannedCommandStrings?"))));
  EXPECT_THAT(errors("groups: {id: a}\n"),
              ElementsAre("f.yaml:1:9: groups must be a list, not a mapping"));
  EXPECT_THAT(errors("groups:\n  - id: a\n    action: explode\n"),
              ElementsAre(HasSubstr("f.yaml:3:13: groups.action must be one of")));
  EXPECT_THAT(errors("groups:\n  - id: a\n    purpose: [x]\n"),
              ElementsAre("f.yaml:3:14: groups.purpose must be a string, not a list"));
  EXPECT_THAT(errors("groups:\n  - id: a\n    purpose: " + std::string(1025, 'x') + "\n"),
              ElementsAre("f.yaml:3:14: groups.purpose must have at most 1024 bytes"));
  EXPECT_THAT(errors("groups:\n  - id: a\n  - id: b\n  - id: a\n"),
              ElementsAre("f.yaml:4:9: the group a is given twice, first at f.yaml:2:9"));
  EXPECT_THAT(lines(load_text("f.yaml", "groups:\n  - id: a\n")->warnings),
              Contains("f.yaml:2:5: the group a has no rules"));
}

TEST(Groups, no_message_quotes_a_rule_or_a_key) {
  for (const std::string_view text :
       {"groups: [secret]", "groups: secret", "bannedCommandStrings: secret",
        "groups: [{id: a, bannedCommandStrings: secret}]",
        "groups: [{id: a, bannedCommandSubstrings: 'secret'}]",
        "groups: [{id: a, bannedCommandStrings: [[secret]]}]",
        "groups: [{id: a, bannedCommandStrings: [{x: secret}]}]",
        "groups: [{id: a, allowedCommandPatterns: secret}]",
        "groups: [{id: a, allowedCommandPatterns: ['(?=secret)']}]",
        "groups: [{id: a, allowedExecutables: [secret]}]",
        "groups: [{id: a, allowedExecutables: [/usr/../secret]}]", "ruleIdKey: secret",
        "ruleIdKey: [secret]", "ruleIdKey: {a: secret}", "{\"ruleIdKey\": \"secret\"}"}) {
    const auto said = errors(text);
    EXPECT_THAT(said, Not(Contains(HasSubstr("secret")))) << text;
    EXPECT_THAT(said, Not(Contains("no error"))) << text;
  }
}

TEST_F(Files, ids_of_groups_are_unique_over_all_of_them) {
  const std::string one = file("one.yaml", "groups:\n  - {id: a, bannedCommandStrings: [x1]}\n");
  const std::string two = file("two.yaml", "\ngroups:\n  - {id: a, bannedCommandStrings: [x2]}\n");
  const LoadResult result = load_files({one, two});
  ASSERT_FALSE(result);
  EXPECT_THAT(lines(result.error()),
              ElementsAre(two + ":3:10: the group a is given twice, first at " + one + ":2:10"));
}

TEST_F(Files, a_key_is_its_files_or_else_the_first_that_there_is) {
  const std::string json = file("list.json", R"({"bannedCommandStrings": ["xmrig"]})");
  const std::string first = file("first.yaml", "ruleIdKey: the first key of all\n");
  const std::string second = file("second.yaml",
                                  "ruleIdKey: the second key of all\n"
                                  "bannedCommandStrings: [x1]\n"
                                  "groups: [{id: a, bannedCommandStrings: [x2]}]\n");
  const LoadResult result = load_files({json, first, second});
  ASSERT_TRUE(result);
  const auto& groups = result->config.execwhacker.groups;
  ASSERT_THAT(names(groups), ElementsAre("list", "second", "a"));
  EXPECT_EQ(groups[0].id_key, "the first key of all");
  EXPECT_EQ(groups[1].id_key, "the second key of all");
  EXPECT_EQ(groups[2].id_key, "the second key of all");
}

TEST(Groups, more_than_have_a_bit_of_the_mask_are_an_error_if_they_are_named) {
  std::string text = "groups:\n";
  for (std::size_t i = 0; i < kMaxRuleGroups; ++i)
    text += fmt::format("  - {{id: g{}, bannedCommandStrings: [word{}]}}\n", i, i);
  EXPECT_THAT(errors(text), ElementsAre("no error"));
  EXPECT_THAT(errors(text + "  - {id: empty}\n"), ElementsAre("no error"));
  EXPECT_THAT(errors(text + "  - {id: last, bannedCommandStrings: [more]}\n"),
              ElementsAre(AllOf(HasSubstr("f.yaml:66:5: the group last is one too many"),
                                HasSubstr("64"))));
}

// The text of a rule decides its id, and its kind and the key; where it stands does not.
TEST(Groups, a_rule_keeps_its_id_wherever_it_stands) {
  const auto id_of = [](std::string_view yaml, std::string_view wanted) {
    for (const RuleGroup& group : groups_of(yaml)) {
      for (const RuleText& rule : group.banned_strings) {
        if (rule.text == wanted)
          return rule_id(group.id_key, RuleKind::kWord, rule.text, group.name, rule.origin);
      }
    }
    return std::string();
  };
  const std::string key = "ruleIdKey: a key of sixteen bytes or more\n";
  EXPECT_EQ(id_of(key + "bannedCommandStrings: [xmrig]\n", "xmrig"), "rllvcuwury5aqppk6");
  EXPECT_EQ(id_of(key + "# a line\n\nbannedCommandStrings: [other, xmrig]\n", "xmrig"),
            "rllvcuwury5aqppk6");
  EXPECT_EQ(id_of("groups:\n- {id: b, bannedCommandStrings: [yy1]}\n"
                  "- {id: a, bannedCommandStrings: [yy2, XMRig]}\n" +
                      key,
                  "XMRig"),
            "rllvcuwury5aqppk6");
  EXPECT_EQ(id_of("bannedCommandStrings: [xmrig]\n", "xmrig"), "f:1:24");
}

}  // namespace
}  // namespace cryptnono::config
