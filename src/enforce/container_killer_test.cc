#include "enforce/container_killer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "enforce/enforcer.h"
#include "enforce/test_victims.h"
#include "enforce/window_limit.h"

namespace cryptnono::enforce {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct Way {
  const char* name;
  const char* controller;  // of the hierarchy; "": v2
  ContainerMeans means;
  const char* file;  // that must be there
};

class ContainerKillerWays : public testing::TestWithParam<Way> {
 protected:
  // What has to be there for this way.
  std::unique_ptr<TestCgroup> cgroup() {
    auto out = std::make_unique<TestCgroup>(GetParam().controller);
    if (out->path().empty() || !std::filesystem::exists(out->path() + GetParam().file)) return {};
    return out;
  }
  [[nodiscard]] static KillResult kill(const std::string& path) {
    return kill_container(path, spare_self, {.time_ms = 10'000, .best = GetParam().means});
  }

  Victims victims_;
};

constexpr auto kSkip =
    "this hierarchy is not mounted, not this process's to use (needs root), or "
    "older than what is tested";

TEST_P(ContainerKillerWays, kills_a_fork_bomb_of_daemons_whole_and_no_neighbour) {
  const auto container = cgroup();
  if (!container) GTEST_SKIP() << kSkip;
  const TestCgroup other(GetParam().controller);
  const ProcessId neighbour = victims_.start([&] { other.enter(); });
  const ProcessId beside = victims_.start();  // same session, hierarchy's root
  victims_.start([&] {
    container->enter();
    Victims::explode(true);
  });
  ASSERT_TRUE(wait_for([&] { return container->pids().size() >= kBombSize / 2; }));
  const KillResult result = kill(container->path());
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_GE(result.killed, kBombSize / 4);
  EXPECT_THAT(container->pids(), IsEmpty());
  EXPECT_TRUE(is_alive(neighbour));
  EXPECT_TRUE(is_alive(beside));
}

TEST_P(ContainerKillerWays, kills_a_daemon_and_what_is_in_cgroups_below) {
  const auto container = cgroup();
  if (!container) GTEST_SKIP() << kSkip;
  const TestCgroup below(GetParam().controller, container->path());
  const TestCgroup deeper(GetParam().controller, below.path());
  const ProcessId parent = victims_.start([&] {
    signal(SIGCHLD, SIG_IGN);
    container->enter();
    Victims::spawn([&] {
      setsid();
      victims_.tell(1);
      Victims::spawn([&] {
        deeper.enter();
        victims_.tell(0);
      });
      _exit(0);
    });
  });
  const ProcessId daemon = victims_.told(0);
  const pid_t between = victims_.told(1).pid;
  ASSERT_TRUE(is_alive(daemon));
  // Its exit takes a while under a sanitizer; until then it is a third to be killed.
  ASSERT_TRUE(wait_for([&] { return ::kill(between, 0) != 0; }));
  const KillResult result = kill(container->path());
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_EQ(result.killed, 2U);
  EXPECT_FALSE(is_alive(daemon));
  EXPECT_FALSE(is_alive(parent));
}

TEST_P(ContainerKillerWays, refuses_a_container_with_a_protected_process_below) {
  const auto container = cgroup();
  if (!container) GTEST_SKIP() << kSkip;
  const TestCgroup below(GetParam().controller, container->path());
  const ProcessId spared = victims_.start([&] {
    below.enter();
    victims_.tell(0);
  });
  const ProcessId other = victims_.start([&] {
    container->enter();
    victims_.tell(1);
  });
  victims_.told(0);
  victims_.told(1);
  const KillResult result = kill_container(
      container->path(),
      [&](const ProcessId& process) {
        return process == spared ? std::string_view("protected") : std::string_view();
      },
      {.time_ms = 2000, .best = GetParam().means});
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.killed, 0U);
  EXPECT_THAT(result.failed_why,
              HasSubstr("holds process " + std::to_string(spared.pid) + ", which is protected"));
  EXPECT_TRUE(is_alive(spared));
  EXPECT_TRUE(is_alive(other));
}

TEST_P(ContainerKillerWays, refuses_the_root_of_the_hierarchy) {
  const std::string mount = mount_of(GetParam().controller);
  if (mount.empty()) GTEST_SKIP() << kSkip;
  EXPECT_THAT(kill(mount).failed_why, HasSubstr("is the root of a hierarchy"));
}

INSTANTIATE_TEST_SUITE_P(
    All, ContainerKillerWays,
    testing::Values(Way{"cgroup_kill", "", ContainerMeans::kCgroupKill, "/cgroup.kill"},
                    Way{"freezer_v2", "", ContainerMeans::kFreezer, "/cgroup.freeze"},
                    Way{"freezer_v1", "freezer", ContainerMeans::kCgroupKill, "/freezer.state"},
                    Way{"passes_v2", "", ContainerMeans::kPasses, "/cgroup.procs"},
                    Way{"passes_v1", "pids", ContainerMeans::kCgroupKill, "/cgroup.procs"}),
    [](const auto& way) { return std::string(way.param.name); });

class ContainerKillerTest : public testing::Test {
 protected:
  Victims victims_;
};

TEST_F(ContainerKillerTest, refuses_what_is_no_cgroup_or_gone) {
  EXPECT_THAT(kill_container("/tmp", spare_self).failed_why, HasSubstr("is not a cgroup"));
  const KillResult gone = kill_container("/sys/fs/cgroup/cryptnono-none", spare_self);
  EXPECT_FALSE(gone.complete);
  EXPECT_THAT(gone.failed_why, HasSubstr("No such file or directory"));
}

TEST_F(ContainerKillerTest, an_empty_one_is_done) {
  const TestCgroup cgroup;
  if (cgroup.path().empty()) GTEST_SKIP() << kSkip;
  const KillResult result = kill_container(cgroup.path(), spare_self);
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_EQ(result.killed, 0U);
}

// A container that was paused.
TEST_F(ContainerKillerTest, kills_what_is_frozen_already_and_thaws_it) {
  const TestCgroup cgroup("freezer");
  if (cgroup.path().empty()) GTEST_SKIP() << kSkip;
  const ProcessId victim = victims_.start([&] {
    cgroup.enter();
    victims_.tell(0);
  });
  victims_.told(0);
  std::ofstream(cgroup.path() + "/freezer.state") << "FROZEN";
  const KillResult result = kill_container(cgroup.path(), spare_self);
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_FALSE(is_alive(victim));
  std::string state;
  std::ifstream(cgroup.path() + "/freezer.state") >> state;
  EXPECT_EQ(state, "THAWED");
}

TEST_F(ContainerKillerTest, freezes_v2_only_where_there_is_no_better_way) {
  for (const ContainerMeans means : {ContainerMeans::kCgroupKill, ContainerMeans::kFreezer}) {
    const TestCgroup cgroup;
    if (cgroup.path().empty() || !std::filesystem::exists(cgroup.path() + "/cgroup.kill"))
      GTEST_SKIP() << kSkip;
    const ProcessId victim = victims_.start([&] {
      cgroup.enter();
      victims_.tell(0);
    });
    ASSERT_TRUE(wait_for([&] { return cgroup.pids().size() == 1; }));
    std::ofstream(cgroup.path() + "/cgroup.freeze") << 1;  // who freezes it thaws it
    const KillResult result =
        kill_container(cgroup.path(), spare_self, {.time_ms = 2000, .best = means});
    EXPECT_TRUE(result.complete) << result.failed_why;
    EXPECT_FALSE(is_alive(victim));
    int frozen = -1;
    std::ifstream(cgroup.path() + "/cgroup.freeze") >> frozen;
    EXPECT_EQ(frozen, means == ContainerMeans::kCgroupKill ? 1 : 0);
  }
}

// A process that ends while it is asked about is in no cgroup any more.
TEST_F(ContainerKillerTest, what_ends_meanwhile_does_not_seem_out_of_scope) {
  const TestCgroup cgroup;
  if (cgroup.path().empty()) GTEST_SKIP() << kSkip;
  auto scope = container::Scope::resolve({.cgroups = {cgroup.path()}, .exclude = {}});
  ASSERT_TRUE(scope) << scope.error().message;
  WindowLimit limit;
  Enforcer enforcer(limit);
  enforcer.set_policy(std::make_shared<Policy>(Policy{.kill_groups = 1, .scope = *scope}));
  victims_.start([&] {
    cgroup.enter();
    Victims::explode(true);
  });
  ASSERT_TRUE(wait_for([&] { return cgroup.pids().size() >= kBombSize / 2; }));
  const KillResult result = kill_container(
      cgroup.path(), [&](const ProcessId& process) { return enforcer.refusal(process); },
      {.time_ms = 2000, .best = ContainerMeans::kPasses});
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_THAT(cgroup.pids(), IsEmpty());
}

// v2 without cgroup.kill and cgroup.freeze (before Linux 5.2), or any other v1 hierarchy: the
// freezer's cgroup of the same path.
TEST_F(ContainerKillerTest, uses_the_freezer_at_the_same_path_of_another_hierarchy) {
  const TestCgroup pids("pids");
  const TestCgroup freezer("freezer", pids, "pids");
  if (freezer.path().empty()) GTEST_SKIP() << kSkip;
  const ProcessId victim = victims_.start([&] {
    pids.enter();
    freezer.enter();
    victims_.tell(0);
  });
  victims_.told(0);
  std::ofstream(freezer.path() + "/freezer.state") << "FROZEN";  // else it would die without, too
  const KillResult result = kill_container(pids.path(), spare_self);
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_FALSE(is_alive(victim));
}

// The freezer's cgroup of that path may hold others; if we ourselves were among them, who would
// thaw?
TEST_F(ContainerKillerTest, freezes_no_protected_process) {
  const TestCgroup pids("pids");
  const TestCgroup freezer("freezer", pids, "pids");
  if (freezer.path().empty()) GTEST_SKIP() << kSkip;
  const ProcessId victim = victims_.start([&] {
    pids.enter();
    victims_.tell(0);
  });
  const ProcessId spared = victims_.start([&] {
    freezer.enter();
    victims_.tell(1);
  });
  victims_.told(0);
  victims_.told(1);
  std::ofstream(freezer.path() + "/freezer.state") << "FROZEN";  // who uses it thaws it
  const KillResult result = kill_container(pids.path(), [&](const ProcessId& process) {
    return process == spared ? std::string_view("protected") : std::string_view();
  });
  std::string state;
  std::ifstream(freezer.path() + "/freezer.state") >> state;
  std::ofstream(freezer.path() + "/freezer.state") << "THAWED";
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_FALSE(is_alive(victim));
  EXPECT_TRUE(is_alive(spared));
  EXPECT_NE(state, "THAWED");
}

TEST_F(ContainerKillerTest, says_so_when_time_runs_out) {
  const TestCgroup cgroup("freezer");
  if (cgroup.path().empty()) GTEST_SKIP() << kSkip;
  victims_.start([&] {
    cgroup.enter();
    victims_.tell(0);
  });
  victims_.told(0);
  std::ofstream(cgroup.path() + "/freezer.state") << "FROZEN";  // dies when it is thawed
  const KillResult result =
      kill_container(cgroup.path(), spare_self, {.time_ms = 50, .best = ContainerMeans::kPasses});
  EXPECT_FALSE(result.complete);
  EXPECT_THAT(result.failed_why, HasSubstr("not empty after 50 ms"));
}

}  // namespace
}  // namespace cryptnono::enforce
