// What the path of a cgroup says about the container in it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cryptnono::container {

enum class Runtime : std::uint8_t {
  kNone,      // a service of the host, or nothing known
  kCri,       // containerd or CRI-O below a pod
  kDocker,    // Docker, also inside a pod
  kBuildkit,  // the id is that of a builder, not of a container
  kPodman,
  kUser  // not a container: a user's systemd slice
};

struct CgroupIdentity {
  Runtime runtime = Runtime::kNone;
  std::string id;            // of the container; of kUser: the uid
  std::string_view through;  // the path up to and including the component that told
};

// The deepest component of `path` that names a container, wherever it stands: children of a
// container's cgroup belong to it, and so does a container nested in another one. Paths as they
// look from inside a cgroup namespace ("/../..") are fine. `through` points into `path`.
CgroupIdentity identify_cgroup(std::string_view path);

// Of the pod that a cgroup is in.
struct PodCgroup {
  std::string uid;        // as /var/log/pods writes it; "" if in none
  std::string container;  // of the pod itself, not one nested in it; "" outside of its containers
};

// By the component `pod<uid>` (cgroupfs) or `...-pod<uid>.slice` (systemd, which writes '_' for
// '-') of `path`. A uid is a UUID, or of a static pod 32 hex digits. The deepest component counts
// that is not below a container of a pod: what is there is named by whoever is in it, who must not
// be able to pass for another pod, nor for another container of one.
PodCgroup pod_of(std::string_view path);
// Its uid alone.
std::string pod_uid_of(std::string_view path);

}  // namespace cryptnono::container
