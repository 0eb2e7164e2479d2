#include "app/health.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace cryptnono::app {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

bool is_asked(const Health& health) {
  pollfd waited{.fd = health.fd(), .events = POLLIN, .revents = 0};
  return poll(&waited, 1, 0) == 1;
}

TEST(Health, is_well_while_each_ping_is_answered) {
  Health health;
  EXPECT_FALSE(is_asked(health));
  for (std::uint64_t second = 1; second < 100; second += 15) {
    EXPECT_EQ(health.probe(second * kSecond), "");
    EXPECT_TRUE(is_asked(health));
    health.answer();
    EXPECT_FALSE(is_asked(health));
  }
}

TEST(Health, is_not_well_once_a_ping_is_not_answered_in_time) {
  Health health;
  EXPECT_EQ(health.probe(100 * kSecond), "");
  EXPECT_EQ(health.probe(105 * kSecond), "");
  EXPECT_EQ(health.probe(110 * kSecond), "");  // of the first
  EXPECT_EQ(health.probe(111 * kSecond), "the main loop has not answered for 11 seconds");
  EXPECT_EQ(health.probe(500 * kSecond), "the main loop has not answered for 400 seconds");
  health.answer();
  EXPECT_EQ(health.probe(501 * kSecond), "");
  EXPECT_TRUE(is_asked(health));
}

TEST(Health, a_long_time_without_probes_says_nothing) {
  Health health;
  EXPECT_EQ(health.probe(kSecond), "");
  health.answer();
  EXPECT_EQ(health.probe(10'000 * kSecond), "");
}

}  // namespace
}  // namespace cryptnono::app
