#include "enforce/tree_killer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "enforce/test_victims.h"

namespace cryptnono::enforce {
namespace {

using testing::ElementsAre;

Ancestor ancestor(pid_t pid, std::string cgroup = "0::/a\n", std::uint32_t level = 2,
                  pid_t innermost = 0) {
  return {.id = {.pid = pid, .start_ticks = 1},
          .cgroup = std::move(cgroup),
          .level = level,
          .innermost_pid = innermost != 0 ? innermost : pid};
}

TEST(TopOfTree, is_the_topmost_in_the_same_cgroup_and_pid_namespace_but_no_init) {
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9)}), 0U);
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9), ancestor(8), ancestor(7)}), 2U);
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9), ancestor(8), ancestor(7, "0::/b\n")}), 1U);
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9), ancestor(8), ancestor(7, "0::/a\n", 1)}), 1U);
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9), ancestor(8), ancestor(7, "0::/a\n", 2, 1)}), 1U);
  // A cgroup in between ends it, even if the same comes again above.
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9), ancestor(8, "0::/b\n"), ancestor(7)}), 0U);
  // The init itself is a tree.
  EXPECT_EQ(top_of_tree(std::vector{ancestor(9, "0::/a\n", 2, 1), ancestor(8, "0::/a\n", 1)}), 0U);
  std::vector<Ancestor> deep;
  for (pid_t pid = 200; pid > 2; --pid) deep.push_back(ancestor(pid));
  EXPECT_EQ(top_of_tree(deep), 64U);
}

class TreeKillerTest : public testing::Test {
 protected:
  Victims victims_;
};

TEST_F(TreeKillerTest, finds_the_line_up_to_the_top) {
  const TestCgroup cgroup;
  if (cgroup.path().empty()) GTEST_SKIP() << "no cgroup v2 to make cgroups in (needs root)";
  const ProcessId top = victims_.start([&] {
    cgroup.enter();
    Victims::spawn([&] {
      victims_.tell(0);
      Victims::spawn([&] { victims_.tell(1); });
    });
  });
  const ProcessId middle = victims_.told(0);
  const ProcessId bottom = victims_.told(1);
  const proc::ProcReader reader;
  EXPECT_THAT(tree_line(reader, bottom), ElementsAre(bottom, middle, top));
  EXPECT_THAT(tree_line(reader, top), ElementsAre(top));
  const ProcessId gone{.pid = bottom.pid, .start_ticks = bottom.start_ticks + 1};
  EXPECT_THAT(tree_line(reader, gone), ElementsAre(gone));
}

// Two hundred processes with a sanitizer's memory take long to end on a busy machine.
constexpr TreeLimits kPatient{.time_ms = 10'000};

TEST_F(TreeKillerTest, kills_a_fork_bomb_whole_and_no_look_alike) {
  const TestCgroup cgroup;
  if (cgroup.path().empty()) GTEST_SKIP() << "no cgroup v2 to make cgroups in (needs root)";
  const ProcessId neighbour = victims_.start();  // same session, other cgroup
  const ProcessId other_tree = victims_.start([&] { victims_.tell(0); });
  const ProcessId bomb = victims_.start([&] {
    cgroup.enter();
    Victims::explode(false);
  });
  ASSERT_TRUE(wait_for([&] { return cgroup.pids().size() >= kBombSize - 10; }));
  const KillResult result = kill_tree(std::vector{bomb}, spare_self, kPatient);
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_GE(result.killed, kBombSize - 10);
  EXPECT_THAT(cgroup.pids(), ElementsAre());
  EXPECT_TRUE(is_alive(neighbour));
  EXPECT_TRUE(is_alive(other_tree));
}

TEST_F(TreeKillerTest, kills_a_fork_bomb_while_it_still_grows) {
  const TestCgroup cgroup;
  if (cgroup.path().empty()) GTEST_SKIP() << "no cgroup v2 to make cgroups in (needs root)";
  const ProcessId bomb = victims_.start([&] {
    cgroup.enter();
    Victims::explode(false);
  });
  ASSERT_TRUE(wait_for([&] { return cgroup.pids().size() >= 5; }));
  const KillResult result = kill_tree(std::vector{bomb}, spare_self, kPatient);
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_THAT(cgroup.pids(), ElementsAre());
}

TEST_F(TreeKillerTest, what_is_recorded_of_a_dead_process_leads_to_the_rest) {
  const ProcessId top = victims_.start([&] {
    signal(SIGCHLD, SIG_IGN);
    Victims::spawn([&] { victims_.tell(0); });
    Victims::spawn([&] { victims_.tell(1); });
  });
  const ProcessId dead = victims_.told(0);
  const ProcessId sibling = victims_.told(1);
  ::kill(dead.pid, SIGKILL);
  ASSERT_TRUE(wait_for([&] { return !is_alive(dead); }));
  const KillResult result = kill_tree(std::vector{dead, top}, spare_self);
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_EQ(result.killed, 2U);
  EXPECT_FALSE(is_alive(top));
  EXPECT_FALSE(is_alive(sibling));
}

TEST_F(TreeKillerTest, goes_round_what_is_protected_and_all_below_it) {
  const ProcessId top = victims_.start([&] {
    Victims::spawn([&] {
      victims_.tell(0);
      Victims::spawn([&] { victims_.tell(1); });
    });
    Victims::spawn([&] { victims_.tell(2); });
  });
  const ProcessId spared = victims_.told(0);
  const ProcessId below = victims_.told(1);
  const ProcessId other = victims_.told(2);
  const KillResult result = kill_tree(std::vector{top}, [&](const ProcessId& process) {
    return process == spared ? std::string_view("protected") : std::string_view();
  });
  EXPECT_TRUE(result.complete) << result.failed_why;
  EXPECT_EQ(result.killed, 2U);
  EXPECT_FALSE(is_alive(top));
  EXPECT_FALSE(is_alive(other));
  EXPECT_TRUE(is_alive(spared));
  EXPECT_TRUE(is_alive(below));
  ::kill(spared.pid, SIGKILL);
  ::kill(below.pid, SIGKILL);
}

TEST_F(TreeKillerTest, never_takes_another_process_for_a_root) {
  ProcessId root = victims_.start([&] { Victims::spawn([&] { victims_.tell(0); }); });
  const ProcessId child = victims_.told(0);
  ++root.start_ticks;
  const KillResult result = kill_tree(std::vector{root}, spare_self);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.killed, 0U);
  EXPECT_TRUE(is_alive(child));
  EXPECT_TRUE(is_alive(identity_of(root.pid)));
  EXPECT_NE(proc::ProcReader().read_stat(root.pid)->state, 'T');
  ::kill(child.pid, SIGKILL);
}

TEST_F(TreeKillerTest, a_daemon_escapes_unless_it_was_recorded) {
  const ProcessId top = victims_.start([&] {
    signal(SIGCHLD, SIG_IGN);
    Victims::spawn([&] {
      setsid();
      Victims::spawn([&] { victims_.tell(0); });
      _exit(0);
    });
  });
  const ProcessId daemon = victims_.told(0);
  // Until the one in between has ended, and is its parent no more.
  ASSERT_TRUE(wait_for([&] {
    const std::vector<pid_t> above = proc::ProcReader().with_ancestors(daemon.pid);
    return std::ranges::find(above, top.pid) == above.end();
  }));
  EXPECT_TRUE(kill_tree(std::vector{top}, spare_self).complete);
  EXPECT_FALSE(is_alive(top));
  EXPECT_TRUE(is_alive(daemon));
  EXPECT_TRUE(kill_tree(std::vector{top, daemon}, spare_self).complete);
  EXPECT_FALSE(is_alive(daemon));
}

TEST_F(TreeKillerTest, spares_this_process_and_what_else_is_below_it) {
  const ProcessId child = victims_.start();
  const KillResult result = kill_tree(std::vector{identity_of(getpid())}, spare_self);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.killed, 0U);
  EXPECT_TRUE(is_alive(child));
}

}  // namespace
}  // namespace cryptnono::enforce
