#include "app/outcomes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace cryptnono::app {
namespace {

using enforce::Outcome;
using testing::HasSubstr;

enforce::Action action(Outcome outcome, std::uint64_t time_ns = 2000) {
  return {.outcome = outcome, .time_ns = time_ns, .refused_why = {}};
}

TEST(Outcomes, counts_each_in_one_series) {
  Outcomes outcomes;
  outcomes.count(action(Outcome::kKilled), 1000, 0);
  outcomes.count(action(Outcome::kKilled), 1000, 1);
  outcomes.count(action(Outcome::kGone), 1000, 1);
  outcomes.count(action(Outcome::kReported), 1000);
  outcomes.count(action(Outcome::kLimited), 1000);
  outcomes.count(action(Outcome::kRefused), 1000);
  outcomes.count(action(Outcome::kSpared), 1000);
  outcomes.count(action(Outcome::kFailed), 1000);
  outcomes.count_spared(1);
  metrics::Exposition out;
  const Outcomes::ByKind kinds = outcomes.collect("monero", {.kills = {0, 3}, .refused = 4}, out);
  EXPECT_EQ(kinds[0].killed, 1U);
  EXPECT_EQ(kinds[1].killed, 4U);
  EXPECT_EQ(kinds[1].missed, 1U);
  EXPECT_EQ(kinds[1].spared, 1U);
  const std::string text = out.text();
  const auto expect = [&](const std::string& name, int value) {
    EXPECT_THAT(text, HasSubstr("\ncryptnono_" + name + "{detector=\"monero\"} " +
                                std::to_string(value) + "\n"));
  };
  expect("processes_killed_total", 5);
  expect("processes_missed_total", 1);
  expect("processes_spared_total", 1);
  expect("processes_reported_total", 2);  // by the mode, and by the limit
  expect("limit_suppressed_total", 1);
  expect("processes_refused_total", 5);
  expect("processes_protected_total", 1);
  expect("kills_failed_total", 1);
  expect("kill_latency_seconds_count", 2);  // of the others nothing is known
}

TEST(Outcomes, measures_from_the_event_to_the_signal_and_never_less_than_nothing) {
  Outcomes outcomes;
  outcomes.count(action(Outcome::kKilled, 1'000'003'000), 1'000'001'000);
  outcomes.count(action(Outcome::kKilled, 1'000'000'000), 1'000'001'000);  // by another CPU's clock
  metrics::Exposition out;
  outcomes.collect("monero", {}, out);
  EXPECT_THAT(out.text(), HasSubstr("_sum{detector=\"monero\"} 2e-06\n"));
  EXPECT_THAT(out.text(), HasSubstr("_bucket{detector=\"monero\",le=\"1e-06\"} 1\n"));
}

// The detector's sum is that of its parts in each scrape, also while it is counted.
TEST(Outcomes, adds_up_while_threads_count) {
  constexpr std::size_t kThreads = 4;
  constexpr std::uint64_t kEach = 20'000;
  Outcomes outcomes;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&outcomes, i] {
      for (std::uint64_t n = 0; n < kEach; ++n)
        outcomes.count(action(Outcome::kKilled), 1000, i % Outcomes::kKinds);
    });
  }
  std::uint64_t last = 0;
  while (last < kThreads * kEach) {
    metrics::Exposition out;
    const Outcomes::ByKind kinds = outcomes.collect("monero", {}, out);
    const std::uint64_t sum = kinds[0].killed + kinds[1].killed;
    EXPECT_GE(sum, last);
    last = sum;
    ASSERT_THAT(out.text(), HasSubstr("cryptnono_processes_killed_total{detector=\"monero\"} " +
                                      std::to_string(sum) + "\n"));
  }
  threads.clear();
  metrics::Exposition out;
  outcomes.collect("monero", {}, out);
  EXPECT_THAT(out.text(), HasSubstr("kill_latency_seconds_count{detector=\"monero\"} 80000\n"));
}

}  // namespace
}  // namespace cryptnono::app
