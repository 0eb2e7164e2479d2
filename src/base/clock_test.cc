#include "base/clock.h"

#include <gtest/gtest.h>

namespace cryptnono {
namespace {

TEST(Clock, ticks_are_rounded_down_as_the_kernel_does) {
  const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  const std::uint64_t tick_ns = 1'000'000'000 / per_second;
  EXPECT_EQ(boottime_ns_to_ticks(0), 0U);
  EXPECT_EQ(boottime_ns_to_ticks(tick_ns - 1), 0U);
  EXPECT_EQ(boottime_ns_to_ticks(tick_ns), 1U);
  // Ten years of uptime: nothing overflows.
  EXPECT_EQ(boottime_ns_to_ticks(315'360'000ULL * 1'000'000'000 + tick_ns - 1),
            315'360'000ULL * per_second);
}

TEST(Clock, monotonic_time_goes_on) {
  const std::uint64_t first = monotonic_ns();
  EXPECT_GT(first, 0U);
  EXPECT_GE(monotonic_ns(), first);
}

}  // namespace
}  // namespace cryptnono
