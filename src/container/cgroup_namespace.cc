#include "container/cgroup_namespace.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "container/cgroup_id.h"
#include "container/scope.h"
#include "proc/proc_reader.h"

namespace cryptnono::container {

namespace {

namespace fs = std::filesystem;

bool in_initial_namespace() {
  // It has a fixed inode number (PROC_CGROUP_INIT_INO, include/linux/proc_ns.h).
  constexpr ino_t kInitial = 0xEFFFFFFB;
  struct stat status {};
  return stat("/proc/self/ns/cgroup", &status) != 0 || status.st_ino == kInitial;
}

bool holds(const fs::path& cgroup, pid_t wanted) {
  std::ifstream file(cgroup / "cgroup.procs");
  for (pid_t pid = 0; file >> pid;) {
    if (pid == wanted) return true;
  }
  return false;
}

}  // namespace

std::string find_cgroup_namespace_root() {
  if (in_initial_namespace()) return {};
  const std::string mount = cgroup2_mount_point();
  if (mount.empty() || !is_hierarchy_root(mount)) return {};
  const std::string text = proc::ProcReader().read_cgroup(getpid());
  const std::string_view below = cgroup_path(text, "");
  std::error_code error;
  fs::recursive_directory_iterator it(mount, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored) || !holds(it->path(), getpid())) continue;
    std::string path = it->path().string().substr(mount.size());
    if (below != "/" && path.ends_with(below)) path.resize(path.size() - below.size());
    return path.empty() ? "/" : path;
  }
  return {};
}

}  // namespace cryptnono::container
