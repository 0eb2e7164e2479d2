// What runtimes say of containers and pods. ContainerDetails is for the log; nothing is decided by
// it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cryptnono::runtime {

struct ContainerDetails {
  std::string type;   // of the runtime: "cri" or "docker"
  std::string name;   // of the container in its pod
  std::string image;  // as the runtime names it
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> environment;  // only the variables that were asked for

  // The Kubernetes labels, "" if they are missing.
  [[nodiscard]] std::string pod() const { return label("io.kubernetes.pod.name"); }
  [[nodiscard]] std::string pod_namespace() const { return label("io.kubernetes.pod.namespace"); }
  [[nodiscard]] std::string pod_uid() const { return label("io.kubernetes.pod.uid"); }

 private:
  [[nodiscard]] std::string label(const std::string& key) const {
    const auto found = labels.find(key);
    return found == labels.end() ? std::string() : found->second;
  }
};

// A pod, in whatever state.
struct PodInfo {
  std::string uid;
  std::string name;
  std::string pod_namespace;
  std::string sandbox_id;
  std::map<std::string, std::string> labels;
};

// A container of a pod, in whatever state.
struct ContainerInfo {
  std::string id;
  std::string name;  // in its pod
  std::string sandbox_id;
  std::string pod_uid;  // as its label says, "" if that is missing
  std::map<std::string, std::string> labels;
};

}  // namespace cryptnono::runtime
