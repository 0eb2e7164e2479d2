// `cryptnono rules generate`: seeds to a rule file (docs/rules.md).
#pragma once

#include "commands/rules.h"

namespace cryptnono::commands {

// Exits with 0, 1 (a file, or --on-hit fail and something hit), 3 (seeds or settings are wrong).
Subcommand add_generate_command(CLI::App& rules);

}  // namespace cryptnono::commands
