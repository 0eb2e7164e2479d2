#include "detect/exec/exec_rules.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "match/matcher.h"

namespace cryptnono::detect {
namespace {

using std::literals::operator""sv;
using Verdict = Judgement::Verdict;

std::shared_ptr<ExecRules> compile(std::string_view yaml) {
  auto loaded = config::load_text("rules.yaml", yaml);
  EXPECT_TRUE(loaded.has_value());
  auto rules = ExecRules::compile(loaded->config.execwhacker, 7);
  EXPECT_TRUE(rules.has_value());
  return *rules;
}

ExecLine line(std::string_view argv, std::string_view filename = {}, std::string_view path = {},
              bool trusted = false) {
  return {.text = {.path = path, .filename = filename, .argv = argv}, .path_trusted = trusted};
}

TEST(ExecRules, judges_and_names_the_rule_and_where_it_was_written) {
  const auto rules =
      compile("bannedCommandStrings:\n- Other\n- Miner\nbannedCommandSubstrings: [-ostratum]\n");
  EXPECT_EQ(rules->judge(line("x\0y\0"sv)).verdict, Verdict::kNothing);
  const Judgement word = rules->judge(line("./miner\0-x\0"sv));
  EXPECT_EQ(word.verdict, Verdict::kBanned);
  EXPECT_EQ(rules->rule_text(word.rule), "Miner");
  EXPECT_EQ(rules->rule_origin(word.rule).line, 3U);
  EXPECT_EQ(rules->group_name(rules->rule_group(word.rule)), "rules");
  EXPECT_EQ(rules->rule_text(rules->judge(line("x\0-oSTRATUM+tcp\0"sv)).rule), "-ostratum");
  EXPECT_EQ(rules->generation(), 7U);
  EXPECT_EQ(rules->rule_text(MATCH_NO_RULE), "");
}

TEST(ExecRules, a_rules_id_is_its_place_or_what_its_key_makes_of_it) {
  const auto placed =
      compile("bannedCommandStrings: [first, xmrig]\nbannedCommandSubstrings: [xmrig]\n");
  EXPECT_EQ(placed->rule_id(1), "rules:1:31");
  EXPECT_EQ(placed->rule_id(2), "rules:2:27");
  EXPECT_EQ(placed->rule_id(MATCH_NO_RULE), "");
  const auto keyed = compile(
      "groups:\n- {id: a, bannedCommandSubstrings: [XMRig]}\n"
      "- {id: b, bannedCommandStrings: [other, xmrig]}\n"
      "ruleIdKey: a key of sixteen bytes or more\n");
  ASSERT_EQ(keyed->size(), 3U);
  // As in config/rule_id_test.cc.
  EXPECT_EQ(keyed->rule_id(0), "ryeckiyvhebucrdqv");
  EXPECT_EQ(keyed->rule_kind(0), config::RuleKind::kSubstring);
  EXPECT_EQ(keyed->rule_id(2), "rllvcuwury5aqppk6");
  EXPECT_EQ(keyed->rule_kind(2), config::RuleKind::kWord);
  EXPECT_EQ(keyed->rule_group(2), 1U);
}

TEST(ExecRules, groups_beyond_the_mask_keep_names_of_their_own_in_ids) {
  config::Execwhacker config;
  for (std::size_t i = 0; i <= MATCH_MAX_GROUPS; ++i) {
    config::RuleGroup group;
    group.name = "g" + std::to_string(i);
    group.banned_substrings.push_back({.text = "xyz" + std::to_string(i), .origin = {}});
    config.groups.push_back(group);
  }
  const auto rules = *ExecRules::compile(config, 1);
  EXPECT_EQ(rules->rule_id(MATCH_MAX_GROUPS), "g64:0:0");
  EXPECT_EQ(rules->rule_group(MATCH_MAX_GROUPS), MATCH_MAX_GROUPS - 1);
}

TEST(ExecRules, a_group_acts_as_it_says_itself_or_else_as_the_detector_does) {
  config::Execwhacker config;
  config.action = config::Action::kKillTree;
  for (const auto action : {std::optional(config::Action::kReport), std::optional<config::Action>(),
                            std::optional(config::Action::kKill)}) {
    config::RuleGroup group;
    group.banned_strings.push_back(
        {.text = "x" + std::to_string(config.groups.size()), .origin = {}});
    group.action = action;
    config.groups.push_back(group);
  }
  const auto rules = ExecRules::compile(config, 1);
  ASSERT_TRUE(rules);
  EXPECT_EQ((*rules)->kill_groups(), 6U);
  EXPECT_EQ((*rules)->action_of(1), config::Action::kReport);
  EXPECT_EQ((*rules)->action_of(2), config::Action::kKillTree);
  EXPECT_EQ((*rules)->action_of(4), config::Action::kKill);
  EXPECT_EQ((*rules)->action_of(7), config::Action::kKillTree);
  EXPECT_EQ((*rules)->action_of(0), config::Action::kReport);
}

TEST(ExecRules, where_groups_share_a_bit_the_mildest_action_counts) {
  config::Execwhacker config;
  for (std::size_t i = 0; i <= MATCH_MAX_GROUPS; ++i) {
    config::RuleGroup group;
    group.banned_strings.push_back({.text = "x" + std::to_string(i), .origin = {}});
    config.groups.push_back(group);
  }
  const std::uint64_t last = std::uint64_t{1} << (MATCH_MAX_GROUPS - 1);
  EXPECT_EQ((*ExecRules::compile(config, 1))->kill_groups(), ~std::uint64_t{0});
  config.groups.back().action = config::Action::kReport;
  EXPECT_EQ((*ExecRules::compile(config, 1))->kill_groups(), ~last);
}

TEST(ExecRules, the_canaries_word_is_no_rule) {
  config::Execwhacker config;
  config::RuleGroup group;
  group.banned_strings.push_back({.text = "miner", .origin = {}});
  config.groups.push_back(group);
  const auto rules = *ExecRules::compile(config, 1, "canary0123");
  EXPECT_EQ(rules->canary_groups(), ExecRules::kCanaryGroups);
  EXPECT_EQ(rules->size(), 1U);
  const auto hit = match::Matcher(rules->tables()).match_text("x canary0123 y");
  EXPECT_EQ(hit.groups, ExecRules::kCanaryGroups);
  EXPECT_EQ(rules->rule_text(hit.rule), "");
  EXPECT_EQ(rules->judge(line("x\0canary0123\0"sv)).verdict, Verdict::kNothing);
  EXPECT_EQ(rules->judge_running(line("x\0canary0123\0"sv)).verdict, Verdict::kNothing);
  const Judgement both = rules->judge(line("canary0123\0miner\0"sv));
  EXPECT_EQ(both.groups, 1U);
  EXPECT_EQ(rules->rule_text(both.rule), "miner");
}

TEST(ExecRules, the_canaries_word_takes_no_group_and_no_time_from_others) {
  config::Execwhacker config;
  EXPECT_EQ((*ExecRules::compile(config, 1, "canary0123"))->canary_groups(), 0U) << "without rules";
  for (std::size_t i = 0; i < MATCH_MAX_GROUPS; ++i) {
    config::RuleGroup group;
    group.banned_strings.push_back({.text = "x" + std::to_string(i), .origin = {}});
    config.groups.push_back(group);
  }
  EXPECT_EQ((*ExecRules::compile(config, 1, "canary0123"))->canary_groups(), 0U);
  config.groups.pop_back();
  EXPECT_EQ((*ExecRules::compile(config, 1, "canary0123"))->canary_groups(),
            ExecRules::kCanaryGroups);
}

TEST(ExecRules, matches_allowed_patterns_on_the_line_with_the_file_name_first) {
  const auto rules =
      compile("bannedCommandStrings: [miner]\nallowedCommandPatterns: ['^/bin/echo ']\n");
  EXPECT_EQ(rules->judge(line("echo\0miner\0"sv, "/bin/echo")).verdict, Verdict::kSpared);
  EXPECT_EQ(rules->judge(line("/bin/echo\0miner\0"sv, "/tmp/x")).verdict,
            Verdict::kBanned);  // argv[0] is the caller's to choose
  EXPECT_EQ(rules->judge(line("/bin/echo\0miner\0"sv)).verdict,
            Verdict::kSpared);  // a scan has no file name
}

TEST(ExecRules, trusts_an_allowed_executable_only_if_it_may) {
  const auto rules = compile("bannedCommandStrings: [miner]\nallowedExecutables: [/usr/bin/ok]\n");
  EXPECT_EQ(rules->judge(line("miner\0"sv, "ok", "/usr/bin/ok", true)).verdict, Verdict::kSpared);
  EXPECT_EQ(rules->judge(line("miner\0"sv, "ok", "/usr/bin/ok", false)).verdict, Verdict::kBanned);
  EXPECT_EQ(rules->judge(line("/usr/bin/ok\0miner\0"sv, "/usr/bin/ok", "/tmp/x", true)).verdict,
            Verdict::kBanned);
}

TEST(ExecRules, keeps_its_answers_when_the_tables_move) {
  const auto rules = compile("bannedCommandStrings: [miner]\n");
  auto copy =
      std::make_shared<std::vector<std::byte>>(rules->tables().begin(), rules->tables().end());
  rules->use_tables(*copy, copy);
  EXPECT_EQ(rules->judge(line("miner\0"sv)).verdict, Verdict::kBanned);
}

TEST(QuotedLine, replaces_the_first_argument_and_bytes_that_are_not_utf8) {
  EXPECT_EQ(quoted_line("/bin/echo", "echo\0a b\0"sv), "/bin/echo 'a b'");
  EXPECT_EQ(quoted_line("", "echo\0a\xff\0"sv), "echo 'a\xef\xbf\xbd'");
  EXPECT_EQ(quoted_line("/bin/x", ""), "/bin/x");
}

}  // namespace
}  // namespace cryptnono::detect
