#include "detect/fpu/evidence.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace cryptnono::detect {

namespace {

using Modes = std::array<double, FPU_MODES>;

double ratio(double hits, double misses, double likely, double rare) {
  return hits * std::log(likely / rare) + misses * std::log((1 - likely) / (1 - rare));
}

double directed(const Modes& by_mode) {
  return by_mode[FPU_DOWN] + by_mode[FPU_UP] + by_mode[FPU_ZERO];
}

bool all_seen(const Modes& by_mode) {
  return std::all_of(by_mode.begin(), by_mode.end(), [](double n) { return n > 0; });
}

}  // namespace

FpuCounts& FpuCounts::operator+=(const FpuCounts& other) {
  for (std::size_t mode = 0; mode < FPU_MODES; ++mode) {
    all[mode] += other.all[mode];
    flushed[mode] += other.flushed[mode];
  }
  wall_changed += other.wall_changed;
  wall_repeated += other.wall_repeated;
  cpu_changed += other.cpu_changed;
  cpu_repeated += other.cpu_repeated;
  return *this;
}

FpuCounts& FpuCounts::operator*=(double factor) {
  for (std::size_t mode = 0; mode < FPU_MODES; ++mode) {
    all[mode] *= factor;
    flushed[mode] *= factor;
  }
  wall_changed *= factor;
  wall_repeated *= factor;
  cpu_changed *= factor;
  cpu_repeated *= factor;
  return *this;
}

FpuCounts counts_of(const fpu_thread& thread) {
  const auto samples = [](std::uint32_t fixed_point) { return double{1} * fixed_point / FPU_ONE; };
  FpuCounts counts;
  std::transform(std::begin(thread.all), std::end(thread.all), counts.all.begin(), samples);
  std::transform(std::begin(thread.flushed), std::end(thread.flushed), counts.flushed.begin(),
                 samples);
  counts.wall_changed = samples(thread.wall_changed);
  counts.wall_repeated = samples(thread.wall_repeated);
  counts.cpu_changed = samples(thread.cpu_changed);
  counts.cpu_repeated = samples(thread.cpu_repeated);
  return counts;
}

double modes_score(const Modes& by_mode) {
  using fpu_model::kRareShare;
  using fpu_model::kShareOfMode;
  const double turned = directed(by_mode);
  double least = ratio(by_mode[FPU_NEAREST], turned, kShareOfMode, kRareShare);
  // Among the directed ones: other work of the thread, which is in nearest mode, dilutes nothing.
  for (const int mode : {FPU_DOWN, FPU_UP, FPU_ZERO}) {
    const double hits = by_mode[static_cast<std::size_t>(mode)];
    least = std::min(least, ratio(hits, turned - hits, kShareOfMode, kRareShare));
  }
  return least;
}

double mixing_score(double changed, double repeated) {
  return ratio(changed, repeated, fpu_model::kChange, fpu_model::kSlowChange);
}

FpuJudgement judge(const FpuProcess& process) {
  using namespace fpu_model;
  const bool large = process.resident_bytes >= kMemoryBytes;
  FpuJudgement judgement;
  judgement.all_modes = all_seen(process.total.all);

  // With flush-to-zero: all threads together, and what was inherited.
  FpuCounts sum = process.total;
  sum += process.inherited;
  const bool flushes = directed(sum.flushed) >= 0.95 * directed(sum.all);
  const double mixing = mixing_score(sum.cpu_changed, sum.cpu_repeated);
  const double modes = modes_score(sum.flushed);
  judgement.score = modes + (flushes ? kFlushSign : 0) + (large ? kMemorySign : 0);
  if (flushes && judgement.score >= kKill && mixing >= kMixing && all_seen(process.total.flushed)) {
    judgement.verdict = FpuVerdict::kRandomX;
    return judgement;
  }
  // Without it: a single thread must show everything, for longer, and with the memory.
  const FpuCounts& one = process.strongest;
  const double plain = modes_score(one.all);
  const double plain_mixing = mixing_score(one.wall_changed, one.wall_repeated);
  if (plain >= kKillWithoutFlush && plain_mixing >= kMixingWithoutFlush && large &&
      process.span_ns >= kMinSpanWithoutFlushNs && all_seen(one.all)) {
    judgement.score = plain;
    judgement.verdict = FpuVerdict::kRandomX;
    return judgement;
  }
  const auto clear = [&judgement](std::string_view why) {
    judgement.verdict = FpuVerdict::kCleared;
    judgement.why = why;
  };
  if (modes_score(sum.all) <= kClear) {
    clear(judgement.all_modes ? "one of the four rounding modes is a rarity"
                              : "it does not use all four rounding modes");
  } else if (mixing <= kClear) {
    clear("its rounding mode stays the same for long");
  } else if (plain >= kKillWithoutFlush && !large && !flushes) {
    clear("it neither flushes to zero nor holds RandomX's memory");
  }
  return judgement;
}

}  // namespace cryptnono::detect
