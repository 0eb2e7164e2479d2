#include "proc/proc_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace cryptnono::proc {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

// A tree that looks like /proc.
class FakeProc : public testing::Test {
 protected:
  FakeProc() {
    std::string name = testing::TempDir() + "cryptnono-proc-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~FakeProc() override { std::filesystem::remove_all(root_); }

  void write(const std::string& pid, const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(root_ / pid);
    std::ofstream(root_ / pid / file, std::ios::binary) << text;
  }
  void write_stat(const std::string& pid, int ppid) const {
    write(pid, "stat",
          pid + " (x) S " + std::to_string(ppid) + " 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 1\n");
  }

  std::filesystem::path root_;
};

TEST_F(FakeProc, lists_only_what_is_a_pid) {
  for (const char* name :
       {"1", "4194304", "0", "-3", "12x", "x12", "self", "sys", "99999999999999999999"}) {
    std::filesystem::create_directory(root_ / name);
  }
  EXPECT_THAT(ProcReader(root_).pids(), UnorderedElementsAre(1, 4194304));
}

TEST_F(FakeProc, reads_a_command_line_of_any_length_into_a_reused_buffer) {
  const ProcReader reader(root_);
  std::string buffer;
  // Around the sizes at which a read fills the buffer, first growing, then shrinking.
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 16384, 65536, 2 << 20, 4096, 3, 0}) {
    std::string wanted(size, 'a');
    for (std::size_t i = 0; i < size; i += 7) wanted[i] = '\0';
    write("7", "cmdline", wanted);
    ASSERT_TRUE(reader.read_cmdline(7, buffer));
    EXPECT_TRUE(buffer == wanted) << size;
  }
  EXPECT_FALSE(reader.read_cmdline(8, buffer));
}

TEST_F(FakeProc, goes_up_to_the_first_process_or_as_far_as_it_gets) {
  write_stat("30", 20);
  write_stat("20", 1);
  write_stat("1", 0);
  EXPECT_THAT(ProcReader(root_).with_ancestors(30), ElementsAre(30, 20, 1));
  write_stat("20", 15);  // which has ended in the meantime
  EXPECT_THAT(ProcReader(root_).with_ancestors(30), ElementsAre(30, 20, 15));
}

TEST_F(FakeProc, reads_the_real_user_and_is_not_fooled_by_a_name) {
  write("7", "status",
        "Name:\tx\\nUid:\t0\nUmask:\t0022\nState:\tS "
        "(sleeping)\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n");
  const ProcReader reader(root_);
  EXPECT_EQ(reader.read_uid(7), 1000U);
  write("8", "status", "Name:\tx\n");
  EXPECT_FALSE(reader.read_uid(8));
  EXPECT_FALSE(reader.read_uid(9));
}

TEST_F(FakeProc, says_nothing_of_what_is_not_there) {
  const ProcReader reader(root_);
  EXPECT_FALSE(reader.read_stat(7));
  EXPECT_EQ(reader.read_cgroup(7), "");
  EXPECT_EQ(reader.read_exe(7), "");
  EXPECT_TRUE(ProcReader("/nonexistent/proc").pids().empty());
}

// A child that runs `body` and then sleeps until it is killed.
class Child {
 public:
  template <typename Body>
  explicit Child(Body body) {
    std::array<int, 2> ready{};
    EXPECT_EQ(pipe(ready.data()), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      close(ready[0]);
      close(ready[1]);
      for (;;) pause();
    }
    close(ready[1]);
    char none = 0;
    EXPECT_EQ(read(ready[0], &none, 1), 0);  // until the child has closed its end
    close(ready[0]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

TEST(RealProc, reads_the_stat_of_a_process_with_a_hostile_name) {
  const Child child([] { prctl(PR_SET_NAME, "x) S 1\n(1 2"); });
  const auto stat = ProcReader().read_stat(child.pid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "x) S 1\n(1 2");
  EXPECT_EQ(stat->ppid, getpid());
  EXPECT_GT(stat->start_ticks, 0U);
}

TEST(RealProc, reads_a_command_line_as_long_as_the_kernel_allows) {
  // One argument may have 128 KiB, all together 2 MiB with the usual stack limit of 8 MiB.
  rlimit stack{};
  getrlimit(RLIMIT_STACK, &stack);
  if (stack.rlim_cur < 8 << 20)
    GTEST_SKIP() << "the stack limit is too low for a long command line";
  std::vector<std::string> arguments = {"/bin/sh", "-c", "kill -STOP $$"};
  for (int i = 0; i < 14; ++i) arguments.emplace_back(130'000, 's');
  arguments.back().back() = 'E';
  std::string wanted;
  std::vector<char*> argv;
  for (std::string& argument : arguments) {
    wanted += argument + '\0';
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, WUNTRACED);
  std::string got;
  if (WIFSTOPPED(status)) {
    EXPECT_TRUE(ProcReader().read_cmdline(pid, got));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  EXPECT_GT(got.size(), 1'800'000U);
  EXPECT_TRUE(got == wanted);
}

TEST(RealProc, a_zombie_has_a_stat_and_an_empty_command_line) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  const ProcReader reader;
  std::string cmdline = "left over";
  EXPECT_TRUE(reader.read_cmdline(pid, cmdline));
  EXPECT_EQ(cmdline, "");
  const auto stat = reader.read_stat(pid);
  waitpid(pid, nullptr, 0);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'Z');
}

// The periodic scan may cost 0.1 % of a core for 2,000 processes every 10 s: 5 us each. The figure
// is printed; the bound is wide, because test machines are slow and busy, and debug builds are no
// measure.
TEST(RealProc, scans_fast_enough) {
  constexpr std::size_t kChildren = 300;
  std::vector<std::unique_ptr<Child>> children;
  while (children.size() < kChildren) children.push_back(std::make_unique<Child>([] {}));
  const ProcReader reader;
  std::string buffer;
  double best_us = 1e9;
  for (int round = 0; round < 10; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<pid_t> pids = reader.pids();
    std::size_t bytes = 0;
    for (const pid_t pid : pids) {
      if (reader.read_cmdline(pid, buffer)) bytes += buffer.size();
    }
    const std::chrono::duration<double, std::micro> spent =
        std::chrono::steady_clock::now() - start;
    ASSERT_GE(pids.size(), kChildren);
    ASSERT_GT(bytes, kChildren);
    best_us = std::min(best_us, spent.count() / static_cast<double>(pids.size()));
  }
  std::printf("list and read_cmdline: %.2f us per process\n", best_us);
  RecordProperty("scan_us_per_process", std::to_string(best_us));
  EXPECT_LT(best_us, 100);
}

}  // namespace
}  // namespace cryptnono::proc
