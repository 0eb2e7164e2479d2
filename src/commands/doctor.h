// `cryptnono doctor`: what this kernel and these privileges allow, tried for real, and what is lost
// without each.
#pragma once

#include <ostream>

namespace cryptnono::commands {

// Prints one line per hook or right, and the capabilities that the daemon can use. Returns kOk if
// everything that is required is there, else kUnsupported or kNotPermitted.
int run_doctor(std::ostream& out);

}  // namespace cryptnono::commands
