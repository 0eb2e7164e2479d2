#include "base/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/clock.h"

namespace cryptnono {
namespace {

using testing::MatchesRegex;

constexpr std::uint64_t kSecond = 1'000'000'000;

void set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }

// A manager that listens on `address`, as NOTIFY_SOCKET has it.
class Manager {
 public:
  explicit Manager(const std::string& address)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un bound{};
    bound.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(bound.sun_path), address.data(), address.size());
    if (address.front() == '@') bound.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&bound), size), 0);
    set("NOTIFY_SOCKET", address);
  }

  // The next message; "": there is none.
  std::string next() {
    std::array<char, 4096> buffer{};
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  Fd socket_;
};

class ServiceManagerTest : public testing::Test {
 protected:
  ServiceManagerTest() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    std::array<char, 32> directory{"/tmp/cryptnono-XXXXXX"};
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    directory_ = directory.data();
    path_ = directory_ + "/notify";
  }
  ~ServiceManagerTest() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }

  std::string directory_, path_;
};

TEST_F(ServiceManagerTest, tells_each_state_in_its_words) {
  Manager manager(path_);
  ServiceManager service = ServiceManager::from_environment();
  service.ready("all is well");
  EXPECT_EQ(manager.next(), "READY=1\nSTATUS=all is well");
  service.reloading();
  EXPECT_THAT(manager.next(),
              MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nSTATUS=Reloading"));
  service.status("bad");
  EXPECT_EQ(manager.next(), "STATUS=bad");
  service.stopping();
  EXPECT_EQ(manager.next(), "STOPPING=1\nSTATUS=Stopping");
  EXPECT_EQ(manager.next(), "");
}

TEST_F(ServiceManagerTest, knows_abstract_names) {
  Manager manager("@cryptnono-test-" + std::to_string(getpid()));
  ServiceManager::from_environment().status("here");
  EXPECT_EQ(manager.next(), "STATUS=here");
}

TEST_F(ServiceManagerTest, a_status_cannot_say_more_than_a_status) {
  Manager manager(path_);
  ServiceManager::from_environment().status("line 1\nREADY=1");
  EXPECT_EQ(manager.next(), "STATUS=line 1 READY=1");
}

TEST_F(ServiceManagerTest, takes_what_it_was_told_out_of_the_environment) {
  Manager manager(path_);
  set("WATCHDOG_USEC", "1");
  set("WATCHDOG_PID", "1");
  static_cast<void>(ServiceManager::from_environment());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
    EXPECT_EQ(getenv(name), nullptr) << name;  // NOLINT(concurrency-mt-unsafe): one thread
}

TEST_F(ServiceManagerTest, keeps_a_watchdog_quiet_at_half_of_its_time) {
  Manager manager(path_);
  set("WATCHDOG_USEC", "60000000");
  set("WATCHDOG_PID", std::to_string(getpid()));
  ServiceManager service = ServiceManager::from_environment();
  const std::uint64_t start = monotonic_ns() + 60 * kSecond;  // a machine may have just started
  service.alive(start);
  EXPECT_EQ(manager.next(), "WATCHDOG=1");
  EXPECT_EQ(service.wait_ms(start), 30'000);
  service.alive(start + 29 * kSecond);
  EXPECT_EQ(manager.next(), "");
  EXPECT_EQ(service.wait_ms(start + 29 * kSecond), 1000);
  service.alive(start + 30 * kSecond);
  EXPECT_EQ(manager.next(), "WATCHDOG=1");
  EXPECT_EQ(service.wait_ms(start + 95 * kSecond), 0) << "late, but never a negative wait";
}

TEST_F(ServiceManagerTest, no_watchdog_of_another_process_of_none_and_of_nonsense) {
  Manager manager(path_);
  for (const auto& [usec, pid] : std::initializer_list<std::pair<const char*, const char*>>{
           {"60000000", "1"}, {"0", ""}, {"", ""}, {"60s", ""}, {"-1", ""}}) {
    set("NOTIFY_SOCKET", path_);
    set("WATCHDOG_USEC", usec);
    set("WATCHDOG_PID", pid);
    ServiceManager service = ServiceManager::from_environment();
    service.alive(kSecond);
    EXPECT_EQ(service.wait_ms(kSecond), -1) << usec;
    EXPECT_EQ(manager.next(), "") << usec;
  }
}

TEST_F(ServiceManagerTest,
       is_silent_without_a_manager_with_one_that_is_gone_and_with_a_strange_one) {
  for (const std::string& address : {std::string(), std::string("/nowhere/at/all"),
                                     std::string("vsock:2:1234"), std::string(200, '/')}) {
    if (!address.empty()) set("NOTIFY_SOCKET", address);
    ServiceManager service = ServiceManager::from_environment();
    service.ready("");
    service.alive(0);
    EXPECT_EQ(service.wait_ms(0), -1);
  }
}

}  // namespace
}  // namespace cryptnono
