#include "commands/explain_connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "commands/flowkiller_flags.h"

namespace cryptnono::commands {
namespace {

using testing::HasSubstr;

class ExplainConnectTest : public testing::Test {
 protected:
  ExplainConnectTest() {
    std::string name = std::filesystem::temp_directory_path() / "explain_test.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    std::ofstream(directory_ / "bans.txt") << "# list\n192.0.2.0/24\n";
    std::ofstream(directory_ / "f.yaml")
        << "tcpflowkiller:\n  enabled: true\n  banFiles: [" << (directory_ / "*.txt") << "]\n"
        << "  allow: ['192.0.2.7:443']\n";
  }
  ~ExplainConnectTest() override { std::filesystem::remove_all(directory_); }

  int explain(const std::vector<std::string>& connects) {
    out_.str("");
    err_.str("");
    return run_explain_connect({.files = {directory_ / "f.yaml"}}, connects, out_, err_);
  }

  std::filesystem::path directory_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ExplainConnectTest, NamesTheEntry) {
  EXPECT_EQ(explain({"192.0.2.1:80"}), 10);
  EXPECT_EQ(out_.str(),
            "192.0.2.1:80: banned (" + (directory_ / "bans.txt").string() + ":2:1): killed\n");
  EXPECT_EQ(explain({"192.0.2.7:443"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("but allowed (" + (directory_ / "f.yaml").string() + ":4:"));
  EXPECT_EQ(explain({"[2001:4860::1]:443", "::ffff:192.0.2.1"}), 2) << "no port";
  EXPECT_EQ(explain({"[::ffff:192.0.2.1]:80"}), 10);
}

TEST_F(ExplainConnectTest, SaysWhetherADestinationCounts) {
  EXPECT_EQ(explain({"93.184.216.34:80", "10.0.0.1:80"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("93.184.216.34:80: spared: not banned; counted: more than 15 "
                                    "destinations in 30 s are a scan\n"));
  EXPECT_THAT(out_.str(), HasSubstr("10.0.0.1:80: spared: not banned; not counted"));
}

TEST_F(ExplainConnectTest, NamesTheGroupAndRevealsOnlyIfAsked) {
  const std::string pools = directory_ / "pools.yaml";
  std::ofstream(pools) << "bannedAddresses: [203.0.113.0/24, '203.0.113.9:25']\n"
                          "action: kill-container\n";
  std::ofstream(directory_ / "mild.yaml") << "bannedAddresses: [203.0.113.9, 203.0.114.1]\n"
                                             "action: report\n";
  const auto ask = [&](const std::string& connect, bool reveal) {
    out_.str("");
    const int code = run_explain_connect(
        {.files = {directory_ / "f.yaml", pools, directory_ / "mild.yaml"}, .reveal = reveal},
        {connect}, out_, err_);
    EXPECT_EQ(code, 10);
    return out_.str();
  };
  EXPECT_EQ(ask("203.0.113.9:25", false),
            "203.0.113.9:25: banned (rule pools:1:35 of group pools, " + pools +
                ":1:35): killed (kill-container)\n");
  EXPECT_EQ(ask("203.0.113.9:26", true),
            "203.0.113.9:26: banned (rule pools:1:19 of group pools, " + pools +
                ":1:19: 203.0.113.0/24): killed (kill-container)\n")
      << "of the group that kills";
  EXPECT_THAT(ask("203.0.114.1:26", false), HasSubstr("rule mild:1:32 of group mild, "));
  EXPECT_THAT(out_.str(), HasSubstr("killed, but for the mode: it is only reported"));
  EXPECT_EQ(explain({"203.0.113.9:25"}), 0) << "not in this configuration";
}

// A command line of the predecessor as a configuration.
std::string configuration(std::vector<std::string> arguments) {
  CLI::App app;
  std::vector<std::string> files;
  FlowkillerFlags flags;
  flags.add_to(app, files);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  std::string out = flags.as_configuration();
  for (const std::string& file : files) out += " " + file;
  return out;
}

TEST(FlowkillerFlagsTest, AreAConfiguration) {
  EXPECT_EQ(configuration({}), "");
  EXPECT_EQ(
      configuration({"--FlowKiller.debug=True", "--FlowKiller.metrics_port=12122",
                     "--FlowKiller.unique_destinations_threshold", "1",
                     "--FlowKiller.banned_ipv4_file_globs=/a/*",
                     "--FlowKiller.banned_ipv4_file_globs=/b", "--FlowKiller.config_file=/c"}),
      R"({"FlowKiller":{"banned_ipv4_file_globs":["/a/*","/b"],"debug":true,)"
      R"("metrics_port":12122,"unique_destinations_threshold":1}} /c)");
  EXPECT_EQ(configuration({"--FlowKiller.banned_ipv4_file_globs=['/a', '/b']"}),
            R"({"FlowKiller":{"banned_ipv4_file_globs":["/a","/b"]}})");
  EXPECT_EQ(configuration({"--FlowKiller.metrics_port=many"}),
            R"({"FlowKiller":{"metrics_port":"many"}})")
      << "for the reader of configurations to refuse by name";
}

}  // namespace
}  // namespace cryptnono::commands
