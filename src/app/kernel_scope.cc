#include "app/kernel_scope.h"

#include "kernel/cgroup_subsys.h"

namespace cryptnono::app {

Result<std::vector<scope_entry>> kernel_scope(const std::vector<container::ScopeCgroup>& cgroups) {
  std::vector<scope_entry> out;
  for (const container::ScopeCgroup& cgroup : cgroups) {
    const std::uint32_t hierarchy =
        cgroup.controllers.empty() ? HIERARCHY_V2 : TRY(kernel::v1_hierarchy(cgroup.controllers));
    out.push_back({.cgroup_id = cgroup.cgroup_id, .level = cgroup.level, .hierarchy = hierarchy});
  }
  if (out.size() > SCOPE_MAX) {
    return fail("scope: at most " + std::to_string(SCOPE_MAX) + " cgroups", ExitCode::kConfig);
  }
  return out;
}

}  // namespace cryptnono::app
