// From the id of a cgroup to its path and back, asked of the kernel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cryptnono::container {

// The path of one cgroup from the mount point, asked of the kernel by its id; "" if it is gone.
// Needs CAP_DAC_READ_SEARCH.
std::string cgroup_path_of(const std::string& mount_point, std::uint64_t cgroup_id);

// The other way round: the id of the cgroup at this path from the mount point, 0 if there is none.
std::uint64_t cgroup_id_of(const std::string& mount_point, std::string_view path);

// Whether the whole hierarchy is mounted there. A container with a cgroup namespace of its own sees
// its own cgroup there, unless the node's mount is handed into it.
bool is_hierarchy_root(const std::string& mount_point);

}  // namespace cryptnono::container
