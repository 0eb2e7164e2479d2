// `cryptnono rules ...`: what is done with rule files before a daemon sees them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

namespace cryptnono::commands {

// A command that the command line may have chosen; `run` returns the exit code.
struct Subcommand {
  CLI::App* parser;
  std::function<int()> run;
};

// Adds `rules` and all below it, and `replay`.
std::vector<Subcommand> add_rules_commands(CLI::App& cli);

}  // namespace cryptnono::commands
