#include "enforce/window_limit.h"

#include <gtest/gtest.h>

namespace cryptnono::enforce {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(WindowLimit, LetsOneUnitInAgainAndNoMoreUnitsThanItMay) {
  std::uint64_t now = kSecond;
  WindowLimit limit([&now] { return now; });
  limit.set({.max_targets = 2, .window_s = 60});
  EXPECT_TRUE(limit.admit(0, 1));
  EXPECT_TRUE(limit.admit(0, 2));
  EXPECT_FALSE(limit.admit(0, 3));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limit.admit(0, 1));
  EXPECT_FALSE(limit.admit(0, 3));
}

TEST(WindowLimit, ForgetsAUnitWhenTheWindowHasPassed) {
  std::uint64_t now = kSecond;
  WindowLimit limit([&now] { return now; });
  limit.set({.max_targets = 1, .window_s = 60});
  EXPECT_TRUE(limit.admit(0, 1));
  now += 59 * kSecond;
  EXPECT_FALSE(limit.admit(0, 2));
  now += kSecond;
  EXPECT_TRUE(limit.admit(0, 2));
  EXPECT_FALSE(limit.admit(0, 1));
}

TEST(WindowLimit, TellsHowFarItIsUsedUp) {
  std::uint64_t now = kSecond;
  WindowLimit limit([&now] { return now; });
  limit.set({.max_targets = 2, .window_s = 60});
  EXPECT_EQ(limit.state().targets, 0U);
  limit.admit(0, 1);
  limit.admit(0, 1);
  EXPECT_EQ(limit.state().targets, 1U);
  EXPECT_FALSE(limit.state().reached());
  now += 30 * kSecond;
  limit.admit(0, 2);
  EXPECT_TRUE(limit.state().reached());
  now += 30 * kSecond;  // the first one has left the window, and nobody has asked since
  EXPECT_EQ(limit.state().targets, 1U);
  EXPECT_EQ(limit.state().max_targets, 2U);
}

}  // namespace
}  // namespace cryptnono::enforce
