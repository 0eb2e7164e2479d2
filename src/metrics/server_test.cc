#include "metrics/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/fd.h"

namespace cryptnono::metrics {
namespace {

constexpr std::uint16_t kPort = 38417;

std::string get(const std::string& path) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return "no connection";
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(fd.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string out;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = read(fd.get(), buffer.data(), buffer.size())) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return out;
}

TEST(Server, answers_every_path_with_whole_series) {
  Histogram histogram;
  histogram.observe(0.0003);
  const auto server =
      Server::start({"127.0.0.1:" + std::to_string(kPort)}, [&](Exposition& exposition) {
        exposition.add(Metric::kKilled, {"execwhacker.bpf"}, std::uint64_t{3});
        exposition.add(Metric::kAllowed, {"psutil.process_iter", "is-substring"}, std::uint64_t{0});
        exposition.add(Metric::kDecisionSeconds, histogram);
      });
  ASSERT_TRUE(server.has_value()) << server.error().message;
  for (const std::string path : {"/", "/metrics", "/any/other"}) {
    const std::string answer = get(path);
    EXPECT_THAT(answer, testing::HasSubstr("200 OK")) << path;
    EXPECT_THAT(
        answer,
        testing::HasSubstr(
            "\ncryptnono_execwhacker_processes_killed_total{source=\"execwhacker.bpf\"} 3"));
    EXPECT_THAT(
        answer,
        testing::HasSubstr(
            "\ncryptnono_execwhacker_processes_allowed_total{source=\"psutil.process_iter\","
            "allowedby=\"is-substring\"} 0"));
    EXPECT_THAT(answer,
                testing::HasSubstr("cryptnono_exec_decision_seconds_bucket{le=\"0.0005\"} 1"));
    EXPECT_THAT(answer,
                testing::HasSubstr("cryptnono_exec_decision_seconds_bucket{le=\"0.00025\"} 0"));
  }
}

TEST(Server, names_the_address_that_it_cannot_have) {
  const auto first = Server::start({"127.0.0.1:" + std::to_string(kPort)}, [](Exposition&) {});
  ASSERT_TRUE(first.has_value());
  const auto second = Server::start({"127.0.0.1:" + std::to_string(kPort)}, [](Exposition&) {});
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, testing::HasSubstr("127.0.0.1:" + std::to_string(kPort)));
}

}  // namespace
}  // namespace cryptnono::metrics
