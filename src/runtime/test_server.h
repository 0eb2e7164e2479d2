// A Unix socket for tests, whose owner says nothing or what it is given.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"

namespace cryptnono::runtime {

class Server {
 public:
  Server() {
    std::string name = std::filesystem::temp_directory_path() / "runtime_test.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    fd_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_.get(), 8), 0);
  }
  ~Server() { std::filesystem::remove_all(directory_); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] std::string path() const { return directory_ / "socket"; }
  [[nodiscard]] Fd accept() const { return Fd(::accept(fd_.get(), nullptr, nullptr)); }

  // Takes one HTTP request and answers with this. The request, and the connection.
  struct Exchange {
    std::string request;
    Fd peer;
  };
  Exchange answer(std::string_view text) const { return answer(accept(), text); }
  static Exchange answer(Fd peer, std::string_view text) {
    std::string request;
    std::array<char, 4096> buffer{};
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = recv(peer.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    while (!text.empty()) {
      const ssize_t sent = send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {std::move(request), std::move(peer)};
  }

 private:
  std::filesystem::path directory_;
  Fd fd_;
};

inline std::string http(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

inline double seconds_since(std::uint64_t begin) {
  return static_cast<double>(monotonic_ns() - begin) / 1e9;
}

// What a Docker Engine 20.10 answers to GET /containers/ID/json, cut to what tells something.
inline constexpr const char* kDockerAnswer = R"({
  "Id": "9fa2a1d2c5f1d0f27d0a1c0f8d1bb6d23b8e6b0d8a6c7c6e1f1b0d6a5b4c3d2e",
  "State": {"Status": "running", "Running": true, "Pid": 4242},
  "Image": "sha256:0f5a3c1b2d4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8",
  "Name": "/keen_tesla",
  "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}, "Binds": null},
  "Mounts": [],
  "Config": {
    "Hostname": "9fa2a1d2c5f1",
    "Env": ["BINDER_REF_URL=https://example.org/?a=b", "PATH=/bin", "EMPTY=", "ODD"],
    "Cmd": ["/pause"],
    "Image": "localhost/cryptnono-test:1",
    "Volumes": null,
    "Labels": {"repo2docker.ref": "HEAD", "repo2docker.repo": "https://example.org/r"}
  },
  "NetworkSettings": {"Networks": {"none": {"IPAddress": ""}}}
})";

}  // namespace cryptnono::runtime
