// CriClient: asks containerd or CRI-O what a container is (runtime.v1, ContainerStatus).
#pragma once

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

  // All pods and all containers that the runtime knows.
  Result<std::vector<PodInfo>> pods(int timeout_ms);
  Result<std::vector<ContainerInfo>> containers(int timeout_ms);

  // The process that answers; 0 without a connection.
  [[nodiscard]] pid_t peer_pid() const { return channel_.peer_pid(); }

 private:
  GrpcChannel channel_;
};

// A serialized ContainerStatusResponse as details; exposed for tests.
Result<ContainerDetails> parse_container_status(std::string_view body,
                                                const std::vector<std::string>& environment);

// Serialized ListPodSandboxResponse and ListContainersResponse; exposed for tests.
Result<std::vector<PodInfo>> parse_pods(std::string_view body);
Result<std::vector<ContainerInfo>> parse_containers(std::string_view body);

}  // namespace cryptnono::runtime
