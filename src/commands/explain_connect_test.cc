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
