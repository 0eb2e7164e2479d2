#include "container/unit_map.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "base/fd.h"
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

std::string cgroup_path_of(const std::string& mount_point, std::uint64_t cgroup_id) {
  // A kernfs file handle is the inode number (FILEID_KERNFS, include/linux/exportfs.h).
  struct {
    file_handle head;
    std::uint64_t id;
  } handle{};
  handle.head.handle_bytes = sizeof handle.id;
  handle.head.handle_type = 0xfe;
  std::memcpy(handle.head.f_handle, &cgroup_id, sizeof cgroup_id);
  const Fd mount(open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!mount) return {};
  const Fd cgroup(open_by_handle_at(mount.get(), &handle.head, O_PATH | O_CLOEXEC));
  if (!cgroup) return {};
  std::error_code error;
  const std::string path =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(cgroup.get()), error)
          .string();
  if (error || !path.starts_with(mount_point)) return {};
  return path.size() == mount_point.size() ? "/" : path.substr(mount_point.size());
}

std::uint64_t cgroup_id_of(const std::string& mount_point, std::string_view path) {
  if (mount_point.empty() || path.empty()) return 0;
  return inode_of(mount_point + std::string(path));
}

}  // namespace cryptnono::container
