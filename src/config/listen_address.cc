#include "config/listen_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace cryptnono::config {

std::optional<std::string_view> check_listen_address(std::string_view text) {
  constexpr std::string_view kForm =
      R"(must be an address and a port, such as "127.0.0.1:12121", "[::1]:12121" or ":12121")";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find('\0') != std::string_view::npos) return kForm;

  const std::string_view port_text = text.substr(colon + 1);
  std::uint32_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [stop, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || stop != end || port < 1 || port > 65535) {
    return "must end with a port from 1 to 65535";
  }

  std::string host(text.substr(0, colon));
  if (host.empty()) return std::nullopt;
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  in6_addr parsed{};  // room for both families
  if (::inet_pton(brackets ? AF_INET6 : AF_INET, host.c_str(), &parsed) != 1) return kForm;
  return std::nullopt;
}

}  // namespace cryptnono::config
