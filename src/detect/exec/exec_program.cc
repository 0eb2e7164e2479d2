#include "detect/exec/exec_program.h"

#include <bpf/bpf.h>
#include <exec_match.skel.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "kernel/skeleton.h"

namespace cryptnono::detect {

struct ExecProgram::State {
  explicit State(kernel::Skeleton<exec_match_bpf> opened) : skeleton(std::move(opened)) {}

  kernel::Skeleton<exec_match_bpf> skeleton;
  int cpus = 1;
  std::optional<kernel::Enforcement> enforcement;
};

ExecProgram::ExecProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
ExecProgram::~ExecProgram() = default;

Result<std::unique_ptr<ExecProgram>> ExecProgram::load() {
  auto state = std::make_unique<State>(TRY(kernel::Skeleton<exec_match_bpf>::open()));
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
                                 .limit_admit = state->skeleton->progs.limit_admit});
  return std::unique_ptr<ExecProgram>(new ExecProgram(std::move(state)));
}

Result<void> ExecProgram::attach() { return state_->skeleton.attach(); }
void ExecProgram::detach() { state_->skeleton.detach(); }

Result<void> ExecProgram::put_in_force(const kernel::TableMap& tables) const {
  return tables.put_in_force(bpf_map__fd(state_->skeleton->maps.rules));
}

kernel::Enforcement& ExecProgram::enforcement() { return *state_->enforcement; }

exec_stats ExecProgram::stats() const {
  static_assert(sizeof(exec_stats) % sizeof(std::uint64_t) == 0);
  exec_stats sum = {};
  const std::uint32_t key = 0;
  std::vector<exec_stats> per_cpu(static_cast<std::size_t>(state_->cpus));
  if (bpf_map__lookup_elem(state_->skeleton->maps.stats, &key, sizeof key, per_cpu.data(),
                           per_cpu.size() * sizeof(exec_stats), 0) != 0) {
    return sum;
  }
  auto* total = reinterpret_cast<std::uint64_t*>(&sum);
  for (const exec_stats& one : per_cpu) {
    const auto* value = reinterpret_cast<const std::uint64_t*>(&one);
    for (std::size_t i = 0; i < sizeof sum / sizeof *total; ++i) total[i] += value[i];
  }
  return sum;
}

std::uint64_t ExecProgram::recursion_misses() const {
  bpf_prog_info info = {};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(state_->skeleton->progs.exec_match), &info, &size) !=
      0) {
    return 0;
  }
  return info.recursion_misses;
}

Result<kernel::RingBuffer> ExecProgram::events(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.events), std::move(handler));
}

Result<kernel::RingBuffer> ExecProgram::decisions(kernel::RingBuffer::Handler handler) {
  return kernel::RingBuffer::create(bpf_map__fd(state_->skeleton->maps.decisions),
                                    std::move(handler));
}

}  // namespace cryptnono::detect
