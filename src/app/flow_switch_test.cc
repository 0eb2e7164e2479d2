// Groups that report first: switched at run time, with the real kernel side and real connects.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "app/flow.h"
#include "config/address_range.h"
#include "config/load.h"
#include "container/scope.h"

namespace cryptnono::app {
namespace {

namespace fs = std::filesystem;
using enforce::Outcome;

// A cgroup of v2 for the processes that connect.
class Sandbox {
 public:
  Sandbox()
      : path_(fs::path(container::cgroup2_mount_point()) /
              ("cryptnono-flow-switch-" + std::to_string(getpid()))) {
    fs::create_directory(path_);
  }
  ~Sandbox() {
    std::error_code error;
    for (int i = 0; i < 200 && !fs::remove(path_, error); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

  // A process in there sends one datagram to this address on loopback; true: it was killed.
  [[nodiscard]] bool dies(const char* address) const {
    const std::string procs = path_ / "cgroup.procs";
    const int joining = open(procs.c_str(), O_WRONLY | O_CLOEXEC);
    const pid_t child = fork();
    if (child == 0) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(9);
      inet_pton(AF_INET, address, &to.sin_addr);
      if (write(joining, "0", 1) != 1) _exit(2);
      const int fd = socket(AF_INET, SOCK_DGRAM, 0);
      sendto(fd, "", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      _exit(0);
    }
    close(joining);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  fs::path path_;
};

class FlowSwitchTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to load a BPF program";
    if (container::cgroup2_mount_point().empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
    sandbox_.emplace();
    null_ = open("/dev/null", O_WRONLY | O_CLOEXEC);
    writer_.emplace(null_);
    events_.emplace(*writer_, pods_);
    responses_.emplace(*events_, pods_, [](const enforce::ProcessId&) { return ""; });
    flow_.emplace(*events_, pods_, *responses_, trap_, takeover_, [](const Error& error) {
      ADD_FAILURE() << error.message;  // nothing is pinned here
    });
    flow_->when_held(
        [this](std::string_view group, const detect::FlowFinding& finding, Outcome outcome) {
          const std::lock_guard lock(mutex_);
          held_.push_back({std::string(group), finding.destination.port, outcome});
          changed_.notify_all();
        });
  }
  void TearDown() override {
    if (flow_) flow_->stop();
    if (responses_) responses_->stop();
    if (events_) events_->stop();
    if (null_ >= 0) close(null_);
  }

  // 127.9.9.1 is banned by "new" and "other", .2 by "new" alone, .3 by "other" alone.
  config::Config configuration(bool report_first) const {
    auto loaded =
        config::load_text("f", "tcpflowkiller: {enabled: true, scan: {enabled: false}}\n");
    config::Config out = std::move(loaded->config);
    out.scope.cgroups = {sandbox_->path()};
    config::Tcpflowkiller& flow = out.tcpflowkiller;
    for (const char* name : {"new", "other"}) {
      config::AddressGroup group;
      group.name = name;
      if (report_first && group.name == "new") group.report_first.emplace();
      flow.groups.push_back(group);
    }
    const auto ban = [&](const char* text, std::uint16_t group) {
      config::AddressRange range;
      EXPECT_EQ(config::parse_address_range(text, range), "");
      range.group = group;
      flow.bans.push_back(range);
    };
    ban("127.9.9.1", 0);
    ban("127.9.9.1", 1);
    ban("127.9.9.2", 0);
    ban("127.9.9.3", 1);
    return out;
  }

  // True if it is in force; else the test is to be skipped.
  bool apply(const config::Config& config, std::uint32_t generation,
             std::optional<std::set<std::string>> reporting = {}) {
    auto prepared = Flow::prepare(config.tcpflowkiller, generation, {}, &*flow_);
    EXPECT_TRUE(prepared);
    if (reporting) prepared->reporting = *reporting;
    const Result<void> applied = flow_->apply(config, std::move(*prepared), {});
    EXPECT_TRUE(applied || applied.error().code == ExitCode::kUnsupported)
        << applied.error().message;
    return applied.has_value() && flow_->hooks() == config::ConnectHooks::kKill;
  }

  struct Held {
    std::string group;
    std::uint16_t port;
    Outcome outcome;
    bool operator==(const Held&) const = default;
  };
  // The next that was held back.
  Held next_held() {
    std::unique_lock lock(mutex_);
    const bool came =
        changed_.wait_for(lock, std::chrono::seconds(10), [this] { return held_.size() > taken_; });
    EXPECT_TRUE(came);
    return came ? held_[taken_++] : Held{};
  }
  std::size_t held_waiting() {
    const std::lock_guard lock(mutex_);
    return held_.size() - taken_;
  }

  std::optional<Sandbox> sandbox_;
  int null_ = -1;
  std::optional<LineWriter> writer_;
  PodWatch pods_{[](const std::string&) {}};
  std::optional<EventLog> events_;
  std::optional<Responses> responses_;
  CanaryTrap trap_;
  Takeover takeover_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Held> held_;  // guarded by mutex_
  std::size_t taken_ = 0;   // guarded by mutex_
  std::optional<Flow> flow_;
};

TEST_F(FlowSwitchTest, AGroupReportsFirstAndSaysWhatItWouldHaveKilled) {
  if (!apply(configuration(true), 1))
    GTEST_SKIP() << "connects cannot be killed in the kernel here";
  EXPECT_FALSE(sandbox_->dies("127.9.9.2"));
  EXPECT_EQ(next_held(), (Held{"new", 9, Outcome::kReported}));
  EXPECT_TRUE(sandbox_->dies("127.9.9.3")) << "another group is not held back";
  EXPECT_TRUE(sandbox_->dies("127.9.9.1"));
  EXPECT_EQ(next_held(), (Held{"new", 9, Outcome::kKilled})) << "by the other group";

  ASSERT_TRUE(apply(configuration(true), 2, std::set<std::string>{}));
  EXPECT_TRUE(sandbox_->dies("127.9.9.2"));
  ASSERT_TRUE(apply(configuration(true), 3, std::set<std::string>{"new", "other", "unknown"}));
  EXPECT_FALSE(sandbox_->dies("127.9.9.1"));
  EXPECT_EQ(next_held(), (Held{"new", 9, Outcome::kReported}));
  EXPECT_EQ(next_held(), (Held{"other", 9, Outcome::kReported}));
  EXPECT_EQ(held_waiting(), 0U);
}

TEST_F(FlowSwitchTest, AReloadKeepsWhatIsOver) {
  if (!apply(configuration(true), 1))
    GTEST_SKIP() << "connects cannot be killed in the kernel here";
  ASSERT_TRUE(apply(configuration(true), 2, std::set<std::string>{}));
  EXPECT_TRUE(sandbox_->dies("127.9.9.2"));
  ASSERT_TRUE(apply(configuration(true), 3));
  EXPECT_FALSE(sandbox_->dies("127.9.9.2")) << "who says nothing begins anew";
}

// Of a group that kills no connect lives while others are switched, and of one that reports none
// dies.
TEST_F(FlowSwitchTest, SwitchingLetsNothingThrough) {
  if (!apply(configuration(false), 1))
    GTEST_SKIP() << "connects cannot be killed in the kernel here";
  std::atomic<bool> stop = false;
  std::jthread switcher([&] {
    for (std::uint32_t i = 0; !stop; ++i) {
      const std::set<std::string> reporting =
          i % 2 != 0 ? std::set<std::string>{"other"} : std::set<std::string>{};
      EXPECT_TRUE(apply(configuration(false), i + 2, reporting));
    }
  });
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(sandbox_->dies("127.9.9.2")) << i;
    ASSERT_TRUE(sandbox_->dies("127.9.9.1")) << i;
  }
  stop = true;
}

}  // namespace
}  // namespace cryptnono::app
