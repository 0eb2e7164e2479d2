// Server: answers HTTP requests, on one thread of its own.
//
// The daemon kills through file descriptors, so nobody who can reach a port may exhaust them: at
// most kMaxConnections are open at a time, each for at most kDeadline in all, and one connection
// carries one request. A client that stalls delays no other. The control socket has connections of
// its own, so that nobody who can reach a port keeps root from asking. The thread sleeps in between
// and takes no signal.
//
// Written here because no HTTP library of Debian 12 has all of that: prometheus-cpp's server has no
// IPv6, serves its own series as well, stands still for a stalled client and takes two seconds to
// stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "http/control_socket.h"
#include "http/message.h"

namespace cryptnono::http {

class Server {
 public:
  // Called for each GET and HEAD, on the server's thread, until the destructor returns. Others get
  // no answer meanwhile.
  using Handler = std::function<Response(const Request&)>;

  static constexpr std::size_t kMaxConnections = 16;        // of all addresses together
  static constexpr std::size_t kMaxControlConnections = 4;  // of the control socket
  static constexpr std::chrono::seconds kDeadline{2};

  // Listens on all `addresses` (see listen_on) or on none. The error names the address that could
  // not be had.
  static Result<std::unique_ptr<Server>> start(const std::vector<std::string>& addresses,
                                               Handler handler,
                                               std::optional<ControlSocket> control = std::nullopt);
  // Waits for an answer that is being written to a buffer, not for a client.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The ports it listens on, in the order of the addresses.
  [[nodiscard]] std::vector<std::uint16_t> ports() const;

 private:
  class Loop;
  Server(std::vector<Fd> listeners, std::optional<ControlSocket> control, Fd stop, Handler handler);

  std::vector<Fd> listeners_;
  std::optional<ControlSocket> control_;
  Fd stop_;  // eventfd: readable once the thread is to end
  Handler handler_;
  std::thread thread_;
};

}  // namespace cryptnono::http
