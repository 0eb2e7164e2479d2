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

}  // namespace
}  // namespace cryptnono::container
