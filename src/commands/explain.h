// `cryptnono explain`: which rule would kill or spare a command line, and why.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "commands/inputs.h"

namespace cryptnono::commands {

// Judges `argv` as the daemon would an exec of `executable` (empty: argv[0]) with it. Returns the
// exit code: kOk (spared), kExplainKilled, kUsage (no argv), kConfig.
int run_explain(const Inputs& inputs, const std::vector<std::string>& argv,
                const std::string& executable, std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
