#include "container/cgroup_id.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "base/fd.h"

namespace cryptnono::container {

namespace {

std::uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

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

bool is_hierarchy_root(const std::string& mount_point) {
  // kernfs numbers its root 1 (fs/kernfs/dir.c).
  return inode_of(mount_point) == 1;
}

}  // namespace cryptnono::container
