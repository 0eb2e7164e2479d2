#include "enforce/escalation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace cryptnono::enforce {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

class EscalationTest : public testing::Test {
 protected:
  EscalationTest() : escalation_([this] { return now_; }) {}
  void use(std::uint32_t after, std::uint32_t window_s) {
    escalation_.set(config::Escalation{
        .after = after, .window_s = window_s, .action = config::Action::kKillTree});
  }

  std::uint64_t now_ = 1000 * kSecond;
  Escalation escalation_;
};

TEST_F(EscalationTest, CountsFromTheNthKillOn) {
  use(3, 60);
  EXPECT_FALSE(escalation_.count(7));
  EXPECT_FALSE(escalation_.count(7));
  EXPECT_FALSE(escalation_.count(8)) << "each unit by itself";
  EXPECT_TRUE(escalation_.count(7));
  EXPECT_TRUE(escalation_.count(7));
}

TEST_F(EscalationTest, ForgetsWhatHasLeftTheWindow) {
  use(2, 60);
  EXPECT_FALSE(escalation_.count(7));
  now_ += 60 * kSecond;
  EXPECT_FALSE(escalation_.count(7));
  now_ += 60 * kSecond - 1;
  EXPECT_TRUE(escalation_.count(7));
  now_ += 60 * kSecond;
  EXPECT_FALSE(escalation_.count(7)) << "quiet for a window: it begins anew";
}

TEST_F(EscalationTest, OfOneEscalatesAtOnceAndUnsetNever) {
  EXPECT_FALSE(escalation_.count(7));
  use(1, 60);
  EXPECT_TRUE(escalation_.count(7));
  escalation_.set(std::nullopt);
  EXPECT_FALSE(escalation_.count(7));
  EXPECT_EQ(escalation_.units(), 0U);
}

TEST_F(EscalationTest, NewSettingsUseWhatWasCounted) {
  use(10, 60);
  EXPECT_FALSE(escalation_.count(7));
  EXPECT_FALSE(escalation_.count(7));
  use(3, 60);
  EXPECT_TRUE(escalation_.count(7));
}

TEST_F(EscalationTest, ForgetsTheUnitWithTheOldestKillWhenThereAreTooMany) {
  use(2, 60);
  for (std::uint64_t unit = 0; unit < Escalation::kMaxUnits; ++unit) escalation_.count(unit);
  EXPECT_TRUE(escalation_.count(0));  // the latest now; 1 is the oldest
  EXPECT_FALSE(escalation_.count(Escalation::kMaxUnits));
  EXPECT_EQ(escalation_.units(), Escalation::kMaxUnits);
  EXPECT_TRUE(escalation_.count(0));
  EXPECT_TRUE(escalation_.count(2));
  EXPECT_FALSE(escalation_.count(1)) << "was forgotten";
}

TEST_F(EscalationTest, LosesNoKillOfSeveralThreads) {
  use(1000, 60);
  std::atomic<int> escalated = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int kill = 0; kill < 300; ++kill) escalated += escalation_.count(7) ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(escalated, 201);
}

}  // namespace
}  // namespace cryptnono::enforce
