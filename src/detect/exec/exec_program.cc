#include "detect/exec/exec_program.h"

#include <bpf/bpf.h>
#include <exec_match.skel.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <unordered_map>

#include "kernel/scope_writer.h"
#include "kernel/skeleton.h"

namespace cryptnono::detect {

struct ExecProgram::State {
  explicit State(kernel::Skeleton<exec_match_bpf> opened) : skeleton(std::move(opened)) {}

  kernel::Skeleton<exec_match_bpf> skeleton;
  int cpus = 1;
  std::unordered_map<std::uint64_t, std::uint64_t> units;
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
  return std::unique_ptr<ExecProgram>(new ExecProgram(std::move(state)));
}

Result<void> ExecProgram::attach() { return state_->skeleton.attach(); }
void ExecProgram::detach() { state_->skeleton.detach(); }

Result<void> ExecProgram::put_in_force(const kernel::TableMap& tables) const {
  return tables.put_in_force(bpf_map__fd(state_->skeleton->maps.rules));
}

void ExecProgram::set_enforcement(std::uint64_t kill_groups, const config::Limit& limit) {
  volatile enforce_config& settings = state_->skeleton->bss->settings;
  settings.limit_window_ns = std::uint64_t{limit.window_s} * 1'000'000'000;
  settings.limit_targets = std::min<std::uint32_t>(limit.max_targets, LIMIT_SLOTS);
  settings.kill_groups = kill_groups;
}

void ExecProgram::set_scope(const std::vector<scope_entry>& include,
                            const std::vector<scope_entry>& exclude) {
  kernel::write_scope(state_->skeleton->bss->settings, include, exclude);
}

void ExecProgram::set_unit_hierarchy(std::uint32_t hierarchy) {
  state_->skeleton->bss->settings.unit_hierarchy = hierarchy;
}

Result<void> ExecProgram::protect(pid_t pid, std::uint64_t start_boottime_ns) {
  const auto key = static_cast<std::uint32_t>(pid);
  if (const int error =
          bpf_map__update_elem(state_->skeleton->maps.protected_pids, &key, sizeof key,
                               &start_boottime_ns, sizeof start_boottime_ns, BPF_ANY)) {
    return fail_errno("cannot protect pid " + std::to_string(pid), -error);
  }
  return {};
}

Result<void> ExecProgram::set_units(const std::vector<UnitCgroup>& units) {
  bpf_map* map = state_->skeleton->maps.units;
  std::unordered_map<std::uint64_t, std::uint64_t> wanted;
  for (const UnitCgroup& unit : units) {
    wanted.emplace(unit.cgroup_id, unit.unit);
    const auto known = state_->units.find(unit.cgroup_id);
    if (known != state_->units.end() && known->second == unit.unit) continue;
    if (const int error = bpf_map__update_elem(map, &unit.cgroup_id, sizeof unit.cgroup_id,
                                               &unit.unit, sizeof unit.unit, BPF_ANY)) {
      return fail_errno("cannot tell the kernel of a container", -error);
    }
  }
  for (const auto& [cgroup_id, unit] : state_->units) {
    if (!wanted.contains(cgroup_id)) bpf_map__delete_elem(map, &cgroup_id, sizeof cgroup_id, 0);
  }
  state_->units = std::move(wanted);
  return {};
}

Result<bool> ExecProgram::admit(std::uint32_t group, std::uint64_t unit) {
  std::array<std::uint64_t, 2> arguments{};
  arguments[LIMIT_ARG_GROUP] = group;
  arguments[LIMIT_ARG_UNIT] = unit;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments.data(),
              .ctx_size_in = static_cast<std::uint32_t>(sizeof arguments));
  const int fd = bpf_program__fd(state_->skeleton->progs.limit_admit);
  if (const int error = bpf_prog_test_run_opts(fd, &options)) {
    return fail_errno("cannot ask the limit", -error);
  }
  return options.retval != 0;
}

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
