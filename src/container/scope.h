// Scope: whom the daemon may touch, resolved from the configured directories, for the kernel and
// for user space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/types.h"

namespace cryptnono::container {

// One mounted cgroup hierarchy.
struct Hierarchy {
  std::string root = "/";  // of the hierarchy, as this cgroup namespace sees what is mounted
  std::string mount_point;
  std::string
      controllers;  // v1: as /proc/PID/cgroup names it ("cpu,cpuacct", "name=systemd"); v2: empty
};

// The hierarchies of this mount namespace that a path leads to, from /proc/self/mountinfo.
std::vector<Hierarchy> mounted_hierarchies();
// The hierarchy of v1 that tells containers apart; every runtime uses it.
std::optional<Hierarchy> v1_hierarchy_with_containers();
// Where cgroup v2 is mounted; "" if nowhere.
std::string cgroup2_mount_point();

// A configured directory.
struct ScopeCgroup {
  std::string controllers;  // of its hierarchy; v2: empty
  std::string
      path;  // as /proc/PID/cgroup writes it: from the hierarchy's root, "/" for the root itself
  std::uint64_t cgroup_id = 0;  // the kernel's id: the directory's inode number
  std::uint32_t level = 0;      // below the root, which is 0
};

class Scope {
 public:
  // Errors name the directory: not there, not a cgroup, or in a cgroup namespace other than the
  // host's, where neither paths nor levels mean what the kernel side compares.
  static Result<Scope> resolve(const config::Scope& config);

  [[nodiscard]] const std::vector<ScopeCgroup>& include() const { return include_; }
  [[nodiscard]] const std::vector<ScopeCgroup>& exclude() const { return exclude_; }

  // Judges by the text of /proc/PID/cgroup, as the kernel side does by cgroup id.
  [[nodiscard]] bool contains(std::string_view proc_cgroup) const;

 private:
  std::vector<ScopeCgroup> include_;
  std::vector<ScopeCgroup> exclude_;
};

// The path in the hierarchy `controllers` ("" is v2) that the text of a /proc/PID/cgroup says; ""
// if none.
std::string_view cgroup_path(std::string_view proc_cgroup, std::string_view controllers);

}  // namespace cryptnono::container
