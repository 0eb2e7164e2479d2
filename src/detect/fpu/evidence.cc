#include "detect/fpu/evidence.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

FpuCounts total_of(const FpuProcess& process) {
  FpuCounts total;
  for (const FpuCounts& thread : process.threads) total += thread;
  return total;
}

namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();
using fpu_model::kClear;
using fpu_model::kFlushSign;
using fpu_model::kKill;
using fpu_model::kKillWithoutFlush;
using fpu_model::kMemoryBytes;
using fpu_model::kMemorySign;
using fpu_model::kMinSpanWithoutFlushNs;
using fpu_model::kMixing;
using fpu_model::kMixingWithoutFlush;

bool flushes(const FpuCounts& counts) {
  return directed(counts.flushed) >= 0.95 * directed(counts.all);
}

double flushed_score(const FpuCounts& counts, bool large) {
  return modes_score(counts.flushed) + kFlushSign + (large ? kMemorySign : 0);
}

// The score to be shown to people, of what flushes.
double shown(const FpuCounts& counts, bool large) {
  if (!flushes(counts)) return kNone;
  return flushed_score(counts, large);
}

bool flushed_randomx(const FpuCounts& counts, bool large, double least) {
  return flushes(counts) && all_seen(counts.flushed) && flushed_score(counts, large) >= least &&
         mixing_score(counts.cpu_changed, counts.cpu_repeated) >= kMixing;
}

// A single thread must show everything, for longer, and with the memory.
bool plain_randomx(const FpuCounts& thread, const FpuProcess& process, bool large, double least) {
  return large && process.span_ns >= kMinSpanWithoutFlushNs && all_seen(thread.all) &&
         modes_score(thread.all) >= least &&
         mixing_score(thread.wall_changed, thread.wall_repeated) >= kMixingWithoutFlush;
}

// Why the thread is not RandomX; empty while that is not clear.
std::string_view against(const FpuCounts& thread, bool large) {
  const double modes = modes_score(thread.all);
  if (modes <= kClear) {
    return all_seen(thread.all) ? "one of the four rounding modes is a rarity"
                                : "it does not use all four rounding modes";
  }
  if (mixing_score(thread.cpu_changed, thread.cpu_repeated) <= kClear)
    return "its rounding mode stays the same for long";
  if (modes >= kKillWithoutFlush && !large && !flushes(thread))
    return "it neither flushes to zero nor holds RandomX's memory";
  return {};
}

}  // namespace

FpuJudgement judge(const FpuProcess& process) {
  const bool large = process.resident_bytes >= kMemoryBytes;
  // So many threads are so many chances for a wrong verdict.
  const double chances = std::log(std::max<std::size_t>(1, process.threads.size()));
  const FpuCounts total = total_of(process);
  FpuCounts with_inherited = total;
  with_inherited += process.inherited;

  FpuJudgement judgement;
  judgement.all_modes = all_seen(total.all);
  judgement.score = std::max(shown(total, large), shown(with_inherited, large));
  bool found = flushed_randomx(total, large, kKill) ||
               (all_seen(total.flushed) && flushed_randomx(with_inherited, large, kKill));
  std::string_view why;
  bool cleared = !process.threads.empty();
  for (const FpuCounts& thread : process.threads) {
    found = found || flushed_randomx(thread, large, kKill + chances) ||
            plain_randomx(thread, process, large, kKillWithoutFlush + chances);
    judgement.score = std::max(
        judgement.score, flushes(thread) ? flushed_score(thread, large) : modes_score(thread.all));
    const std::string_view reason = against(thread, large);
    cleared = cleared && !reason.empty();
    why = reason;
  }
  if (found) {
    judgement.verdict = FpuVerdict::kRandomX;
  } else if (cleared) {
    judgement.verdict = FpuVerdict::kCleared;
    judgement.why = why;
  }
  return judgement;
}

}  // namespace cryptnono::detect
