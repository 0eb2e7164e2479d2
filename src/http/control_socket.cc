#include "http/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <utility>

namespace cryptnono::http {

namespace {

constexpr int kControlBacklog = 16;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.size() >= sizeof out.sun_path)
    return fail("the path is longer than " + std::to_string(sizeof out.sun_path - 1) + " bytes");
  std::memcpy(static_cast<char*>(out.sun_path), path.data(), path.size());
  return out;
}

std::optional<ucred> peer_of(const Fd& connection) {
  ucred out{};
  socklen_t size = sizeof out;
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &out, &size) != 0)
    return std::nullopt;
  return out;
}

// Removes a socket that nobody listens on.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("stat", errno);
  }
  if (!S_ISSOCK(file.st_mode)) return fail("there is a file that is no socket");
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno("socket", errno);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::optional<ucred> owner = peer_of(probe);
    return fail("in use by another process" +
                (owner ? ", pid " + std::to_string(owner->pid) : std::string()));
  }
  if (errno == EAGAIN) return fail("in use by another process");  // its queue is full
  if (errno != ECONNREFUSED) return fail_errno("connect", errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("unlink", errno);
  return {};
}

Result<void> make_directory_of(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  if (directory.empty() || ::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return fail_errno("mkdir " + directory, errno);
}

}  // namespace

Result<ControlSocket> ControlSocket::open(const std::string& path) {
  const auto attempt = [&]() -> Result<ControlSocket> {
    const sockaddr_un address = TRY(address_of(path));
    TRY(make_directory_of(path));
    TRY(remove_stale(path, address));
    ControlSocket out;
    out.fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!out.fd_) return fail_errno("socket", errno);
    // The file gets the mode that the socket has when it is bound, less the umask.
    if (::fchmod(out.fd_.get(), 0600) != 0) return fail_errno("fchmod", errno);
    if (::bind(out.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return fail_errno("bind", errno);
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) return fail_errno("stat", errno);
    out.path_ = path;
    out.device_ = file.st_dev;
    out.inode_ = file.st_ino;
    if (::listen(out.fd_.get(), kControlBacklog) != 0) return fail_errno("listen", errno);
    return out;
  };
  Result<ControlSocket> result = attempt();
  if (!result)
    return tl::unexpected(with_context("control socket " + path, std::move(result).error()));
  return result;
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

ControlSocket::~ControlSocket() {
  if (path_.empty()) return;
  struct stat file {};
  if (::lstat(path_.c_str(), &file) != 0 || file.st_dev != device_ || file.st_ino != inode_) return;
  ::unlink(path_.c_str());
}

bool peer_is_trusted(const Fd& connection) {
  const std::optional<ucred> peer = peer_of(connection);
  return peer && (peer->uid == 0 || peer->uid == ::geteuid());
}

}  // namespace cryptnono::http
