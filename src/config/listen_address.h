// Addresses for a server of ours to listen on, as text.
#pragma once

#include <optional>
#include <string_view>

namespace cryptnono::config {

// Nothing if `text` is "IPv4:port", "[IPv6]:port" or ":port" (every address) with a port from 1 to
// 65535; otherwise what it must be, to follow the name of a key in a message. Names are not
// resolved: a daemon must not start differently because of a resolver.
[[nodiscard]] std::optional<std::string_view> check_listen_address(std::string_view text);

}  // namespace cryptnono::config
