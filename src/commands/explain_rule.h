// `cryptnono explain --rule`: which rule an id of a log line is.
#pragma once

#include <ostream>
#include <string>

#include "commands/inputs.h"

namespace cryptnono::commands {

// Says group, purpose, kind and place of every rule with this id, and with --reveal its text. `id`:
// what a key makes of it, or GROUP:LINE:COLUMN where there is no key; a reason for sparing
// ("allowed-pattern:ID") too. Returns the exit code: kOk, kFailure (there is none), kConfig.
int run_explain_rule(const Inputs& inputs, const std::string& id, std::ostream& out,
                     std::ostream& err);

}  // namespace cryptnono::commands
