// CriClient: asks containerd or CRI-O what a container is, and what there is (runtime.v1:
// ContainerStatus, ListPodSandbox, ListContainers).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/container_details.h"
#include "runtime/grpc_channel.h"

namespace cryptnono::runtime {

// One thread.
class CriClient {
 public:
  explicit CriClient(std::string socket_path) : channel_(std::move(socket_path)) {}

  // Of the container with this id. Nothing: the runtime does not know it. `environment`: names of
  // the variables that are wanted; the others are not kept. Never takes longer than `timeout_ms`.
  Result<std::optional<ContainerDetails>> container(std::string_view id,
                                                    const std::vector<std::string>& environment,
                                                    int timeout_ms);

  // All pods, and all containers, those that have ended too. Never takes longer than `timeout_ms`.
  Result<std::vector<PodInfo>> pods(int timeout_ms);
  Result<std::vector<ContainerInfo>> containers(int timeout_ms);

  // The process that listens on the socket; see GrpcChannel.
  [[nodiscard]] pid_t peer_pid() const { return channel_.peer_pid(); }

 private:
  Result<GrpcAnswer> list(std::string_view method, int timeout_ms);

  GrpcChannel channel_;
};

// A serialized ContainerStatusResponse, ListPodSandboxResponse, ListContainersResponse as details;
// exposed for tests.
Result<ContainerDetails> parse_container_status(std::string_view body,
                                                const std::vector<std::string>& environment);
Result<std::vector<PodInfo>> parse_pods(std::string_view body);
Result<std::vector<ContainerInfo>> parse_containers(std::string_view body);

}  // namespace cryptnono::runtime
