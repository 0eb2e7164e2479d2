#include "http/server.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "http/listener.h"

namespace cryptnono::http {

namespace {

using Clock = std::chrono::steady_clock;

// How long to leave a listener alone that has a connection which cannot be accepted (no descriptor
// is free). It stays readable, so without a pause the thread would spin.
constexpr std::chrono::milliseconds kAcceptPause{500};

bool is_loopback(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    return ntohl(v4.sin_addr.s_addr) >> 24U == IN_LOOPBACKNET;
  }
  if (from.ss_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == IN_LOOPBACKNET;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

// One client, from its first byte to the close.
class Connection {
 public:
  // `control`: through the control socket.
  Connection(Fd fd, bool control, const sockaddr_storage& from)
      : fd_(std::move(fd)), deadline_(Clock::now() + Server::kDeadline), control_(control) {
    if (control) {
      peer_ = Peer::kControl;
      refused_ = !peer_is_trusted(fd_);
    } else {
      peer_ = is_loopback(from) ? Peer::kLoopback : Peer::kOther;
    }
  }

  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }
  [[nodiscard]] bool control() const { return control_; }
  [[nodiscard]] pollfd interest() const {
    return {.fd = fd_.get(),
            .events = static_cast<short>(out_.empty() ? POLLIN : POLLOUT),
            .revents = 0};
  }

  [[nodiscard]] bool finished() const { return finished_; }
  // For better or worse: the destructor closes.
  void finish() { finished_ = true; }
  // Reads or writes what can be without waiting.
  void advance(const Server::Handler& handler) {
    if (out_.empty() && !read_request(handler)) return finish();
    if (!out_.empty() && !write_answer()) finish();
  }

 private:
  // Both return whether the connection goes on.
  bool read_request(const Server::Handler& handler) {
    std::array<char, 2048> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    constexpr std::string_view kEmptyLine = "\r\n\r\n";
    // The end may have begun in what came before.
    const std::size_t from = in_.size() - std::min(in_.size(), kEmptyLine.size() - 1);
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = in_.find(kEmptyLine, from);
    if (end != std::string::npos) {
      out_ = answer(std::string_view(in_).substr(0, end + kEmptyLine.size()), handler);
    } else if (in_.size() > kMaxHead) {
      out_ = answer(in_, handler);
    }
    return true;
  }

  // To a head that is complete, or too long.
  [[nodiscard]] std::string answer(std::string_view head, const Server::Handler& handler) const {
    if (refused_)
      return serialize({.status = 403, .body = "only root and the daemon's own user may ask\n"},
                       true);
    tl::expected<Request, Response> request = parse_request(head);
    if (!request) return serialize(request.error(), true);
    request->peer = peer_;
    return serialize(handler(*request), request->method == "GET");
  }

  bool write_answer() {
    const ssize_t sent =
        ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    sent_ += static_cast<std::size_t>(sent);
    return sent_ < out_.size();
  }

  Fd fd_;
  Clock::time_point deadline_;
  bool control_;
  bool refused_ = false;
  Peer peer_ = Peer::kOther;
  std::string in_;
  std::string out_;  // empty until the request is complete
  std::size_t sent_ = 0;
  bool finished_ = false;
};

}  // namespace

// What the thread runs.
class Server::Loop {
 public:
  Loop(const std::vector<Fd>& listeners, const std::optional<ControlSocket>& control,
       const Fd& stop, const Handler& handler)
      : stop_(stop), handler_(handler) {
    for (const Fd& each : listeners) doors_.push_back({.fd = each.get(), .control = false});
    if (control) doors_.push_back({.fd = control->listener().get(), .control = true});
  }

  void run() {
    while (true) {
      const std::vector<pollfd> ready = wait();
      if (ready[0].revents != 0) return;
      // Connections first: accept() adds to them, and only those that were waited for have an
      // answer in `ready`.
      advance_connections(ready);
      for (std::size_t i = 0; i < doors_.size(); ++i) {
        if (ready[1 + i].revents != 0) accept_from(doors_[i]);
      }
    }
  }

 private:
  // A listening socket.
  struct Door {
    int fd;
    bool control;
  };

  [[nodiscard]] bool has_room(bool control) const {
    const auto open = std::count_if(connections_.begin(), connections_.end(),
                                    [&](const Connection& c) { return c.control() == control; });
    return static_cast<std::size_t>(open) < (control ? kMaxControlConnections : kMaxConnections);
  }

  // Waits for the stop event, the listeners and the connections, in this order.
  std::vector<pollfd> wait() {
    const Clock::time_point now = Clock::now();
    Clock::time_point wake = Clock::time_point::max();
    if (now < accept_again_) wake = accept_again_;

    std::vector<pollfd> out{{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    for (const Door& door : doors_) {
      const bool accepting = now >= accept_again_ && has_room(door.control);
      out.push_back({.fd = accepting ? door.fd : -1, .events = POLLIN, .revents = 0});
    }
    for (const Connection& connection : connections_) {
      out.push_back(connection.interest());
      wake = std::min(wake, connection.deadline());
    }
    int timeout_ms = -1;
    if (wake != Clock::time_point::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(wake - now);
      timeout_ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    ::poll(out.data(), out.size(), timeout_ms);  // on an error nothing is ready
    return out;
  }

  void advance_connections(const std::vector<pollfd>& ready) {
    const Clock::time_point now = Clock::now();
    std::size_t i = 1 + doors_.size();
    for (Connection& connection : connections_) {
      if (ready[i++].revents != 0) connection.advance(handler_);
      if (now >= connection.deadline()) connection.finish();
    }
    std::erase_if(connections_, [](const Connection& connection) { return connection.finished(); });
  }

  void accept_from(const Door& door) {
    while (has_room(door.control)) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      Fd fd(::accept4(door.fd, reinterpret_cast<sockaddr*>(&from), &size,
                      SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd) {
        connections_.emplace_back(std::move(fd), door.control, from);
        continue;
      }
      const bool nobody = errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
      if (!nobody) accept_again_ = Clock::now() + kAcceptPause;
      return;
    }
  }

  std::vector<Door> doors_;
  const Fd& stop_;
  const Handler& handler_;
  std::vector<Connection> connections_;
  Clock::time_point accept_again_;
};

Server::Server(std::vector<Fd> listeners, std::optional<ControlSocket> control, Fd stop,
               Handler handler)
    : listeners_(std::move(listeners)),
      control_(std::move(control)),
      stop_(std::move(stop)),
      handler_(std::move(handler)) {
  // A thread inherits its creator's mask. Signals belong to the daemon's event loop.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Loop(listeners_, control_, stop_, handler_).run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "http");
}

Server::~Server() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

Result<std::unique_ptr<Server>> Server::start(const std::vector<std::string>& addresses,
                                              Handler handler,
                                              std::optional<ControlSocket> control) {
  std::vector<Fd> listeners;
  listeners.reserve(addresses.size());
  for (const std::string& address : addresses) listeners.push_back(TRY(listen_on(address)));
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno("eventfd", errno);
  return std::unique_ptr<Server>(
      new Server(std::move(listeners), std::move(control), std::move(stop), std::move(handler)));
}

std::vector<std::uint16_t> Server::ports() const {
  std::vector<std::uint16_t> out;
  for (const Fd& listener : listeners_) out.push_back(port_of(listener));
  return out;
}

}  // namespace cryptnono::http
