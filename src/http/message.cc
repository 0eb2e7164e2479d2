#include "http/message.h"

#include <algorithm>
#include <optional>

#include "base/hex.h"
#include "base/utf8.h"

namespace cryptnono::http {

namespace {

constexpr std::string_view kEnd = "\r\n";

tl::unexpected<Response> refuse(int status, std::string_view why) {
  Response out{.status = status,
               .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
               .body = std::string(why) + "\n"};
  if (status == 405) out.headers.emplace_back("Allow", "GET, HEAD");
  return tl::unexpected(std::move(out));
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Nothing: not well-formed, or there is a NUL in it.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const std::optional<unsigned> high = hex_digit(text[i + 1]);
    const std::optional<unsigned> low = hex_digit(text[i + 2]);
    if (!high || !low || (*high == 0 && *low == 0)) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// The path of "/path?query" or, as for a proxy, "http://host/path".
std::optional<std::string> path_of(std::string_view target) {
  if (ascii_lower(target.substr(0, 7)) == "http://") {
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (!target.starts_with('/')) return std::nullopt;
  return percent_decoded(target.substr(0, target.find_first_of("?#")));
}

// Null: understood; else what is wrong with it.
const char* take_field(std::string_view line, Request& out, bool& host_seen) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return "a header is not well-formed";
  const std::string name = ascii_lower(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; }))
    return "a header has a control character in it";
  if (name == "host") {
    if (host_seen) return "there are several Host headers";
    host_seen = true;
    out.host = value;
  } else if (name == "accept") {
    out.accept += (out.accept.empty() ? "" : ", ") + std::string(value);
  } else if (name == "forwarded" || name == "via" || name.starts_with("x-forwarded-")) {
    out.forwarded = true;
  } else if (name == "transfer-encoding" || (name == "content-length" && value != "0")) {
    return "no body is taken here";
  }
  return nullptr;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "200 OK";
    case 400:
      return "400 Bad Request";
    case 403:
      return "403 Forbidden";
    case 405:
      return "405 Method Not Allowed";
    case 431:
      return "431 Request Header Fields Too Large";
    case 503:
      return "503 Service Unavailable";
    case 505:
      return "505 HTTP Version Not Supported";
    default:
      return "500 Internal Server Error";
  }
}

}  // namespace

tl::expected<Request, Response> parse_request(std::string_view head) {
  if (head.size() > kMaxHead) return refuse(431, "the head of the request is too long");
  const std::string_view line = head.substr(0, head.find(kEnd));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || !is_token(line.substr(0, first)))
    return refuse(400, "the request line is not well-formed");
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (std::any_of(target.begin(), target.end(), [](char c) { return is_control(c) || c == ' '; }))
    return refuse(400, "the request line is not well-formed");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return version.starts_with("HTTP/") ? refuse(505, "HTTP/1.1 is spoken here")
                                        : refuse(400, "the request line is not well-formed");
  }
  Request out;
  out.method = line.substr(0, first);
  bool host_seen = false;
  for (std::string_view rest = head.substr(line.size());;) {
    if (!rest.starts_with(kEnd)) return refuse(400, "the head of the request is not complete");
    rest.remove_prefix(kEnd.size());
    const std::string_view field = rest.substr(0, rest.find(kEnd));
    if (field.empty()) break;
    if (const char* wrong = take_field(field, out, host_seen)) return refuse(400, wrong);
    rest.remove_prefix(field.size());
  }
  if (out.method != "GET" && out.method != "HEAD") return refuse(405, "GET and HEAD only");
  std::optional<std::string> path = path_of(target);
  if (!path) return refuse(400, "the path is not well-formed");
  out.path = *std::move(path);
  return out;
}

std::string serialize(const Response& response, bool with_body) {
  std::string out = "HTTP/1.1 ";
  out.append(reason_of(response.status)).append(kEnd);
  for (const auto& [name, value] : response.headers)
    out.append(name).append(": ").append(value).append(kEnd);
  out += "Content-Length: " + std::to_string(response.body.size());
  out += "\r\nConnection: close\r\n\r\n";
  if (with_body) out += response.body;
  return out;
}

}  // namespace cryptnono::http
