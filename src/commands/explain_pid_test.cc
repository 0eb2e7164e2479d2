#include "commands/explain_pid.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "proc/proc_reader.h"

namespace cryptnono::commands {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kBanned = "cryptnono.banned.string1";  // of the embedded default

// A shell that waits for its standard input, with these arguments behind.
class Child {
 public:
  explicit Child(std::vector<std::string> more) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    in_.reset(ends[1]);
    const Fd out(ends[0]);
    more.insert(more.begin(), {"sh", "-c", "read x"});
    std::vector<char*> argv;
    for (std::string& each : more) argv.push_back(each.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(out.get(), 0);
      execv("/bin/sh", argv.data());
      _exit(127);
    }
    std::string area;  // until it has executed the shell
    for (int i = 0; i < 1000 && area.find("read x") == std::string::npos; ++i) {
      usleep(5000);
      proc::ProcReader().read_cmdline(pid_, area);
    }
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  Fd in_;
};

class ExplainPidTest : public testing::Test {
 protected:
  ExplainPidTest() {
    // Of the machine that tests, which may be a pod.
    for (const char* name : {"KUBERNETES_SERVICE_HOST", "POD_UID"}) unsetenv(name);
    std::string name = std::filesystem::temp_directory_path() / "explain_pid_test.XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~ExplainPidTest() override { std::filesystem::remove_all(directory_); }

  int explain(pid_t pid, const std::string& text = {}) {
    out_.str("");
    err_.str("");
    std::vector<std::string> files;
    if (!text.empty()) {
      files.push_back(directory_ / "rules.yaml");
      std::ofstream(files[0]) << text;
    }
    const int code = run_explain_pid({.files = files}, pid, out_, err_);
    said_ = out_.str() + err_.str();
    return code;
  }

  std::filesystem::path directory_;
  std::ostringstream out_, err_;
  std::string said_;
};

TEST_F(ExplainPidTest, SaysWhoThisProcessIs) {
  EXPECT_EQ(explain(getpid()), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("process: " + std::to_string(getpid()) + " ("));
  EXPECT_THAT(said_, HasSubstr("\nuser: " + std::to_string(getuid()) + "\n"));
  const std::string own = std::filesystem::read_symlink("/proc/self/exe");
  EXPECT_THAT(said_, HasSubstr("\nexecutable: " + own));
  EXPECT_THAT(said_, HasSubstr("\nancestors: " + std::to_string(getppid()) + " "));
  EXPECT_THAT(said_, HasSubstr("\nexecwhacker: nothing: "));
  EXPECT_THAT(said_, HasSubstr("\nmonero: not exempt; judged by its rounding modes"));
  EXPECT_THAT(said_, HasSubstr("\ntcpflowkiller: not enabled\n"));
  EXPECT_THAT(said_, HasSubstr("\nverdict: nothing: "));
}

TEST_F(ExplainPidTest, NeverPid1OrAKernelThread) {
  EXPECT_EQ(explain(1), 0);
  EXPECT_THAT(said_, HasSubstr("\nverdict: spared: never touched: pid 1\n"));
  const auto two = proc::ProcReader().read_stat(2);
  if (!two || two->comm != "kthreadd") GTEST_SKIP() << "pid 2 is not the kernel's here";
  EXPECT_EQ(explain(2), 0);
  EXPECT_THAT(said_, HasSubstr("\nverdict: spared: never touched: a kernel thread\n"));
}

TEST_F(ExplainPidTest, NamesTheRule) {
  const Child child({kBanned});
  EXPECT_EQ(explain(child.pid()), 10) << said_;
  EXPECT_THAT(said_, HasSubstr("group default, the embedded default): killed\n"));
  EXPECT_THAT(said_, HasSubstr("\nverdict: killed: execwhacker: banned string"));
  const std::string rules = std::string("bannedCommandStrings:\n  - ") + kBanned + "\n";
  EXPECT_EQ(explain(child.pid(), rules), 10) << said_;
  EXPECT_THAT(said_, HasSubstr("(group rules, " + (directory_ / "rules.yaml").string() + ":2:5)"));
}

TEST_F(ExplainPidTest, SaysWhatSparesIt) {
  const Child child({kBanned});
  const std::string rules = std::string("bannedCommandStrings: [") + kBanned + "]\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"dryRun: true", "only reported: dryRun is true"},
      {"execwhacker: {action: report}", "only reported: the action of execwhacker is report"},
      {"allowedCommandPatterns: ['sh -c']", "spared: execwhacker: "},
      {"protect: {users: [" + std::to_string(getuid()) + "]}",
       "spared: protected:user (protect.users: " + std::to_string(getuid()) + ")"},
      {"protect: {executables: [/bin/sh]}", "spared: protected:executable (protect.executables)"},
      {"execwhacker: {enabled: false}", "nothing: "}};
  for (const auto& [more, verdict] : cases) {
    EXPECT_EQ(explain(child.pid(), rules + more + "\n"), 0) << more << '\n' << said_;
    EXPECT_THAT(said_, HasSubstr("\nverdict: " + verdict)) << more;
  }
}

TEST_F(ExplainPidTest, ABannedStringInThePathAloneIsForTheNextExec) {
  const Child child({"quiet"});
  EXPECT_EQ(explain(child.pid(), "bannedCommandSubstrings: [bin/]\n"), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("\nexecwhacker: nothing in its arguments, but the next exec"));
}

TEST_F(ExplainPidTest, SaysWhatTheOtherDetectorsWouldDo) {
  const Child child({"quiet"});
  const std::string shell = std::filesystem::canonical("/bin/sh");
  EXPECT_EQ(explain(child.pid(),
                    "monero: {exempt: {executables: [" + shell +
                        "]}}\ntcpflowkiller: {enabled: true, action: report, scan: {per: tree}}\n"),
            0);
  EXPECT_THAT(said_, HasSubstr("\nmonero: exempt: its executable"));
  EXPECT_THAT(said_, HasSubstr("in 30 s are a scan, counted per tree; if one hits: only reported: "
                               "the action of tcpflowkiller is report\n"));
  EXPECT_EQ(explain(child.pid(), "monero: {enabled: false}\n"), 0);
  EXPECT_THAT(said_, HasSubstr("\nmonero: not enabled\n"));
}

TEST_F(ExplainPidTest, NothingOfTheProcessSteersTheTerminal) {
  const Child child({"\x1b]0;title\x07\x1b[2J", "a\nverdict: spared",
                     "\xc2\x9b"
                     "31m",
                     "\xe2\x80\xae"
                     "gpj",
                     "\xff", kBanned});
  std::ofstream("/proc/" + std::to_string(child.pid()) + "/comm") << "\x1b[31mred";
  EXPECT_EQ(explain(child.pid()), 10);
  EXPECT_TRUE(std::none_of(said_.begin(), said_.end(), [](char c) {
    return c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f);
  })) << said_;
  for (const char* raw : {"\xc2\x9b", "\xe2\x80\xae", "\xff", "\nverdict: spared"})
    EXPECT_THAT(said_, Not(HasSubstr(raw)));
  EXPECT_THAT(said_, HasSubstr(R"('\x1b]0;title\x07\x1b[2J' 'a\x0averdict: spared' '\x9b31m')"));
  EXPECT_THAT(said_, HasSubstr(R"('\u202egpj')"));
}

TEST_F(ExplainPidTest, WhoIsGoneIsNoProcess) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(explain(pid), 1) << "ended, not waited for: " << said_;
  waitpid(pid, nullptr, 0);
  EXPECT_EQ(explain(pid), 1) << said_;
  EXPECT_EQ(said_, "explain: no process " + std::to_string(pid) + "\n");
}

TEST_F(ExplainPidTest, WrongPidsAndConfigurations) {
  EXPECT_EQ(explain(0), 2);
  EXPECT_EQ(explain(-1), 2);
  EXPECT_EQ(explain(getpid(), "nonsense: 1\n"), 3);
  EXPECT_EQ(explain(getpid(), "scope: {cgroups: [/proc]}\n"), 3);
  std::thread([this] {
    EXPECT_EQ(explain(gettid()), 2);
    EXPECT_THAT(said_, HasSubstr("is a thread of the process " + std::to_string(getpid())));
  }).join();
}

TEST_F(ExplainPidTest, WhatMayNotBeReadIsNotGuessed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user than root";
  const Child child({kBanned});
  const pid_t pid = fork();
  if (pid == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(100);
    _exit(explain(child.pid()));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 5);
}

}  // namespace
}  // namespace cryptnono::commands
