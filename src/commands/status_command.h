// `cryptnono status`: what the daemon says of itself, asked over its control socket.
#pragma once

#include <optional>
#include <ostream>
#include <string>

namespace cryptnono::commands {

struct StatusCommand {
  std::string socket;
  bool json = false;              // as the daemon sent it
  bool alive = false;             // only whether its main loop answers: /healthz
  std::optional<double> watch_s;  // again and again, so many seconds apart, until a signal
};

// Returns kOk if the daemon is ready (with `alive`: alive), kNotReady if it is not, kNoDaemon or
// kNotPermitted if it cannot be asked. `out` is styled and cut to the terminal if standard output
// is one.
int run_status(const StatusCommand& command, std::ostream& out, std::ostream& err);

}  // namespace cryptnono::commands
