// Runtimes: those of this node that speak the CRI, asked together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "container/standing_book.h"
#include "runtime/cri_client.h"

namespace cryptnono::app {

// What a configuration and the environment say of it, the runtimes' sockets included.
container::StandingSettings standing_settings(const config::Config& config);

// One thread at a time. `endpoints`, here and below: sockets. Those that are not there are left
// out. Each call to a runtime takes `timeout_ms` at most.
class Runtimes {
 public:
  // Their pods and containers.
  container::Told ask(std::vector<std::string> endpoints, int timeout_ms);
  // The first that knows this container.
  std::optional<runtime::ContainerDetails> details(std::vector<std::string> endpoints,
                                                   const std::string& container_id, int timeout_ms);

 private:
  runtime::CriClient& client(const std::string& path);

  std::unordered_map<std::string, std::unique_ptr<runtime::CriClient>> clients_;  // by socket
};

}  // namespace cryptnono::app
