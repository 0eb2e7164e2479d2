// Asks a daemon over its control socket.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace cryptnono::commands {

// The body of the answer to GET `path`. Errors: kNotPermitted; kNoDaemon where nobody listens or
// answers within five seconds; kFailure for an answer that is none. Each says what to do.
Result<std::string> ask_daemon(const std::string& socket, std::string_view path);

}  // namespace cryptnono::commands
