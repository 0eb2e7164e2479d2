#include "runtime/docker_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "runtime/test_server.h"

namespace cryptnono::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

constexpr int kTimeoutMs = 2000;

TEST(ParseDockerContainer, TakesWhatTheLogTells) {
  const auto details = parse_docker_container(kDockerAnswer, {"BINDER_REF_URL", "EMPTY", "ODD"});
  ASSERT_TRUE(details) << details.error().message;
  EXPECT_EQ(details->type, "docker");
  EXPECT_EQ(details->name, "keen_tesla");
  EXPECT_EQ(details->image,
            "sha256:0f5a3c1b2d4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8");
  EXPECT_THAT(details->labels, ElementsAre(Pair("repo2docker.ref", "HEAD"),
                                           Pair("repo2docker.repo", "https://example.org/r")));
  EXPECT_THAT(details->environment,
              ElementsAre(Pair("BINDER_REF_URL", "https://example.org/?a=b"), Pair("EMPTY", "")));
  EXPECT_EQ(details->pod(), "");
}

TEST(ParseDockerContainer, WhatIsMissingOrOddIsLeftOut) {
  for (const char* body : {R"({"Image": "i", "Config": {}})",
                           R"({"Image": "i", "Name": 1, "Config": {"Labels": null, "Env": null}})",
                           R"({"Image": "i", "Config": {"Labels": ["a"], "Env": {"a": "b"}}})",
                           R"({"Image": "i", "Config": {"Labels": {"a": 1}, "Env": [1, {}]}})"}) {
    const auto details = parse_docker_container(body, {"a"});
    ASSERT_TRUE(details) << body;
    EXPECT_EQ(details->name, "");
    EXPECT_THAT(details->labels, IsEmpty()) << body;
    EXPECT_THAT(details->environment, IsEmpty()) << body;
  }
}

TEST(ParseDockerContainer, WhatIsNoContainerIsAnError) {
  for (const char* body :
       {"", "{", "[]", "1", "{}", R"({"message": "page not found"})", R"({"Image": "i"})",
        R"({"Image": 1, "Config": {}})", "{\"Image\": \"\xff\", \"Config\": {}}"}) {
    EXPECT_FALSE(parse_docker_container(body, {})) << body;
  }
  EXPECT_FALSE(parse_docker_container(std::string(1'000'000, '['), {}));
}

TEST(DockerClient, AsksAndReadsTheAnswer) {
  const Server server;
  std::string request;
  std::thread other([&] { request = server.answer(http("200 OK", kDockerAnswer)).request; });
  DockerClient client(server.path());
  const auto answer = client.container("9fa2", {"PATH"}, kTimeoutMs);
  other.join();
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->name, "keen_tesla");
  EXPECT_THAT((*answer)->environment, ElementsAre(Pair("PATH", "/bin")));
  EXPECT_THAT(request, StartsWith("GET /containers/9fa2/json HTTP/1.1\r\n"));
}

TEST(DockerClient, TheConnectionIsKeptAndMadeAgain) {
  const Server server;
  std::thread other([&] {
    const std::string unknown = http("404 Not Found", R"({"message": "No such container: 9fa2"})");
    Server::Exchange first = server.answer(unknown);
    first = Server::answer(std::move(first.peer), http("200 OK", kDockerAnswer));
    first.peer.reset();  // as a restart does
    server.answer(http("200 OK", kDockerAnswer));
  });
  DockerClient client(server.path());
  const auto unknown = client.container("9fa2", {}, kTimeoutMs);
  ASSERT_TRUE(unknown) << unknown.error().message;
  EXPECT_FALSE(*unknown);
  for (int i = 0; i < 2; ++i) {
    const auto known = client.container("9fa2", {}, kTimeoutMs);
    ASSERT_TRUE(known) << known.error().message;
    EXPECT_TRUE(*known);
  }
  other.join();
}

// What the client says when it is answered so.
std::string error_of(const std::string& text) {
  const Server server;
  std::thread other([&] { server.answer(text); });
  DockerClient client(server.path());
  const auto answer = client.container("9fa2", {}, kTimeoutMs);
  other.join();
  if (answer) return "no error";
  EXPECT_THAT(answer.error().message, StartsWith(server.path() + ": "));
  return answer.error().message;
}

TEST(DockerClient, AnAnswerThatIsNotDockersIsAnError) {
  EXPECT_THAT(error_of(std::string(100'000, 'x')), Not(HasSubstr("no error")));
  EXPECT_THAT(error_of(""), Not(HasSubstr("no error"))) << "the connection is closed";
  EXPECT_THAT(error_of(http("200 OK", "<html>")), HasSubstr("not a container"));
  EXPECT_THAT(error_of(http("500 Internal Server Error", "{}")), HasSubstr("500"));
  EXPECT_THAT(error_of(http("301 Moved\r\nLocation: http://localhost/x", "")), HasSubstr("301"));
  const std::string whole = http("200 OK", kDockerAnswer);
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 100)), Not(HasSubstr("no error")));
}

TEST(DockerClient, AHugeAnswerIsNotTaken) {
  const std::string huge(DockerClient::kMaxAnswerBytes + 1, ' ');
  EXPECT_THAT(error_of(http("200 OK", huge)), HasSubstr("too large"));
  EXPECT_THAT(error_of("HTTP/1.1 200 OK\r\n\r\n" + huge), HasSubstr("too large"));
}

TEST(DockerClient, AServerThatSaysNothingOrTooSlowlyCostsTheTimeoutAndNoMore) {
  const Server server;
  DockerClient client(server.path());
  std::uint64_t begin = monotonic_ns();
  const auto silent = client.container("9fa2", {}, 200);
  ASSERT_FALSE(silent);
  EXPECT_THAT(silent.error().message, HasSubstr("in time"));
  EXPECT_GE(seconds_since(begin), 0.19);
  EXPECT_LT(seconds_since(begin), 1);

  std::thread other([&] {
    const Fd first = server.accept();  // of the call before
    const Server::Exchange half = server.answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    for (int i = 0; i < 100; ++i) {
      if (send(half.peer.get(), " ", 1, MSG_NOSIGNAL) < 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  begin = monotonic_ns();
  const auto slow = client.container("9fa2", {}, 200);
  ASSERT_FALSE(slow);
  EXPECT_THAT(slow.error().message, HasSubstr("in time"));
  EXPECT_LT(seconds_since(begin), 1);
  other.join();
}

TEST(DockerClient, ASocketThatIsNotThereIsNamed) {
  DockerClient client("/nonexistent/socket");
  const auto answer = client.container("9fa2", {}, kTimeoutMs);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("/nonexistent/socket"));
}

TEST(DockerClient, WhatIsNoIdIsNotAskedFor) {
  const Server server;
  DockerClient client(server.path());
  for (const char* id : {"", "../images/json?", "a/b", "A"}) {
    const auto answer = client.container(id, {}, 200);
    ASSERT_TRUE(answer) << id;
    EXPECT_FALSE(*answer) << id;
  }
}

}  // namespace
}  // namespace cryptnono::runtime
