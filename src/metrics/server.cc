#include "metrics/server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "metrics/listener.h"

namespace cryptnono::metrics {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxRequest = 8192;
// How long to leave a listener alone that has a connection which cannot be accepted (no descriptor
// is free). It stays readable, so without a pause the thread would spin.
constexpr std::chrono::milliseconds kAcceptPause{500};

std::string response(std::string_view status, std::string_view headers, std::string_view body,
                     bool with_body) {
  std::string out = "HTTP/1.1 ";
  out.append(status).append("\r\n").append(headers);
  out += "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n";
  if (with_body) out += body;
  return out;
}

// The answer to a complete request head.
std::string answer(std::string_view head, const Server::Collect& collect) {
  const std::string_view method = head.substr(0, head.find(' '));
  if (method != "GET" && method != "HEAD") {
    return response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "", true);
  }
  Exposition exposition;
  collect(exposition);
  return response("200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
                  exposition.text(), method == "GET");
}

// One client, from its first byte to the close.
class Connection {
 public:
  explicit Connection(Fd fd) : fd_(std::move(fd)), deadline_(Clock::now() + Server::kDeadline) {}

  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }
  [[nodiscard]] pollfd interest() const {
    return {.fd = fd_.get(),
            .events = static_cast<short>(out_.empty() ? POLLIN : POLLOUT),
            .revents = 0};
  }

  [[nodiscard]] bool finished() const { return finished_; }
  // For better or worse: the destructor closes.
  void finish() { finished_ = true; }
  // Reads or writes what can be without waiting.
  void advance(const Server::Collect& collect) {
    if (out_.empty() && !read_request(collect)) return finish();
    if (!out_.empty() && !write_answer()) finish();
  }

 private:
  // Both return whether the connection goes on.
  bool read_request(const Server::Collect& collect) {
    std::array<char, 2048> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    if (in_.find("\r\n\r\n") != std::string::npos) {
      out_ = answer(in_, collect);
    } else if (in_.size() > kMaxRequest) {
      out_ = response("431 Request Header Fields Too Large", "", "", true);
    }
    return true;
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
  std::string in_;
  std::string out_;  // empty until the request is complete
  std::size_t sent_ = 0;
  bool finished_ = false;
};

}  // namespace

// What the thread runs.
class Server::Loop {
 public:
  Loop(const std::vector<Fd>& listeners, const Fd& stop, const Collect& collect)
      : listeners_(listeners), stop_(stop), collect_(collect) {}

  void run() {
    while (true) {
      const std::vector<pollfd> ready = wait();
      if (ready[0].revents != 0) return;
      // Connections first: accept() adds to them, and only those that were waited for have an
      // answer in `ready`.
      advance_connections(ready);
      for (std::size_t i = 0; i < listeners_.size(); ++i) {
        if (ready[1 + i].revents != 0) accept_from(listeners_[i]);
      }
    }
  }

 private:
  // Waits for the stop event, the listeners and the connections, in this order.
  std::vector<pollfd> wait() {
    const Clock::time_point now = Clock::now();
    const bool accepting = connections_.size() < kMaxConnections && now >= accept_again_;
    Clock::time_point wake = Clock::time_point::max();
    if (now < accept_again_) wake = accept_again_;

    std::vector<pollfd> out{{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    for (const Fd& listener : listeners_) {
      out.push_back({.fd = accepting ? listener.get() : -1, .events = POLLIN, .revents = 0});
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
    std::size_t i = 1 + listeners_.size();
    for (Connection& connection : connections_) {
      if (ready[i++].revents != 0) connection.advance(collect_);
      if (now >= connection.deadline()) connection.finish();
    }
    std::erase_if(connections_, [](const Connection& connection) { return connection.finished(); });
  }

  void accept_from(const Fd& listener) {
    while (connections_.size() < kMaxConnections) {
      Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd) {
        connections_.emplace_back(std::move(fd));
        continue;
      }
      const bool nobody = errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
      if (!nobody) accept_again_ = Clock::now() + kAcceptPause;
      return;
    }
  }

  const std::vector<Fd>& listeners_;
  const Fd& stop_;
  const Collect& collect_;
  std::vector<Connection> connections_;
  Clock::time_point accept_again_;
};

Server::Server(std::vector<Fd> listeners, Fd stop, Collect collect)
    : listeners_(std::move(listeners)), stop_(std::move(stop)), collect_(std::move(collect)) {
  // A thread inherits its creator's mask. Signals belong to the daemon's event loop.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Loop(listeners_, stop_, collect_).run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "metrics");
}

Server::~Server() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

Result<std::unique_ptr<Server>> Server::start(const std::vector<std::string>& addresses,
                                              Collect collect) {
  std::vector<Fd> listeners;
  listeners.reserve(addresses.size());
  for (const std::string& address : addresses) listeners.push_back(TRY(listen_on(address)));
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno("eventfd", errno);
  return std::unique_ptr<Server>(
      new Server(std::move(listeners), std::move(stop), std::move(collect)));
}

std::vector<std::uint16_t> Server::ports() const {
  std::vector<std::uint16_t> out;
  for (const Fd& listener : listeners_) out.push_back(port_of(listener));
  return out;
}

}  // namespace cryptnono::metrics
