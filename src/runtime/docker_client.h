// DockerClient: asks a Docker Engine what a container is (its HTTP API over a Unix socket).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/container_details.h"

namespace cryptnono::runtime {

// One thread. The connection is kept for the next call, and made again when it has broken.
class DockerClient {
 public:
  explicit DockerClient(std::string socket_path);

  // Of the container with this id, as CriClient::container(). Its image is the id of the image.
  // Nothing: Docker does not know it. Never takes longer than `timeout_ms`. Errors: no connection,
  // time-out, any other status than 200 and 404, an answer of more than kMaxAnswerBytes or that is
  // not Docker's.
  Result<std::optional<ContainerDetails>> container(std::string_view id,
                                                    const std::vector<std::string>& environment,
                                                    int timeout_ms);

  static constexpr std::size_t kMaxAnswerBytes = std::size_t{4} << 20;

 private:
  std::string socket_path_;
  std::unique_ptr<void, void (*)(void*)> curl_;  // a CURL; null: there is no memory
};

// The body of GET /containers/ID/json as details; exposed for tests.
Result<ContainerDetails> parse_docker_container(std::string_view body,
                                                const std::vector<std::string>& environment);

}  // namespace cryptnono::runtime
