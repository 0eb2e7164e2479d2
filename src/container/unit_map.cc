#include "container/unit_map.h"

#include <sys/stat.h>

#include <filesystem>

#include "container/cgroup_parse.h"

namespace cryptnono::container {

namespace {

std::uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

CgroupTree read_cgroup_tree(const std::string& mount_point) {
  namespace fs = std::filesystem;
  CgroupTree tree;
  std::error_code error;
  fs::recursive_directory_iterator it(mount_point, fs::directory_options::skip_permission_denied,
                                      error);
  std::unordered_map<std::string, std::uint64_t> unit_ids;
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored)) continue;
    if (tree.paths.size() >= kMaxCgroups) break;
    const std::string path = it->path().string().substr(mount_point.size());
    const std::uint64_t id = inode_of(it->path().string());
    if (id == 0) continue;
    const CgroupIdentity identity = identify_cgroup(path);
    if (identity.runtime != Runtime::kNone) {
      const std::string through(identity.through);
      auto [known, added] = unit_ids.try_emplace(through, 0);
      if (added) known->second = through == path ? id : inode_of(mount_point + through);
      tree.units.push_back({.cgroup_id = id, .unit = known->second});
    }
    tree.paths.emplace(id, path);
  }
  return tree;
}

}  // namespace cryptnono::container
