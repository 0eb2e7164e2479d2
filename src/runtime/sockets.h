// Which sockets of container runtimes are asked.
#pragma once

#include <string>
#include <vector>

namespace cryptnono::runtime {

// Where containerd, k3s, CRI-O, cri-dockerd and Bottlerocket listen.
extern const std::vector<std::string> kKnownEndpoints;
// Docker, and BinderHub's Docker in Docker.
extern const std::vector<std::string> kKnownDockerEndpoints;

// `configured`, if that names any. Else what `variable` says, the value of an environment variable
// or null if that is not set: "unix:///path" or "/path"; anything else, "" too: none. Else `known`.
std::vector<std::string> sockets(const std::vector<std::string>& configured, const char* variable,
                                 const std::vector<std::string>& known);

}  // namespace cryptnono::runtime
