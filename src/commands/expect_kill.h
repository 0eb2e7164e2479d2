// `cryptnono expect-kill`, which is not for users: what `helm test` runs. The image has no shell,
// and Helm wants a Pod that succeeds, so somebody has to turn the death that is expected into
// success.
#pragma once

#include <ostream>
#include <string>

namespace cryptnono::commands {

// Where the text comes from: whoever has it in the command line dies, also the one who asks.
inline constexpr const char* kExpectKillVariable = "CRYPTNONO_TEST_STRING";

struct ExpectKill {
  std::string victim = {};  // not empty: be the victim, who has this in the command line
  double timeout_s = 60;    // tries for so long: a daemon may just be starting
  std::string program = "/proc/self/exe";  // what a victim runs
};

// Starts processes that have `text` in their command line, one after the other, each of which lives
// for two seconds, until one dies of SIGKILL: kOk. kFailure if the time is over, kUsage without a
// text. A victim returns kFailure if it lives.
int run_expect_kill(const ExpectKill& options, const char* text, std::ostream& out,
                    std::ostream& err);

}  // namespace cryptnono::commands
