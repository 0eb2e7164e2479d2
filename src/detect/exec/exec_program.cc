#include "detect/exec/exec_program.h"

#include <exec_match.skel.h>
#include <exec_match_plain.skel.h>

#include <optional>

#include "kernel/counters.h"
#include "kernel/skeleton.h"

namespace cryptnono::detect {

struct ExecProgram::State {
  explicit State(kernel::Skeleton<exec_match_bpf> opened) : skeleton(std::move(opened)) {}

  kernel::Skeleton<exec_match_bpf> skeleton;
  kernel::Loops loops = kernel::Loops::kCallbacks;
  int cpus = 1;
  std::optional<kernel::Enforcement> enforcement;
};

ExecProgram::ExecProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
ExecProgram::~ExecProgram() = default;

Result<std::unique_ptr<ExecProgram>> ExecProgram::load() {
  return kernel::first_accepted([](kernel::Loops loops) { return load(loops); });
}

Result<std::unique_ptr<ExecProgram>> ExecProgram::load(kernel::Loops loops) {
  auto state = std::make_unique<State>(
      TRY(kernel::Skeleton<exec_match_bpf>::open<exec_match_plain_bpf>(loops)));
  state->loops = loops;
  state->cpus = libbpf_num_possible_cpus();
  if (state->cpus <= 0) return fail_errno("cannot count the CPUs", -state->cpus);
  if (const int error = bpf_map__set_max_entries(state->skeleton->maps.scratches,
                                                 static_cast<std::uint32_t>(state->cpus))) {
    return fail_errno("cannot size the scratch map", -error);
  }
  if (Result<void> loaded = state->skeleton.load(); !loaded) {
    Error error = with_context("execwhacker", std::move(loaded).error());
    if (error.code != ExitCode::kNotPermitted) error.code = ExitCode::kUnsupported;
    return tl::unexpected(std::move(error));
  }
  state->enforcement.emplace(
      kernel::Enforcement::Parts{.settings = &state->skeleton->bss->settings,
                                 .protected_pids = state->skeleton->maps.protected_pids,
                                 .units = state->skeleton->maps.units,
                                 .protected_users = state->skeleton->maps.protected_users,
                                 .protected_files = state->skeleton->maps.protected_files,
                                 .limit_rings = state->skeleton->maps.limit_rings,
                                 .limit_admit = state->skeleton->progs.limit_admit});
  return std::unique_ptr<ExecProgram>(new ExecProgram(std::move(state)));
}

Result<void> ExecProgram::attach() { return state_->skeleton.attach(); }
void ExecProgram::detach() { state_->skeleton.detach(); }

Result<void> ExecProgram::put_in_force(const kernel::TableMap& tables) const {
  return tables.put_in_force(bpf_map__fd(state_->skeleton->maps.rules));
}

kernel::Enforcement& ExecProgram::enforcement() { return *state_->enforcement; }

kernel::Loops ExecProgram::loops() const { return state_->loops; }

exec_stats ExecProgram::stats() const {
  return kernel::sum_of_cpus<exec_stats>(state_->skeleton->maps.stats, state_->cpus);
}

kernel::ProgramRuns ExecProgram::runs() const {
  return kernel::runs_of(state_->skeleton->progs.exec_match);
}

Result<kernel::RingBuffer> ExecProgram::events(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.events), std::move(handler));
}

Result<kernel::RingBuffer> ExecProgram::decisions(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.decisions),
                                    std::move(handler));
}

}  // namespace cryptnono::detect
