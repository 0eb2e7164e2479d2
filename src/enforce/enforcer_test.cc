#include "enforce/enforcer.h"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <thread>

#include "base/clock.h"
#include "proc/proc_reader.h"

namespace cryptnono::enforce {
namespace {

// Admits the first `units_` units of each group for ever.
class FirstUnits : public BlastLimit {
 public:
  explicit FirstUnits(std::size_t units) : units_(units) {}
  bool admit(std::uint32_t group, std::uint64_t unit) override {
    auto& seen = seen_[group];
    if (seen.contains(unit)) return true;
    if (seen.size() >= units_) return false;
    seen.insert(unit);
    return true;
  }
  LimitState state() const override { return {}; }

 private:
  std::size_t units_;
  std::unordered_map<std::uint32_t, std::set<std::uint64_t>> seen_;
};

class EnforcerTest : public testing::Test {
 protected:
  EnforcerTest() : limit_(2), enforcer_(limit_) { set_mode(1); }
  ~EnforcerTest() override {
    for (const pid_t pid : children_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  void set_mode(std::uint64_t kill_groups) {
    enforcer_.set_policy(std::make_shared<Policy>(Policy{.kill_groups = kill_groups, .scope = {}}));
  }

  // A child that sleeps until it is killed.
  Target child(std::uint64_t unit = 1) {
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    children_.push_back(pid);
    return {.pid = pid,
            .start_ticks = proc::ProcReader().read_stat(pid)->start_ticks,
            .unit = unit,
            .groups = 1};
  }

  static bool died(const Target& target) {
    siginfo_t info{};
    const bool ended =
        waitid(P_PID, static_cast<id_t>(target.pid), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
        info.si_pid != 0;
    return ended && info.si_code == CLD_KILLED;
  }
  static bool dies(const Target& target) {
    for (int i = 0; i < 100 && !died(target); ++i) usleep(10'000);
    return died(target);
  }

  FirstUnits limit_;
  Enforcer enforcer_;
  std::vector<pid_t> children_;
};

TEST_F(EnforcerTest, kills_the_target) {
  const Target target = child();
  EXPECT_EQ(enforcer_.act(target).outcome, Outcome::kKilled);
  EXPECT_TRUE(dies(target));
}

TEST_F(EnforcerTest, reports_when_no_group_that_hit_kills) {
  Target target = child();
  set_mode(0);
  EXPECT_EQ(enforcer_.act(target).outcome, Outcome::kReported);
  set_mode(2);
  EXPECT_EQ(enforcer_.act(target).outcome, Outcome::kReported);
  EXPECT_FALSE(died(target));
}

TEST_F(EnforcerTest, refuses_itself_and_its_ancestors_and_pid_1) {
  const proc::ProcReader reader;
  for (const pid_t pid : reader.with_ancestors(getpid())) {
    const auto stat = reader.read_stat(pid);
    ASSERT_TRUE(stat);
    const Action action =
        enforcer_.act({.pid = pid, .start_ticks = stat->start_ticks, .unit = 1, .groups = 1});
    EXPECT_EQ(action.outcome, Outcome::kRefused);
    EXPECT_EQ(action.refused_why, "protected");
  }
}

TEST_F(EnforcerTest, refuses_kernel_threads) {
  const auto stat = proc::ProcReader().read_stat(2);  // kthreadd
  if (!stat || (stat->flags & 0x00200000) == 0)
    GTEST_SKIP() << "pid 2 is no kernel thread in this pid namespace";
  EXPECT_EQ(enforcer_.act({.pid = 2, .start_ticks = stat->start_ticks, .unit = 1, .groups = 1})
                .refused_why,
            "kernel thread");
}

TEST_F(EnforcerTest, never_takes_another_process_for_the_target) {
  Target target = child();
  target.start_ticks += 1;
  EXPECT_EQ(enforcer_.act(target).outcome, Outcome::kGone);
  EXPECT_FALSE(died(target));
}

TEST_F(EnforcerTest, asks_again_for_the_reason) {
  const Target target = child();
  EXPECT_EQ(enforcer_.act(target, [] { return false; }).refused_why, "no reason any more");
  EXPECT_FALSE(died(target));
}

TEST_F(EnforcerTest, stops_killing_in_new_units_when_the_limit_is_used_up) {
  const Target first = child(1);
  const Target second = child(2);
  const Target third = child(3);
  const Target again = child(1);
  EXPECT_EQ(enforcer_.act(first).outcome, Outcome::kKilled);
  EXPECT_EQ(enforcer_.act(second).outcome, Outcome::kKilled);
  EXPECT_EQ(enforcer_.act(third).outcome, Outcome::kLimited);
  EXPECT_EQ(enforcer_.act(again).outcome, Outcome::kKilled);
  EXPECT_FALSE(died(third));
}

TEST_F(EnforcerTest, calls_a_zombie_gone) {
  const Target target = child();
  kill(target.pid, SIGKILL);
  ASSERT_TRUE(dies(target));  // not reaped yet
  EXPECT_EQ(enforcer_.act(target).outcome, Outcome::kGone);
}

TEST_F(EnforcerTest, calls_a_process_gone_that_ends_while_the_reason_is_asked_again) {
  const Target target = child();
  const Action action = enforcer_.act(target, [&] {
    kill(target.pid, SIGKILL);
    waitpid(target.pid, nullptr, 0);
    return true;
  });
  EXPECT_EQ(action.outcome, Outcome::kGone);
  children_.clear();
}

// The pid is given to an innocent process in the last moment, between the checks and the signal.
TEST_F(EnforcerTest, E24_never_signals_who_got_the_pid_in_the_meantime) {
  const Target target = child();
  pid_t reused = -1;
  const Action action = enforcer_.act(target, [&] {
    kill(target.pid, SIGKILL);
    waitpid(target.pid, nullptr, 0);
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uint64_t>(&target.pid);
    arguments.set_tid_size = 1;
    reused = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (reused == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    return true;
  });
  if (reused != target.pid) {
    children_.clear();
    GTEST_SKIP() << "may not choose a pid (needs CAP_CHECKPOINT_RESTORE)";
  }
  EXPECT_NE(action.outcome, Outcome::kKilled);
  usleep(20'000);
  EXPECT_FALSE(died(target));  // the new owner of the pid lives
}

TEST_F(EnforcerTest, refuses_what_is_out_of_scope) {
  const std::vector<container::Hierarchy> hierarchies = container::mounted_hierarchies();
  if (hierarchies.empty()) GTEST_SKIP() << "no cgroup hierarchy is mounted";
  auto scope = container::Scope::resolve({.cgroups = {}, .exclude = {hierarchies[0].mount_point}});
  ASSERT_TRUE(scope.has_value()) << scope.error().message;
  enforcer_.set_policy(std::make_shared<Policy>(Policy{.kill_groups = 1, .scope = *scope}));
  const Target target = child();
  bool asked = false;
  const Action action = enforcer_.act(target, [&] { return asked = true; });
  EXPECT_EQ(action.outcome, Outcome::kRefused);
  EXPECT_EQ(action.refused_why, "out of scope");
  EXPECT_FALSE(asked);
  EXPECT_FALSE(died(target));
}

TEST_F(EnforcerTest, tells_those_that_go_on_whom_they_may_not_touch) {
  const Target target = child();
  const ProcessId process{.pid = target.pid, .start_ticks = target.start_ticks};
  EXPECT_EQ(enforcer_.refusal(process), "");
  const proc::ProcReader reader;
  for (const pid_t pid : reader.with_ancestors(getpid())) {
    EXPECT_EQ(enforcer_.refusal({.pid = pid, .start_ticks = reader.read_stat(pid)->start_ticks}),
              "protected");
  }
  const std::vector<container::Hierarchy> hierarchies = container::mounted_hierarchies();
  if (hierarchies.empty()) GTEST_SKIP() << "no cgroup hierarchy is mounted";
  auto scope = container::Scope::resolve({.cgroups = {}, .exclude = {hierarchies[0].mount_point}});
  ASSERT_TRUE(scope.has_value()) << scope.error().message;
  enforcer_.set_policy(std::make_shared<Policy>(Policy{.kill_groups = 0, .scope = *scope}));
  EXPECT_EQ(enforcer_.refusal(process), "out of scope");
}

TEST_F(EnforcerTest, one_group_that_may_still_kill_is_enough) {
  enforcer_.set_policy(
      std::make_shared<Policy>(Policy{.kill_groups = std::uint64_t{1} << 63 | 1, .scope = {}}));
  for (std::uint64_t unit = 1; unit <= 2; ++unit)
    EXPECT_EQ(enforcer_.act(child(unit)).outcome, Outcome::kKilled);
  Target third = child(3);
  EXPECT_EQ(enforcer_.act(third).outcome, Outcome::kLimited);
  third.groups = std::uint64_t{1} << 63 | 1;
  EXPECT_EQ(enforcer_.act(third).outcome, Outcome::kKilled);
}

TEST_F(EnforcerTest, what_is_only_reported_uses_no_slot_of_the_limit) {
  set_mode(0);
  for (std::uint64_t unit = 1; unit <= 5; ++unit)
    EXPECT_EQ(enforcer_.act(child(unit)).outcome, Outcome::kReported);
  set_mode(1);
  for (std::uint64_t unit = 6; unit <= 7; ++unit)
    EXPECT_EQ(enforcer_.act(child(unit)).outcome, Outcome::kKilled);
}

TEST_F(EnforcerTest, says_when_it_acted) {
  const std::uint64_t before = monotonic_ns();
  const Action action = enforcer_.act(child());
  EXPECT_GE(action.time_ns, before);
  EXPECT_LE(action.time_ns, monotonic_ns());
}

TEST_F(EnforcerTest, without_a_policy_kills_nothing) {
  Enforcer fresh(limit_);
  const Target target = child();
  EXPECT_EQ(fresh.act(target).outcome, Outcome::kReported);
  EXPECT_FALSE(died(target));
}

TEST_F(EnforcerTest, refuses_pid_1_and_nonsense_whatever_the_start_time) {
  for (const pid_t pid : {-1, 0, 1, getpid()}) {
    EXPECT_EQ(enforcer_.act({.pid = pid, .start_ticks = 12345, .unit = 1, .groups = 1}).refused_why,
              "protected")
        << pid;
  }
}

// A miner may end its main thread and mine on in another: /proc then says Z of the
// process.
TEST_F(EnforcerTest, kills_a_process_whose_main_thread_has_ended) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::thread([] {
      for (;;) pause();
    }).detach();
    syscall(SYS_exit, 0);
  }
  children_.push_back(pid);
  const proc::ProcReader reader;
  for (int i = 0; i < 100 && reader.read_stat(pid)->state != 'Z'; ++i) usleep(10'000);
  const Target target{
      .pid = pid, .start_ticks = reader.read_stat(pid)->start_ticks, .unit = 1, .groups = 1};
  ASSERT_FALSE(died(target));
  EXPECT_EQ(enforcer_.act(target).outcome, Outcome::kKilled);
  EXPECT_TRUE(dies(target));
}

}  // namespace
}  // namespace cryptnono::enforce
