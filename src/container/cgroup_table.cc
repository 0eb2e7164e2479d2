#include "container/cgroup_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <memory>

namespace cryptnono::container {

namespace {

// Where the kubelet and Docker make theirs: "kubepods" and its classes of service by either driver,
// and "/docker" in the hierarchy's root.
bool is_nursery(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('/') + 1);
  static constexpr std::array<std::string_view, 6> kNames{"kubepods",
                                                          "kubepods-burstable.slice",
                                                          "kubepods-besteffort.slice",
                                                          "kubepods.slice",
                                                          "burstable",
                                                          "besteffort"};
  if (path == "/docker" || path == "/docker/buildkit") return true;
  if (last == "burstable" || last == "besteffort")
    return path.find("/kubepods/") != std::string_view::npos;
  return std::find(kNames.begin(), kNames.end(), last) != kNames.end();
}

}  // namespace

std::optional<CgroupOwner> owner_at(std::string_view path, std::uint64_t id) {
  const CgroupIdentity identity = identify_cgroup(path);
  const PodCgroup pod = pod_of(path);
  CgroupOwner out;
  out.id = id;
  out.pod_uid = pod.uid;
  const std::size_t slash = path.rfind('/');
  if (identity.runtime != Runtime::kNone) {
    if (identity.through.size() != path.size()) return std::nullopt;  // below a container: its
    out.runtime = identity.runtime;
    if (identity.runtime == Runtime::kUser) return out;
    out.kind = CgroupOwner::Kind::kContainer;
    out.container_id = identity.id;
    out.pod_container = pod.container;
    const Runtime above = identify_cgroup(path.substr(0, slash)).runtime;
    out.nested = above != Runtime::kNone && above != Runtime::kUser;
    return out;
  }
  if (!pod.uid.empty() && pod_uid_of(path.substr(slash + 1)) == pod.uid) {
    out.kind = CgroupOwner::Kind::kPod;
    return out;
  }
  if (is_nursery(path)) {
    out.kind = CgroupOwner::Kind::kNursery;
    return out;
  }
  return std::nullopt;
}

void CgroupTable::add(std::uint64_t id, std::string path) {
  if (auto owner = owner_at(path, id)) {
    owners_.insert_or_assign(id, std::move(*owner));
    // Of the same path in two hierarchies, that of v2: the kernel side asks there first.
    const auto [known, added] = ids_.try_emplace(path, id);
    if ((id & kCgroupIdV1) == 0 || (known->second & kCgroupIdV1) != 0) known->second = id;
  }
  paths_.insert_or_assign(id, std::move(path));
}

void CgroupTable::replace(std::vector<std::pair<std::uint64_t, std::string>>&& cgroups) {
  *this = {};
  for (auto& [id, path] : cgroups) add(id, std::move(path));
  cgroups.clear();
}

std::string CgroupTable::path_of(std::uint64_t id) const {
  const auto found = paths_.find(id);
  return found == paths_.end() ? std::string() : found->second;
}

const CgroupOwner* CgroupTable::owner_of(std::string_view path) const {
  for (;;) {
    const auto found = ids_.find(std::string(path));
    if (found != ids_.end()) {
      const auto owner = owners_.find(found->second);
      if (owner != owners_.end()) return &owner->second;
    }
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return nullptr;
    path = path.substr(0, slash);
  }
}

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// A cgroup has dozens of files, and what they are is in the directory entry: looking each up would
// take five times as long. One without child cgroups is told by its number of links and not read.
void read_children(int parent, const std::string& path,
                   std::vector<std::pair<std::uint64_t, std::string>>& out) {
  const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(parent));
  if (!directory) return;
  while (const dirent* entry = readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe): own
    const std::string_view name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    if (out.size() >= kMaxCgroups) return;
    std::string child = path + "/" + std::string(name);
    struct stat status {};
    if (fstatat(dirfd(directory.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    out.emplace_back(status.st_ino, child);
    if (status.st_nlink <= 2) continue;
    const int fd = openat(dirfd(directory.get()), entry->d_name,
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) read_children(fd, child, out);
  }
}

}  // namespace

std::vector<std::pair<std::uint64_t, std::string>> read_cgroups(const std::string& mount_point) {
  std::vector<std::pair<std::uint64_t, std::string>> out;
  const int fd = open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) read_children(fd, "", out);
  return out;
}

}  // namespace cryptnono::container
