#include "metrics/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/fd.h"

namespace cryptnono::metrics {
namespace {

using std::chrono::steady_clock;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr auto kKilledSeries =
    "\ncryptnono_execwhacker_processes_killed_total{source=\"execwhacker.bpf\"} 3\n";

Fd connect_to(std::uint16_t port, int family = AF_INET) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = in6addr_loopback;
  const bool is_v6 = family == AF_INET6;
  const auto* address =
      is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  const socklen_t size = is_v6 ? sizeof v6 : sizeof v4;
  if (::connect(fd.get(), address, size) != 0) return {};
  return fd;
}

void send_text(const Fd& fd, std::string_view text) {
  EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

// Until the server closes.
std::string read_all(const Fd& fd) {
  std::string out;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return out;
}

std::string ask(std::uint16_t port, std::string_view request, int family = AF_INET) {
  const Fd fd = connect_to(port, family);
  if (!fd) return "no connection";
  send_text(fd, request);
  return read_all(fd);
}

std::string get(std::uint16_t port, const std::string& path = "/", int family = AF_INET) {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n", family);
}

void count_three(Exposition& exposition) {
  exposition.add(Metric::kKilled, {"execwhacker.bpf"}, std::uint64_t{3});
}

std::unique_ptr<Server> serve(const std::vector<std::string>& addresses) {
  auto server = Server::start(addresses, count_three);
  EXPECT_TRUE(server.has_value()) << server.error().message;
  return server ? *std::move(server) : nullptr;
}

bool has_ipv6_loopback() {
  const Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  return fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
}

TEST(Server, answers_every_path_with_the_metrics) {
  const auto server = serve({"127.0.0.1:0"});
  for (const std::string path : {"/", "/metrics", "/any/other", "/metrics?name=x"}) {
    const std::string answer = get(server->ports()[0], path);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << path;
    EXPECT_THAT(answer,
                HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    EXPECT_THAT(answer, HasSubstr(kKilledSeries)) << path;
  }
}

TEST(Server, serves_our_series_alone_without_empty_lines) {
  const std::string answer = get(serve({"127.0.0.1:0"})->ports()[0]);
  const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
  EXPECT_THAT(body, Not(HasSubstr("\n\n")));
  std::istringstream in(body);
  for (std::string line; std::getline(in, line);) {
    EXPECT_THAT(line, testing::ContainsRegex("^(# (HELP|TYPE) )?(cryptnono|process)_"));
  }
}

TEST(Server, takes_a_request_in_pieces) {
  const auto server = serve({"127.0.0.1:0"});
  const Fd fd = connect_to(server->ports()[0]);
  for (const std::string piece : {"GET / HT", "TP/1.1\r\nHost: x\r\n", "\r", "\n"}) {
    send_text(fd, piece);
    ::poll(nullptr, 0, 5);  // so that each arrives on its own
  }
  EXPECT_THAT(read_all(fd), HasSubstr(kKilledSeries));
}

TEST(Server, answers_head_without_a_body_and_refuses_other_methods) {
  const auto server = serve({"127.0.0.1:0"});
  const std::uint16_t port = server->ports()[0];
  const std::string head = ask(port, "HEAD / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, EndsWith("\r\n\r\n"));
  EXPECT_THAT(ask(port, "DELETE / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask(port, std::string(8193, 'x')), StartsWith("HTTP/1.1 431 "));
}

TEST(Server, listens_on_several_addresses) {
  const auto server = serve({"127.0.0.1:0", "127.0.0.1:0"});
  ASSERT_EQ(server->ports().size(), 2U);
  EXPECT_NE(server->ports()[0], server->ports()[1]);
  for (const std::uint16_t port : server->ports()) EXPECT_THAT(get(port), HasSubstr(kKilledSeries));
}

TEST(Server, listens_on_ipv6) {
  if (!has_ipv6_loopback()) GTEST_SKIP() << "this machine has no IPv6 loopback address";
  const auto server = serve({"[::1]:0"});
  EXPECT_THAT(get(server->ports()[0], "/", AF_INET6), HasSubstr(kKilledSeries));
}

TEST(Server, takes_an_empty_host_for_every_address) {
  const auto server = serve({":0"});
  EXPECT_THAT(get(server->ports()[0]), HasSubstr(kKilledSeries));
  if (has_ipv6_loopback()) {
    EXPECT_THAT(get(server->ports()[0], "/", AF_INET6), HasSubstr(kKilledSeries));
  }
}

TEST(Server, names_the_address_that_it_cannot_have) {
  const auto first = serve({"127.0.0.1:0"});
  const std::string taken = "127.0.0.1:" + std::to_string(first->ports()[0]);
  const auto second = Server::start({"127.0.0.1:0", taken}, count_three);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().message,
            "cannot serve metrics on " + taken + ": bind: Address already in use");
  const auto name = Server::start({"localhost:12121"}, count_three);
  ASSERT_FALSE(name.has_value());
  EXPECT_THAT(name.error().message, StartsWith("cannot serve metrics on localhost:12121: "));
  EXPECT_FALSE(Server::start({"12121"}, count_three).has_value());
}

TEST(Server, serves_others_while_a_client_stalls) {
  const auto server = serve({"127.0.0.1:0"});
  const std::uint16_t port = server->ports()[0];
  const Fd stalled = connect_to(port);
  send_text(stalled, "GET / HT");
  const auto begin = steady_clock::now();
  EXPECT_THAT(get(port), HasSubstr(kKilledSeries));
  EXPECT_LT(steady_clock::now() - begin, Server::kDeadline / 2);
}

// A descriptor that a client holds is one that the daemon cannot kill with.
TEST(Server, bounds_the_number_and_the_life_of_connections) {
  const auto server = serve({"127.0.0.1:0"});
  const std::uint16_t port = server->ports()[0];
  std::vector<Fd> stalled;
  for (std::size_t i = 0; i < Server::kMaxConnections; ++i) stalled.push_back(connect_to(port));
  const auto begin = steady_clock::now();
  EXPECT_THAT(get(port), HasSubstr(kKilledSeries));  // as soon as one of them is cut off
  const auto waited = steady_clock::now() - begin;
  EXPECT_GT(waited, Server::kDeadline / 2);
  EXPECT_LT(waited, Server::kDeadline * 2);
  for (const Fd& fd : stalled) EXPECT_THAT(read_all(fd), IsEmpty());
}

TEST(Server, stops_at_once_and_frees_its_port) {
  auto server = serve({"127.0.0.1:0"});
  const std::string address = "127.0.0.1:" + std::to_string(server->ports()[0]);
  const Fd stalled = connect_to(server->ports()[0]);
  const auto begin = steady_clock::now();
  server.reset();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::milliseconds(500));
  EXPECT_TRUE(serve({address}) != nullptr);
}

}  // namespace
}  // namespace cryptnono::metrics
