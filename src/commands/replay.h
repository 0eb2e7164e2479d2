// `cryptnono replay`: recorded command lines through a rule set, or through two.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "commands/inputs.h"

namespace cryptnono::commands {

struct ReplayCommand {
  Inputs inputs;
  std::vector<std::string> against;  // --against: files of the old rules
  std::string format = "auto";
  std::vector<std::string> logs;  // "-": standard input
  bool json = false, exact = false;
  bool fail_on_kill = false, fail_on_change = false, fail_on_broken = false;

  void add_to(CLI::App& command);
};

// Returns the exit code: kOk; kExplainKilled if --fail-on-kill, --fail-on-change or
// --fail-on-broken found what it is about; kFailure (a log cannot be read), kUsage (a format that
// is not clear), kConfig.
int run_replay(const ReplayCommand& command, std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
