#include "config/flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/address_range.h"
#include "config/load.h"
#include "config/test_lines.h"

namespace cryptnono::config {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> texts(const std::vector<AddressRange>& ranges) {
  std::vector<std::string> out;
  for (const AddressRange& range : ranges) out.push_back(address_text(range.first));
  return out;
}

std::vector<std::string> errors(const LoadResult& result) {
  return result ? std::vector<std::string>() : lines(result.error());
}

class FlowConfigTest : public testing::Test {
 protected:
  FlowConfigTest() {
    std::string name = fs::temp_directory_path() / "flow_test.XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~FlowConfigTest() override { fs::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
    return root_ / name;
  }

  fs::path root_;
};

TEST_F(FlowConfigTest, DefaultsAreThePredecessors) {
  const LoadResult loaded = load_text("f", "bannedCommandStrings: [abc]\n");
  ASSERT_TRUE(loaded);
  const Tcpflowkiller& flow = loaded->config.tcpflowkiller;
  EXPECT_FALSE(flow.enabled);
  EXPECT_EQ(flow.scan.threshold, 15U);
  EXPECT_EQ(flow.scan.window_s, 30U);
  EXPECT_EQ(flow.scan.per, CountPer::kProcess);
  EXPECT_EQ(flow.scan.ignore.size(), private_ranges().size());
}

TEST_F(FlowConfigTest, ReadsEveryKey) {
  const LoadResult loaded = load_text("f", R"(
tcpflowkiller:
  enabled: true
  action: report
  bans: ["192.0.2.1", "2001:db8::/32"]
  allow: ["192.0.2.2:443"]
  scan: {enabled: true, threshold: 24, window: 60, per: container, onlyFailed: true, udp: true, ignore: ["10.0.0.0/8"]}
  hooks: refuse
  logConnects: true
  limit: {maxTargets: 3, window: 7}
)");
  ASSERT_TRUE(loaded) << errors(loaded).front();
  const Tcpflowkiller& flow = loaded->config.tcpflowkiller;
  EXPECT_TRUE(flow.enabled);
  EXPECT_EQ(flow.action, Action::kReport);
  EXPECT_THAT(texts(flow.bans), ElementsAre("192.0.2.1", "2001:db8::"));
  EXPECT_EQ(flow.bans[0].origin.line, 5U);
  EXPECT_EQ(flow.allowed[0].port, 443);
  EXPECT_EQ(flow.scan.threshold, 24U);
  EXPECT_EQ(flow.scan.window_s, 60U);
  EXPECT_EQ(flow.scan.per, CountPer::kContainer);
  EXPECT_TRUE(flow.scan.only_failed);
  EXPECT_TRUE(flow.scan.udp);
  EXPECT_THAT(texts(flow.scan.ignore), ElementsAre("10.0.0.0"));
  EXPECT_EQ(flow.hooks, ConnectHooks::kRefuse);
  EXPECT_TRUE(flow.log_connects);
  EXPECT_EQ(flow.limit.max_targets, 3U);
  EXPECT_EQ(flow.limit.window_s, 7U);
}

TEST_F(FlowConfigTest, SaysWhereAMistakeIs) {
  EXPECT_THAT(errors(load_text("f", "tcpflowkiller:\n  bans: [192.0.2.1, 192.0.2.1/24]\n")),
              ElementsAre("f:2:21: an item of tcpflowkiller.bans: \"192.0.2.1/24\" is an address "
                          "within a range; the range is 192.0.2.0/24"));
  EXPECT_THAT(errors(load_text("f", "tcpflowkiller: {scan: {threshold: 128}}\n")),
              ElementsAre(HasSubstr("1 to 127")));
  EXPECT_THAT(errors(load_text("f", "tcpflowkiller: {banFiles: [relative]}\n")),
              ElementsAre(HasSubstr("absolute path")));
  EXPECT_THAT(errors(load_text("f", "tcpflowkiller: {scan: {per: pod}}\n")),
              ElementsAre(HasSubstr("container")));
}

std::vector<std::string> warnings(const LoadResult& result) {
  return result ? lines(result->warnings) : std::vector<std::string>();
}

TEST_F(FlowConfigTest, AddressesOfAFileAreAGroup) {
  const std::string main =
      write("main.yaml", "tcpflowkiller: {enabled: true, bans: [192.0.2.9]}\n");
  const std::string pools = write("execwhacker-pools.yaml",
                                  "bannedCommandStrings: [abcd]\naction: kill-tree\n"
                                  "bannedAddresses:\n  - 192.0.2.0/24:3333\n  - 2001:db8::1\n");
  const std::string later =
      write("later.yaml", "bannedAddresses: [192.0.2.7]\ntcpflowkiller: {bans: [192.0.2.8]}\n");
  const LoadResult loaded = load_files({main, pools, later});
  ASSERT_TRUE(loaded) << errors(loaded).front();
  const Tcpflowkiller& flow = loaded->config.tcpflowkiller;
  ASSERT_EQ(flow.groups.size(), 2U);
  EXPECT_EQ(flow.groups[0].name, "pools");
  EXPECT_EQ(flow.groups[0].action, Action::kKillTree);
  EXPECT_EQ(flow.groups[1].name, "later");
  EXPECT_EQ(flow.groups[1].action, std::nullopt);
  EXPECT_EQ(loaded->config.execwhacker.groups.at(0).name, "pools") << "one group of both kinds";
  EXPECT_THAT(texts(flow.bans), ElementsAre("192.0.2.8", "192.0.2.0", "2001:db8::1", "192.0.2.7"))
      << "a later list of bans replaces an earlier one, and no group's";
  EXPECT_EQ(flow.bans[0].group, kNoGroup);
  EXPECT_EQ(flow.bans[1].group, 0);
  EXPECT_EQ(flow.bans[1].port, 3333);
  EXPECT_EQ(flow.bans[2].origin.line, 5U);
  EXPECT_EQ(flow.bans[3].group, 1);
}

TEST_F(FlowConfigTest, GroupsOfTheSameNameAreTold) {
  fs::create_directory(root_ / "d");
  const std::string a = write("a.yaml", "bannedAddresses: [192.0.2.1]\n");
  const std::string b = write("d/a.yaml", "bannedAddresses: [192.0.2.2]\n");
  const LoadResult loaded = load_files({a, b});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.tcpflowkiller.groups.at(1).name, "a-2");
}

TEST_F(FlowConfigTest, NoMessageQuotesABannedAddressOfAGroup) {
  const auto wrong = errors(load_text(
      "f", "bannedAddresses: [198.51.100.7/24, pool.example.org, true, 198.51.100.9:0]\n"));
  EXPECT_THAT(wrong, ElementsAre("f:1:19: an item of bannedAddresses is an address within a range",
                                 HasSubstr("f:1:36: an item of bannedAddresses is neither"),
                                 StartsWith("f:1:54: "), HasSubstr("not followed by a port")));
  for (const std::string& each : wrong) {
    EXPECT_THAT(each, testing::Not(HasSubstr("198.51")));
    EXPECT_THAT(each, testing::Not(HasSubstr("example")));
  }
}

TEST_F(FlowConfigTest, AddressesWithoutTheDetectorGetAWarningAFile) {
  const std::string a = write("a.yaml", "bannedAddresses:\n  - 192.0.2.1\n  - 192.0.2.2\n");
  const std::string b = write("b.yaml", "bannedAddresses: [192.0.2.3]\n");
  const auto about = [](const LoadResult& result) {
    std::vector<std::string> out;
    for (const std::string& each : warnings(result)) {
      if (each.find("bannedAddresses") != std::string::npos) out.push_back(each);
    }
    return out;
  };
  EXPECT_THAT(about(load_files({a, b})),
              ElementsAre(a + ":2:5: bannedAddresses ban nothing: tcpflowkiller is not enabled",
                          StartsWith(b + ":1:")));
  const std::string on = write("on.yaml", "tcpflowkiller: {enabled: true}\n");
  EXPECT_THAT(about(load_files({a, b, on})), ElementsAre());
}

TEST_F(FlowConfigTest, MoreGroupsThanTheKernelSideCountsAreAnError) {
  std::vector<std::string> files;
  for (std::size_t i = 0; i < kMaxAddressGroups; ++i)
    files.push_back(write(std::to_string(i) + ".yaml", "bannedAddresses: [192.0.2.1]\n"));
  EXPECT_TRUE(load_files(files));
  files.push_back(write("more.yaml", "bannedAddresses: [192.0.2.1]\n"));
  EXPECT_THAT(errors(load_files(files)),
              ElementsAre("63 groups have bannedAddresses; at most 62 may"));
}

TEST_F(FlowConfigTest, AnActionNeedsARuleOrAnAddress) {
  EXPECT_TRUE(load_text("f", "bannedAddresses: [192.0.2.1]\naction: report\n"));
  EXPECT_FALSE(load_text("f", "bannedAddresses: []\naction: report\n"));
}

TEST_F(FlowConfigTest, ListsAreReadFromFilesAndGlobs) {
  write("a.txt", "192.0.2.1\n");
  write("b.txt", "# none\n192.0.2.2\n");
  write("c.other", "nonsense\n");
  const std::string allowed = write("allowed", "192.0.2.3\n");
  fs::create_directory(root_ / "d.txt");
  const LoadResult loaded = load_text(
      "f", "tcpflowkiller: {enabled: true, bans: [192.0.2.9], banFiles: [\"" + root_.string() +
               "/*.txt\", \"" + root_.string() + "/a.txt\"], allowFiles: [\"" + allowed + "\"]}\n");
  ASSERT_TRUE(loaded) << errors(loaded).front();
  const Config& config = loaded->config;
  EXPECT_THAT(texts(config.tcpflowkiller.bans), ElementsAre("192.0.2.9", "192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(texts(config.tcpflowkiller.allowed), ElementsAre("192.0.2.3"));
  const Origin origin = config.tcpflowkiller.bans[2].origin;
  EXPECT_EQ(config.files.at(origin.file), root_.string() + "/b.txt");
  EXPECT_EQ(origin.line, 2U);
}

TEST_F(FlowConfigTest, AMissingFileIsAnErrorAndAnEmptyGlobAWarning) {
  const auto load = [&](const std::string& name) {
    return load_text(
        "f", "tcpflowkiller: {enabled: true, banFiles: [\"" + (root_ / name).string() + "\"]}\n");
  };
  EXPECT_THAT(errors(load("missing.txt")), ElementsAre(HasSubstr("cannot open")));
  const LoadResult empty = load("*.txt");
  ASSERT_TRUE(empty);
  bool warned = false;
  for (const Diagnostic& each : empty->warnings)
    warned = warned || to_string(each).find("no file matches") != std::string::npos;
  EXPECT_TRUE(warned);
}

TEST_F(FlowConfigTest, ListsOfADetectorThatIsOffAreNotRead) {
  EXPECT_TRUE(load_text("f", "tcpflowkiller: {banFiles: [/nonexistent]}\n"));
}

TEST_F(FlowConfigTest, ThePredecessorsConfigurationMeansTheSame) {
  write("one.txt", "192.0.2.1\n");
  const LoadResult loaded = load_text("f.json", R"({"FlowKiller": {
    "banned_ipv4_file_globs": [")" + root_.string() +
                                                    R"(/*.txt"],
    "log_connects": true, "log_container_info": true, "log_container_envs": ["BINDER_REF_URL"],
    "lookback_duration_seconds": 60, "metrics_port": 12122, "unique_destinations_threshold": 24,
    "debug": true}})");
  ASSERT_TRUE(loaded) << errors(loaded).front();
  const Config& config = loaded->config;
  EXPECT_TRUE(config.tcpflowkiller.enabled);
  EXPECT_THAT(texts(config.tcpflowkiller.bans), ElementsAre("192.0.2.1"));
  EXPECT_EQ(config.tcpflowkiller.scan.threshold, 24U);
  EXPECT_EQ(config.tcpflowkiller.scan.window_s, 60U);
  EXPECT_TRUE(config.tcpflowkiller.log_connects);
  EXPECT_THAT(config.metrics.listen, ElementsAre(":12122"));
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
}

TEST_F(FlowConfigTest, ListsAreWatchedBeforeTheyAreRead) {
  const std::string file = write(
      "f.yaml", "tcpflowkiller: {enabled: true, banFiles: [\"" + root_.string() + "/*.txt\"]}\n");
  std::vector<std::string> watched;
  const LoadResult loaded = load_files({file}, {.before_lists =
                                                    [&](const std::vector<std::string>& patterns) {
                                                      watched = patterns;
                                                      write("late.txt", "192.0.2.7\n");
                                                    },
                                                .overrides = {}});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(watched, ElementsAre(root_.string() + "/*.txt"));
  EXPECT_THAT(texts(loaded->config.tcpflowkiller.bans), ElementsAre("192.0.2.7"));
}

TEST_F(FlowConfigTest, OverridesWinOverFiles) {
  const std::string file =
      write("f.json", R"({"FlowKiller": {"unique_destinations_threshold": 24}})");
  const LoadResult loaded =
      load_files({file}, {.before_lists = nullptr,
                          .overrides = R"({"FlowKiller": {"unique_destinations_threshold": 30}})"});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.tcpflowkiller.scan.threshold, 30U);
  const LoadResult wrong = load_files(
      {file}, {.before_lists = nullptr,
               .overrides = R"({"FlowKiller": {"unique_destinations_threshold": "x"}})"});
  EXPECT_THAT(errors(wrong), ElementsAre(StartsWith("command line:")));
}

}  // namespace
}  // namespace cryptnono::config
