#include "container/scope.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "container/cgroup_id.h"

namespace cryptnono::container {

namespace {

bool is_below(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/") return true;
  return path.starts_with(ancestor) &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

// Named hierarchies have none; the others are those of the kernel's list. Everything else is a
// mount option.
bool is_v1_controller(const std::string& option) {
  static constexpr std::array<std::string_view, 14> kControllers{
      "cpuset",  "cpu",        "cpuacct",  "blkio",   "memory", "devices", "freezer",
      "net_cls", "perf_event", "net_prio", "hugetlb", "pids",   "rdma",    "misc"};
  return option.starts_with("name=") ||
         std::find(kControllers.begin(), kControllers.end(), option) != kControllers.end();
}

// The controllers among a v1 mount's super options: "rw,cpu,cpuacct" -> "cpu,cpuacct".
std::string v1_controllers(const std::string& options) {
  std::string out;
  std::istringstream stream(options);
  for (std::string option; std::getline(stream, option, ',');) {
    if (is_v1_controller(option)) out += (out.empty() ? "" : ",") + option;
  }
  return out;
}

Result<ScopeCgroup> resolve_one(const std::string& directory,
                                const std::vector<Hierarchy>& hierarchies) {
  std::error_code error;
  const std::string real = std::filesystem::canonical(directory, error).string();
  if (error) return fail("scope: " + directory + ": " + error.message(), ExitCode::kConfig);
  const Hierarchy* best = nullptr;
  for (const Hierarchy& hierarchy : hierarchies) {
    if (is_below(real, hierarchy.mount_point) &&
        (best == nullptr || hierarchy.mount_point.size() > best->mount_point.size())) {
      best = &hierarchy;
    }
  }
  struct stat status {};
  if (best == nullptr || stat(real.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return fail("scope: " + directory + ": is not a cgroup directory", ExitCode::kConfig);
  }
  if (best->root != "/") {
    return fail("scope: " + directory + ": " + best->mount_point + " is mounted from " +
                    best->root + ", not from the host's root: run in the host's cgroup namespace",
                ExitCode::kConfig);
  }
  ScopeCgroup out;
  out.controllers = best->controllers;
  out.path = real.substr(best->mount_point.size());
  out.level = static_cast<std::uint32_t>(std::count(out.path.begin(), out.path.end(), '/'));
  if (out.path.empty()) out.path = "/";
  out.cgroup_id = status.st_ino;
  return out;
}

// A container that is handed the node's /sys has it above the /sys/fs/cgroup that its runtime made:
// what a path leads to is one of them. Before Linux 5.8 nobody can tell, and each counts.
bool is_covered(const std::string& mount_point, std::uint64_t mount_id) {
  struct statx status {};
  return statx(AT_FDCWD, mount_point.c_str(), AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) == 0 &&
         (status.stx_mask & STATX_MNT_ID) != 0 && status.stx_mnt_id != mount_id;
}

}  // namespace

std::vector<Hierarchy> mounted_hierarchies() {
  std::vector<Hierarchy> out;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // id parent major:minor root mount-point options [optional...] - type source super-options
    // (proc(5))
    std::istringstream fields(line);
    std::string skip;
    std::string root;
    std::string mount_point;
    std::uint64_t id = 0;
    fields >> id >> skip >> skip >> root >> mount_point;
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream rest(line.substr(separator + 3));
    std::string type;
    std::string options;
    rest >> type >> skip >> options;
    if (!type.starts_with("cgroup") || is_covered(mount_point, id)) continue;
    // In a cgroup namespace the node's root is written "/../..".
    if (is_hierarchy_root(mount_point)) root = "/";
    if (type == "cgroup2")
      out.push_back({.root = root, .mount_point = mount_point, .controllers = ""});
    if (type == "cgroup")
      out.push_back(
          {.root = root, .mount_point = mount_point, .controllers = v1_controllers(options)});
  }
  return out;
}

std::optional<Hierarchy> v1_hierarchy_with_containers() {
  const auto all = mounted_hierarchies();
  for (const std::string_view wanted : {"pids", "memory", "devices", "freezer"}) {
    for (const Hierarchy& each : all) {
      if (("," + each.controllers + ",").find("," + std::string(wanted) + ",") != std::string::npos)
        return each;
    }
  }
  return std::nullopt;
}

std::string cgroup2_mount_point() {
  for (const Hierarchy& hierarchy : mounted_hierarchies()) {
    if (hierarchy.controllers.empty()) return hierarchy.mount_point;
  }
  return {};
}

Result<Scope> Scope::resolve(const config::Scope& config) {
  const std::vector<Hierarchy> hierarchies = mounted_hierarchies();
  Scope self;
  for (const std::string& directory : config.cgroups) {
    self.include_.push_back(TRY(resolve_one(directory, hierarchies)));
  }
  for (const std::string& directory : config.exclude) {
    self.exclude_.push_back(TRY(resolve_one(directory, hierarchies)));
  }
  return self;
}

std::string_view cgroup_path(std::string_view proc_cgroup, std::string_view controllers) {
  std::string_view text = proc_cgroup;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    if (line.substr(first + 1, second - first - 1) == controllers) return line.substr(second + 1);
  }
  return {};
}

bool Scope::contains(std::string_view proc_cgroup) const {
  const auto holds = [&](const ScopeCgroup& entry) {
    const std::string_view path = cgroup_path(proc_cgroup, entry.controllers);
    return !path.empty() && is_below(path, entry.path);
  };
  // Of a process that is gone or cannot be read, nothing says that it is not excluded.
  if (proc_cgroup.empty()) return include_.empty() && exclude_.empty();
  const bool included = include_.empty() || std::any_of(include_.begin(), include_.end(), holds);
  return included && std::none_of(exclude_.begin(), exclude_.end(), holds);
}

}  // namespace cryptnono::container
