// `cryptnono rules export` and `rules import`: a community's rules, taken along
// (docs/right-to-replicate.md).
#pragma once

#include "commands/rules.h"

namespace cryptnono::commands {

// Exits with 0; 1: a file cannot be read or written, or age is missing; 2: recipients, or what is
// there already; 3: a file of rules is wrong.
Subcommand add_export_command(CLI::App& rules);
// Exits with 0; 1 as above; 2: what is there already; 3: the bundle cannot be opened or is wrong;
// 10: rules did not come out of their seeds byte for byte.
Subcommand add_import_command(CLI::App& rules);

}  // namespace cryptnono::commands
