#include "commands/doctor_programs.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "detect/exec/exec_program.h"
#include "detect/flow/flow_program.h"
#include "detect/fpu/fpu_program.h"
#include "kernel/cgroup_events.h"
#include "kernel/guard.h"
#include "kernel/lsm.h"
#include "kernel/verifier_report.h"

namespace cryptnono::commands {

namespace {

using kernel::ProgramFigures;

// Those of all that could not be loaded in any form.
std::vector<Error> load_own_programs() {
  std::vector<Error> failed;
  const auto note = [&](const auto& loaded) {
    if (!loaded) failed.push_back(loaded.error());
  };
  note(detect::ExecProgram::load());
  note(detect::FpuProgram::load());
  note(detect::FlowProgram::load({}));
  note(kernel::CgroupEvents::start(0, [](std::uint64_t, std::string_view) {}));
  if (kernel::try_lsm()) note(kernel::Guard::load({}));  // else it is nobody's failure
  return failed;
}

void print_table(const std::string& release, const std::vector<ProgramFigures>& figures,
                 std::ostream& out) {
  out << "kernel " << release << '\n'
      << fmt::format("{:<14} {:<18} {:>12} {:>8} {:>8} {:>10} {:>9}\n", "object", "program",
                     "instructions", "states", "peak", "jited", "ms");
  for (const ProgramFigures& each : figures) {
    if (!each.loaded) {
      out << fmt::format("{:<14} {:<18} refused, attempt {}: {}\n", each.object, each.program,
                         each.attempt, each.refusal);
      continue;
    }
    out << fmt::format("{:<14} {:<18} {:>12} {:>8} {:>8} {:>10} {:>9.1f}\n", each.object,
                       each.program, each.instructions, each.states, each.peak_states,
                       each.jited_bytes, static_cast<double>(each.verification_us) / 1e3);
  }
}

void print_json(const std::string& release, const std::vector<ProgramFigures>& figures,
                const std::vector<Error>& failed, std::ostream& out) {
  nlohmann::ordered_json programs = nlohmann::ordered_json::array();
  for (const ProgramFigures& each : figures) {
    nlohmann::ordered_json entry = {{"object", each.object},
                                    {"program", each.program},
                                    {"attempt", each.attempt},
                                    {"loaded", each.loaded}};
    if (!each.loaded) entry["refusal"] = each.refusal;
    entry["instructions"] = each.instructions;
    entry["states"] = each.states;
    entry["peak_states"] = each.peak_states;
    entry["stack"] = each.stack;
    entry["translated_bytes"] = each.translated_bytes;
    entry["jited_bytes"] = each.jited_bytes;
    entry["verification_us"] = each.verification_us;
    programs.push_back(std::move(entry));
  }
  nlohmann::ordered_json errors = nlohmann::ordered_json::array();
  for (const Error& each : failed) errors.push_back(each.message);
  out << nlohmann::ordered_json{{"kernel", release}, {"programs", programs}, {"errors", errors}}
             .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
      << '\n';
}

}  // namespace

int run_doctor_programs(const DoctorPrograms& options, std::ostream& out, std::ostream& errors) {
  const kernel::VerifierReport report;
  std::vector<Error> failed;
  if (options.objects.empty()) failed = load_own_programs();
  for (const std::string& path : options.objects) {
    const Result<void> loaded = kernel::try_object_file(path);
    if (!loaded) failed.push_back(loaded.error());
  }
  utsname kernel{};
  uname(&kernel);
  if (options.json) {
    print_json(kernel.release, report.figures(), failed, out);
  } else {
    print_table(kernel.release, report.figures(), out);
  }
  auto code = ExitCode::kOk;
  for (const Error& each : failed) {
    if (!options.json) errors << each.message << '\n';
    if (code == ExitCode::kOk) code = each.code;
  }
  return static_cast<int>(code);
}

}  // namespace cryptnono::commands
