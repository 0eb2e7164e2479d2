#include "app/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"

namespace cryptnono::app {
namespace {

using config::Action;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::uint64_t kDayS = 24 * 3600;
constexpr const char* kRules = "bannedCommandStrings: [abc, def]\n";

class RolloutTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "rollout_test.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  // A daemon that starts now.
  std::unique_ptr<Rollout> start() {
    return std::make_unique<Rollout>([this] { return now_; });
  }
  config::Config config(const std::string& report_first, const std::string& rules = kRules,
                        const std::string& more = "") {
    auto loaded = config::load_text(
        "f", rules + "reportFirst: " + report_first +
                 "\nstate: {directory: " + (directory_ / "state").string() + "}\n" + more);
    EXPECT_TRUE(loaded.has_value()) << to_string(loaded.error().at(0));
    return std::move(loaded->config);
  }
  // Loads this into the rollout, as the daemon does. What the group does then.
  Action load(Rollout& rollout, config::Config config) {
    warnings_ = rollout.decide(config);
    ended_ = rollout.use();
    const config::RuleGroup& group = config.execwhacker.groups.at(0);
    return group.action.value_or(config.execwhacker.action);
  }
  void pass(std::uint64_t seconds) {
    now_.boot_ns += seconds * 1'000'000'000;
    now_.unix_s += static_cast<double>(seconds);
  }

  fs::path directory_;
  Rollout::Now now_{.unix_s = 1'798'000'000, .boot_ns = 500'000'000'000'000};
  std::vector<std::string> warnings_;
  std::vector<status::Rollout> ended_;
};

TEST_F(RolloutTest, ReportsUntilItsDate) {
  auto rollout = start();
  const auto at = [&] { return config("{until: 2026-12-24}"); };  // 1798070400
  EXPECT_EQ(load(*rollout, at()), Action::kReport);
  EXPECT_EQ(rollout->wait_ms(), 60'000);
  pass(70'399);
  EXPECT_FALSE(rollout->tick());
  EXPECT_EQ(rollout->wait_ms(), 1000);
  EXPECT_EQ(load(*rollout, at()), Action::kReport);
  EXPECT_TRUE(ended_.empty());
  pass(1);
  EXPECT_TRUE(rollout->tick());
  EXPECT_EQ(load(*rollout, at()), Action::kKill);
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].group, "f");
  EXPECT_FALSE(rollout->tick());
  EXPECT_EQ(rollout->wait_ms(), -1);
  EXPECT_EQ(load(*start(), at()), Action::kKill) << "a daemon that starts later";
}

TEST_F(RolloutTest, WhatItWouldDoIsTheGroupsAction) {
  auto rollout = start();
  config::Config loaded = config("{cleanDays: 1}", kRules, "action: kill-tree\n");
  EXPECT_TRUE(rollout->decide(loaded).empty());
  EXPECT_EQ(loaded.execwhacker.groups[0].would, Action::kKillTree);
  rollout->use();
  EXPECT_EQ(rollout->states().at(0).would, "kill-tree");
}

TEST_F(RolloutTest, EachThatItWouldHaveKilledBeginsTheCleanDaysAnew) {
  auto rollout = start();
  EXPECT_EQ(load(*rollout, config("{cleanDays: 2}")), Action::kReport);
  pass(kDayS * 2 - 1);
  EXPECT_FALSE(rollout->tick());
  rollout->would_have_killed("f");
  rollout->would_have_killed("another");
  pass(1);
  EXPECT_FALSE(rollout->tick());
  EXPECT_EQ(rollout->states().at(0).clean_s, 1U);
  EXPECT_EQ(rollout->states().at(0).would_have_killed, 1U);
  EXPECT_EQ(rollout->states().at(0).last_would_at, 1'798'000'000 + std::int64_t{kDayS} * 2 - 1);
  pass(kDayS * 2 - 1);
  EXPECT_TRUE(rollout->tick());
  EXPECT_EQ(load(*rollout, config("{cleanDays: 2}")), Action::kKill);
  rollout->would_have_killed("f");  // it is killed: no longer something that it would do
  EXPECT_EQ(load(*rollout, config("{cleanDays: 2}")), Action::kKill);
}

TEST_F(RolloutTest, BothMeansTheLater) {
  auto rollout = start();
  const auto both = [&] { return config("{until: 2026-12-24, cleanDays: 1}"); };
  EXPECT_EQ(load(*rollout, both()), Action::kReport);
  pass(80'000);
  EXPECT_FALSE(rollout->tick()) << "the date is past, not yet a day";
  pass(kDayS - 80'000);
  EXPECT_TRUE(rollout->tick());
}

TEST_F(RolloutTest, OnlyTimeWithADaemonCounts) {
  auto rollout = start();
  EXPECT_EQ(load(*rollout, config("{cleanDays: 2}")), Action::kReport);
  pass(kDayS);
  ASSERT_TRUE(rollout->save(true).has_value());
  pass(5 * kDayS);  // nobody looks
  rollout = start();
  now_.boot_ns = 7'000'000'000;  // the machine was started anew, too
  EXPECT_EQ(load(*rollout, config("{cleanDays: 2}")), Action::kReport);
  EXPECT_EQ(rollout->states().at(0).clean_s, kDayS);
  pass(kDayS);
  EXPECT_TRUE(rollout->tick());
  EXPECT_EQ(load(*rollout, config("{cleanDays: 2}")), Action::kKill);
  ASSERT_TRUE(rollout->save(true).has_value());
  EXPECT_EQ(load(*start(), config("{cleanDays: 2}")), Action::kKill) << "once over, it stays";
}

TEST_F(RolloutTest, OtherRulesBeginAnewAndAnotherOrderDoesNot) {
  auto rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  pass(kDayS);
  load(*rollout, config("{cleanDays: 2}", "bannedCommandStrings: [def, abc]\n"));
  EXPECT_EQ(rollout->states().at(0).clean_s, kDayS);
  load(*rollout, config("{cleanDays: 2}", "bannedCommandStrings: [def, abc, ghi]\n"));
  EXPECT_EQ(rollout->states().at(0).clean_s, 0U);
  pass(kDayS);
  load(*rollout, config("{cleanDays: 3}", "bannedCommandStrings: [def, abc, ghi]\n"));
  EXPECT_EQ(rollout->states().at(0).clean_s, 0U) << "another promise";
}

TEST_F(RolloutTest, NoClockThatIsSetShortensCleanDays) {
  auto rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  now_.unix_s += static_cast<double>(10 * kDayS);
  EXPECT_FALSE(rollout->tick());
  now_.unix_s -= static_cast<double>(20 * kDayS);
  pass(2 * kDayS);
  EXPECT_TRUE(rollout->tick());
}

TEST_F(RolloutTest, AConfigurationThatCannotBeLoadedIsAskedForOnceAMinute) {
  auto rollout = start();
  load(*rollout, config("{until: 2026-12-24}"));
  pass(70'400);
  EXPECT_TRUE(rollout->tick());
  EXPECT_FALSE(rollout->tick());
  EXPECT_EQ(rollout->wait_ms(), 60'000);
  pass(60);
  EXPECT_TRUE(rollout->tick());
}

TEST_F(RolloutTest, AStateThatIsWrongBeginsAnewAndNeverEarlier) {
  fs::create_directory(directory_ / "state");
  const auto path = directory_ / "state" / kRolloutFile;
  for (const char* wrong :
       {"x", "{}", "[]", R"({"groups": {"f": {"clean_s": -1}}})", R"({"groups": 7})"}) {
    std::ofstream(path) << wrong;
    auto rollout = start();
    EXPECT_EQ(load(*rollout, config("{cleanDays: 1}")), Action::kReport);
    ASSERT_EQ(warnings_.size(), 1U) << wrong;
    EXPECT_THAT(warnings_[0], HasSubstr(path.string()));
    EXPECT_EQ(rollout->states().at(0).clean_s, 0U);
  }
  // Another group's clean days are nobody's.
  std::ofstream(path)
      << R"({"saved_at": 1798000000, "groups": {"f": {"content": "00", "clean_s": 99999999, "over": true}}})";
  EXPECT_EQ(load(*start(), config("{cleanDays: 1}")), Action::kReport);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(RolloutTest, TheStateHasNoRuleAndIsReadableByNobodyElse) {
  auto rollout = start();
  load(*rollout, config("{cleanDays: 1}",
                        "bannedCommandStrings: [frobnicate]\nruleIdKey: 0123456789abcdef\n"));
  pass(100);
  ASSERT_TRUE(rollout->save().has_value());
  std::ifstream file(directory_ / "state" / kRolloutFile);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(text, HasSubstr("\"clean_s\": 100"));
  EXPECT_THAT(text, testing::Not(HasSubstr("frobnicate")));
  struct stat status {};
  ASSERT_EQ(stat((directory_ / "state" / kRolloutFile).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(RolloutTest, AFileThatOthersMayWriteIsNotBelieved) {
  auto rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  pass(kDayS);
  ASSERT_TRUE(rollout->save(true).has_value());
  const auto path = directory_ / "state" / kRolloutFile;
  fs::permissions(path, fs::perms::group_write, fs::perm_options::add);
  rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], HasSubstr("not a file that this user alone may write"));
  EXPECT_EQ(rollout->states().at(0).clean_s, 0U);
}

TEST_F(RolloutTest, NoCrashMakesAGroupKillEarlier) {
  auto rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  pass(2 * kDayS - 10);
  ASSERT_TRUE(rollout->save(true).has_value());
  rollout->would_have_killed("f");
  // Killed at this moment: what the next one knows is the file.
  rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  EXPECT_EQ(rollout->states().at(0).clean_s, 0U);
}

TEST_F(RolloutTest, AGroupThatWasAwayBeginsAnew) {
  auto rollout = start();
  load(*rollout, config("{cleanDays: 2}"));
  pass(kDayS);
  ASSERT_TRUE(rollout->save(true).has_value());
  config::Config none = config("{cleanDays: 2}");
  none.execwhacker.groups.clear();
  rollout->decide(none);
  rollout->use();
  ASSERT_TRUE(rollout->save(true).has_value());
  load(*rollout, config("{cleanDays: 2}"));
  EXPECT_EQ(rollout->states().at(0).clean_s, 0U);
}

TEST_F(RolloutTest, AStateThatCannotBeWrittenIsSaidOnce) {
  std::ofstream(directory_ / "state") << "a file where the directory should be";
  auto rollout = start();
  load(*rollout, config("{cleanDays: 1}"));
  EXPECT_EQ(warnings_.size(), 1U);
  pass(100);
  EXPECT_FALSE(rollout->save().has_value());
  pass(100);
  EXPECT_TRUE(rollout->save().has_value());
}

}  // namespace
}  // namespace cryptnono::app
