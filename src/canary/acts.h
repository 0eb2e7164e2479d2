// What a canary does: what a detector looks for, and nothing else. Runs in a process of its own
// (sandbox.h).
#pragma once

#include <string>
#include <vector>

namespace cryptnono::canary {

// What a canary exits with that has done its act and lives on: nobody stopped it. Not a value of
// ExitCode.
inline constexpr int kLivedOn = 86;

// The act, from the arguments behind the hidden subcommand:
//   exec WORD             nothing: by its exec it was to die
//   rounding              draws all four rounding modes with flush-to-zero, as RandomX does
//   connect ADDRESS PORT  one connect over TCP, IPv4
// Returns kLivedOn, after a while where user space may have to kill it; ExitCode::kUsage for other
// arguments.
int act(const std::vector<std::string>& arguments);

}  // namespace cryptnono::canary
