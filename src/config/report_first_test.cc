#include "config/report_first.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ReportFirstTest, ReadsDatesAndTimes) {
  EXPECT_EQ(parse_time("2026-12-24"), 1798070400);
  EXPECT_EQ(parse_time("2026-12-24T00:00:00Z"), 1798070400);
  EXPECT_EQ(parse_time("2026-12-24t01:30:00.25+01:30"), 1798070400);
  EXPECT_EQ(parse_time("2026-12-23 20:00:00-04:00"), 1798070400);
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z"), parse_time("2017-01-01"));
  EXPECT_EQ(parse_time("2024-02-29"), 1709164800);
}

TEST(ReportFirstTest, RefusesWhatIsNoTime) {
  for (const char* wrong :
       {"", "tomorrow", "2026-13-01", "2026-00-10", "2026-02-29", "2026-4-1", "26-12-24",
        "2026-12-24T", "2026-12-24T10:00", "2026-12-24T10:00:00", "2026-12-24T24:00:00Z",
        "2026-12-24T10:60:00Z", "2026-12-24T10:00:61Z", "2026-12-24T10:00:00+24:00", "2026-12-24Z",
        " 2026-12-24", "1969-12-31", "2026-12-24T10:00:00 Z", "2026-12-24\n"})
    EXPECT_EQ(parse_time(wrong), std::nullopt) << wrong;
}

std::optional<ReportFirst> load(const std::string& value) {
  const LoadResult loaded =
      load_text("f", "bannedCommandStrings: [abc]\nreportFirst: " + value + "\n");
  EXPECT_TRUE(loaded.has_value()) << to_string(loaded.error().at(0));
  return loaded ? loaded->config.execwhacker.groups.at(0).report_first : std::nullopt;
}

TEST(ReportFirstTest, StandsBesideTheRulesOfAFile) {
  EXPECT_EQ(load("{until: 2026-12-24}"), (ReportFirst{.until = 1798070400, .clean_days = 0}));
  EXPECT_EQ(load("{cleanDays: 7}"), (ReportFirst{.until = 0, .clean_days = 7}));
  EXPECT_EQ(load("{cleanDays: 365, until: \"2026-12-24T00:00:00Z\"}"),
            (ReportFirst{.until = 1798070400, .clean_days = 365}));
}

std::vector<std::string> errors(const std::string& text) {
  const LoadResult loaded = load_text("f", text);
  return loaded ? std::vector<std::string>() : lines(loaded.error());
}

TEST(ReportFirstTest, SaysWhatIsWrongAndWhere) {
  const std::string rules = "bannedCommandStrings: [abc]\n";
  EXPECT_THAT(errors(rules + "reportFirst: {}\n"),
              ElementsAre("f:2:14: reportFirst needs until or cleanDays"));
  EXPECT_THAT(
      errors(rules + "reportFirst: {until: 2026-02-30}\n"),
      ElementsAre("f:2:22: reportFirst.until must be a date such as 2026-12-24 or a time such as "
                  "2026-12-24T18:00:00Z, not 2026-02-30"));
  EXPECT_THAT(errors(rules + "reportFirst: {cleanDays: 0}\n"), ElementsAre(HasSubstr("f:2:26: ")));
  EXPECT_THAT(errors(rules + "reportFirst: {cleanDays: 366}\n"),
              ElementsAre(HasSubstr("f:2:26: ")));
  EXPECT_THAT(errors(rules + "reportFirst: {days: 3}\n"),
              ElementsAre(HasSubstr("f:2:15: "), HasSubstr("f:2:14: ")));
  EXPECT_THAT(errors(rules + "reportFirst: soon\n"), ElementsAre(HasSubstr("f:2:14: ")));
  EXPECT_THAT(
      errors("reportFirst: {cleanDays: 3}\n"),
      ElementsAre(
          "f:1:14: reportFirst is for the rules of its file, and there is no good one in it"));
}

TEST(ReportFirstTest, WarnsWhereItSaysNothing) {
  const LoadResult loaded =
      load_text("f", "bannedCommandStrings: [abc]\naction: report\nreportFirst: {cleanDays: 3}\n");
  ASSERT_TRUE(loaded.has_value());
  ASSERT_EQ(loaded->warnings.size(), 1U);
  EXPECT_THAT(to_string(loaded->warnings[0]),
              HasSubstr("f:3:14: reportFirst has no effect: the action is report"));
}

}  // namespace
}  // namespace cryptnono::config
