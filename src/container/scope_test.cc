#include "container/scope.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace cryptnono::container {
namespace {

TEST(CgroupPath, finds_the_hierarchy) {
  constexpr std::string_view kText =
      "9:name=systemd:/s\n4:memory:/m/x\n1:cpu,cpuacct:/c\n0::/u/v\n";
  EXPECT_EQ(cgroup_path(kText, ""), "/u/v");
  EXPECT_EQ(cgroup_path(kText, "memory"), "/m/x");
  EXPECT_EQ(cgroup_path(kText, "cpu,cpuacct"), "/c");
  EXPECT_EQ(cgroup_path(kText, "pids"), "");
}

TEST(Scope, resolves_the_root_of_what_is_mounted_and_contains_by_whole_components) {
  const std::vector<Hierarchy> hierarchies = mounted_hierarchies();
  if (hierarchies.empty()) GTEST_SKIP() << "no cgroup hierarchy is mounted";
  const auto scope = Scope::resolve({.cgroups = {hierarchies[0].mount_point}, .exclude = {}});
  ASSERT_TRUE(scope.has_value()) << scope.error().message;
  EXPECT_EQ(scope->include()[0].path, "/");
  EXPECT_EQ(scope->include()[0].level, 0U);
  EXPECT_GT(scope->include()[0].cgroup_id, 0U);
  EXPECT_TRUE(scope->contains("0:" + hierarchies[0].controllers + ":/any/where\n"));
}

TEST(Scope, refuses_what_is_no_cgroup_and_names_it) {
  for (const std::string directory : {"/tmp", "/nonexistent/cgroup"}) {
    const auto scope = Scope::resolve({.cgroups = {directory}, .exclude = {}});
    ASSERT_FALSE(scope.has_value());
    EXPECT_NE(scope.error().message.find(directory), std::string::npos);
    EXPECT_EQ(scope.error().code, ExitCode::kConfig);
  }
}

TEST(Scope, without_directories_contains_everything) {
  const auto scope = Scope::resolve({});
  ASSERT_TRUE(scope.has_value());
  EXPECT_TRUE(scope->contains("0::/\n"));
  EXPECT_TRUE(scope->contains(""));
}

// A cgroup of the test's own, removed at the end.
class TestCgroup : public testing::Test {
 protected:
  void SetUp() override {
    const std::string mount = cgroup2_mount_point();
    if (mount.empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
    name_ = "/cryptnono-scope-test-" + std::to_string(getpid());
    top_ = mount + name_;
    std::error_code error;
    if (!std::filesystem::create_directories(top_ + "/in/deeper", error))
      GTEST_SKIP() << "may not create a cgroup: " << error.message();
    std::filesystem::create_directory(top_ + "/in-between");
  }
  void TearDown() override {
    if (top_.empty()) return;
    for (const char* below : {"/in/deeper", "/in", "/in-between", ""})
      rmdir((top_ + below).c_str());
  }

  // What /proc says about a process in `directory`.
  static std::string proc_cgroup_of_child_in(const std::string& directory) {
    std::array<int, 2> go{};
    EXPECT_EQ(pipe(go.data()), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      close(go[1]);
      char none = 0;
      _exit(static_cast<int>(read(go[0], &none, 1)));  // until the test closes its end
    }
    close(go[0]);
    std::ofstream(directory + "/cgroup.procs") << pid;
    std::ostringstream text;
    text << std::ifstream("/proc/" + std::to_string(pid) + "/cgroup").rdbuf();
    close(go[1]);
    waitpid(pid, nullptr, 0);
    return text.str();
  }

  std::string name_;
  std::string top_;
};

TEST_F(TestCgroup, resolves_to_what_the_kernel_calls_it) {
  const auto scope = Scope::resolve(
      {.cgroups = {top_, top_ + "/in/./deeper/"}, .exclude = {top_ + "/in-between"}});
  ASSERT_TRUE(scope.has_value()) << scope.error().message;
  EXPECT_EQ(scope->include()[0].path, name_);
  EXPECT_EQ(scope->include()[0].level, 1U);
  EXPECT_EQ(scope->include()[0].controllers, "");
  EXPECT_EQ(scope->include()[1].path, name_ + "/in/deeper");
  EXPECT_EQ(scope->include()[1].level, 3U);
  EXPECT_EQ(scope->exclude()[0].path, name_ + "/in-between");
  // The kernel's 64-bit id, asked for in the other way that it offers.
  struct {
    file_handle head;
    std::array<unsigned char, 8> id;
  } handle{};
  handle.head.handle_bytes = sizeof handle.id;
  int mount_id = 0;
  ASSERT_EQ(name_to_handle_at(AT_FDCWD, top_.c_str(), &handle.head, &mount_id, 0), 0);
  std::uint64_t id = 0;
  std::memcpy(&id, handle.head.f_handle, sizeof id);
  EXPECT_EQ(scope->include()[0].cgroup_id, id);
}

TEST_F(TestCgroup, contains_its_processes_and_no_neighbours) {
  const auto scope = Scope::resolve({.cgroups = {top_ + "/in"}, .exclude = {}});
  ASSERT_TRUE(scope.has_value()) << scope.error().message;
  const std::string inside = proc_cgroup_of_child_in(top_ + "/in");
  if (inside.find(name_) == std::string::npos)
    GTEST_SKIP() << "may not move a process into a cgroup";
  EXPECT_TRUE(scope->contains(inside));
  EXPECT_TRUE(scope->contains(proc_cgroup_of_child_in(top_ + "/in/deeper")));
  EXPECT_FALSE(scope->contains(proc_cgroup_of_child_in(top_ + "/in-between")));
  EXPECT_FALSE(scope->contains(proc_cgroup_of_child_in(top_)));
  std::ostringstream own;
  own << std::ifstream("/proc/self/cgroup").rdbuf();
  EXPECT_FALSE(scope->contains(own.str()));
  EXPECT_FALSE(scope->contains(""));  // a process that is gone
}

TEST_F(TestCgroup, exclude_wins) {
  const auto scope = Scope::resolve({.cgroups = {top_}, .exclude = {top_ + "/in"}});
  ASSERT_TRUE(scope.has_value()) << scope.error().message;
  const std::string outside = proc_cgroup_of_child_in(top_ + "/in-between");
  if (outside.find(name_) == std::string::npos)
    GTEST_SKIP() << "may not move a process into a cgroup";
  EXPECT_TRUE(scope->contains(outside));
  EXPECT_FALSE(scope->contains(proc_cgroup_of_child_in(top_ + "/in/deeper")));
  const auto all_but = Scope::resolve({.cgroups = {}, .exclude = {top_ + "/in"}});
  ASSERT_TRUE(all_but.has_value());
  EXPECT_TRUE(all_but->contains(outside));
  EXPECT_FALSE(all_but->contains(proc_cgroup_of_child_in(top_ + "/in")));
  EXPECT_FALSE(all_but->contains(""));  // a process that is gone
}

TEST_F(TestCgroup, a_file_in_a_cgroup_is_no_cgroup) {
  const auto scope = Scope::resolve({.cgroups = {top_ + "/cgroup.procs"}, .exclude = {}});
  ASSERT_FALSE(scope.has_value());
  EXPECT_NE(scope.error().message.find("cgroup.procs"), std::string::npos);
}

TEST(Scope, names_the_v1_hierarchies_as_proc_does) {
  std::ostringstream own;
  own << std::ifstream("/proc/self/cgroup").rdbuf();
  bool any = false;
  for (const Hierarchy& hierarchy : mounted_hierarchies()) {
    any = true;
    EXPECT_NE(cgroup_path(own.str(), hierarchy.controllers), "")
        << hierarchy.mount_point << " " << hierarchy.controllers;
  }
  if (!any) GTEST_SKIP() << "no cgroup hierarchy is mounted";
}

TEST(CgroupPath, copes_with_any_text) {
  EXPECT_EQ(cgroup_path("", ""), "");
  EXPECT_EQ(cgroup_path("\n\n0\n0:\n::\n", ""), "");
  EXPECT_EQ(cgroup_path("0::/with:colons:in it", ""), "/with:colons:in it");
  EXPECT_EQ(cgroup_path("garbage\n0::/x", ""), "/x");
}

}  // namespace
}  // namespace cryptnono::container
