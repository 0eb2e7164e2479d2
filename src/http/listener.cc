#include "http/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string_view>

namespace cryptnono::http {

namespace {

// Scrapes are few; a longer queue would only hold more stalled ones.
constexpr int kBacklog = 16;

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> parse(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) return fail(::gai_strerror(error), ExitCode::kConfig);
  return AddressList(list, &::freeaddrinfo);
}

Result<Fd> open_listener(const addrinfo& where) {
  Fd fd(::socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", errno);
  const int on = 1;
  const int off = 0;
  // A restart must not wait for the old connections' TIME_WAIT.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // "[::]" takes IPv4 too, whatever net.ipv6.bindv6only says.
  if (where.ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0) return fail_errno("bind", errno);
  if (::listen(fd.get(), kBacklog) != 0) return fail_errno("listen", errno);
  return fd;
}

Result<Fd> listen_on(const std::string& host, const std::string& port) {
  const AddressList list = TRY(parse(host, port));
  return open_listener(*list);
}

bool kernel_has_ipv6() {
  return static_cast<bool>(Fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)));
}

}  // namespace

Result<Fd> listen_on(const std::string& address) {
  const std::string context = "cannot serve metrics on " + address;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return fail(context + ": no port", ExitCode::kConfig);

  std::string host = address.substr(0, colon);
  if (host.empty()) {
    host = kernel_has_ipv6() ? "::" : "0.0.0.0";
  } else if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  Result<Fd> listener = listen_on(host, address.substr(colon + 1));
  if (!listener) return tl::unexpected(with_context(context, std::move(listener).error()));
  return listener;
}

std::uint16_t port_of(const Fd& listener) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  const in_port_t port = bound.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                             : reinterpret_cast<const sockaddr_in&>(bound).sin_port;
  return ntohs(port);
}

}  // namespace cryptnono::http
