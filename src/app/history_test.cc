#include "app/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cryptnono::app {
namespace {

using testing::ElementsAre;

History::ByDetector totals(std::uint64_t killed, std::uint64_t reported = 0,
                           std::uint64_t lost = 0) {
  return {{"execwhacker", {.killed = killed, .reported = reported, .lost = lost}}};
}

TEST(History, puts_increases_into_the_step_in_which_they_are_seen) {
  History history(1000);
  history.sample(1000, totals(0));
  history.sample(1009, totals(2, 1, 5));
  history.sample(1010, totals(3, 1, 5));
  history.sample(1031, totals(3, 4, 5));
  const status::History out = history.read(1031, 1'764'000'001);
  EXPECT_EQ(out.step_s, 10U);
  EXPECT_EQ(out.until, 1'764'000'010);  // nine seconds to come
  const status::Series& series = out.series.at("execwhacker");
  EXPECT_THAT(series.killed, ElementsAre(2, 1, 0, 0));
  EXPECT_THAT(series.reported, ElementsAre(1, 0, 0, 3));
  EXPECT_THAT(series.lost, ElementsAre(5, 0, 0, 0));
}

TEST(History, goes_on_while_nobody_samples) {
  History history(0);
  history.sample(5, totals(1));
  EXPECT_THAT(history.read(25, 100).series.at("execwhacker").killed, ElementsAre(1, 0, 0));
}

TEST(History, a_late_detector_has_as_many_steps_as_the_others) {
  History history(0);
  history.sample(0, totals(1));
  history.sample(20, {{"execwhacker", {.killed = 1}}, {"monero", {.killed = 4}}});
  const status::History out = history.read(20, 100);
  EXPECT_THAT(out.series.at("execwhacker").killed, ElementsAre(1, 0, 0));
  EXPECT_THAT(out.series.at("monero").killed, ElementsAre(0, 0, 4));
}

TEST(History, keeps_an_hour_however_long_it_goes_on) {
  History history(0);
  for (std::uint64_t second = 0; second < 3 * 3600; second += 10)
    history.sample(second, totals(second / 10 + 1));
  status::Series series = history.read(3 * 3600 - 1, 0).series.at("execwhacker");
  EXPECT_EQ(series.killed, std::vector<std::uint64_t>(360, 1));
  history.sample(1'000'000, totals(5000));
  series = history.read(1'000'000, 0).series.at("execwhacker");
  ASSERT_EQ(series.killed.size(), 360U);
  EXPECT_EQ(series.killed.back(), 5000U - 3 * 360);
  EXPECT_EQ(series.killed.front(), 0U);
}

TEST(History, samples_in_the_wrong_order_count_once) {
  History history(0);
  history.sample(1, totals(7));
  history.sample(1, totals(5));
  history.sample(1, totals(8));
  EXPECT_THAT(history.read(1, 0).series.at("execwhacker").killed, ElementsAre(8));
}

TEST(History, one_sample_a_step_is_due) {
  History history(0);
  EXPECT_TRUE(history.due(0));
  history.sample(3, totals(0));
  EXPECT_FALSE(history.due(9));
  EXPECT_TRUE(history.due(10));
}

}  // namespace
}  // namespace cryptnono::app
