// The decision of the monero detector: is what was sampled of a thread's rounding modes RandomX?
//
// docs/randomx.md derives the model and every constant here, with the measured distributions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bpf/api/fpu.h"

namespace cryptnono::detect {

// Decayed numbers of samples. Additive: those of several threads may be summed.
struct FpuCounts {
  std::array<double, FPU_MODES> all{};      // by rounding mode (FPU_NEAREST...)
  std::array<double, FPU_MODES> flushed{};  // of these with flush-to-zero and denormals-are-zero
  // Pairs of successive samples of one thread at most FPU_MIX_GAP_NS apart.
  double wall_changed = 0, wall_repeated = 0;
  double cpu_changed = 0, cpu_repeated = 0;  // ...of its own CPU time

  FpuCounts& operator+=(const FpuCounts& other);
  FpuCounts& operator*=(double factor);
};

FpuCounts counts_of(const fpu_thread& thread);

namespace fpu_model {
// Share of a directed mode among the directed samples, and of nearest among all: what RandomX shows
// at least (H1), and what is a rarity (H0: at least one of the four modes has no greater share).
inline constexpr double kShareOfMode = 0.25;
inline constexpr double kRareShare = 0.02;
// Probability that two samples at most 16 ms apart differ: RandomX's is 0.63 to 0.73; a program
// that stays in a mode for 100 ms or longer has 0.16 at most.
inline constexpr double kChange = 0.5;
inline constexpr double kSlowChange = 0.16;
// Natural logarithms of odds: ten million to one, and a billion to one.
inline constexpr double kKill = 16.1;
inline constexpr double kKillWithoutFlush = 20.7;
// Signs that are independent of the modes and the same for all samples of a program, so they count
// once: no honest program of those measured sets flush-to-zero in directed modes (1 in 1,000
// assumed); 1 in 10 is assumed to hold so much memory.
inline constexpr double kFlushSign = 6.9;
inline constexpr double kMemorySign = 2.3;
inline constexpr double kMixing = 2.0;
inline constexpr double kMixingWithoutFlush = 6.9;
// Evidence against: a miner is given up for a while with a probability of 1 in 1,000.
inline constexpr double kClear = -6.9;
// Who has shown this little of RandomX leaves nothing to its container's next process.
inline constexpr double kWorthInheriting = -2.0;
// RandomX's smallest memory is 256 MiB (Monero's cache; ArgonMemory in its specification), other
// coins' variants have 128.
inline constexpr std::uint64_t kMemoryBytes = std::uint64_t{100} << 20;
inline constexpr std::uint64_t kMinSpanWithoutFlushNs = 5'000'000'000;
}  // namespace fpu_model

// Logarithm of the likelihood ratio of "all four modes have their share" to "the rarest of the four
// is a rarity": the least of four. Negative as long as a mode has not been seen at all.
double modes_score(const std::array<double, FPU_MODES>& by_mode);
// The same of "modes change faster than samples are taken" to "they stay for 100 ms or longer".
double mixing_score(double changed, double repeated);

struct FpuProcess {
  std::vector<FpuCounts> threads;  // one each
  FpuCounts inherited;  // of processes that ran before in the same container for the same user
  std::uint64_t span_ns = 0;  // from the first sample to the last
  std::uint64_t resident_bytes = 0;
};

FpuCounts total_of(const FpuProcess& process);

enum class FpuVerdict : std::uint8_t { kUndecided, kRandomX, kCleared };

struct FpuJudgement {
  FpuVerdict verdict = FpuVerdict::kUndecided;
  double score = 0;  // against fpu_model::kKill, or kKillWithoutFlush
  bool all_modes = false;
  std::string_view why;  // kCleared: what speaks against RandomX
};

// What some threads show never speaks for others: a process is RandomX if one thread is, or all
// together, or all together with what was inherited; and it is cleared when each thread is.
FpuJudgement judge(const FpuProcess& process);

}  // namespace cryptnono::detect
