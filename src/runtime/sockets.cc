#include "runtime/sockets.h"

#include <string_view>

namespace cryptnono::runtime {

const std::vector<std::string> kKnownEndpoints{
    "/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock", "/run/crio/crio.sock",
    "/var/run/cri-dockerd.sock", "/run/host-containerd/containerd.sock"};

const std::vector<std::string> kKnownDockerEndpoints{"/var/run/docker.sock",
                                                     "/run/dind/docker.sock"};

std::vector<std::string> sockets(const std::vector<std::string>& configured, const char* variable,
                                 const std::vector<std::string>& known) {
  if (!configured.empty()) return configured;
  if (variable == nullptr) return known;
  constexpr std::string_view kScheme = "unix://";
  std::string_view path = variable;
  if (path.starts_with(kScheme)) path.remove_prefix(kScheme.size());
  if (!path.starts_with('/')) return {};
  return {std::string(path)};
}

}  // namespace cryptnono::runtime
