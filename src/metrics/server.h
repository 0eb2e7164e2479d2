// Server: answers scrapes over HTTP, on one thread of its own.
//
// Every GET, whatever its path, is answered with the text exposition. The daemon kills through file
// descriptors, so nobody who can reach the port may exhaust them: at most kMaxConnections are open
// at a time, each for at most kDeadline in all, and one connection carries one request. A client
// that stalls delays no other. The thread sleeps in between and takes no signal.
//
// Written here because no HTTP library of Debian 12 has all of that: prometheus-cpp's server has no
// IPv6, serves its own series as well, stands still for a stalled client and takes two seconds to
// stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "metrics/exposition.h"

namespace cryptnono::metrics {

class Server {
 public:
  // Called for each scrape, on the server's thread, until the destructor returns.
  using Collect = std::function<void(Exposition&)>;

  static constexpr std::size_t kMaxConnections = 16;
  static constexpr std::chrono::seconds kDeadline{2};

  // Listens on all `addresses` (see listen_on) or on none. The error names the address that could
  // not be had.
  static Result<std::unique_ptr<Server>> start(const std::vector<std::string>& addresses,
                                               Collect collect);
  // Waits for an answer that is being written to a buffer, not for a client.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The ports it listens on, in the order of the addresses.
  [[nodiscard]] std::vector<std::uint16_t> ports() const;

 private:
  class Loop;
  Server(std::vector<Fd> listeners, Fd stop, Collect collect);

  std::vector<Fd> listeners_;
  Fd stop_;  // eventfd: readable once the thread is to end
  Collect collect_;
  std::thread thread_;
};

}  // namespace cryptnono::metrics
