#include "commands/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "container/scope.h"

namespace cryptnono::commands {

namespace {

constexpr int kReadyTimeoutMs =
    60'000;  // an emulated machine with Linux 5.10 needed more than 20 s

}  // namespace

Result<Sandbox> Sandbox::create() {
  const std::string mount_point = container::cgroup2_mount_point();
  if (mount_point.empty()) return fail("the demonstration needs cgroup v2", ExitCode::kUnsupported);
  Sandbox self;
  const std::string path = mount_point + "/cryptnono-demo-" + std::to_string(getpid());
  if (mkdir(path.c_str(), 0755) != 0) return fail_errno("cannot make the cgroup " + path, errno);
  self.path_ = path;
  return self;
}

Sandbox::~Sandbox() {
  if (path_.empty()) return;
  std::ofstream(path_ + "/cgroup.kill") << 1;
  for (int i = 0; i < 100 && rmdir(path_.c_str()) != 0 && errno == EBUSY; ++i) usleep(10'000);
}

Result<WorkDirectory> WorkDirectory::create() {
  std::string path = "/tmp/cryptnono-demo-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return fail_errno("mkdtemp", errno);
  return WorkDirectory(std::move(path));
}

WorkDirectory::~WorkDirectory() {
  if (path_.empty()) return;
  unlink(victim().c_str());
  unlink(config().c_str());
  rmdir(path_.c_str());
}

Child::~Child() {
  if (pid_ > 0) kill(pid_, SIGKILL);
  wait();
}

int Child::wait() {
  int status = 0;
  if (pid_ > 0) waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

Pipe::Pipe() {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) == 0) {
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
}

void join_or_exit(const std::string& cgroup) {
  const int fd = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) _exit(126);
}

Result<Child> start_daemon(const std::string& scope, const std::string& config) {
  Pipe out;
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out.write.get(), STDOUT_FILENO);
    execl("/proc/self/exe", "cryptnono", "run", "-c", config.c_str(), "--scope", scope.c_str(),
          "--control-socket", "", "--reveal", nullptr);
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

std::string drain(Fd& fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

std::size_t count_lines(const std::string& text, const std::string& one, const std::string& other) {
  std::istringstream lines(text);
  std::size_t n = 0;
  for (std::string line; std::getline(lines, line);)
    n += line.find(one) != std::string::npos && line.find(other) != std::string::npos ? 1U : 0U;
  return n;
}

}  // namespace cryptnono::commands
