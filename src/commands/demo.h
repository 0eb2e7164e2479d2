// `cryptnono demo`: the main job, on real processes, in a sandbox cgroup of its own.
#pragma once

#include <ostream>
#include <string>

namespace cryptnono::commands {

// Makes a cgroup, starts this binary as a daemon scoped to it, runs commands that must die and
// commands that must live in it, prints what happened, and removes everything. Then the same with
// real RandomX and with programs that look like it, if `victims` is the folder that holds them (the
// build's `victims`); empty: that part is left out, and it says so. Returns the exit code: kOk only
// if all happened as it should.
int run_demo(const std::string& victims, std::ostream& out);

}  // namespace cryptnono::commands
