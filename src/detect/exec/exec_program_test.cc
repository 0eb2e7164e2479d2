// The kernel side's blast-radius limit, asked by a test run.
#include "detect/exec/exec_program.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace cryptnono::detect {
namespace {

// Both objects of the program, for they have other atomic operations.
class KernelLimit : public testing::TestWithParam<kernel::Loops> {};
INSTANTIATE_TEST_SUITE_P(BothObjects, KernelLimit,
                         testing::Values(kernel::Loops::kCallbacks, kernel::Loops::kPlain));

TEST_P(KernelLimit, AUnitThatManyCpusAskForAtOnceTakesOneSlot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to load a BPF program";
  auto program = ExecProgram::load(GetParam());
  if (!program && program.error().code == ExitCode::kUnsupported)
    GTEST_SKIP() << program.error().message;
  ASSERT_TRUE(program) << program.error().message;
  kernel::Enforcement& enforcement = (*program)->enforcement();
  enforcement.set_mode(1, {.max_targets = 2, .window_s = 3600});
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> askers;
    for (int i = 0; i < 4; ++i) {
      askers.emplace_back([&] {
        for (int round = 0; round < 100'000; ++round) {
          const Result<bool> admitted = enforcement.admit(0, 7);
          if (!admitted || !*admitted) ++refused;
        }
      });
    }
  }
  EXPECT_EQ(refused, 0);
  EXPECT_TRUE(*enforcement.admit(0, 8)) << "the second slot is still free";
  EXPECT_FALSE(*enforcement.admit(0, 9)) << "and there is no third";
}

}  // namespace
}  // namespace cryptnono::detect
