#include <cri.pb.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <iostream>
#include <thread>

#include "runtime/container_lookup.h"
#include "runtime/sockets.h"
#include "runtime/test_server.h"

namespace cryptnono::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

cri::ContainerStatusResponse response() {
  cri::ContainerStatusResponse out;
  out.mutable_status()->mutable_metadata()->set_name("notebook");
  out.mutable_status()->mutable_image()->set_image("example.org/image:1");
  (*out.mutable_status()->mutable_labels())["io.kubernetes.pod.name"] = "jupyter-a";
  (*out.mutable_status()->mutable_labels())["io.kubernetes.pod.namespace"] = "hub";
  return out;
}

TEST(ParseContainerStatus, TakesWhatTheLogTells) {
  auto answer = response();
  (*answer.mutable_info())["info"] =
      R"({"config": {"envs": [{"key": "A", "value": "1"}, {"key": "B", "value": "2"}]}})";
  const auto details = parse_container_status(answer.SerializeAsString(), {"B", "C"});
  ASSERT_TRUE(details);
  EXPECT_EQ(details->name, "notebook");
  EXPECT_EQ(details->image, "example.org/image:1");
  EXPECT_EQ(details->pod(), "jupyter-a");
  EXPECT_EQ(details->pod_namespace(), "hub");
  EXPECT_EQ(details->pod_uid(), "");
  EXPECT_THAT(details->environment, ElementsAre(Pair("B", "2")));
}

TEST(ParseContainerStatus, AnyInformationOfTheRuntimeIsBorne) {
  for (const char* info :
       {"", "{", "[]", "{}", R"({"config": 1})", R"({"config": {"envs": {}}})",
        R"({"config": {"envs": [1, {}, {"key": 1, "value": "x"}, {"key": "B"}]}})"}) {
    auto answer = response();
    (*answer.mutable_info())["info"] = info;
    const auto details = parse_container_status(answer.SerializeAsString(), {"B"});
    ASSERT_TRUE(details) << info;
    EXPECT_THAT(details->environment, IsEmpty()) << info;
  }
  EXPECT_FALSE(parse_container_status("\xff\xff\xff", {}));
}

TEST(ParseLists, TakeWhatNamesPodsAndContainers) {
  cri::ListPodSandboxResponse pods;
  cri::PodSandbox& pod = *pods.add_items();
  pod.set_id("sandbox");
  pod.mutable_metadata()->set_name("jupyter-a");
  pod.mutable_metadata()->set_uid("uid-a");
  pod.mutable_metadata()->set_namespace_("hub");
  (*pod.mutable_labels())["component"] = "singleuser-server";
  const auto pod_list = parse_pods(pods.SerializeAsString());
  ASSERT_TRUE(pod_list && pod_list->size() == 1);
  EXPECT_EQ(pod_list->front().sandbox_id, "sandbox");
  EXPECT_EQ(pod_list->front().name, "jupyter-a");
  EXPECT_EQ(pod_list->front().uid, "uid-a");
  EXPECT_EQ(pod_list->front().pod_namespace, "hub");
  EXPECT_THAT(pod_list->front().labels, ElementsAre(Pair("component", "singleuser-server")));

  cri::ListContainersResponse containers;
  for (const char* id : {"one", "two"}) {
    cri::Container& container = *containers.add_containers();
    container.set_id(id);
    container.set_pod_sandbox_id("sandbox");
    container.mutable_metadata()->set_name("notebook");
  }
  (*containers.mutable_containers(0)->mutable_labels())["io.kubernetes.pod.uid"] = "uid-a";
  const auto list = parse_containers(containers.SerializeAsString());
  ASSERT_TRUE(list && list->size() == 2);
  EXPECT_EQ(list->front().id, "one");
  EXPECT_EQ(list->front().sandbox_id, "sandbox");
  EXPECT_EQ(list->front().name, "notebook");
  EXPECT_EQ(list->front().pod_uid, "uid-a");
  EXPECT_EQ(list->back().pod_uid, "");

  EXPECT_THAT(parse_pods("").value(), IsEmpty());
  EXPECT_THAT(parse_containers("").value(), IsEmpty());
  EXPECT_FALSE(parse_pods("\xff\xff\xff"));
  EXPECT_FALSE(parse_containers("\xff\xff\xff"));
}

// Run by tests/daemon/test_containers.py, which starts a containerd, with one pod at least.
TEST(CriClient, ListsWhatARealRuntimeHas) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets variables here
  const char* socket = std::getenv("CRYPTNONO_TEST_CRI_SOCKET");
  if (socket == nullptr) GTEST_SKIP() << "CRYPTNONO_TEST_CRI_SOCKET names no runtime";
  CriClient client(socket);
  EXPECT_EQ(client.peer_pid(), 0);
  const auto pods = client.pods(5000);
  ASSERT_TRUE(pods) << pods.error().message;
  const auto containers = client.containers(5000);
  ASSERT_TRUE(containers) << containers.error().message;
  EXPECT_GT(client.peer_pid(), 1);
  for (const PodInfo& pod : *pods)
    std::cout << "pod " << pod.uid << ' ' << pod.name << ' ' << pod.pod_namespace << ' '
              << pod.sandbox_id << ' ' << pod.labels.size() << '\n';
  for (const ContainerInfo& each : *containers)
    std::cout << "container " << each.id << ' ' << each.name << ' ' << each.sandbox_id << ' '
              << each.pod_uid << ' ' << each.labels.size() << '\n';
}

TEST(GrpcChannel, AServerThatSaysNothingCostsTheTimeoutAndNoMore) {
  const Server server;
  GrpcChannel channel(server.path());
  const std::uint64_t begin = monotonic_ns();
  const auto answer = channel.call("/a/b", "x", 200);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("in time"));
  EXPECT_LT(seconds_since(begin), 2);
}

TEST(GrpcChannel, WhatIsNoHttp2IsAnError) {
  const Server server;
  std::thread other([&server] {
    const Fd peer = server.accept();
    const std::string nonsense(100'000, 'x');
    EXPECT_GE(send(peer.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL), 0);
  });
  GrpcChannel channel(server.path());
  EXPECT_FALSE(channel.call("/a/b", "x", 2000));
  other.join();
}

TEST(GrpcChannel, ASocketThatIsNotThereIsNamed) {
  GrpcChannel channel("/nonexistent/socket");
  const auto answer = channel.call("/a/b", "x", 200);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("/nonexistent/socket"));
}

bool known(ContainerLookup& lookup, const std::string& id, RuntimeKind kind = RuntimeKind::kCri) {
  std::promise<bool> told;
  lookup.find(id, kind,
              [&told](const ContainerDetails* details) { told.set_value(details != nullptr); });
  return told.get_future().get();
}

TEST(ContainerLookup, ARuntimeThatHangsIsWaitedForOnce) {
  const Server server;
  for (const RuntimeKind kind : {RuntimeKind::kCri, RuntimeKind::kDocker}) {
    const bool docker = kind == RuntimeKind::kDocker;
    ContainerLookup lookup({.endpoints = {docker ? "/nonexistent" : server.path()},
                            .docker_endpoints = {docker ? server.path() : "/nonexistent"},
                            .environment = {}});
    EXPECT_FALSE(known(lookup, "a", kind));
    const std::uint64_t begin = monotonic_ns();
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(known(lookup, "b", kind));
    EXPECT_LT(seconds_since(begin), 0.2) << "told at once while it is left alone";
    EXPECT_EQ(lookup.counters().failed, 1U);
  }
}

TEST(ContainerLookup, ADockerThatHangsDoesNotSilenceTheCri) {
  const Server docker;
  const Server cri;
  ContainerLookup lookup(
      {.endpoints = {cri.path()}, .docker_endpoints = {docker.path()}, .environment = {}});
  std::promise<void> asked;
  std::thread other([&] {
    const Fd peer = cri.accept();
    asked.set_value();
  });
  const std::uint64_t begin = monotonic_ns();
  EXPECT_FALSE(known(lookup, "a", RuntimeKind::kDocker));
  asked.get_future().wait();
  EXPECT_LT(seconds_since(begin), 2);
  EXPECT_EQ(lookup.counters().failed, 2U);
  other.join();
}

TEST(ContainerLookup, DockerIsAskedForItsOwnAlone) {
  const Server docker;
  ContainerLookup lookup({.endpoints = {}, .docker_endpoints = {docker.path()}, .environment = {}});
  EXPECT_FALSE(known(lookup, "a", RuntimeKind::kCri));
  EXPECT_EQ(lookup.counters().failed, 0U) << "Docker hangs, and was not asked";
  std::thread other([&docker] { docker.answer(http("200 OK", kDockerAnswer)); });
  EXPECT_TRUE(known(lookup, "a", RuntimeKind::kDocker)) << "that the CRI is down concerns it alone";
  other.join();
  EXPECT_TRUE(known(lookup, "a", RuntimeKind::kDocker)) << "remembered";
  EXPECT_EQ(lookup.counters().found, 1U);
}

TEST(ContainerLookup, WhoStillWaitsAtTheEndIsTold) {
  const Server server;
  int told = 0;
  {
    ContainerLookup lookup(
        {.endpoints = {server.path()}, .docker_endpoints = {}, .environment = {}});
    for (int i = 0; i < 10; ++i)
      lookup.find("a", RuntimeKind::kCri, [&told](const auto*) { ++told; });
  }
  EXPECT_EQ(told, 10);
}

TEST(Sockets, TheConfigurationGoesBeforeTheEnvironmentAndThatBeforeTheKnown) {
  const std::vector<std::string> known{"/known"};
  EXPECT_THAT(sockets({"/a", "/b"}, "unix:///c", known), ElementsAre("/a", "/b"));
  EXPECT_THAT(sockets({}, "unix:///c", known), ElementsAre("/c"));
  EXPECT_THAT(sockets({}, "/c", known), ElementsAre("/c"));
  EXPECT_THAT(sockets({}, nullptr, known), ElementsAre("/known"));
  for (const char* none : {"", "unix://", "tcp://127.0.0.1:2375", "c"})
    EXPECT_THAT(sockets({}, none, known), IsEmpty()) << none;
}

}  // namespace
}  // namespace cryptnono::runtime
