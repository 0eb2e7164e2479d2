// ControlSocket: a Unix socket that only root and the daemon's own user may speak to.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace cryptnono::http {

// Movable; not thread-safe. Its destructor removes the file, if it is still the one that it made.
class ControlSocket {
 public:
  // Listens at `path`, absolute. The file has mode 0600 from its first moment; its directory is
  // made (0755) if it is missing. A socket that nobody listens on any more is replaced; one that is
  // in use, or a file that is no socket, is left alone and an error, which names it.
  static Result<ControlSocket> open(const std::string& path);

  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();

  [[nodiscard]] const Fd& listener() const { return fd_; }

 private:
  ControlSocket() = default;

  Fd fd_;
  std::string path_;  // empty: nothing to remove
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// May whoever is at the other end of this connection ask? Root may, and the user of this process.
// What counts is who it was when it connected, as the kernel has noted it.
[[nodiscard]] bool peer_is_trusted(const Fd& connection);

}  // namespace cryptnono::http
