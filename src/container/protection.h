// Protection: what may be done in a pod or a container, by what is known of it. Pure.
//
// The kernel side enforces it (bpf/lib/enforce.bpf.h, spared_why), and so does user space for what
// it kills itself.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/types.h"

namespace cryptnono::container {

// Why a process is not touched. The numbers are those of enum spared_why (bpf/api/common.h).
enum class Spared : std::uint8_t {
  kNot = 0,
  kProcess,  // pid 1, a kernel thread, the daemon or one of its ancestors
  kNode,     // only containers are in scope, and it is the node's own
  kUser,
  kExecutable,
  kNamespace,
  kPodLabel,
  kContainerName,
  kOwnPod
};

// For the log: "namespace".
std::string_view word_of(Spared why);

// What is known of a pod. Its namespace and name are from the kubelet's directories or from the
// runtime, its labels from the runtime only.
struct Pod {
  std::string pod_namespace;
  std::string name;
  std::optional<std::map<std::string, std::string>> labels;
};

// What may be done somewhere.
struct Standing {
  bool container = false;  // it is a pod's or a container's
  bool report = false;     // only report
  bool kill = false;       // kill, also where the mode is to report
  bool unknown = false;    // it may be protected: what would say so is not known yet
  Spared why = Spared::kNot;

  bool operator==(const Standing&) const = default;
};

// What may be done to one process, by where it is and who it is.
struct Permission {
  Spared spared = Spared::kNot;
  bool report = false;  // only report
  bool kill = false;    // kill, also where the mode is to report
};

class Protection {
 public:
  // `own_pod`: the uid of the daemon's pod, "" if it is in none.
  Protection(config::Protect protect, std::map<std::string, config::Action> namespace_actions,
             std::string own_pod);

  // Of the pod `uid`, or of a container in it. `pod`: null if nothing is known. `container_name`:
  // nothing if it is not known; of the pod itself, "".
  [[nodiscard]] Standing of_pod(const std::string& uid, const Pod* pod,
                                const std::optional<std::string>& container_name) const;

  // Whether the runtime must be asked for more than the kubelet's directories say.
  [[nodiscard]] bool needs_runtime() const {
    return !protect_.pod_labels.empty() || !protect_.container_names.empty();
  }
  [[nodiscard]] const config::Protect& settings() const { return protect_; }

 private:
  [[nodiscard]] bool label_protects(const std::map<std::string, std::string>& labels) const;

  config::Protect protect_;
  std::map<std::string, config::Action> namespace_actions_;
  std::string own_pod_;
};

}  // namespace cryptnono::container
