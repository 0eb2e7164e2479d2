#include "commands/demo.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "commands/victim.h"
#include "container/scope.h"

namespace cryptnono::commands {

namespace {

constexpr int kReadyTimeoutMs = 20'000;
constexpr int kVictimTimeoutMs = 10'000;
constexpr int kActFd = 3;  // where the victim writes when it runs

// The embedded default's test string, and a pattern that allows one command.
constexpr std::string_view kConfig =
    "bannedCommandStrings: [cryptnono.banned.string1]\n"
    "allowedCommandPatterns: ['.* --allowed cryptnono']\n";
constexpr std::string_view kBanned = "cryptnono.banned.string1";

// A cgroup that is emptied and removed at the end.
class Sandbox {
 public:
  static Result<Sandbox> create() {
    const std::string mount_point = container::cgroup2_mount_point();
    if (mount_point.empty())
      return fail("the demonstration needs cgroup v2", ExitCode::kUnsupported);
    Sandbox self;
    self.path_ = mount_point + "/cryptnono-demo-" + std::to_string(getpid());
    if (mkdir(self.path_.c_str(), 0755) != 0)
      return fail_errno("cannot make the cgroup " + self.path_, errno);
    return self;
  }
  Sandbox(Sandbox&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Sandbox& operator=(Sandbox&&) = delete;
  ~Sandbox() {
    if (path_.empty()) return;
    std::ofstream(path_ + "/cgroup.kill") << 1;
    for (int i = 0; i < 100 && rmdir(path_.c_str()) != 0 && errno == EBUSY; ++i) usleep(10'000);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Sandbox() = default;
  std::string path_;
};

// A child of this process, killed and reaped at the end if it still runs.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    if (pid_ > 0) waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  Fd& output() { return output_; }

 private:
  pid_t pid_;
  Fd output_;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) == 0) {
      read.reset(ends[0]);
      write.reset(ends[1]);
    }
  }
  Fd read, write;
};

// Starts the daemon and waits until it says that it is ready.
Result<Child> start_daemon(const std::string& scope, const std::string& config) {
  Pipe out;
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out.write.get(), STDOUT_FILENO);
    execl("/proc/self/exe", "cryptnono", "run", "-c", config.c_str(), "--scope", scope.c_str(),
          nullptr);
    _exit(127);
  }
  Child daemon(pid);
  daemon.output() = std::move(out.read);
  out.write.reset();
  std::string text;
  std::array<char, 4096> buffer{};
  const std::uint64_t deadline = monotonic_ns() + std::uint64_t{kReadyTimeoutMs} * 1'000'000;
  while (monotonic_ns() < deadline) {
    pollfd waited{.fd = daemon.output().get(), .events = POLLIN, .revents = 0};
    if (poll(&waited, 1, 100) <= 0) continue;
    const ssize_t n = read(daemon.output().get(), buffer.data(), buffer.size());
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.find("\"action\": \"ready\"") != std::string::npos) return daemon;
  }
  return fail("the daemon did not start");
}

struct Case {
  std::string name;
  std::vector<std::string> argv;
  bool must_die = true;
  bool memfd = false;
};

struct Observation {
  bool died = false;   // by SIGKILL
  bool acted = false;  // an instruction of the victim ran
  double microseconds = 0;
};

Result<Fd> victim_file() {
  Fd fd(static_cast<int>(memfd_create("victim", MFD_CLOEXEC)));
  const auto size = static_cast<std::size_t>(cryptnono_victim_end - cryptnono_victim_begin);
  if (!fd || write(fd.get(), cryptnono_victim_begin, size) != static_cast<ssize_t>(size)) {
    return fail_errno("cannot make the victim", errno);
  }
  return fd;
}

// Writes the victim where it can be executed by path.
Result<void> write_victim(const std::string& path) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
  const auto size = static_cast<std::size_t>(cryptnono_victim_end - cryptnono_victim_begin);
  if (!fd || write(fd.get(), cryptnono_victim_begin, size) != static_cast<ssize_t>(size)) {
    return fail_errno("cannot write " + path, errno);
  }
  return {};
}

Result<Observation> run_case(const Case& test, const std::string& victim,
                             const std::string& sandbox) {
  const Fd memfd = TRY(victim_file());
  Pipe act;
  std::vector<char*> argv;
  for (const std::string& argument : test.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::array<char*, 1> no_environment{nullptr};
  const std::string procs = sandbox + "/cgroup.procs";
  const std::uint64_t begin = monotonic_ns();
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    const int fd = open(procs.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) _exit(126);
    if (act.write.get() == kActFd) {
      fcntl(kActFd, F_SETFD, 0);
    } else {
      dup2(act.write.get(), kActFd);
    }
    if (test.memfd) {
      syscall(SYS_execveat, memfd.get(), "", argv.data(), no_environment.data(), AT_EMPTY_PATH);
    } else {
      execve(victim.c_str(), argv.data(), no_environment.data());
    }
    _exit(127);
  }
  Child child(pid);
  act.write.reset();
  pollfd waited{.fd = act.read.get(), .events = POLLIN, .revents = 0};
  poll(&waited, 1, kVictimTimeoutMs);
  Observation seen;
  char byte = 0;
  seen.acted = read(act.read.get(), &byte, 1) == 1;
  const int status = child.wait();
  seen.microseconds = static_cast<double>(monotonic_ns() - begin) / 1e3;
  seen.died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (!seen.died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
    return fail("the victim could not be run (status " + std::to_string(status) + ")");
  }
  return seen;
}

std::vector<Case> cases() {
  const std::string banned(kBanned);
  return {
      {"an argument", {"victim", banned}},
      {"argv[0] alone", {banned}},
      {"behind 100 KB of arguments", {"victim", std::string(100'000, 'x'), banned}},
      {"execveat of a memfd", {"victim", banned}, true, true},
      {"upper case", {"victim", "CryptNono.BANNED.String1"}},
      {"with a decoy: B xB", {"victim", banned, "x" + banned}},
      {"glued: xB", {"victim", "x" + banned}, false},
      {"glued: B_x", {"victim", banned + "_x"}, false},
      {"allowed by a pattern", {"victim", "--allowed", banned}, false},
  };
}

std::string drain(Fd& fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

std::size_t count(const std::string& text, const std::string& needle) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(needle, at)) != std::string::npos; at += needle.size())
    ++n;
  return n;
}

// A directory for the victim and the configuration, removed at the end.
class WorkDirectory {
 public:
  static Result<WorkDirectory> create() {
    std::string path = "/tmp/cryptnono-demo-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return fail_errno("mkdtemp", errno);
    return WorkDirectory(std::move(path));
  }
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  ~WorkDirectory() {
    if (path_.empty()) return;
    unlink(victim().c_str());
    unlink(config().c_str());
    rmdir(path_.c_str());
  }
  [[nodiscard]] std::string victim() const { return path_ + "/victim"; }
  [[nodiscard]] std::string config() const { return path_ + "/demo.yaml"; }

 private:
  explicit WorkDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<bool> demonstrate(std::ostream& out) {
  const WorkDirectory work = TRY(WorkDirectory::create());
  const Sandbox sandbox = TRY(Sandbox::create());
  TRY(write_victim(work.victim()));
  std::ofstream(work.config()) << kConfig;
  Child daemon = TRY(start_daemon(sandbox.path(), work.config()));
  out << "daemon ready, scope " << sandbox.path() << "; B is " << kBanned << "\n\n"
      << fmt::format("{:<28} {:<9} {:<9} {:<22} {:>9}\n", "command line", "must", "did",
                     "first instruction", "us");
  bool all_held = true;
  std::size_t must_die = 0;
  for (const Case& test : cases()) {
    const Observation seen = TRY(run_case(test, work.victim(), sandbox.path()));
    const bool held = seen.died == test.must_die && seen.acted != test.must_die;
    all_held = all_held && held;
    must_die += test.must_die ? 1U : 0U;
    out << fmt::format("{:<28} {:<9} {:<9} {:<22} {:>9.0f}{}\n", test.name,
                       test.must_die ? "die" : "live", seen.died ? "died" : "lived",
                       seen.acted ? "ran" : "never ran", seen.microseconds,
                       held ? "" : "   <-- WRONG");
  }
  kill(daemon.pid(), SIGTERM);
  const std::string log = drain(daemon.output());
  const int status = daemon.wait();
  const std::size_t killed = count(log, "\"action\": \"killed\"");
  const std::size_t spared = count(log, "\"action\": \"spared\"");
  out << fmt::format("\nlogged: {} killed, {} spared by a pattern\n", killed, spared);
  return all_held && killed == must_die && spared == 1 && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

}  // namespace

int run_demo(std::ostream& out) {
  const Result<bool> held = demonstrate(out);
  if (!held) {
    out << held.error().message << '\n';
    return static_cast<int>(held.error().code);
  }
  out << (*held ? "all held\n" : "NOT all held\n");
  return static_cast<int>(*held ? ExitCode::kOk : ExitCode::kFailure);
}

}  // namespace cryptnono::commands
