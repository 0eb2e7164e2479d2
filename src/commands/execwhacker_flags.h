// ExecwhackerFlags: the predecessor's command line of its execwhacker, so that a script or a
// manifest that calls it needs no other arguments. `--config` is the daemon's own.
#pragma once

#include <CLI/CLI.hpp>

#include "app/daemon.h"

namespace cryptnono::commands {

// Adds the options to a command. They set what the daemon's own options of the same meaning do
// (--scan-interval, --metrics-listen, --log-level); those that only described how the predecessor
// worked are accepted, with their types, and have no effect. `options` must live until the command
// line is parsed.
void add_execwhacker_flags(CLI::App& command, app::RunOptions& options);

}  // namespace cryptnono::commands
