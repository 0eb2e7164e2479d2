// From seeds to candidates: texts that may become rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/rule_id.h"
#include "generate/seeds.h"
#include "generate/settings.h"

namespace cryptnono::generate {

using config::RuleKind;

// Bounds below which a text is not made into a rule; docs/rules.md has the sums.
inline constexpr std::size_t kMinWordBytes = 4;      // plain words: shorter ones count as hits
inline constexpr std::size_t kMinBase64Length = 10;  // characters, of which the matcher tells 38
inline constexpr std::size_t kMinHexLength = 14;     // digits
inline constexpr std::size_t kMinEscapedBytes = 5;   // of a text written as \x78\x6d...
inline constexpr std::size_t kMinReversedBytes = 5;
inline constexpr std::size_t kMinSeparatedBytes = 5;
inline constexpr std::size_t kMaxSplitBytes = 6;  // split at every set of places up to this length

struct Candidate {
  RuleKind kind = RuleKind::kWord;
  std::string text;
  std::uint32_t group = 0;              // index into SeedSet::groups
  std::uint32_t seed = 0;               // index into that group's seeds
  std::vector<std::string> chain = {};  // the transformations, in order
};

// All candidates, in the order of groups, seeds and transformations; of equal ones (but for ASCII
// case) of the same kind the first.
[[nodiscard]] std::vector<Candidate> make_candidates(const SeedSet& seeds,
                                                     const Settings& settings);

}  // namespace cryptnono::generate
