// From seeds to a rule file. The same input gives the same bytes, on any machine and in any locale.
//
// Nothing here touches a file: who calls it reads and writes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "generate/seeds.h"
#include "generate/settings.h"

namespace cryptnono::generate {

struct Inputs {
  std::vector<NamedText> seeds;            // in the order in which equal rules count
  std::optional<NamedText> settings = {};  // none: Settings::defaults()
  std::vector<NamedText> corpora = {};     // in any order
  std::optional<OnHit> on_hit = {};        // instead of what the settings say
  // The provenance of an earlier run: its verdicts hold, and nothing is measured, so that a list
  // can be made anew, byte by byte, where its corpora are not. Not together with corpora.
  std::optional<NamedText> decisions = {};
  bool reveal_provenance = false;  // the provenance has the rules' texts
};

struct Counts {
  std::size_t candidates = 0;
  std::size_t rules = 0;      // written, flagged ones included
  std::size_t hit = 0;        // stand in honest lines
  std::size_t too_short = 0;  // are not, but would stand in others
  std::size_t redundant = 0;  // another rule finds all that they would
  std::size_t lines = 0;      // of all corpora
};

struct Output {
  std::string rules;        // a rule file
  std::string provenance;   // JSON lines: one about the run, then one for each candidate
  std::string report_text;  // with the rules' texts: for the operator's eyes
  std::string report_json;
  Counts counts;
  bool failed = false;  // OnHit::kFail, and something hit: `rules` and `provenance` are empty
};

struct Outcome {
  std::optional<Output> output;  // none: `errors` says why
  std::vector<config::Diagnostic> errors;
  std::vector<config::Diagnostic> warnings;
};

[[nodiscard]] Outcome generate(const Inputs& inputs);

}  // namespace cryptnono::generate
