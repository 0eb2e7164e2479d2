// The verdicts of an earlier run, out of its provenance.
#pragma once

#include "config/diagnostics.h"
#include "generate/run.h"

namespace cryptnono::generate {

// Fills verdicts, corpora and on_hit of `run` (whose candidates and ids are there) from
// `provenance`.
// Reports under its name: a line that cannot be read, a rule without a verdict.
void apply_decisions(const NamedText& provenance, Run& run, config::Diagnostics& diagnostics);

}  // namespace cryptnono::generate
