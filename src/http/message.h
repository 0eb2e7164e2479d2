// One request and its answer, as a handler sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace cryptnono::http {

// Who asks, by the socket that the request came through.
enum class Peer : std::uint8_t {
  kLoopback,  // from 127.0.0.0/8 or ::1 (a port that kubectl forwards, too)
  kOther,
  kControl  // through the control socket, and root or the daemon's own user
};

struct Request {
  std::string method;      // "GET" or "HEAD"
  std::string path;        // decoded, without the query
  std::string accept;      // all Accept headers, joined by ", "; "" if there is none
  std::string host;        // as sent; "" if there is none
  bool forwarded = false;  // by a proxy, which says so: the peer is not who asks
  Peer peer = Peer::kOther;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string_view, std::string_view>> headers{};  // of static texts
  std::string body{};
};

// Longest head of a request.
inline constexpr std::size_t kMaxHead = 8192;

// Takes the head of a request apart, from its first byte to the empty line, both included; `peer`
// is left as it is. An error is the answer to give. Strict, for a proxy in front may understand
// what is ambiguous differently: no control characters, no folded lines, no body.
tl::expected<Request, Response> parse_request(std::string_view head);

// "HTTP/1.1 200 OK" and so on, all of it. Content-Length and Connection are added.
std::string serialize(const Response& response, bool with_body);

}  // namespace cryptnono::http
