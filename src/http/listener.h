// Sockets to accept connections on.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace cryptnono::http {

// A non-blocking socket that listens on `address`: "127.0.0.1:12121", "[::1]:9100", or ":12121" for
// every address of both families (of IPv4 alone where the kernel has no IPv6). Port 0 lets the
// kernel choose one. Names are not resolved. Errors name the address and what the kernel said.
[[nodiscard]] Result<Fd> listen_on(const std::string& address);

// The port that a listening socket has got.
[[nodiscard]] std::uint16_t port_of(const Fd& listener);

}  // namespace cryptnono::http
