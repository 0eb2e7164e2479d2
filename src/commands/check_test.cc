#include "commands/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cryptnono::commands {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CheckTest : public testing::Test {
 protected:
  CheckTest() : directory_(make_directory()) {}
  ~CheckTest() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::ofstream(path) << text;
    return path;
  }

  int check(const std::vector<std::string>& files) {
    return run_check({.files = files}, out_, err_);
  }

  static std::filesystem::path make_directory() {
    std::string name = std::filesystem::temp_directory_path() / "check_test.XXXXXX";
    return ::mkdtemp(name.data());
  }

  std::filesystem::path directory_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CheckTest, SummarisesWhatIsValid) {
  const std::string a = write("a.yaml",
                              "bannedCommandStrings: [xmrig, minerd]\n"
                              "allowedCommandPatterns: ['^/usr/bin/x ']\n");
  const std::string b = write("b.json", R"({"bannedCommandSubstrings": ["stratum+tcp://"],)"
                                        R"( "allowedExecutables": ["/usr/bin/y"]})");
  EXPECT_EQ(check({a, b}), 0);
  EXPECT_EQ(
      out_.str(),
      "ok: 2 banned strings, 1 substring, 1 allowed pattern, 1 allowed executable in 2 groups\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CheckTest, WithoutAFileChecksTheEmbeddedDefault) {
  EXPECT_EQ(check({}), 0);
  EXPECT_THAT(out_.str(), StartsWith("ok: 1 banned string, "));
}

TEST_F(CheckTest, WarningsDoNotFail) {
  EXPECT_EQ(check({write("a.yaml", "bannedCommandStrings: [ab]\n")}), 0);
  EXPECT_THAT(err_.str(), StartsWith("warning: "));
  EXPECT_THAT(err_.str(), HasSubstr("a.yaml:1:24: "));
}

TEST_F(CheckTest, PrintsEveryErrorOfEveryFileAndNoSummary) {
  const std::string a = write("a.yaml", "dryRun: maybe\nlog: {level: loud}\n");
  const std::string b = write("b.yaml", "bannedCommandString: [x]\n");
  EXPECT_EQ(check({a, b, "/nonexistent/c.yaml"}), 3);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr(a + ":1:9: dryRun must be true or false, not maybe\n"));
  EXPECT_THAT(err_.str(), HasSubstr(a + ":2:14: log.level must be one of "));
  EXPECT_THAT(err_.str(), HasSubstr(b + ":1:1: unknown key"));
  EXPECT_THAT(err_.str(),
              HasSubstr("/nonexistent/c.yaml: cannot open: No such file or directory\n"));
}

TEST_F(CheckTest, NeverPrintsARule) {
  const std::string file =
      write("a.yaml",
            "bannedCommandStrings: ['secretword ']\nallowedCommandPatterns: ['secret(?=word)']\n");
  EXPECT_EQ(check({file}), 3);
  EXPECT_THAT(err_.str(), HasSubstr("lookahead"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace cryptnono::commands
