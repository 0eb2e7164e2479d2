// What one run of the generator knows, and how that is written down. For generate.cc and its
// writers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "generate/generate.h"
#include "generate/measure.h"
#include "generate/transform.h"

namespace cryptnono::generate {

enum class Verdict : std::uint8_t {
  kKept,
  kHit,       // an honest line has it
  kShort,     // too short to be tried out by any corpus
  kRedundant  // another rule finds it
};
inline constexpr std::array<std::string_view, 4> kVerdictNames{"kept", "hit", "short", "redundant"};

// What the header says of a corpus. Its name is not among it: it may differ from place to place.
struct CorpusFacts {
  std::string name;
  std::string sha256;
  std::size_t lines = 0;
  std::size_t hit_before = 0;  // by all candidates
  std::size_t hit_after = 0;   // by what is written and may kill
};

struct Run {
  std::vector<NamedText> files;  // seeds, as given
  SeedSet seeds;
  Settings settings;
  std::vector<CorpusFacts> corpora;  // in the order of sha256
  std::vector<Candidate> candidates;
  std::vector<std::string> ids;  // by candidate
  std::vector<Verdict> verdicts;
  std::vector<Hits> hits;
};

// Found in honest lines, or would be.
[[nodiscard]] inline bool is_flagged(Verdict verdict) {
  return verdict == Verdict::kHit || verdict == Verdict::kShort;
}

[[nodiscard]] std::string write_rules(const Run& run);
[[nodiscard]] std::string write_provenance(const Run& run, bool reveal);
[[nodiscard]] std::string write_report_text(const Run& run, const Counts& counts);
[[nodiscard]] std::string write_report_json(const Run& run, const Counts& counts);

}  // namespace cryptnono::generate
