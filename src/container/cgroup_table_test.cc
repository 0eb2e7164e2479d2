#include "container/cgroup_table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "container/pod_logs.h"

namespace cryptnono::container {
namespace {

const std::string kId(64, 'a');
const std::string kInner(64, 'b');
const std::string kPod = "7eed019f-0000-4000-8000-000000000001";
const std::string kPodSlice =
    "/kubepods.slice/kubepods-burstable.slice/"
    "kubepods-burstable-pod7eed019f_0000_4000_8000_000000000001.slice";
using Kind = CgroupOwner::Kind;

TEST(CgroupTable, SaysWhoseACgroupIs) {
  EXPECT_EQ(owner_at("/kubepods.slice", 1)->kind, Kind::kNursery);
  EXPECT_EQ(owner_at("/kubepods/burstable", 1)->kind, Kind::kNursery);
  EXPECT_EQ(owner_at("/docker", 1)->kind, Kind::kNursery);
  EXPECT_FALSE(owner_at("/system.slice/docker.service", 1));
  EXPECT_FALSE(owner_at("/a/burstable", 1));
  const auto pod = owner_at(kPodSlice, 2);
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->kind, Kind::kPod);
  EXPECT_EQ(pod->pod_uid, kPod);
  const auto container = owner_at(kPodSlice + "/cri-containerd-" + kId + ".scope", 3);
  ASSERT_TRUE(container);
  EXPECT_EQ(container->kind, Kind::kContainer);
  EXPECT_EQ(container->container_id, kId);
  EXPECT_EQ(container->pod_uid, kPod);
  EXPECT_FALSE(owner_at(kPodSlice + "/cri-containerd-" + kId + ".scope/init", 4))
      << "its container's";
  EXPECT_EQ(owner_at("/user.slice/user-1000.slice", 5)->kind, Kind::kUser);
}

TEST(CgroupTable, TheNearestOwnerAboveCounts) {
  CgroupTable table;
  table.add(1, "/kubepods.slice");
  table.add(2, kPodSlice);
  const std::string container = kPodSlice + "/cri-containerd-" + kId + ".scope";
  EXPECT_EQ(table.owner_of(container)->id, 2U) << "a container that is not known yet is its pod's";
  EXPECT_EQ(table.owner_of("/kubepods.slice/new")->id, 1U);
  EXPECT_EQ(table.owner_of("/system.slice/sshd.service"), nullptr);
  table.add(3, container);
  EXPECT_EQ(table.owner_of(container + "/a/b")->id, 3U);
  table.add(4, container + "/docker/" + kInner);
  EXPECT_EQ(table.owner_of(container + "/docker/" + kInner)->id, 4U);
  EXPECT_EQ(table.path_of(4), container + "/docker/" + kInner);
  table.replace({{9, "/kubepods.slice"}});
  EXPECT_EQ(table.owner_of(container)->id, 9U);
  EXPECT_EQ(table.path_of(4), "");
}

TEST(CgroupTable, OfTwoHierarchiesWithOnePathTheOneOfV2Counts) {
  for (const bool v1_first : {true, false}) {
    CgroupTable table;
    if (v1_first) table.add(7 | kCgroupIdV1, "/docker/" + kId);
    table.add(7, "/docker/" + kId);
    if (!v1_first) table.add(7 | kCgroupIdV1, "/docker/" + kId);
    EXPECT_EQ(table.owner_of("/docker/" + kId)->id, 7U);
    EXPECT_EQ(table.owners().size(), 2U);
  }
}

TEST(PodLogs, NamesOfDirectoriesAreNamespaceNameAndUid) {
  const auto root =
      std::filesystem::temp_directory_path() / ("cryptnono-pod-logs-" + std::to_string(getpid()));
  for (const char* name : {"kube-system_proxy-x1_7eed019f-0000-4000-8000-000000000001", "no-pod",
                           "a_b", "_x_y", "a__y", "a_b_", "a_b_c_d"})
    std::filesystem::create_directories(root / name);
  const auto pods = read_pod_logs(root.string());
  std::filesystem::remove_all(root);
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods.at(kPod).pod_namespace, "kube-system");
  EXPECT_EQ(pods.at(kPod).name, "proxy-x1");
  EXPECT_TRUE(read_pod_logs("/nonexistent").empty());
}

}  // namespace
}  // namespace cryptnono::container
