#include "container/cgroup_parse.h"

#include <gtest/gtest.h>

#include <vector>

namespace cryptnono::container {
namespace {

const std::string kId(64, 'a');
const std::string kInner = std::string(63, 'b') + "0";

TEST(IdentifyCgroup, knows_every_form_of_path) {
  struct Case {
    std::string path;
    Runtime runtime;
    std::string id;
  };
  const std::string pod =
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11_22.slice";
  const std::vector<Case> cases = {
      {pod + "/cri-containerd-" + kId + ".scope", Runtime::kCri, kId},
      {"/kubepods/burstable/pod11-22/" + kId, Runtime::kCri, kId},
      {"/kubepods/pod11-22/" + kId, Runtime::kCri, kId},
      {"/kubepods-burstable-pod11_22.slice:cri-containerd:" + kId, Runtime::kCri, kId},
      {"/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:" + kId,
       Runtime::kCri, kId},
      {pod + "/crio-" + kId + ".scope", Runtime::kCri, kId},
      {pod + "/crio-" + kId + ".scope/container", Runtime::kCri, kId},
      {pod + "/crio-conmon-" + kId + ".scope", Runtime::kNone, kId},
      {"/kubepods/burstable/pod11-22/crio-" + kId, Runtime::kCri, kId},
      {"/system.slice/docker-" + kId + ".scope", Runtime::kDocker, kId},
      {"/docker/" + kId, Runtime::kDocker, kId},
      {pod + "/docker-" + kId + ".scope", Runtime::kDocker, kId},
      {pod + "/cri-containerd-" + kId + ".scope/docker/" + kInner, Runtime::kDocker, kInner},
      {"/docker/buildkit/0123456789abcdefghijklmno", Runtime::kBuildkit,
       "0123456789abcdefghijklmno"},
      {"/machine.slice/libpod-" + kId + ".scope/container", Runtime::kPodman, kId},
      {"/libpod-payload-" + kId, Runtime::kPodman, kId},
      {"/../../kubepods/burstable/pod11-22/" + kId, Runtime::kCri, kId},
      {pod + "/cri-containerd-" + kId + ".scope/init", Runtime::kCri, kId},
      {"/user.slice/user-1000.slice/session-3.scope", Runtime::kUser, "1000"},
      {"/system.slice/unattended-upgrades.service", Runtime::kNone, ""},
      {"/init.scope", Runtime::kNone, ""},
      {"/", Runtime::kNone, ""},
      {"", Runtime::kNone, ""},
  };
  for (const Case& c : cases) {
    const CgroupIdentity identity = identify_cgroup(c.path);
    EXPECT_EQ(identity.runtime, c.runtime) << c.path;
    EXPECT_EQ(identity.id, c.id) << c.path;
  }
}

TEST(IdentifyCgroup, says_where_the_container_ends) {
  const std::string path = "/kubepods/pod1/" + kId + "/child/deeper";
  EXPECT_EQ(identify_cgroup(path).through, "/kubepods/pod1/" + kId);
}

TEST(IdentifyCgroup, takes_only_whole_ids) {
  const std::string pod = "/kubepods/burstable/pod11-22/";
  for (const std::string& not_an_id :
       {kId.substr(1), kId + "a", std::string(64, 'A'), std::string(64, 'g'),
        std::string(63, 'a') + "-", std::string()}) {
    for (const char* prefix :
         {"", "cri-containerd-", "crio-", "docker-", "libpod-", "x.slice:cri-containerd:"}) {
      for (const char* suffix : {"", ".scope", ".scope.scope"}) {
        const std::string path = pod + prefix + not_an_id + suffix;
        EXPECT_EQ(identify_cgroup(path).runtime, Runtime::kNone) << path;
      }
    }
  }
  EXPECT_EQ(identify_cgroup("/user.slice/user-.slice").runtime, Runtime::kNone);
  EXPECT_EQ(identify_cgroup("/user.slice/user-10x.slice").runtime, Runtime::kNone);
}

TEST(IdentifyCgroup, knows_more_places) {
  struct Case {
    std::string path;
    Runtime runtime;
    std::string id;
  };
  const std::vector<Case> cases = {
      {"/system.slice/nerdctl-" + kId + ".scope", Runtime::kCri, kId},
      {"/../../../docker/" + kId, Runtime::kDocker, kId},
      {"/docker/" + kId + "/docker/" + kInner + "/init.scope", Runtime::kDocker, kInner},
      {"/kubepods/pod1/" + kId + "/docker/buildkit/0123456789abcdefghijklmno", Runtime::kBuildkit,
       "0123456789abcdefghijklmno"},
      {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId +
           ".scope/container",
       Runtime::kPodman, kId},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/app.scope", Runtime::kUser, "1000"},
      {"//docker//" + kId + "//", Runtime::kDocker, kId},
      {"/kubepods.slice/kubepods-pod1.slice", Runtime::kNone, ""},
      {"/docker", Runtime::kNone, ""},
      {"/buildkit/short", Runtime::kNone, ""},
  };
  for (const Case& c : cases) {
    const CgroupIdentity identity = identify_cgroup(c.path);
    EXPECT_EQ(identity.runtime, c.runtime) << c.path;
    EXPECT_EQ(identity.id, c.id) << c.path;
  }
}

TEST(IdentifyCgroup, nobody_leaves_a_container_by_the_name_of_a_cgroup_below_it) {
  const std::string inside = "/kubepods/pod1/" + kId;
  for (const std::string& below : {std::string("/user.slice/user-0.slice/session-1.scope"),
                                   "/crio-conmon-" + kInner + ".scope"}) {
    const std::string path = inside + below;
    const CgroupIdentity identity = identify_cgroup(path);
    EXPECT_EQ(identity.runtime, Runtime::kCri) << path;
    EXPECT_EQ(identity.id, kId) << path;
    EXPECT_EQ(identity.through, inside) << path;
  }
}

const std::string kUid = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d";
const std::string kEscapedUid = "0b1c2d3e_4f50_4a6b_8c7d_9e0f1a2b3c4d";
const std::string kOtherUid = "ffffffff-4f50-4a6b-8c7d-9e0f1a2b3c4d";
const std::string kStaticUid = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

TEST(PodUid, is_found_in_either_drivers_form) {
  struct Case {
    std::string path;
    std::string uid;
  };
  const std::string burstable = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod";
  const std::vector<Case> cases = {
      {burstable + kEscapedUid + ".slice/cri-containerd-" + kId + ".scope", kUid},
      {burstable + kEscapedUid + ".slice", kUid},
      {burstable + kStaticUid + ".slice/crio-" + kId + ".scope/container", kStaticUid},
      {"/kubepods.slice/kubepods-pod" + kEscapedUid + ".slice/docker-" + kId + ".scope", kUid},
      {"/kubepods/burstable/pod" + kUid + "/" + kId, kUid},
      {"/kubepods/pod" + kUid + "/crio-" + kId, kUid},
      {"/kubepods/besteffort/pod" + kStaticUid + "/" + kId + "/init.scope", kStaticUid},
      {"/kubepods-burstable-pod" + kEscapedUid + ".slice:cri-containerd:" + kId, kUid},
      {"/system.slice/containerd.service/kubepods-besteffort-pod" + kStaticUid +
           ".slice:cri-containerd:" + kId,
       kStaticUid},
      {"/../../kubepods/burstable/pod" + kUid + "/" + kId, kUid},
      {"/../kubepods-burstable-pod" + kEscapedUid + ".slice/crio-" + kId + ".scope", kUid},
      {"//kubepods//pod" + kUid + "//", kUid},
      {"/kubepods/pod" + kUid + "/" + kId + "/docker/" + kInner, kUid},
      // Kubernetes in Docker: the node itself is a container.
      {"/docker/" + kInner + "/kubelet/kubepods/pod" + kUid + "/" + kId, kUid},
      {"/docker/" + kInner + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" +
           kEscapedUid + ".slice/cri-containerd-" + kId + ".scope",
       kUid},
      {"/kubepods/pod" + kOtherUid + "/pod" + kUid + "/" + kId, kUid},
  };
  for (const Case& c : cases) EXPECT_EQ(pod_uid_of(c.path), c.uid) << c.path;
}

TEST(PodUid, takes_only_whole_uids) {
  const std::vector<std::string> none = {
      "",
      "/",
      "/pod",
      "/podman/x",
      "/kubepods/burstable",
      "/kubepods.slice/kubepods-pod.slice",
      "/docker/" + kId,
      "/kubepods/pod" + kUid.substr(1),
      "/kubepods/pod" + kUid + "0",
      "/kubepods/pod-" + kUid,
      "/kubepods/xpod" + kUid,
      "/kubepods/" + kUid,
      "/kubepods/podA" + kUid.substr(1),
      "/kubepods/pod" + kStaticUid.substr(1),
      "/kubepods/pod" + kStaticUid + "0",
      "/kubepods-pod" + kEscapedUid + ".scope",
      "/kubepods_pod" + kEscapedUid + ".slice",
      "/kubepods/pod" + kUid.substr(0, 35) + "_",
      "/kubepods/pod0b1c2d3e-4f50_4a6b-8c7d-9e0f1a2b3c4d",
      "/machine.slice/machine-libpod_pod_" + kId + ".slice/libpod-" + kInner + ".scope",
  };
  for (const std::string& path : none) EXPECT_EQ(pod_uid_of(path), "") << path;
}

TEST(PodUid, nobody_passes_for_another_pod_by_the_name_of_a_cgroup_below_its_own) {
  const std::string inside = "/kubepods/burstable/pod" + kUid + "/" + kId;
  for (const std::string& below :
       {"/pod" + kOtherUid, "/kubepods/pod" + kOtherUid + "/" + kInner,
        "/kubepods.slice/kubepods-pod" + kOtherUid + ".slice/cri-containerd-" + kInner + ".scope",
        "/kubepods-pod" + kOtherUid + ".slice:cri-containerd:" + kInner}) {
    EXPECT_EQ(pod_uid_of(inside + below), kUid) << below;
    EXPECT_EQ(pod_uid_of("/kubepods-pod" + kEscapedUid + ".slice:cri-containerd:" + kId + below),
              kUid)
        << below;
    EXPECT_EQ(pod_uid_of("/elsewhere/cri-containerd-" + kId + ".scope" + below), "") << below;
  }
}

}  // namespace
}  // namespace cryptnono::container
