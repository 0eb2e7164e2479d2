// `cryptnono rules seal` and `cryptnono rules open`: rule files that may lie in public.
#pragma once

#include <CLI/CLI.hpp>
#include <vector>

#include "commands/rules.h"

namespace cryptnono::commands {

// Adds both below `rules`, and what runs them to `all`.
void add_seal_commands(CLI::App& rules, std::vector<Subcommand>& all);

}  // namespace cryptnono::commands
