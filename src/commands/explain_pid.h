// `cryptnono explain --pid`: what the daemon would know of a running process, and what it would do
// about it.
#pragma once

#include <sys/types.h>

#include <ostream>
#include <string>
#include <vector>

#include "commands/inputs.h"

namespace cryptnono::commands {

// Asks /proc, the configuration and the runtimes; no daemon need run, and nothing is done to the
// process. One fact a line; what comes from the process or a runtime cannot steer a terminal.
// Returns the exit code: kOk (it lives), kExplainKilled (a look at all processes would kill it
// now), kUsage (not a pid), kConfig, kFailure (no such process), kNotPermitted.
int run_explain_pid(const Inputs& inputs, pid_t pid, std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
