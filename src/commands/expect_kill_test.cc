#include "commands/expect_kill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/result.h"

namespace cryptnono::commands {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A script plays the victim: what becomes of it is what the test says, and not what a daemon does.
class ExpectKillTest : public testing::Test {
 protected:
  ExpectKillTest() {
    std::string form = "/tmp/cryptnono-expect-XXXXXX";
    root_ = ::mkdtemp(form.data());
  }
  ~ExpectKillTest() override { std::filesystem::remove_all(root_); }

  ExitCode run(const std::string& script, double timeout_s, const char* text = "the text") {
    const std::string path = root_ + "/victim";
    std::ofstream(path) << "#!/bin/sh\ncd " << root_ << "\n" << script;
    ::chmod(path.c_str(), 0755);
    return static_cast<ExitCode>(
        run_expect_kill({.timeout_s = timeout_s, .program = path}, text, out_, err_));
  }

  std::string root_;
  std::ostringstream out_, err_;
};

TEST_F(ExpectKillTest, ADeathBySigkillIsSuccess) {
  EXPECT_EQ(run("kill -KILL $$", 0), ExitCode::kOk);
  EXPECT_THAT(out_.str(), StartsWith("killed after "));
  EXPECT_THAT(err_.str(), IsEmpty());
}

TEST_F(ExpectKillTest, AnyOtherEndIsNone) {
  EXPECT_EQ(run("kill -TERM $$", 0), ExitCode::kFailure);
  EXPECT_EQ(run("exit 137", 0), ExitCode::kFailure);
  EXPECT_EQ(run("exit 0", 0), ExitCode::kFailure);
  EXPECT_THAT(out_.str(), IsEmpty());
  EXPECT_THAT(err_.str(), StartsWith("NOT KILLED: 1 processes"));
}

TEST_F(ExpectKillTest, TriesAgainForADaemonThatIsStarting) {
  EXPECT_EQ(run("[ -e second ] && kill -KILL $$; touch second", 60), ExitCode::kOk);
  EXPECT_THAT(out_.str(), HasSubstr("(try 2)"));
}

TEST_F(ExpectKillTest, TheTextIsOneWordOfTheVictimsCommandLineAndInNoEnvironment) {
  EXPECT_EQ(run(R"([ "$*" = "expect-kill --victim the text" ] && [ $# = 3 ] &&
                   ! tr '\0' '\n' </proc/$$/environ | grep -q text && kill -KILL $$)",
                0),
            ExitCode::kOk);
}

TEST_F(ExpectKillTest, WithoutATextNothingIsStarted) {
  EXPECT_EQ(run("touch started", 0, nullptr), ExitCode::kUsage);
  EXPECT_EQ(run("touch started", 0, ""), ExitCode::kUsage);
  EXPECT_FALSE(std::filesystem::exists(root_ + "/started"));
  EXPECT_THAT(err_.str(), HasSubstr(kExpectKillVariable));
}

TEST_F(ExpectKillTest, WhatCannotBeStartedIsAFailure) {
  EXPECT_EQ(static_cast<ExitCode>(
                run_expect_kill({.timeout_s = 60, .program = root_ + "/no"}, "text", out_, err_)),
            ExitCode::kFailure);
  EXPECT_THAT(err_.str(), HasSubstr("cannot start"));
}

}  // namespace
}  // namespace cryptnono::commands
