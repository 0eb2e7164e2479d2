#include "commands/explain_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "commands/explain.h"

namespace cryptnono::commands {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The ids are those of config/rule_id_test.cc.
constexpr const char* kKeyed = R"(
ruleIdKey: a key of sixteen bytes or more
groups:
  - id: miners
    purpose: Names of miners
    action: kill-tree
    bannedCommandStrings: [xmrig]
    bannedCommandSubstrings: [xmrig]
    allowedCommandPatterns: ['^/usr/bin/X ']
    allowedExecutables: [/usr/bin/Less]
)";

class ExplainRuleTest : public testing::Test {
 protected:
  ExplainRuleTest() : directory_(make_directory()) {}
  ~ExplainRuleTest() override { std::filesystem::remove_all(directory_); }

  // The exit code; what was said in said_.
  int explain(const std::string& yaml, const std::string& id, bool reveal = false) {
    const std::string path = write(yaml);
    std::ostringstream out;
    std::ostringstream err;
    const Inputs inputs{.files = {path}, .identities = {}, .reveal = reveal};
    const int code = run_explain_rule(inputs, id, out, err);
    said_ = out.str();
    complaint_ = err.str();
    return code;
  }
  std::string write(const std::string& yaml) {
    const std::string path = directory_ / "rules.yaml";
    std::ofstream(path) << yaml;
    return path;
  }

  static std::filesystem::path make_directory() {
    std::string name = std::filesystem::temp_directory_path() / "explain_rule_test.XXXXXX";
    return ::mkdtemp(name.data());
  }

  std::filesystem::path directory_;
  std::string said_;
  std::string complaint_;
};

TEST_F(ExplainRuleTest, FindsARuleByItsId) {
  EXPECT_EQ(explain(kKeyed, "rllvcuwury5aqppk6"), 0);
  EXPECT_EQ(said_,
            "rule: rllvcuwury5aqppk6\nkind: banned string\ngroup: miners\n"
            "purpose: Names of miners\naction: kill-tree\nplace: " +
                (directory_ / "rules.yaml").string() + ":7:28\n");
  EXPECT_EQ(explain(kKeyed, "ryeckiyvhebucrdqv"), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("kind: banned substring\n"), HasSubstr(":8:31\n")));
  EXPECT_EQ(explain(kKeyed, "rvhfgy4dbhmrk3ui6"), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("kind: allowed pattern\n"), HasSubstr(":9:30\n")));
  EXPECT_EQ(explain(kKeyed, "allowed-executable:rl5xcwh7cogurscfx"), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("kind: allowed executable\n"), HasSubstr(":10:26\n")));
}

TEST_F(ExplainRuleTest, ShowsTheTextOnlyIfItIsToRevealIt) {
  for (const char* id : {"rllvcuwury5aqppk6", "rvhfgy4dbhmrk3ui6", "rl5xcwh7cogurscfx"}) {
    EXPECT_EQ(explain(kKeyed, id), 0);
    EXPECT_THAT(said_, Not(HasSubstr("text:"))) << id;
    EXPECT_THAT(said_, AllOf(Not(HasSubstr("xmrig")), Not(HasSubstr("/usr/bin")))) << id;
  }
  EXPECT_EQ(explain(kKeyed, "rllvcuwury5aqppk6", true), 0);
  EXPECT_THAT(said_, HasSubstr("\ntext: xmrig\n"));
  EXPECT_EQ(explain(kKeyed, "rvhfgy4dbhmrk3ui6", true), 0);
  EXPECT_THAT(said_, HasSubstr("\ntext: ^/usr/bin/X \n"));
}

TEST_F(ExplainRuleTest, FindsARuleByItsPlaceWhereThereIsNoKey) {
  EXPECT_EQ(explain("bannedCommandStrings: [other, xmrig]\n", "rules:1:31", true), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("group: rules\n"), HasSubstr("action: kill\n"),
                           HasSubstr("text: xmrig\n")));
}

TEST_F(ExplainRuleTest, SaysThatThereIsNone) {
  for (const char* id : {"rllvcuwury5aqppk7", "rules:9:9", "", "xmrig", "miners:7:28"}) {
    EXPECT_EQ(explain(kKeyed, id), 1) << id;
    EXPECT_THAT(said_, IsEmpty());
    EXPECT_THAT(complaint_, HasSubstr("no rule of these files has the id"));
  }
  EXPECT_EQ(explain("bannedCommandStrings: x\n", "rules:1:1"), 3);
}

TEST_F(ExplainRuleTest, ExplainOfACommandLineTellsIdsUnlessItIsToReveal) {
  const std::string path = write(kKeyed);
  const auto judge = [&](std::vector<std::string> argv, bool reveal) {
    std::ostringstream out;
    run_explain({.files = {path}, .identities = {}, .reveal = reveal}, argv, "", out, out);
    return out.str();
  };
  EXPECT_EQ(judge({"sh", "-c", "./xmrig"}, false),
            "banned string rllvcuwury5aqppk6 (group miners, " + path +
                ":7:28)\n  in: sh -c './[rllvcuwury5aqppk6]'\nkilled\n");
  EXPECT_THAT(judge({"sh", "-c", "./xmrig"}, true),
              AllOf(HasSubstr("banned string \"xmrig\" (group"), HasSubstr("in: sh -c ./xmrig\n")));
  EXPECT_THAT(judge({"/usr/bin/x", "xmrig"}, false),
              HasSubstr("\nspared: allowed-pattern:rvhfgy4dbhmrk3ui6\n"));
  EXPECT_THAT(judge({"/usr/bin/x", "xmrig"}, true), HasSubstr("\nspared: allowed-pattern:^/usr"));
}

}  // namespace
}  // namespace cryptnono::commands
