#include "container/protection.h"

#include <gtest/gtest.h>

namespace cryptnono::container {
namespace {

config::Protect protect() {
  config::Protect out;
  out.pod_labels = {"tier", "app=monitor"};
  out.container_names = {"proxy"};
  return out;
}

Pod pod(const std::string& in, std::optional<std::map<std::string, std::string>> labels) {
  return {.pod_namespace = in, .name = "some-pod", .labels = std::move(labels)};
}

TEST(Protection, NamespaceWinsWithoutAnyRuntime) {
  const Protection protection(config::Protect{}, {}, "");
  const Pod system = pod("kube-system", std::nullopt);
  const Pod hub = pod("hub", std::nullopt);
  EXPECT_EQ(protection.of_pod("u", &system, std::nullopt),
            (Standing{.container = true, .why = Spared::kNamespace}));
  EXPECT_EQ(protection.of_pod("u", &hub, std::nullopt), (Standing{.container = true}));
  EXPECT_FALSE(protection.needs_runtime());
}

TEST(Protection, WhatIsNotKnownYetIsSaidToBeUnknown) {
  const Protection plain(config::Protect{}, {}, "");
  EXPECT_EQ(plain.of_pod("u", nullptr, std::nullopt),
            (Standing{.container = true, .unknown = true}));
  config::Protect nothing;
  nothing.namespaces = {};
  EXPECT_EQ(Protection(nothing, {}, "").of_pod("u", nullptr, std::nullopt),
            (Standing{.container = true}));
  const Protection labels(protect(), {}, "");
  const Pod hub = pod("hub", std::nullopt);
  EXPECT_TRUE(labels.of_pod("u", &hub, "notebook").unknown) << "its labels are not known";
  const Pod told = pod("hub", std::map<std::string, std::string>{});
  EXPECT_TRUE(labels.of_pod("u", &told, std::nullopt).unknown) << "nor its name";
  EXPECT_EQ(labels.of_pod("u", &told, "notebook"), (Standing{.container = true}));
}

TEST(Protection, LabelsByKeyOrByKeyAndValue) {
  const Protection protection(protect(), {}, "");
  const auto why = [&](std::map<std::string, std::string> labels) {
    const Pod each = pod("hub", std::move(labels));
    return protection.of_pod("u", &each, "notebook").why;
  };
  EXPECT_EQ(why({{"tier", "anything"}}), Spared::kPodLabel);
  EXPECT_EQ(why({{"app", "monitor"}}), Spared::kPodLabel);
  EXPECT_EQ(why({{"app", "monitor2"}}), Spared::kNot);
  EXPECT_EQ(why({{"app", ""}}), Spared::kNot);
}

TEST(Protection, ContainerNameOwnPodAndActionOfANamespace) {
  const Protection protection(protect(), {{"staging", config::Action::kReport}}, "own");
  const Pod hub = pod("hub", std::map<std::string, std::string>{});
  EXPECT_EQ(protection.of_pod("u", &hub, "proxy").why, Spared::kContainerName);
  EXPECT_EQ(protection.of_pod("own", nullptr, std::nullopt),
            (Standing{.container = true, .why = Spared::kOwnPod}));
  const Pod staging = pod("staging", std::map<std::string, std::string>{});
  EXPECT_TRUE(protection.of_pod("u", &staging, "notebook").report);
  EXPECT_FALSE(protection.of_pod("u", &hub, "notebook").report);
}

}  // namespace
}  // namespace cryptnono::container
