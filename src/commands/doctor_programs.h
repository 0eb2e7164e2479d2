// `cryptnono doctor --programs`: what this kernel's verifier says of each BPF program.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace cryptnono::commands {

struct DoctorPrograms {
  bool wanted = false;
  bool json = false;
  std::vector<std::string> objects;  // files to load instead of the daemon's own programs
};

// Loads everything and attaches nothing but what tells of cgroups. Returns kOk if each object was
// loaded in some form, else kUnsupported or kNotPermitted.
int run_doctor_programs(const DoctorPrograms& options, std::ostream& out, std::ostream& errors);

}  // namespace cryptnono::commands
