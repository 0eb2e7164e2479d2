#include "detect/fpu/evidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace cryptnono::detect {
namespace {

using Random = std::mt19937;
constexpr std::uint64_t kLarge = std::uint64_t{300} << 20;

// A source of samples 10 ms apart: the mode of the n-th.
using Source = std::function<int(int n)>;

Source shares(Random& random, std::array<double, FPU_MODES> p) {
  return [&random, p](int) { return std::discrete_distribution<int>(p.begin(), p.end())(random); };
}

// What a program shows that changes its mode only every `samples` samples.
Source slowly(int samples) {
  return [samples](int n) { return n / samples % FPU_MODES; };
}

struct Ending {
  FpuVerdict verdict;
  int samples;
};

// Samples until there is a verdict, or `most` times; a pair of samples counts as close.
Ending run(const Source& source, bool flush, std::uint64_t resident, int most) {
  FpuProcess process;
  process.threads.resize(1);
  process.resident_bytes = resident;
  int last = -1;
  for (int n = 0; n < most; ++n) {
    const auto mode = static_cast<std::size_t>(source(n));
    FpuCounts one;
    one.all[mode] = 1;
    one.flushed[mode] = flush ? 1 : 0;
    if (last >= 0) {
      const bool changed = static_cast<std::size_t>(last) != mode;
      one.wall_changed = one.cpu_changed = changed ? 1 : 0;
      one.wall_repeated = one.cpu_repeated = changed ? 0 : 1;
    }
    last = static_cast<int>(mode);
    process.threads[0] += one;
    process.span_ns = static_cast<std::uint64_t>(n) * 10'000'000;
    const FpuVerdict verdict = judge(process).verdict;
    if (verdict != FpuVerdict::kUndecided) return {verdict, n + 1};
  }
  return {FpuVerdict::kUndecided, most};
}

// Measured: RandomX, light mode, in the JIT and in the interpreter (docs/randomx.md).
constexpr std::array<double, FPU_MODES> kRandomX{0.33, 0.22, 0.24, 0.21};
constexpr std::array<double, FPU_MODES> kInterpreter{0.37, 0.20, 0.25, 0.18};

TEST(Evidence, RandomXIsFoundWithinFewSamples) {
  Random random(1);
  for (const auto& p : {kRandomX, kInterpreter}) {
    std::vector<int> needed;
    int given_up = 0;
    for (int i = 0; i < 2000; ++i) {
      const Ending ending = run(shares(random, p), true, kLarge, 1000);
      if (ending.verdict == FpuVerdict::kRandomX) needed.push_back(ending.samples);
      given_up += ending.verdict == FpuVerdict::kCleared ? 1 : 0;
    }
    std::sort(needed.begin(), needed.end());
    EXPECT_LE(given_up, 10) << "of 2000";
    EXPECT_LE(needed[needed.size() / 2], 40);
    EXPECT_LE(needed[needed.size() * 99 / 100], 80);
    RecordProperty("p50", needed[needed.size() / 2]);
    RecordProperty("p99", needed[needed.size() * 99 / 100]);
  }
}

TEST(Evidence, RandomXThatClearsFlushToZeroIsFoundWithMoreSamples) {
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    const Ending ending = run(shares(random, kRandomX), false, kLarge, 3000);
    ASSERT_EQ(ending.verdict, FpuVerdict::kRandomX);
    EXPECT_GE(ending.samples, 500);  // five seconds
  }
}

TEST(Evidence, WithoutFlushToZeroAndWithoutTheMemoryItIsSpared) {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(run(shares(random, kRandomX), false, 10 << 20, 3000).verdict, FpuVerdict::kCleared);
  }
}

// All subsets of fewer than four modes, in any mixture, flush-to-zero or not, as large as RandomX.
TEST(Evidence, OneTwoOrThreeModesAreNeverRandomX) {
  Random random(4);
  std::exponential_distribution<double> share(1);
  for (unsigned subset = 1; subset < 15; ++subset) {
    for (int i = 0; i < 100; ++i) {
      std::array<double, FPU_MODES> p{};
      for (std::size_t m = 0; m < FPU_MODES; ++m) p[m] = (subset >> m & 1) != 0 ? share(random) : 0;
      FpuProcess process;
      FpuCounts& thread = process.threads.emplace_back();
      process.resident_bytes = kLarge;
      process.span_ns = 600'000'000'000;
      const Source source = shares(random, p);
      for (int n = 0; n < 5000; ++n) {
        const auto mode = static_cast<std::size_t>(source(n));
        thread.all[mode] += 1;
        thread.flushed[mode] += 1;
        thread.wall_changed += 1;
        thread.cpu_changed += 1;
        ASSERT_NE(judge(process).verdict, FpuVerdict::kRandomX) << subset;
      }
    }
  }
}

// What others of the container have shown lowers the number of samples, but does not stand for a
// mode.
TEST(Evidence, AnInheritanceDoesNotReplaceAMode) {
  FpuProcess process;
  FpuCounts& thread = process.threads.emplace_back();
  process.resident_bytes = kLarge;
  process.inherited.all = process.inherited.flushed = {50, 50, 50, 50};
  process.inherited.cpu_changed = 100;
  thread.all = thread.flushed = {3, 3, 3, 0};
  thread.cpu_changed = 8;
  EXPECT_NE(judge(process).verdict, FpuVerdict::kRandomX);
  thread.all[FPU_ZERO] = thread.flushed[FPU_ZERO] = 1;
  EXPECT_EQ(judge(process).verdict, FpuVerdict::kRandomX);
}

// A rare fourth mode (a library that rounds to zero now and then), for hours.
TEST(Evidence, ARareFourthModeIsClearedAtTheRateThatTheModelSays) {
  Random random(5);
  int found = 0;
  for (int i = 0; i < 20000; ++i) {
    const Ending ending = run(shares(random, {0.34, 0.32, 0.33, 0.01}), true, kLarge, 5000);
    found += ending.verdict == FpuVerdict::kRandomX ? 1 : 0;
  }
  // exp(-(16.1 - 6.9 - 2.3)) = 1 in 1,000 is the bound for the modes alone, at a share of 0.02.
  EXPECT_LE(found, 20);
}

TEST(Evidence, ModesThatStayForATenthOfASecondAreCleared) {
  for (const int samples : {10, 25, 100}) {
    for (const bool flush : {false, true}) {
      const Ending ending = run(slowly(samples), flush, kLarge, 6000);
      EXPECT_EQ(ending.verdict, FpuVerdict::kCleared) << samples << ' ' << flush;
    }
  }
}

TEST(Evidence, OtherWorkInNearestModeDilutesNothing) {
  Random random(6);
  FpuProcess process;
  FpuCounts& thread = process.threads.emplace_back();
  process.resident_bytes = kLarge;
  thread.all[FPU_NEAREST] = 10'000;
  const Source source = shares(random, kRandomX);
  for (int n = 0; n < 60; ++n) {
    const auto mode = static_cast<std::size_t>(source(n));
    thread.all[mode] += 1;
    thread.flushed[mode] += 1;
    thread.cpu_changed += 1;
  }
  EXPECT_EQ(judge(process).verdict, FpuVerdict::kRandomX);
}

// What fesetround() sets on arm64: glibc's fpu_control.h.
TEST(Evidence, Arm64sEncodingOfTheModes) {
  EXPECT_EQ(fpcr_mode(0), FPU_NEAREST);
  EXPECT_EQ(fpcr_mode(0x00400000 | FPCR_FZ), FPU_UP);
  EXPECT_EQ(fpcr_mode(0x00800000), FPU_DOWN);
  EXPECT_EQ(fpcr_mode(0x00c00000 | FPCR_FZ), FPU_ZERO);
}

void add(FpuCounts& counts, int mode, bool flush, bool changed) {
  counts.all[static_cast<std::size_t>(mode)] += 1;
  counts.flushed[static_cast<std::size_t>(mode)] += flush ? 1 : 0;
  (changed ? counts.cpu_changed : counts.cpu_repeated) += 1;
  (changed ? counts.wall_changed : counts.wall_repeated) += 1;
}

// A thread that mines beside threads that show something else, ten times as often.
TEST(Evidence, DecoysBesideAMinerHideNothing) {
  for (const bool flush : {false, true}) {
    for (const bool slow : {false, true}) {
      Random random(7);
      FpuProcess process;
      process.threads.resize(8);
      process.resident_bytes = kLarge;
      const Source miner = shares(random, kRandomX);
      FpuVerdict verdict = FpuVerdict::kUndecided;
      for (int n = 0; n < 100 && verdict == FpuVerdict::kUndecided; ++n) {
        add(process.threads[0], miner(n), true, random() % 10 < 7);
        for (std::size_t decoy = 1; decoy < process.threads.size(); ++decoy)
          for (int i = 0; i < 10; ++i)
            add(process.threads[decoy], slow ? n / 10 % FPU_MODES : FPU_UP, flush, false);
        verdict = judge(process).verdict;
      }
      EXPECT_EQ(verdict, FpuVerdict::kRandomX) << flush << slow;
    }
  }
}

TEST(Evidence, AnInheritanceNeverSpeaksForAProcess) {
  Random random(8);
  FpuProcess process;
  process.threads.resize(1);
  process.inherited.all = process.inherited.flushed = {0, 0, 10'000, 0};
  process.inherited.cpu_repeated = 10'000;
  const Source miner = shares(random, kRandomX);
  for (int n = 0; n < 60; ++n) add(process.threads[0], miner(n), true, n % 10 < 7);
  EXPECT_EQ(judge(process).verdict, FpuVerdict::kRandomX);
}

}  // namespace
}  // namespace cryptnono::detect
