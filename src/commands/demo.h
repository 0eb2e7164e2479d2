// `cryptnono demo`: the main job, on real processes, in a sandbox cgroup of its own.
#pragma once

#include <ostream>

namespace cryptnono::commands {

// Makes a cgroup, starts this binary as a daemon scoped to it, runs commands that must die and
// commands that must live in it, prints what happened, and removes everything. Returns the exit
// code: kOk only if all happened as it should.
int run_demo(std::ostream& out);

}  // namespace cryptnono::commands
