// Server: answers scrapes over HTTP.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "metrics/exposition.h"

namespace cryptnono::metrics {

class Server {
 public:
  // Called for each scrape, on the server's thread.
  using Collect = std::function<void(Exposition&)>;

  // Listens on all `addresses` ("127.0.0.1:12121", ":12121", "[::1]:9100"); every path answers with
  // the metrics. Errors name the addresses.
  static Result<std::unique_ptr<Server>> start(const std::vector<std::string>& addresses,
                                               Collect collect);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::metrics
