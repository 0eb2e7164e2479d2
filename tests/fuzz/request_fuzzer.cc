// libFuzzer target: heads of HTTP requests, and what is answered to them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/accept.h"
#include "http/message.h"
#include "status/routes.h"

namespace {

using cryptnono::http::MediaRange;
using cryptnono::http::Request;
using cryptnono::http::Response;
using cryptnono::status::Sources;

constexpr std::string_view kSecret = "who was killed";

const Sources& sources() {
  static const Sources all{
      .metrics = [] { return "metrics"; },
      .open_metrics = [] { return "open metrics"; },
      .status_json = [](bool details) { return details ? std::string(kSecret) : "status"; },
      .unhealthy = [] { return ""; },
      .not_ready = [] { return std::vector<std::string>{}; },
      .details = [] { return cryptnono::config::MetricsDetails::kLoopback; },
      .page = [] { return std::string_view("page"); }};
  return all;
}

void require(bool holds) {
  if (!holds) std::abort();
}

// What an answer's head may look like, whatever the request: one head, with our headers alone.
void check_answer(const Response& response) {
  const std::string text = serialize(response, true);
  require(text.starts_with("HTTP/1.1 ") && text.ends_with("\r\n\r\n" + response.body));
  const std::string_view head = std::string_view(text).substr(0, text.find("\r\n\r\n"));
  require(head.size() + 4 + response.body.size() == text.size());
  std::size_t lines = 0;
  for (const char c : head) lines += c == '\n' ? 1U : 0U;
  require(lines == response.headers.size() + 2);
}

void check_request(const Request& request, std::string_view head) {
  require(request.method == "GET" || request.method == "HEAD");
  require(request.path.starts_with('/') && request.path.find('\0') == std::string::npos);
  require(request.path.size() + request.accept.size() + request.host.size() <= head.size());
  for (const char c : request.host + request.accept)
    require(c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
  for (const MediaRange& range : cryptnono::http::parse_accept(request.accept))
    require(!range.type.empty() && !range.subtype.empty() && range.quality >= 0 &&
            range.quality <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  auto request = cryptnono::http::parse_request(head);
  if (!request) {
    require(request.error().status >= 400 && request.error().status < 600);
    check_answer(request.error());
    return 0;
  }
  check_request(*request, head);
  for (const auto peer : {cryptnono::http::Peer::kOther, cryptnono::http::Peer::kLoopback}) {
    request->peer = peer;
    const Response response = answer(*request, sources());
    check_answer(response);
    const bool told = response.body == kSecret;
    require(!told || (peer == cryptnono::http::Peer::kLoopback && !request->forwarded));
  }
  return 0;
}
