// GrpcChannel: unary gRPC calls over a Unix socket, by libnghttp2. What a client of one method
// needs of gRPC (ADR 7).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cryptnono::runtime {

struct GrpcAnswer {
  int status = 0;       // gRPC's: 0 is OK, 5 NOT_FOUND
  std::string message;  // what the server says about it
  std::string body;     // of the one reply
};

// One thread. The connection is kept for the next call, and made again when it has broken.
class GrpcChannel {
 public:
  explicit GrpcChannel(std::string socket_path);
  ~GrpcChannel();
  GrpcChannel(const GrpcChannel&) = delete;
  GrpcChannel& operator=(const GrpcChannel&) = delete;

  // Calls `method` ("/package.Service/Method") with a serialized request. Never takes longer than
  // `timeout_ms`, whatever the server does. Errors: no connection, time-out, a broken protocol, an
  // answer of more than kMaxAnswerBytes; a status of gRPC is no error.
  Result<GrpcAnswer> call(std::string_view method, std::string_view request, int timeout_ms);

  // Who listens on the socket, as the kernel noted it when it began to; 0: no open connection.
  [[nodiscard]] pid_t peer_pid() const;

  static constexpr std::size_t kMaxAnswerBytes = std::size_t{16} << 20;

 private:
  class Connection;
  std::string socket_path_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace cryptnono::runtime
