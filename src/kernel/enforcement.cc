#include "kernel/enforcement.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <string>

#include "kernel/scope_writer.h"

namespace cryptnono::kernel {

void Enforcement::set_mode(std::uint64_t kill_groups, const config::Limit& limit) const {
  volatile enforce_config& settings = *parts_.settings;
  settings.limit_window_ns = std::uint64_t{limit.window_s} * 1'000'000'000;
  settings.limit_targets = std::min<std::uint32_t>(limit.max_targets, LIMIT_SLOTS);
  settings.kill_groups = kill_groups;
}

void Enforcement::set_scope(const std::vector<scope_entry>& include,
                            const std::vector<scope_entry>& exclude) const {
  write_scope(*parts_.settings, include, exclude);
}

Result<void> Enforcement::protect(pid_t pid, std::uint64_t start_boottime_ns) const {
  const auto key = static_cast<std::uint32_t>(pid);
  if (const int error =
          bpf_map__update_elem(parts_.protected_pids, &key, sizeof key, &start_boottime_ns,
                               sizeof start_boottime_ns, BPF_ANY)) {
    return fail_errno("cannot protect pid " + std::to_string(pid), -error);
  }
  return {};
}

Result<void> Enforcement::set_units(const std::vector<UnitCgroup>& units) {
  std::unordered_map<std::uint64_t, std::uint64_t> wanted;
  for (const UnitCgroup& unit : units) {
    wanted.emplace(unit.cgroup_id, unit.unit);
    const auto known = units_.find(unit.cgroup_id);
    if (known != units_.end() && known->second == unit.unit) continue;
    if (const int error = bpf_map__update_elem(parts_.units, &unit.cgroup_id, sizeof unit.cgroup_id,
                                               &unit.unit, sizeof unit.unit, BPF_ANY)) {
      return fail_errno("cannot tell the kernel of a container", -error);
    }
  }
  for (const auto& [cgroup_id, unit] : units_) {
    if (!wanted.contains(cgroup_id))
      bpf_map__delete_elem(parts_.units, &cgroup_id, sizeof cgroup_id, 0);
  }
  units_ = std::move(wanted);
  return {};
}

Result<bool> Enforcement::admit(std::uint32_t group, std::uint64_t unit) const {
  std::array<std::uint64_t, 2> arguments{};
  arguments[LIMIT_ARG_GROUP] = group;
  arguments[LIMIT_ARG_UNIT] = unit;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments.data(),
              .ctx_size_in = static_cast<std::uint32_t>(sizeof arguments));
  if (const int error = bpf_prog_test_run_opts(bpf_program__fd(parts_.limit_admit), &options)) {
    return fail_errno("cannot ask the limit", -error);
  }
  return options.retval != 0;
}

SharedMaps Enforcement::shared() const {
  return {.protected_pids = bpf_map__fd(parts_.protected_pids), .units = bpf_map__fd(parts_.units)};
}

Result<void> share_maps(const Enforcement::Parts& parts, const SharedMaps& shared) {
  const auto share = [](bpf_map* map, int fd) -> Result<void> {
    if (fd < 0) return {};
    if (const int error = bpf_map__reuse_fd(map, fd))
      return fail_errno("cannot share a map", -error);
    return {};
  };
  TRY(share(parts.protected_pids, shared.protected_pids));
  return share(parts.units, shared.units);
}

}  // namespace cryptnono::kernel
