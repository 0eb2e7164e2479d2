// `cryptnono run --release`: ends what daemons that are gone have left in force.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "commands/inputs.h"

namespace cryptnono::commands {

// `directory`: of pins; if it is not given that of the configuration, else the packages' one.
// Returns the exit code.
int run_release(const Inputs& inputs, const std::optional<std::string>& directory,
                std::ostream& out, std::ostream& errors);

}  // namespace cryptnono::commands
