#include "status/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/utf8.h"
#include "status/screen.h"
#include "status/test_status.h"

namespace cryptnono::status {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(StatusText, says_what_there_is) {
  const auto lines = lines_of(status_text(full_status(), {}));
  EXPECT_EQ(lines[0], "NOT READY  node-1  cryptnono 0.1.0, kernel 6.1.0-18-amd64, up 2 min");
  EXPECT_EQ(lines[1], "  monero: the last canary survived");
  EXPECT_THAT(
      lines,
      Contains("Detectors       state   killed reported missed failed   lost   limit  canary"));
  EXPECT_THAT(
      lines,
      Contains(
          "  execwhacker   up          11       12     15     16     18   20/20  passed 23 s ago"));
  EXPECT_THAT(lines, Contains("  monero        DOWN         0        0      0      0      0     "
                              "-/0  survived 3 s ago"));
  EXPECT_THAT(lines, Contains("  execwhacker   rules   2 allowed-pattern, 6120 banned"));
  EXPECT_THAT(
      lines,
      Contains(
          "  execwhacker   limit   used up: nothing new is acted on until it is below 20 in 60 s"));
  EXPECT_THAT(lines, Contains("  monero        why     no such hook"));
  EXPECT_THAT(lines, Contains("Configuration   generation 3, loaded 2 min ago, dry run: nothing is "
                              "killed, 2 cgroups only"));
  EXPECT_THAT(lines, Contains("                error   /etc/a.yaml:1:2: wrong"));
  EXPECT_THAT(lines, Contains("  real-time priority: RandomX is found later"));
  EXPECT_THAT(lines, Contains("    remedy  add CAP_SYS_NICE"));
  EXPECT_THAT(lines, Contains(AllOf(StartsWith("  1 min ago"),
                                    HasSubstr("killed      default:3:5  after 14.2 us"))));
}

TEST(StatusText, shows_strangers_texts_without_what_steers_a_terminal) {
  Status status = full_status();
  status.node = status.version = status.kernel = status.detectors[0].name =
      status.detectors[0].hook = kHostile;
  status.detectors[0].rules = {{kHostile, 1}};
  status.detectors[1].canary.result = kHostile;
  status.missing[0] = {.what = kHostile, .effect = kHostile, .remedy = kHostile, .why = kHostile};
  status.config.files = status.config.last_reload_errors = status.not_ready = {kHostile};
  status.kills[0].detector = status.kills[0].action = status.kills[0].rule = kHostile;
  const std::string text = status_text(status, {});
  for (const char c : text)
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << int{c};
  EXPECT_EQ(replace_invalid_utf8(text), text);
  for (const std::string_view steering :
       {"\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xef\xbb\xbf"})
    EXPECT_THAT(text, Not(HasSubstr(std::string(steering))));
  EXPECT_EQ(lines_of(text).size(),
            lines_of(status_text(full_status(), {})).size());  // no line was made
  EXPECT_THAT(text, HasSubstr("a\\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\x0d\\x0a"));
}

TEST(StatusText, without_details_has_no_who) {
  Status status = full_status();
  status.details = false;
  EXPECT_THAT(status_text(status, {}), Not(HasSubstr("pid 7")));
}

TEST(StatusText, has_colours_only_if_asked) {
  EXPECT_THAT(status_text(full_status(), {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(status_text(full_status(), {.colour = true}),
              StartsWith("\x1b[1;31mNOT READY\x1b[0m"));
}

TEST(StatusText, fits_the_terminal) {
  const auto lines = lines_of(status_text(full_status(), {.columns = 40, .rows = 12}));
  ASSERT_EQ(lines.size(), 12U);
  EXPECT_EQ(lines.back(), "...");
  EXPECT_TRUE(std::all_of(lines.begin(), lines.end(),
                          [](const auto& line) { return columns_of(line) <= 40; }));
  EXPECT_EQ(lines[0], "NOT READY  node-1  cryptnono 0.1.0, k...");
}

TEST(StatusText, tells_how_far_groups_are_that_report_first) {
  Status status = full_status();
  const std::string text = status_text(status, {});
  EXPECT_THAT(text, HasSubstr("Groups that report first\n"));
  EXPECT_THAT(text, HasSubstr("reports, then kill-tree, not before 2026-12-24T00:00:00"));
  EXPECT_THAT(text, HasSubstr(", clean for 1 day of 7 days\n"));
  EXPECT_THAT(text, HasSubstr("would have killed 3, last 1 day ago\n"));
  EXPECT_THAT(text, HasSubstr("over: kill\n"));
  status.rollouts.clear();
  EXPECT_THAT(status_text(status, {}), testing::Not(HasSubstr("report first")));
  status.rollouts = {{.group = kHostile, .would = kHostile, .reports = true}};
  EXPECT_THAT(status_text(status, {}), testing::Not(HasSubstr("\x1b")));
}

TEST(StatusText, tells_a_few_kills_of_many) {
  Status status = full_status();
  status.kills.resize(50, status.kills[0]);
  EXPECT_THAT(status_text(status, {.max_kills = 10}), HasSubstr("Last kills  10 of 50\n"));
  status.kills.clear();
  EXPECT_THAT(status_text(status, {}), HasSubstr("Last kills  none\n"));
}

TEST(Screen, counts_wide_letters_twice_and_cuts_none_in_half) {
  EXPECT_EQ(columns_of("abc"), 3U);
  EXPECT_EQ(columns_of("\xc3\xa9"), 1U);
  EXPECT_EQ(columns_of("\xe6\xbc\xa2\xf0\x9f\x98\x80"), 4U);
  Screen screen;
  screen.line().add("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2");
  EXPECT_EQ(screen.text(false, 5, 0), "\xe6\xbc\xa2...\n");
  EXPECT_EQ(screen.text(false, 4, 0), "...\n");
  EXPECT_EQ(screen.text(false, 6, 0), "\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\n");
}

TEST(Duration, is_told_in_one_unit) {
  for (const auto& [seconds, text] :
       std::vector<std::pair<double, std::string>>{{1.42e-5, "14.2 us"},
                                                   {2.5e-3, "2.5 ms"},
                                                   {0.35, "350 ms"},
                                                   {1, "1 s"},
                                                   {59.9, "59 s"},
                                                   {60, "1 min"},
                                                   {3599, "59 min"},
                                                   {7200, "2 h"},
                                                   {86400, "1 day"},
                                                   {200000, "2 days"}})
    EXPECT_EQ(duration_text(seconds), text);
}

}  // namespace
}  // namespace cryptnono::status
