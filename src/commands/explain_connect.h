// `cryptnono explain --connect`: what tcpflowkiller would do about a connect, and which entry of
// which list says so.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "commands/inputs.h"

namespace cryptnono::commands {

// Each of `connects` is "ADDRESS:PORT" or "[ADDRESS]:PORT". Returns an exit code: kExplainKilled if
// any of them would be killed.
int run_explain_connect(const Inputs& inputs, const std::vector<std::string>& connects,
                        std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
