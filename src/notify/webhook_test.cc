#include "notify/webhook.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include "base/fd.h"
#include "base/hmac.h"

namespace cryptnono::notify {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::StartsWith;
using Clock = std::chrono::steady_clock;

struct Received {
  std::string start;  // "POST /path HTTP/1.1"
  std::map<std::string, std::string> headers;
  std::string body;
  Clock::time_point at;
};

// An HTTP server on loopback, one connection after another; `answer` says what it sends to the
// n-th request (from 0). An empty answer: none, until the client goes.
class Receiver {
 public:
  explicit Receiver(std::function<std::string(std::size_t)> answer, std::uint16_t port = 0)
      : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.get(), generic, size), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    ::getsockname(listener_.get(), generic, &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Receiver() {
    stop_ = true;
    thread_.join();
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/hook";
  }
  std::vector<Received> received() {
    const std::lock_guard lock(mutex_);
    return received_;
  }
  std::vector<std::string> bodies() {
    std::vector<std::string> out;
    for (const Received& each : received()) out.push_back(each.body);
    return out;
  }

 private:
  [[nodiscard]] bool readable(int fd) const {
    pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
    while (!stop_) {
      if (::poll(&waited, 1, 10) > 0) return true;
    }
    return false;
  }

  void run() {
    while (readable(listener_.get())) {
      const Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (connection) serve(connection.get());
    }
  }

  void serve(int fd) {
    std::string text;
    std::size_t body_at = std::string::npos;
    Received request;
    for (;;) {
      body_at = text.find("\r\n\r\n");
      if (body_at != std::string::npos) {
        parse_head(text.substr(0, body_at), request);
        if (text.size() >= body_at + 4 + std::stoul(request.headers["Content-Length"])) break;
      }
      std::array<char, 4096> piece{};
      if (!readable(fd)) return;
      const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
      if (got <= 0) return;
      text.append(piece.data(), static_cast<std::size_t>(got));
    }
    request.body = text.substr(body_at + 4);
    request.at = Clock::now();
    std::size_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = received_.size();
      received_.push_back(std::move(request));
    }
    const std::string answer = answer_(number);
    if (answer.empty()) {
      char byte = 0;
      while (readable(fd) && ::recv(fd, &byte, 1, 0) > 0) {
      }
      return;
    }
    ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  static void parse_head(const std::string& head, Received& out) {
    out.start = head.substr(0, head.find("\r\n"));
    for (std::size_t at = head.find("\r\n"); at != std::string::npos;
         at = head.find("\r\n", at + 2)) {
      const std::size_t end = std::min(head.find("\r\n", at + 2), head.size());
      const std::string line = head.substr(at + 2, end - at - 2);
      const std::size_t colon = line.find(": ");
      if (colon != std::string::npos) out.headers[line.substr(0, colon)] = line.substr(colon + 2);
    }
  }

  std::function<std::string(std::size_t)> answer_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::vector<Received> received_;  // guarded by mutex_
  std::thread thread_;
};

std::string status(const std::string& line, const std::string& headers = "") {
  return "HTTP/1.1 " + line + "\r\nContent-Length: 0\r\nConnection: close\r\n" + headers + "\r\n";
}

WebhookSettings to(const std::string& url) {
  return {.url = url,
          .backoff = {.first = 5ms, .longest = 20ms, .longest_retry_after = 2000ms, .attempts = 5}};
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s) {
  const auto end = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

TEST(Webhook, SendsHeadersAndASignatureThatFits) {
  Receiver receiver([](std::size_t) { return status("204 No Content"); });
  WebhookSettings settings = to(receiver.url());
  settings.secret = "key";
  Webhook webhook(settings);
  webhook.post("killed", R"({"a": 1})");
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 1; }));
  Received request = receiver.received().at(0);
  EXPECT_EQ(request.start, "POST /hook HTTP/1.1");
  EXPECT_EQ(request.body, R"({"a": 1})");
  EXPECT_EQ(request.headers["Content-Type"], "application/json");
  EXPECT_THAT(request.headers["User-Agent"], StartsWith("cryptnono/"));
  EXPECT_EQ(request.headers["X-Cryptnono-Event"], "killed");
  EXPECT_FALSE(request.headers["X-Cryptnono-Delivery"].empty());
  const std::string timestamp = request.headers["X-Cryptnono-Timestamp"];
  EXPECT_NEAR(static_cast<double>(std::stoll(timestamp)), static_cast<double>(std::time(nullptr)),
              5);
  EXPECT_EQ(request.headers["X-Cryptnono-Signature"],
            "sha256=" + hmac_sha256_hex("key", timestamp + "." + request.body));
}

TEST(Webhook, WithoutASecretThereIsNoSignature) {
  Receiver receiver([](std::size_t) { return status("200 OK"); });
  Webhook webhook(to(receiver.url()));
  webhook.post("killed", "{}");
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 1; }));
  EXPECT_EQ(receiver.received().at(0).headers.count("X-Cryptnono-Signature"), 0U);
}

TEST(Webhook, KeepsTheOrderOverRetriesAndNamesADeliveryAlike) {
  Receiver receiver([](std::size_t n) { return status(n < 2 ? "503 Not now" : "200 OK"); });
  Webhook webhook(to(receiver.url()));
  for (const char* body : {"1", "2", "3"}) webhook.post("killed", body);
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 3; }));
  EXPECT_THAT(receiver.bodies(), ElementsAre("1", "1", "1", "2", "3"));
  EXPECT_EQ(webhook.counters().retries, 2U);
  auto requests = receiver.received();
  const auto name = [&](std::size_t n) { return requests[n].headers["X-Cryptnono-Delivery"]; };
  EXPECT_EQ(name(0), name(2));
  EXPECT_NE(name(2), name(3));
}

TEST(Webhook, TriesAgainWhenTheConnectionWasRefused) {
  std::uint16_t port = 0;
  {
    const Receiver gone([](std::size_t) { return status("200 OK"); });
    port = gone.port();
  }
  WebhookSettings settings = to("http://127.0.0.1:" + std::to_string(port) + "/hook");
  settings.backoff.attempts = 1000;
  Webhook webhook(settings);
  webhook.post("killed", "1");
  ASSERT_TRUE(eventually([&] { return webhook.counters().retries > 2; }));
  Receiver receiver([](std::size_t) { return status("200 OK"); }, port);
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 1; }));
  EXPECT_THAT(receiver.bodies(), ElementsAre("1"));
}

TEST(Webhook, WaitsAsLongAsItIsAskedTo) {
  Receiver receiver([](std::size_t n) {
    return n == 0 ? status("429 Too Many Requests", "Retry-After: 1\r\n") : status("200 OK");
  });
  Webhook webhook(to(receiver.url()));
  webhook.post("killed", "1");
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 1; }));
  const auto requests = receiver.received();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_GE(requests[1].at - requests[0].at, 950ms);
}

TEST(Webhook, DoesNotWaitForAsLongAsAReceiverLikes) {
  Receiver receiver([](std::size_t n) {
    return n == 0 ? status("503 x", "Retry-After: 86400\r\n") : status("200 OK");
  });
  WebhookSettings settings = to(receiver.url());
  settings.backoff.longest_retry_after = 50ms;
  Webhook webhook(settings);
  webhook.post("killed", "1");
  EXPECT_TRUE(eventually([&] { return webhook.counters().sent == 1; }, 5s));
}

TEST(Webhook, OtherAnswersAreFinalAndARedirectIsNotFollowed) {
  Receiver elsewhere([](std::size_t) { return status("200 OK"); });
  Receiver receiver([&](std::size_t n) {
    return n == 0 ? status("400 Bad Request")
                  : status("307 Elsewhere", "Location: " + elsewhere.url() + "\r\n");
  });
  Webhook webhook(to(receiver.url()));
  webhook.post("killed", "1");
  webhook.post("killed", "2");
  ASSERT_TRUE(eventually([&] { return webhook.counters().refused == 2; }));
  EXPECT_THAT(receiver.bodies(), ElementsAre("1", "2"));
  EXPECT_TRUE(elsewhere.received().empty());
  EXPECT_EQ(webhook.counters().retries, 0U);
}

TEST(Webhook, GivesUpAfterSoManyAttemptsAndGoesOn) {
  Receiver receiver([](std::size_t n) { return status(n < 5 ? "500 x" : "200 OK"); });
  Webhook webhook(to(receiver.url()));
  webhook.post("killed", "1");
  webhook.post("killed", "2");
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 1; }));
  EXPECT_THAT(receiver.bodies(), ElementsAre("1", "1", "1", "1", "1", "2"));
  EXPECT_EQ(webhook.counters().dropped_gave_up, 1U);
  EXPECT_EQ(webhook.counters().retries, 4U);
}

TEST(Webhook, OtherSchemesAreNotTried) {
  WebhookSettings settings = to("file:///etc/hostname");
  Webhook webhook(settings);
  webhook.post("killed", "1");
  EXPECT_TRUE(eventually([&] { return webhook.counters().dropped_gave_up == 1; }));
}

TEST(Webhook, AReceiverThatHangsDelaysNobodyAndTheQueueIsBounded) {
  Receiver receiver([](std::size_t) { return ""; });
  WebhookSettings settings = to(receiver.url());
  settings.last_wait = 100ms;
  {
    Webhook webhook(settings);
    const auto begin = Clock::now();
    for (int i = 0; i < 3000; ++i) webhook.post("killed", "x");
    EXPECT_LT(Clock::now() - begin, 500ms);
    EXPECT_EQ(webhook.counters().dropped_queue_full, 3000U - 1024U);
  }
  settings.max_queued_bytes = 10;
  Webhook webhook(settings);
  for (int i = 0; i < 5; ++i) webhook.post("killed", "four");
  EXPECT_EQ(webhook.counters().dropped_queue_full, 3U);
}

TEST(Webhook, ATimeOutIsTriedAgain) {
  Receiver receiver([](std::size_t n) { return n == 0 ? "" : status("200 OK"); });
  WebhookSettings settings = to(receiver.url());
  settings.timeout = 50ms;
  Webhook webhook(settings);
  webhook.post("killed", "1");
  EXPECT_TRUE(eventually([&] { return webhook.counters().sent == 1; }));
  EXPECT_EQ(webhook.counters().retries, 1U);
}

TEST(Webhook, AnEndDeliversWhatItCanAndWaitsNoLongerThanToldTo) {
  Receiver good([](std::size_t) { return status("200 OK"); });
  {
    Webhook webhook(to(good.url()));
    for (int i = 0; i < 20; ++i) webhook.post("killed", std::to_string(i));
  }
  EXPECT_EQ(good.bodies().size(), 20U);
  for (const char* answer : {"", "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"}) {
    Receiver bad([answer](std::size_t) { return answer; });
    WebhookSettings settings = to(bad.url());
    settings.timeout = 60s;
    settings.last_wait = 300ms;
    settings.backoff.first = settings.backoff.longest = 60s;
    Webhook webhook(settings);
    for (int i = 0; i < 20; ++i) webhook.post("killed", "x");
    ASSERT_TRUE(eventually([&] { return !bad.received().empty(); }));
    const auto begin = Clock::now();
    webhook.stop();
    EXPECT_LT(Clock::now() - begin, 1s);
    EXPECT_EQ(webhook.counters().dropped_gave_up, 20U);
  }
}

TEST(Webhook, NewSettingsEndAWaitAndAreUsedForWhatIsQueued) {
  Receiver old([](std::size_t) { return status("503 x"); });
  Receiver next([](std::size_t) { return status("200 OK"); });
  WebhookSettings settings = to(old.url());
  settings.backoff.first = settings.backoff.longest = 60s;
  Webhook webhook(settings);
  webhook.post("killed", "1");
  webhook.post("killed", "2");
  ASSERT_TRUE(eventually([&] { return !old.received().empty(); }));
  webhook.use(to(next.url()));
  ASSERT_TRUE(eventually([&] { return webhook.counters().sent == 2; }));
  EXPECT_THAT(next.bodies(), ElementsAre("1", "2"));
  webhook.use({});
  webhook.post("killed", "3");
  EXPECT_TRUE(eventually([&] { return webhook.counters().dropped_gave_up == 1; }));
}

}  // namespace
}  // namespace cryptnono::notify
