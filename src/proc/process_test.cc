#include "proc/process.h"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "proc/proc_reader.h"

namespace cryptnono::proc {
namespace {

// A child of the test that sleeps until it is killed; reaped at the end.
class Child {
 public:
  explicit Child(pid_t wanted = 0) {
    if (wanted != 0) {
      clone_args arguments{};
      arguments.exit_signal = SIGCHLD;
      arguments.set_tid = reinterpret_cast<std::uint64_t>(&wanted);
      arguments.set_tid_size = 1;
      pid_ = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    } else {
      pid_ = fork();
    }
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end(); }
  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

TEST(ParseStat, copes_with_any_name) {
  const auto stat =
      parse_stat("12 (a) b (c\n) R 7 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 98765 1 1");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "a) b (c\n");
  EXPECT_EQ(stat->state, 'R');
  EXPECT_EQ(stat->ppid, 7);
  EXPECT_EQ(stat->flags, 4194304U);
  EXPECT_EQ(stat->start_ticks, 98765U);
  EXPECT_FALSE(parse_stat("12 (a R 7"));
  EXPECT_FALSE(parse_stat("12 (a) R 7 1"));
}

TEST(ProcessHandle, kills_the_process_that_was_meant) {
  const Child child;
  const auto stat = ProcReader().read_stat(child.pid());
  ASSERT_TRUE(stat);
  auto handle = ProcessHandle::open(child.pid(), stat->start_ticks);
  ASSERT_TRUE(handle.has_value());
  EXPECT_FALSE(handle->wait_end(0));
  EXPECT_TRUE(handle->signal(SIGKILL));
  EXPECT_TRUE(handle->wait_end(5000));
}

TEST(ProcessHandle, knows_that_a_process_is_gone) {
  Child child;
  const pid_t pid = child.pid();
  child.end();
  const auto handle = ProcessHandle::open(pid, 1);
  ASSERT_FALSE(handle.has_value());
  EXPECT_EQ(handle.error(), OpenError::kGone);
}

// A really reused pid: the kernel lets root choose the pid of a child.
TEST(ProcessHandle, E24_does_not_take_a_reused_pid_for_the_process) {
  Child first;
  const pid_t pid = first.pid();
  const auto before = ProcReader().read_stat(pid);
  ASSERT_TRUE(before);
  first.end();
  usleep(50'000);  // another clock tick, so that the start times differ
  const Child second(pid);
  if (second.pid() != pid) GTEST_SKIP() << "may not choose a pid (needs CAP_CHECKPOINT_RESTORE)";
  const auto handle = ProcessHandle::open(pid, before->start_ticks);
  ASSERT_FALSE(handle.has_value());
  EXPECT_EQ(handle.error(), OpenError::kOtherProcess);
}

TEST(ProcReader, reads_what_is_true_of_this_process) {
  const ProcReader reader;
  const auto stat = reader.read_stat(getpid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->ppid, getppid());
  EXPECT_EQ(reader.read_uid(getpid()), getuid());
  EXPECT_NE(reader.read_exe(getpid()).find("proc_test"), std::string::npos);
  std::string cmdline;
  ASSERT_TRUE(reader.read_cmdline(getpid(), cmdline));
  EXPECT_NE(cmdline.find("proc_test"), std::string::npos);
  const auto pids = reader.pids();
  EXPECT_NE(std::find(pids.begin(), pids.end(), getpid()), pids.end());
  EXPECT_EQ(reader.with_ancestors(getpid()).at(1), getppid());
  EXPECT_FALSE(reader.read_stat(0x3fffffff));
}

}  // namespace
}  // namespace cryptnono::proc
