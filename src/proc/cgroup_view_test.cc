#include "proc/cgroup_view.h"

#include <gtest/gtest.h>

namespace cryptnono::proc {
namespace {

TEST(CgroupView, writes_paths_as_the_node_does) {
  constexpr std::string_view kRoot = "/kubepods/burstable/pod1/c1";
  EXPECT_EQ(absolute_cgroup(kRoot, "/"), kRoot);
  EXPECT_EQ(absolute_cgroup(kRoot, "/init"), "/kubepods/burstable/pod1/c1/init");
  EXPECT_EQ(absolute_cgroup(kRoot, "/../c2"), "/kubepods/burstable/pod1/c2");
  EXPECT_EQ(absolute_cgroup(kRoot, "/../../pod2/c3"), "/kubepods/burstable/pod2/c3");
  EXPECT_EQ(absolute_cgroup(kRoot, "/../../../../system.slice/a.service"),
            "/system.slice/a.service");
  EXPECT_EQ(absolute_cgroup(kRoot, "/../../../.."), "/");
  EXPECT_EQ(absolute_cgroup(kRoot, "/../../../../../.."), "/");
}

TEST(CgroupView, leaves_paths_that_are_the_node_s) {
  EXPECT_EQ(absolute_cgroup("", "/../c2"), "/../c2");
  EXPECT_EQ(absolute_cgroup("/", "/a/b"), "/a/b");
}

TEST(CgroupView, changes_the_line_of_v2_alone) {
  EXPECT_EQ(absolute_cgroups("/a/b", "4:memory:/../m\n0::/../c (deleted)\n1:cpu:/\n"),
            "4:memory:/../m\n0::/a/c (deleted)\n1:cpu:/\n");
  EXPECT_EQ(absolute_cgroups("/a/b", "0::/"), "0::/a/b");
  EXPECT_EQ(absolute_cgroups("/a/b", ""), "");
  EXPECT_EQ(absolute_cgroups("", "0::/../c\n"), "0::/../c\n");
}

}  // namespace
}  // namespace cryptnono::proc
