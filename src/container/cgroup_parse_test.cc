#include "container/cgroup_parse.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "container/scope.h"

namespace cryptnono::container {
namespace {

const std::string kId(64, 'a');
const std::string kInner = std::string(63, 'b') + "0";

const std::string kUid = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d";
const std::string kEscapedUid = "0b1c2d3e_4f50_4a6b_8c7d_9e0f1a2b3c4d";
const std::string kOtherUid = "ffffffff-4f50-4a6b-8c7d-9e0f1a2b3c4d";
const std::string kStaticUid = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
const std::string kBuilder = "4jl3bwj1k8b1s2w8n2ggm9424";

template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (out.append(parts), ...);
  return out;
}

struct Form {
  std::string through;  // the path to the end of the container
  std::string below;    // what may follow
  Runtime runtime;
  std::string id;
  std::string pod;
};

// Every form of a runtime with a driver, where it stands by itself.
std::vector<Form> forms() {
  const std::string slices = "/kubepods.slice/kubepods-burstable.slice/";
  const std::string slice = slices + "kubepods-burstable-pod" + kEscapedUid + ".slice";
  const std::string statics = slices + "kubepods-burstable-pod" + kStaticUid + ".slice";
  const std::string user = "/user.slice/user-1000.slice/user@1000.service/user.slice";
  return {
      // containerd: systemd; cgroupfs; runc without systemd, below the root or a unit (k3s, RKE2).
      {slice + "/cri-containerd-" + kId + ".scope", "/init.scope", Runtime::kCri, kId, kUid},
      {statics + "/cri-containerd-" + kId + ".scope", "", Runtime::kCri, kId, kStaticUid},
      {"/kubepods.slice/kubepods-pod" + kEscapedUid + ".slice/cri-containerd-" + kId + ".scope", "",
       Runtime::kCri, kId, kUid},
      {"/kubepods/burstable/pod" + kUid + "/" + kId, "/child", Runtime::kCri, kId, kUid},
      {"/kubepods/besteffort/pod" + kStaticUid + "/" + kId, "", Runtime::kCri, kId, kStaticUid},
      {"/kubepods/pod" + kUid + "/" + kId, "", Runtime::kCri, kId, kUid},
      {"/kubepods-burstable-pod" + kEscapedUid + ".slice:cri-containerd:" + kId, "/child",
       Runtime::kCri, kId, kUid},
      {"/system.slice/containerd.service/kubepods-besteffort-pod" + kEscapedUid +
           ".slice:cri-containerd:" + kId,
       "", Runtime::kCri, kId, kUid},
      {"/system.slice/k3s.service/kubepods/burstable/pod" + kUid + "/" + kId, "", Runtime::kCri,
       kId, kUid},
      // CRI-O, its monitor, and crun's /container.
      {slice + "/crio-" + kId + ".scope", "/container", Runtime::kCri, kId, kUid},
      {slice + "/crio-conmon-" + kId + ".scope", "", Runtime::kNone, kId, kUid},
      {"/kubepods/burstable/pod" + kUid + "/crio-" + kId, "/container", Runtime::kCri, kId, kUid},
      {"/kubepods/burstable/pod" + kUid + "/crio-conmon-" + kId, "", Runtime::kNone, kId, kUid},
      // Docker: by itself; below a pod, from cri-dockerd; in a pod, v1; in a pod, v2.
      {"/system.slice/docker-" + kId + ".scope", "/init.scope", Runtime::kDocker, kId, ""},
      {"/docker/" + kId, "/child", Runtime::kDocker, kId, ""},
      {slice + "/docker-" + kId + ".scope", "", Runtime::kDocker, kId, kUid},
      {"/kubepods/burstable/pod" + kUid + "/" + kInner + "/docker/" + kId, "", Runtime::kDocker,
       kId, kUid},
      {slice + "/cri-containerd-" + kInner + ".scope/docker/" + kId, "", Runtime::kDocker, kId,
       kUid},
      {"/docker/" + kInner + "/docker/" + kId, "", Runtime::kDocker, kId, ""},
      {"/docker/buildkit/" + kBuilder, "", Runtime::kBuildkit, kBuilder, ""},
      {slice + "/cri-containerd-" + kInner + ".scope/docker/buildkit/" + kBuilder, "",
       Runtime::kBuildkit, kBuilder, kUid},
      // Podman: systemd, cgroupfs, in a pod of its own, of a user.
      {"/machine.slice/libpod-" + kId + ".scope", "/container", Runtime::kPodman, kId, ""},
      {"/libpod-payload-" + kId, "", Runtime::kPodman, kId, ""},
      {"/libpod_parent/libpod-" + kId, "/container", Runtime::kPodman, kId, ""},
      {"/libpod_parent/" + kInner + "/libpod-" + kId, "", Runtime::kPodman, kId, ""},
      {"/machine.slice/machine-libpod_pod_" + kInner + ".slice/libpod-" + kId + ".scope", "",
       Runtime::kPodman, kId, ""},
      {user + "/libpod-" + kId + ".scope", "/container", Runtime::kPodman, kId, ""},
      {slice + "/crio-" + kInner + ".scope/libpod-" + kId, "", Runtime::kPodman, kId, kUid},
      // nerdctl.
      {"/system.slice/nerdctl-" + kId + ".scope", "", Runtime::kCri, kId, ""},
      {"/default/" + kId, "", Runtime::kDocker, kId, ""},
      // Of the node itself.
      {"/user.slice/user-1000.slice", "/session-3.scope", Runtime::kUser, "1000", ""},
      {"", "/system.slice/unattended-upgrades.service", Runtime::kNone, "", ""},
      {"", "/system.slice/containerd.service", Runtime::kNone, "", ""},
      {"", "/user.slice", Runtime::kNone, "", ""},
      {"", "/init.scope", Runtime::kNone, "", ""},
      {"", "/default/by-name", Runtime::kNone, "", ""},
      {"", "/kubepods.slice/kubepods-burstable.slice", Runtime::kNone, "", ""},
      {"", "/", Runtime::kNone, "", ""},
      {"", "", Runtime::kNone, "", ""},
  };
}

TEST(IdentifyCgroup, knows_every_form_of_path) {
  for (const Form& form : forms()) {
    // As the node sees it, and as it looks from cgroup namespaces.
    for (const std::string& before :
         {std::string(), std::string("/.."), std::string("/../.."), std::string("/../../../..")}) {
      for (const std::string& below : {std::string(), form.below, form.below + "/a/b-c.slice"}) {
        const std::string path = cat(before, form.through, below);
        const CgroupIdentity identity = identify_cgroup(path);
        EXPECT_EQ(identity.runtime, form.runtime) << path;
        EXPECT_EQ(identity.id, form.id) << path;
        EXPECT_EQ(identity.through, form.id.empty() ? "" : before + form.through) << path;
        EXPECT_EQ(pod_uid_of(path), form.pod) << path;
      }
    }
  }
}

TEST(IdentifyCgroup, whatever_is_nested_in_a_container_the_deepest_counts) {
  for (const Form& outer : forms()) {
    for (const std::string& inner : {"/docker/" + std::string(64, 'c'),
                                     "/libpod-" + std::string(64, 'c') + ".scope/container"}) {
      const std::string path = outer.through + outer.below + inner;
      EXPECT_EQ(identify_cgroup(path).id, std::string(64, 'c')) << path;
      EXPECT_EQ(pod_uid_of(path), outer.pod) << path;
    }
  }
}

// Texts of /proc/PID/cgroup as the predecessor's tests have them, and two of its later ones.
TEST(IdentifyCgroup, knows_the_predecessors_files) {
  struct Case {
    std::string text;
    std::string controllers;
    Runtime runtime;
    std::string id;
    std::string pod;
  };
  const std::string pod =
      "/kubepods.slice/kubepods-burstable.slice/"
      "kubepods-burstable-podb9f8981c_e025_499c_9482_589e013e7dc6.slice/cri-containerd-"
      "a5f1accb86d9c02649abac024e8ee50cc090fa3aea058b1438116902bae0a204.scope";
  const std::string nested =
      pod + "/docker/9e9192d35808d67079f075531628e7c903f4eafc7b1e495592c80951fe9e037d";
  const std::string docker = "669735f6cb499a55be7cf29f06e82d706d2322a28e6259d2345a3ed85542a83d";
  const std::vector<Case> cases = {
      {"11:pids:" + pod + "\n3:cpu,cpuacct:" + pod + "\n0::/\n", "pids", Runtime::kCri,
       "a5f1accb86d9c02649abac024e8ee50cc090fa3aea058b1438116902bae0a204",
       "b9f8981c-e025-499c-9482-589e013e7dc6"},
      {"11:memory:" + nested + "\n1:name=systemd:" + nested + "\n0::/", "name=systemd",
       Runtime::kDocker, "9e9192d35808d67079f075531628e7c903f4eafc7b1e495592c80951fe9e037d",
       "b9f8981c-e025-499c-9482-589e013e7dc6"},
      {"0::/system.slice/docker-" + docker + ".scope", "", Runtime::kDocker, docker, ""},
      {"0::/docker/buildkit/" + kBuilder, "", Runtime::kBuildkit, kBuilder, ""},
      {"0::/system.slice/unattended-upgrades.service", "", Runtime::kNone, "", ""},
  };
  for (const Case& c : cases) {
    const std::string_view path = cgroup_path(c.text, c.controllers);
    EXPECT_EQ(identify_cgroup(path).runtime, c.runtime) << c.text;
    EXPECT_EQ(identify_cgroup(path).id, c.id) << c.text;
    EXPECT_EQ(pod_uid_of(path), c.pod) << c.text;
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
        const std::string path = cat(pod, prefix, not_an_id, suffix);
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
  const std::string colon = "/kubepods-pod" + kEscapedUid + ".slice:cri-containerd:" + kId;
  const std::string podless = "/elsewhere/cri-containerd-" + kId + ".scope";
  const std::string other = "pod" + kOtherUid;
  const std::vector<std::string> names = {
      "/" + other, "/kubepods/" + other + "/" + kInner,
      "/kubepods.slice/kubepods-" + other + ".slice/cri-containerd-" + kInner + ".scope",
      "/kubepods-" + other + ".slice:cri-containerd:" + kInner};
  for (const std::string& below : names) {
    EXPECT_EQ(pod_uid_of(cat(inside, below)), kUid) << below;
    EXPECT_EQ(pod_of(cat(inside, below)).container, kId) << below;
    EXPECT_EQ(pod_uid_of(cat(colon, below)), kUid) << below;
    EXPECT_EQ(pod_uid_of(cat(podless, below)), "") << below;
  }
}

TEST(PodUid, comes_with_the_container_of_the_pod_itself) {
  const std::string pod = "/kubepods/burstable/pod" + kUid;
  const std::string slice = "/kubepods.slice/kubepods-pod" + kEscapedUid + ".slice";
  EXPECT_EQ(pod_of(pod).container, "");
  EXPECT_EQ(pod_of(pod + "/other").container, "");
  EXPECT_EQ(pod_of(pod + "/" + kId).container, kId);
  EXPECT_EQ(pod_of(pod + "/" + kId + "/" + kInner).container, kId);
  EXPECT_EQ(pod_of(slice + "/cri-containerd-" + kId + ".scope/docker/" + kInner).container, kId);
  EXPECT_EQ(pod_of(slice + "/crio-" + kId + ".scope/container").container, kId);
  EXPECT_EQ(pod_of(slice + "/crio-conmon-" + kId + ".scope").container, "");
  EXPECT_EQ(pod_of("/kubepods-pod" + kEscapedUid + ".slice:cri-containerd:" + kId).container, kId);
  EXPECT_EQ(pod_of("/docker/" + kId).container, "");
  EXPECT_EQ(pod_of("/docker/" + kInner + "/kubelet/kubepods/pod" + kUid + "/" + kId).container,
            kId);
}

}  // namespace
}  // namespace cryptnono::container
