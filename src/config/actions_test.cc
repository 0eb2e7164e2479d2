#include "config/actions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/load.h"
#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::string> errors(std::string_view text) {
  const LoadResult result = load_text("f", text);
  if (result) return {"no error"};
  return lines(result.error());
}

Config config_of(std::string_view text) {
  LoadResult result = load_text("f", text);
  EXPECT_TRUE(result) << text;
  return result ? std::move(result->config) : Config();
}

TEST(Actions, AreOrderedAndAllButReportKill) {
  EXPECT_LT(Action::kReport, Action::kKill);
  EXPECT_LT(Action::kKill, Action::kKillTree);
  EXPECT_LT(Action::kKillTree, Action::kKillContainer);
  EXPECT_FALSE(kills(Action::kReport));
  EXPECT_TRUE(kills(Action::kKill) && kills(Action::kKillTree) && kills(Action::kKillContainer));
}

TEST(Actions, AreTakenWhereverThereIsAnAction) {
  for (const Action action :
       {Action::kReport, Action::kKill, Action::kKillTree, Action::kKillContainer}) {
    const std::string setting = ": {action: " + std::string(action_word(action)) + "}\n";
    const Config config =
        config_of("execwhacker" + setting + "monero" + setting + "tcpflowkiller" + setting);
    EXPECT_EQ(config.execwhacker.action, action);
    EXPECT_EQ(config.monero.action, action);
    EXPECT_EQ(config.tcpflowkiller.action, action);
  }
  for (const char* detector : {"execwhacker", "monero", "tcpflowkiller"}) {
    EXPECT_THAT(errors(std::string(detector) + ": {action: kill_tree}"),
                ElementsAre(HasSubstr(std::string(detector) +
                                      ".action must be one of report, kill, kill-tree, "
                                      "kill-container, not kill_tree")));
  }
}

TEST(Actions, OfAFileAreThoseOfItsGroup) {
  const Config config = config_of("action: kill-tree\nbannedCommandStrings: [xmrig]\n");
  ASSERT_EQ(config.execwhacker.groups.size(), 1U);
  EXPECT_EQ(config.execwhacker.groups[0].action, Action::kKillTree);
  EXPECT_EQ(config.execwhacker.action, Action::kKill);
  EXPECT_EQ(config_of("bannedCommandStrings: [xmrig]\n").execwhacker.groups.at(0).action,
            std::nullopt);
}

TEST(Actions, OfAFileWithoutRulesAreAnError) {
  EXPECT_THAT(errors("dryRun: true\naction: report\n"),
              ElementsAre("f:2:9: action is for the rules of its file, and there is no good one in "
                          "it"));
  EXPECT_THAT(errors("bannedCommandStrings: [xmrig]\naction: [kill]\n"),
              ElementsAre(HasSubstr("f:2:9: action must be one of report, ")));
}

TEST(Actions, OfNamespacesMergeNameByName) {
  const Config config = config_of(
      "namespaces:\n  kube-system: {action: report}\n  hub-1: {action: kill-container}\n");
  EXPECT_THAT(config.namespace_actions, ElementsAre(Pair("hub-1", Action::kKillContainer),
                                                    Pair("kube-system", Action::kReport)));
  EXPECT_THAT(config_of("namespaces: {}").namespace_actions, IsEmpty());
  const LoadResult over =
      load_files({}, {.before_lists = nullptr, .overrides = "namespaces: {a: {action: kill}}"});
  ASSERT_TRUE(over);
  EXPECT_THAT(over->config.namespace_actions, ElementsAre(Pair("a", Action::kKill)));
}

TEST(Actions, OfNamespacesThatAreWrongAreErrors) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"namespaces: [a]", "f:1:13: namespaces must be a mapping (key: value), not a list"},
      {"namespaces: {a: report}", "namespaces.a must be a mapping (key: value), not report"},
      {"namespaces: {a: {}}", "f:1:14: namespaces.a has no action"},
      {"namespaces: {a: {action: die}}",
       "namespaces.a.action must be one of report, kill, kill-tree, kill-container, not die"},
      {"namespaces: {A: {action: kill}}",
       "a key of namespaces must be the name of a Kubernetes namespace, not \"A\""},
      {"namespaces: {'': {action: kill}}", "must be the name of a Kubernetes namespace"},
      {"namespaces: {a-: {action: kill}}", "must be the name of a Kubernetes namespace"},
      {"namespaces: {'*': {action: kill}}", "must be the name of a Kubernetes namespace"},
      {"namespaces: {" + std::string(64, 'a') + ": {action: kill}}",
       "must be the name of a Kubernetes namespace"},
      {"namespaces: {a: {actoin: kill, action: kill}}", "did you mean action?"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(errors(text), ElementsAre(HasSubstr(expected))) << text;
}

TEST(Actions, OfEscalationHaveDefaultsAndBounds) {
  EXPECT_FALSE(config_of("dryRun: true").escalation);
  const auto plain = config_of("escalation: {}").escalation;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->after, 3U);
  EXPECT_EQ(plain->window_s, 600U);
  EXPECT_EQ(plain->action, Action::kKillContainer);
  const auto all =
      config_of("escalation: {after: 1000, window: 86400, action: kill-tree}").escalation;
  ASSERT_TRUE(all);
  EXPECT_EQ(all->after, 1000U);
  EXPECT_EQ(all->window_s, 86400U);
  EXPECT_EQ(all->action, Action::kKillTree);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{after: 0}", "escalation.after must be a whole number from 1 to 1000, not 0"},
      {"{after: 1001}", "not 1001"},
      {"{window: 0}", "escalation.window must be a whole number from 1 to 86400 seconds, not 0"},
      {"{window: 86401}", "not 86401"},
      {"{action: kill}", "escalation.action must be one of kill-tree, kill-container, not kill"},
      {"3", "escalation must be a mapping (key: value), not 3"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(errors("escalation: " + text), ElementsAre(HasSubstr(expected))) << text;
}

}  // namespace
}  // namespace cryptnono::config
