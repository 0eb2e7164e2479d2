// `cryptnono rules corpus`: honest lines of this machine, for `rules generate` (docs/rules.md).
#pragma once

#include "commands/rules.h"

namespace cryptnono::commands {

// Exits with 0 or 1 (a file).
Subcommand add_corpus_command(CLI::App& rules);

}  // namespace cryptnono::commands
