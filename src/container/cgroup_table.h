// CgroupTable: the cgroups that there are, by id and by path, and whose they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "container/cgroup_parse.h"

namespace cryptnono::container {

// A cgroup that says whose the processes below it are.
struct CgroupOwner {
  enum class Kind : std::uint8_t {
    kContainer,
    kPod,      // of the kubelet: its containers are below it
    kNursery,  // where pods or containers are made: what is new below it is one of them
    kUser      // a user's slice
  };
  Kind kind = Kind::kUser;
  std::uint64_t id = 0;  // of this cgroup; the unit of the blast-radius limit
  Runtime runtime = Runtime::kNone;
  std::string container_id;  // kContainer
  // kContainer: the pod's own one that it is in; "" outside of pods. What is nested in a container
  // is named by whoever is in it, so nothing is known of it but that.
  std::string pod_container;
  bool nested = false;  // kContainer: in another one
  std::string pod_uid;  // kContainer, kPod; "" if the path does not say
};

// What the cgroup at `path` itself says, if anything. Pure.
std::optional<CgroupOwner> owner_at(std::string_view path, std::uint64_t id);

// Set in the ids of the v1 hierarchy, for those of two hierarchies may be the same number. As
// CGROUP_ID_V1 (bpf/api/common.h).
inline constexpr std::uint64_t kCgroupIdV1 = std::uint64_t{1} << 62;

// Not thread-safe.
class CgroupTable {
 public:
  // One more cgroup, or the same again.
  void add(std::uint64_t id, std::string path);
  // These are all there are.
  void replace(std::vector<std::pair<std::uint64_t, std::string>>&& cgroups);

  // "" if it is not known.
  [[nodiscard]] std::string path_of(std::uint64_t id) const;
  // The nearest owner at `path` or above; null if there is none. Valid until the next change.
  [[nodiscard]] const CgroupOwner* owner_of(std::string_view path) const;
  // All owners, by id.
  [[nodiscard]] const std::unordered_map<std::uint64_t, CgroupOwner>& owners() const {
    return owners_;
  }
  [[nodiscard]] std::size_t size() const { return paths_.size(); }

 private:
  std::unordered_map<std::uint64_t, std::string> paths_;
  std::unordered_map<std::string, std::uint64_t> ids_;  // of owners only
  std::unordered_map<std::uint64_t, CgroupOwner> owners_;
};

// The cgroups below `mount_point`, those that vanish meanwhile left out; at most kMaxCgroups.
std::vector<std::pair<std::uint64_t, std::string>> read_cgroups(const std::string& mount_point);

inline constexpr std::size_t kMaxCgroups = 16'384;  // of each hierarchy: half of the kernel's map

}  // namespace cryptnono::container
