#include "container/standing_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace cryptnono::container {
namespace {

const std::string kUid = "00000000-0000-4000-8000-000000000001";
const std::string kPod = "/kubepods/burstable/pod" + kUid;
const std::string kId(64, 'a');
const std::string kProcCgroup = "0::" + kPod + "/" + kId + "\n";
constexpr std::uint32_t kElsewhere = 7;  // a mount namespace

class StandingBookTest : public testing::Test {
 protected:
  StandingBookTest() {
    book_.table().add(2, kPod);
    book_.table().add(3, kPod + "/" + kId);
  }

  Permission in_pod(const Person& who = {.uid = 1000, .executable = {}, .mount = kElsewhere}) {
    return book_.permission(book_.owner_of(kProcCgroup), who);
  }
  static Told told(const std::string& pod_namespace, bool all_answered) {
    Told out;
    out.pods[kUid] = {.pod_namespace = pod_namespace, .name = "pod", .labels = {{}}};
    out.containers[kId] = {"notebook", kUid};
    out.all_answered = all_answered;
    return out;
  }

  StandingSettings settings_;
  StandingBook book_;
};

TEST_F(StandingBookTest, ANamespaceProtectsOnceItIsKnown) {
  settings_.protect.unclassified = config::Action::kReport;
  book_.use(settings_);
  EXPECT_TRUE(in_pod().report) << "nobody has said what it is";
  EXPECT_EQ(in_pod().spared, Spared::kNot);
  book_.take(told("kube-system", true));
  EXPECT_EQ(in_pod().spared, Spared::kNamespace);
  book_.take({});
  EXPECT_EQ(in_pod().spared, Spared::kNamespace) << "a runtime that is silent takes nothing back";
  book_.take(told("hub", true));
  EXPECT_EQ(in_pod().spared, Spared::kNot);
  EXPECT_FALSE(in_pod().report);
}

TEST_F(StandingBookTest, TheKubeletsDirectoriesAreEnough) {
  std::string name = std::filesystem::temp_directory_path() / "standing_book_test.XXXXXX";
  const std::filesystem::path directory = ::mkdtemp(name.data());
  std::filesystem::create_directory(directory / ("kube-system_proxy_" + kUid));
  settings_.pod_logs = directory;
  book_.use(settings_);
  EXPECT_EQ(in_pod().spared, Spared::kNot);
  book_.read_logs_if_unknown(kUid);
  std::filesystem::remove_all(directory);
  EXPECT_EQ(in_pod().spared, Spared::kNamespace);
  EXPECT_EQ(book_.pod(kUid).value_or(Pod{}).name, "proxy");
  book_.take(told("hub", true));
  EXPECT_EQ(book_.pod(kUid).value_or(Pod{}).name, "pod") << "the runtime knows better";
}

TEST_F(StandingBookTest, TheNodesOwnIsWhatIsInNoContainerOrInItsMounts) {
  const Person stranger{.uid = 1000, .executable = {}, .mount = kElsewhere};
  book_.use(settings_);
  EXPECT_EQ(book_.permission(nullptr, stranger).spared, Spared::kNot);
  settings_.containers_only = true;
  book_.use(settings_);
  EXPECT_EQ(book_.permission(nullptr, stranger).spared, Spared::kNode);
  EXPECT_EQ(in_pod(stranger).spared, Spared::kNot);
  const Person init{.uid = 1000, .executable = {}, .mount = mount_namespace_of(1)};
  EXPECT_EQ(in_pod(init).spared, Spared::kNode);
  Told runtime = told("hub", true);
  runtime.mounts = {kElsewhere};
  book_.take(runtime);
  EXPECT_EQ(in_pod(stranger).spared, Spared::kNode);
  EXPECT_THAT(book_.node_mounts(), testing::ElementsAre(mount_namespace_of(1), kElsewhere));
}

TEST_F(StandingBookTest, UsersAndExecutablesAreProtectedEverywhere) {
  settings_.protect.users = {1000};
  settings_.protect.executables = {"/proc/self/exe", "/no/such/file"};
  book_.use(settings_);
  EXPECT_EQ(in_pod().spared, Spared::kUser);
  EXPECT_EQ(book_.executables().size(), 1U);
  Person own = person_of(getpid());
  own.uid = 1001;
  EXPECT_EQ(in_pod(own).spared, Spared::kExecutable);
  own.executable = file_id_of("/");
  EXPECT_EQ(in_pod(own).spared, Spared::kNot);
}

TEST_F(StandingBookTest, AnotherPodOfItsOwnSetIsAsItsOwn) {
  const std::string own = "00000000-0000-4000-8000-000000000002";
  ASSERT_EQ(setenv("POD_UID", own.c_str(), 1), 0);
  settings_.protect.unclassified = config::Action::kReport;
  book_.use(settings_);
  unsetenv("POD_UID");
  const auto spared = [&](const std::string& own_name, const std::string& other_namespace,
                          const std::string& other_name) {
    Told out;
    out.pods[own] = {.pod_namespace = "miners", .name = own_name, .labels = {{}}};
    out.pods[kUid] = {.pod_namespace = other_namespace, .name = other_name, .labels = {{}}};
    out.all_answered = true;
    book_.take(out);
    return in_pod().spared;
  };
  EXPECT_EQ(spared("cryptnono-x4z2k", "miners", "cryptnono-b5c6d"), Spared::kOwnPod);
  EXPECT_EQ(spared("cryptnono-x4z2k", "hub", "cryptnono-b5c6d"), Spared::kNot);
  EXPECT_EQ(spared("cryptnono-x4z2k", "miners", "cryptnono-test-b5c6d"), Spared::kNot);
  EXPECT_EQ(spared("cryptnono-x4z2k", "miners", "cryptnono-test"), Spared::kNot);
  EXPECT_EQ(spared("cryptnono-x4z2k", "miners", "cryptnono-tests"), Spared::kNot);
  EXPECT_EQ(spared("cryptnono-x4z2k", "miners", "jupyter-b5c6d"), Spared::kNot);
  EXPECT_EQ(spared("cryptnono", "miners", "cryptnono"), Spared::kNot) << "nobody's set";
  book_.take({.pods = {}, .containers = {}, .mounts = {}, .all_answered = true});
  EXPECT_EQ(in_pod().spared, Spared::kNot) << "it does not know itself";
}

TEST_F(StandingBookTest, AsksV2FirstAndThenV1) {
  book_.use(settings_);
  book_.table().add(4 | kCgroupIdV1, "/docker/" + std::string(64, 'b'));
  const std::string text = "5:pids:/docker/" + std::string(64, 'b') + "\n0::/\n";
  EXPECT_EQ(book_.owner_of(text), nullptr);
  book_.set_v1("pids");
  ASSERT_NE(book_.owner_of(text), nullptr);
  EXPECT_EQ(book_.owner_of(text)->container_id, std::string(64, 'b'));
  EXPECT_EQ(book_.owner_of("5:pids:/docker/" + std::string(64, 'b') + "\n" + kProcCgroup)->id, 3U);
}

}  // namespace
}  // namespace cryptnono::container
