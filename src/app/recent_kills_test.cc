#include "app/recent_kills.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cryptnono::app {
namespace {

using testing::EndsWith;

status::Kill kill_at(double at, const std::string& text = "") {
  return {.at = at,
          .detector = "execwhacker",
          .action = "killed",
          .rule = {},
          .latency_us = {},
          .who = {.cmdline = text,
                  .executable = text,
                  .pod_namespace = text,
                  .pod = text,
                  .container = text,
                  .image = text}};
}

std::vector<double> times(const RecentKills& kills) {
  std::vector<double> out;
  for (const status::Kill& each : kills.newest_first()) out.push_back(each.at);
  return out;
}

TEST(RecentKills, are_told_by_their_time_the_newest_first) {
  RecentKills kills;
  int told = 0;
  kills.when_added([&] { ++told; });
  for (const double at : {1.0, 3.0, 2.0}) kills.add(kill_at(at));  // a runtime answered late
  EXPECT_EQ(times(kills), (std::vector<double>{3, 2, 1}));
  EXPECT_EQ(told, 3);
}

TEST(RecentKills, are_the_last_fifty) {
  RecentKills kills;
  for (int i = 0; i < 200; ++i) kills.add(kill_at(i));
  const std::vector<double> all = times(kills);
  ASSERT_EQ(all.size(), 50U);
  EXPECT_EQ(all.front(), 199);
  EXPECT_EQ(all.back(), 150);
}

TEST(RecentKills, cut_long_texts) {
  RecentKills kills;
  kills.add(kill_at(1, std::string(100'000, 'x')));
  const status::Who who = kills.newest_first()[0].who;
  for (const std::string* text :
       {&who.cmdline, &who.executable, &who.pod_namespace, &who.pod, &who.container, &who.image}) {
    EXPECT_EQ(text->size(), RecentKills::kMaxText);
    EXPECT_THAT(*text, EndsWith("x..."));
  }
}

}  // namespace
}  // namespace cryptnono::app
