// `cryptnono check`: says everything that is wrong with configuration files, without running
// anything.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "commands/inputs.h"

namespace cryptnono::commands {

// Loads `files` together, as the daemon would (none: the embedded default). Warnings and errors go
// to `err`, one a line as "file:line:col: what"; if there is no error, one line about what was
// loaded goes to `out`. Never prints a rule. Returns the exit code: ExitCode::kOk, or
// ExitCode::kConfig if anything is wrong, an unreadable file included.
[[nodiscard]] int run_check(const Inputs& inputs, std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
