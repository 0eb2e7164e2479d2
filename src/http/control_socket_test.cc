#include "http/control_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "http/server.h"

namespace cryptnono::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class ControlSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string form = "/tmp/cryptnono-control-XXXXXX";
    ASSERT_NE(::mkdtemp(form.data()), nullptr);
    root_ = form;
    path_ = form + "/made/control.sock";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  [[nodiscard]] Fd connect() const {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path_.data(), path_.size());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return {};
    return fd;
  }
  [[nodiscard]] std::string get() const {
    const Fd fd = connect();
    if (!fd) return "no connection";
    constexpr std::string_view kRequest = "GET /x HTTP/1.1\r\n\r\n";
    EXPECT_EQ(::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(kRequest.size()));
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;)
      out.append(buffer.data(), static_cast<std::size_t>(n));
    return out;
  }
  [[nodiscard]] mode_t mode(const std::string& path) const {
    struct stat file {};
    EXPECT_EQ(::stat(path.c_str(), &file), 0);
    return file.st_mode & 07777U;
  }

  std::string root_, path_;
};

TEST_F(ControlSocketTest, is_for_its_owner_alone_and_goes_with_its_object) {
  const mode_t before = ::umask(0);
  {
    const auto socket = ControlSocket::open(path_);
    ASSERT_TRUE(socket.has_value()) << socket.error().message;
    EXPECT_EQ(mode(path_), 0600U);
    EXPECT_EQ(mode(root_ + "/made"), 0755U);
  }
  ::umask(before);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlSocketTest, replaces_a_stale_one) {
  {
    auto first = ControlSocket::open(path_);
    ASSERT_TRUE(first.has_value());
    std::filesystem::rename(path_, path_ + ".kept");
  }
  std::filesystem::rename(path_ + ".kept", path_);  // nobody listens there now
  EXPECT_FALSE(connect());
  const auto second = ControlSocket::open(path_);
  ASSERT_TRUE(second.has_value()) << second.error().message;
  EXPECT_TRUE(connect());
}

TEST_F(ControlSocketTest, leaves_what_is_in_use_and_what_is_no_socket) {
  const auto first = ControlSocket::open(path_);
  const auto second = ControlSocket::open(path_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(
      second.error().message,
      "control socket " + path_ + ": in use by another process, pid " + std::to_string(::getpid()));
  EXPECT_TRUE(connect());
  const std::string file = root_ + "/file";
  std::ofstream(file) << "kept";
  const auto third = ControlSocket::open(file);
  ASSERT_FALSE(third.has_value());
  EXPECT_THAT(third.error().message, HasSubstr("no socket"));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(ControlSocketTest, does_not_remove_the_one_of_another) {
  auto first = std::make_unique<Result<ControlSocket>>(ControlSocket::open(path_));
  std::filesystem::remove(path_);
  const auto second = ControlSocket::open(path_);
  ASSERT_TRUE(second.has_value());
  first.reset();
  EXPECT_TRUE(connect());
}

TEST_F(ControlSocketTest, says_what_cannot_be) {
  const auto deep = ControlSocket::open(root_ + "/a/b/c.sock");
  ASSERT_FALSE(deep.has_value());
  EXPECT_THAT(deep.error().message, EndsWith("No such file or directory"));
  const auto longer = ControlSocket::open(root_ + "/" + std::string(108, 'x'));
  ASSERT_FALSE(longer.has_value());
  EXPECT_THAT(longer.error().message, EndsWith("the path is longer than 107 bytes"));
}

TEST_F(ControlSocketTest, speaks_http_and_says_who_asks) {
  auto socket = ControlSocket::open(path_);
  ASSERT_TRUE(socket.has_value());
  const auto server = Server::start(
      {},
      [](const Request& request) {
        return Response{.body = request.path +
                                (request.peer == Peer::kControl ? " control" : " other")};
      },
      *std::move(socket));
  ASSERT_TRUE(server.has_value());
  EXPECT_THAT(get(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(get(), EndsWith("/x control"));
}

}  // namespace
}  // namespace cryptnono::http
