// `cryptnono rules test`: command lines that must die and such that must live, for CI.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "commands/inputs.h"

namespace cryptnono::commands {

struct RulesTestCommand {
  Inputs inputs;
  std::vector<std::string> tests;
  bool coverage = false;

  void add_to(CLI::App& command);
};

// Returns the exit code: kOk, kExplainKilled (a case fails), kFailure (a file of tests cannot be
// read), kConfig (it or the configuration is wrong).
int run_rules_test(const RulesTestCommand& command, std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
