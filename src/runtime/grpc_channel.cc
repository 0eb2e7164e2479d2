#include "runtime/grpc_channel.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/clock.h"
#include "base/fd.h"

namespace cryptnono::runtime {

namespace {

// Before each message: a byte that says "not compressed", and its length (gRPC over HTTP/2).
constexpr std::size_t kPrefix = 5;

std::string framed(std::string_view message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(message.size() >> static_cast<unsigned>(shift));
  out += message;
  return out;
}

Result<Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(path + ": too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // A Unix socket connects at once or not at all: EAGAIN says that its queue is full.
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(path, errno);
  return fd;
}

struct FreeSession {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using Session = std::unique_ptr<nghttp2_session, FreeSession>;

}  // namespace

class GrpcChannel::Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path) {
    auto connection = std::unique_ptr<Connection>(new Connection);
    connection->fd_ = TRY(connect_to(path));
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session* session = nullptr;
    const int error = nghttp2_session_client_new(&session, callbacks, connection.get());
    nghttp2_session_callbacks_del(callbacks);
    if (error != 0) return fail(std::string("HTTP/2: ") + nghttp2_strerror(error));
    connection->session_.reset(session);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
    return connection;
  }

  Result<GrpcAnswer> call(std::string_view method, std::string_view request,
                          std::uint64_t deadline_ns) {
    answer_ = {};
    http_status_.clear();
    body_.clear();
    stream_closed_ = false;
    too_large_ = false;
    grpc_status_seen_ = false;
    unsent_ = framed(request);
    const auto header = [](std::string_view name, std::string_view value) {
      // nghttp2 copies both.
      return nghttp2_nv{reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                        name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    const std::array<nghttp2_nv, 7> headers{header(":method", "POST"),
                                            header(":scheme", "http"),
                                            header(":path", method),
                                            header(":authority", "localhost"),
                                            header("content-type", "application/grpc"),
                                            header("te", "trailers"),
                                            header("user-agent", "cryptnono")};
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = read_request;
    stream_ = nghttp2_submit_request(session_.get(), nullptr, headers.data(), headers.size(),
                                     &provider, nullptr);
    if (stream_ < 0) return fail(std::string("HTTP/2: ") + nghttp2_strerror(stream_));
    while (!stream_closed_) TRY(exchange(deadline_ns));
    if (too_large_) return fail("the answer is too large");
    if (!grpc_status_seen_) return fail("no gRPC answer, HTTP status " + http_status_);
    if (answer_.status == 0) {
      if (body_.size() < kPrefix || body_[0] != 0) return fail("the answer has no message");
      answer_.body = body_.substr(kPrefix);
    }
    return answer_;
  }

  [[nodiscard]] pid_t peer_pid() const {
    ucred peer{};
    socklen_t size = sizeof peer;
    return getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
  }

 private:
  Connection() = default;

  // Sends what can be sent, and waits for what comes.
  Result<void> exchange(std::uint64_t deadline_ns) {
    TRY(send());
    if (stream_closed_) return {};
    const std::uint64_t now = monotonic_ns();
    if (now >= deadline_ns) return fail("no answer in time");
    pollfd waited{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (!output_.empty()) waited.events |= POLLOUT;
    const int ready = poll(&waited, 1, static_cast<int>((deadline_ns - now) / 1'000'000 + 1));
    if (ready < 0 && errno != EINTR) return fail_errno("poll", errno);
    if (ready <= 0 || (waited.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return {};
    std::array<std::uint8_t, 16384> buffer{};
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (got < 0) return fail_errno("recv", errno);
    if (got == 0) return fail("the connection was closed");
    const ssize_t taken =
        nghttp2_session_mem_recv(session_.get(), buffer.data(), static_cast<std::size_t>(got));
    if (taken < 0) return fail(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken)));
    return {};
  }

  Result<void> send() {
    for (;;) {
      if (output_.empty()) {
        const std::uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
        if (size < 0)
          return fail(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(size)));
        if (size == 0) return {};
        output_.assign(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
      }
      const ssize_t sent = ::send(fd_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return {};
      if (sent < 0) return fail_errno("send", errno);
      output_.erase(0, static_cast<std::size_t>(sent));
    }
  }

  static ssize_t read_request(nghttp2_session* /*session*/, std::int32_t /*stream*/,
                              std::uint8_t* buffer, std::size_t length, std::uint32_t* flags,
                              nghttp2_data_source* source, void* /*user*/) {
    std::string& unsent = static_cast<Connection*>(source->ptr)->unsent_;
    const std::size_t size = std::min(length, unsent.size());
    std::copy_n(unsent.data(), size, buffer);
    unsent.erase(0, size);
    if (unsent.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }

  static int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                       std::size_t value_size, std::uint8_t /*flags*/, void* user) {
    auto& self = *static_cast<Connection*>(user);
    if (frame->hd.stream_id != self.stream_) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") self.http_status_ = text;
    if (key == "grpc-message") self.answer_.message = text;
    if (key == "grpc-status") {
      self.grpc_status_seen_ =
          std::from_chars(text.data(), text.data() + text.size(), self.answer_.status).ec ==
          std::errc();
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t stream,
                     const std::uint8_t* data, std::size_t size, void* user) {
    auto& self = *static_cast<Connection*>(user);
    if (stream != self.stream_) return 0;
    if (self.body_.size() + size > kMaxAnswerBytes) {
      self.too_large_ = true;
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
      return 0;
    }
    self.body_.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int on_close(nghttp2_session* /*session*/, std::int32_t stream, std::uint32_t /*code*/,
                      void* user) {
    auto& self = *static_cast<Connection*>(user);
    if (stream == self.stream_) self.stream_closed_ = true;
    return 0;
  }

  Fd fd_;
  Session session_;
  std::string output_;  // handed out by nghttp2, not yet sent
  std::string unsent_;  // of the request
  std::int32_t stream_ = 0;
  GrpcAnswer answer_;
  std::string http_status_;
  std::string body_;
  bool stream_closed_ = false;
  bool too_large_ = false;
  bool grpc_status_seen_ = false;
};

GrpcChannel::GrpcChannel(std::string socket_path) : socket_path_(std::move(socket_path)) {}
GrpcChannel::~GrpcChannel() = default;

pid_t GrpcChannel::peer_pid() const { return connection_ ? connection_->peer_pid() : 0; }

Result<GrpcAnswer> GrpcChannel::call(std::string_view method, std::string_view request,
                                     int timeout_ms) {
  const std::uint64_t deadline =
      monotonic_ns() + static_cast<std::uint64_t>(timeout_ms) * 1'000'000;
  const bool kept = connection_ != nullptr;
  for (int attempt = 0;; ++attempt) {
    if (!connection_) connection_ = TRY(Connection::open(socket_path_));
    Result<GrpcAnswer> answer = connection_->call(method, request, deadline);
    if (answer) return answer;
    // What is left of a call that failed would be taken for the next one's.
    connection_.reset();
    // A connection that was kept may have been closed by a restart of the server meanwhile.
    const bool again = kept && attempt == 0 && monotonic_ns() < deadline;
    if (!again) return tl::unexpected(with_context(socket_path_, std::move(answer).error()));
  }
}

}  // namespace cryptnono::runtime
