// Which cgroups belong to which container: the units of the blast-radius limit, and the paths
// behind cgroup ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cryptnono::container {

struct CgroupUnit {
  std::uint64_t cgroup_id = 0;
  std::uint64_t unit = 0;  // cgroup id of the container, or of the user's slice
};

struct CgroupTree {
  std::vector<CgroupUnit> units;                         // only cgroups that belong to a unit
  std::unordered_map<std::uint64_t, std::string> paths;  // all: id -> path from the mount point
};

// Walks the hierarchy at `mount_point`. Cgroups that vanish meanwhile are left out; at most
// kMaxCgroups are looked at.
CgroupTree read_cgroup_tree(const std::string& mount_point);

// The path of one cgroup from the mount point, asked of the kernel by its id; "" if it is gone.
// Needs CAP_DAC_READ_SEARCH.
std::string cgroup_path_of(const std::string& mount_point, std::uint64_t cgroup_id);

// The other way round: the id of the cgroup at this path from the mount point, 0 if there is none.
std::uint64_t cgroup_id_of(const std::string& mount_point, std::string_view path);

inline constexpr std::size_t kMaxCgroups = 16'384;  // the size of the kernel's map of units

}  // namespace cryptnono::container
