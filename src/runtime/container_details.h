// ContainerDetails: what a runtime says of a container. For the log; nothing is decided by it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cryptnono::runtime {

struct ContainerDetails {
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

// One pod, as the runtime lists it.
struct PodInfo {
  std::string uid;
  std::string name;
  std::string pod_namespace;
  std::string sandbox_id;
  std::map<std::string, std::string> labels;
};

// One container, as the runtime lists it.
struct ContainerInfo {
  std::string id;
  std::string name;  // in its pod
  std::string sandbox_id;
  std::string pod_uid;
  std::map<std::string, std::string> labels;
};

}  // namespace cryptnono::runtime
